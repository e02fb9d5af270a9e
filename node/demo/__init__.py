"""`rogatory demo`: three authorities on one machine, real requests between them, and every proof verified.

    demo   the scenes; stage: three real nodes; content: what they send; picture: what is seen of it
"""
