"""What comes in: a peer's pouch through the numbered checks of protocol/arrival, into one transaction, answered.

    inbox         the checks and what they store; seen: what was judged before
    urgentquota   how many urgent ones a peer may send; quarantine: items that break the code that reads them
"""
