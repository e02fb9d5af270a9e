"""What leaves for an auditor or a court: bundles of one message, whole logs, and what they say of themselves.

    export      one message or a log; bundle: the files of a message, made and checked
    holdings    what we can prove of a message, and its grade; logexport, tilefolder: the log as tiles; readme: the words beside the files
"""
