"""What the authorities say to each other: bytes, entries, proofs, envelopes, forms. Pure: no I/O, no clock, no randomness."""
