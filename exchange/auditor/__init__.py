"""Offline verification: from a trust root and a folder of files to one verdict per numbered check, with nobody asked.

    report        what an examination found: checks, verdicts, exit codes
    folder        reads files that a stranger prepared
    examination   a bundle: one message with its proofs
    single        one proof file under a policy
    logfolder     a whole log as tiles

Imports ``protocol`` and ``keys`` only: it shares no code with the writer of the log that it checks. (docs/auditing.md)
"""
