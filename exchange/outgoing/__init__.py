"""What goes out: sealed, queued, offered in pouches until a logged receipt or the deadline, and what the answers settle.

    sealing      a letter and its files to ciphertext; readahead: its blocks, made by a thread
    outbox       submitted in one transaction, claimed in pouches; due, wraps: what is due, wrapped for the peer's prekeys
    answers      the peer's answer taken: receipts, refusals, wants, *later*; receipts: checked and linked
    retries      when to try again; deadlines, deadletters: warnings, `undelivered`, and what a human decides
"""
