"""What must not be lost, and how it is exchanged. All state is in one store, changed by one writer, in one transaction with its log entry.

    log, storedlog, store, writer   the log and its one writer; rows, subtrees: how they are kept
    guard, reconcile, ahead         that no history is signed twice, and which data is the newest
    exchange                        the rooms put together: outgoing, incoming, evidence, peering
    casework, export                what people and systems do with messages, and what leaves for others to verify
    auditor, inspection, backup     verified by strangers; by ourselves; kept for the day of need
"""
