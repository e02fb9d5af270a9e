"""Parts of messages, up to 32 GiB each: files of ciphertext that grow, are checked while they flow, and are bounded for each peer.

    spoolfile   one file that grows or is read, without filling the page cache; partfiles: where they lie
    partsin     the wanted parts of pending messages; paused: checks of uploads that were cut; spool: the bounds
"""
