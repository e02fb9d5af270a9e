"""What is carried to other authorities: couriers of each peer and lane, over connections of their own.

    couriers, courier   pouches of one peer, urgent and routine; breaker: how long a lane waits after failures
    evidencecourier     parts that were wanted; sending: how far each is
    peerclient          every call to a peer; peerconnector: whom we may dial; mailbox: where a peer without an address fetches instead
    network             the directory and its mirrors, kept up to date; mirrorclient: its files from a peer
"""
