"""Our log before its witnesses, and theirs before us; nothing here delays a message.

    reconciler   at the start: is this data the newest?
    visits       our head to all its witnesses; grading: receipts become witnessed and closed
    comparison   every hour: does everybody see the same log? announcing: the next log, shown to all
    witnesses    who they are
"""
