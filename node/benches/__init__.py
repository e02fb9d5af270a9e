"""`rogatory bench`: what this machine does with the product, everything on, one module per bench.

    command       the group; a new bench adds its line there
    pair          two real nodes in processes of their own, and the function that drives one of them
    load          keeps a number of messages in flight inside the sender's process, and counts receipts
    probe         single messages with a stopwatch
    flood         a third authority that floods one of the two
    sample        CPU time and resident memory of processes
    independent   programs of bench/ that share no line with the product, run beside it

Each bench prints one JSON object as its last line; figures of one run are comparable with each other, not with those of
another hour on a shared machine. (docs/performance.md)
"""
