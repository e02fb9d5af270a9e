"""What other authorities call: one port with mutual TLS, where every caller is bounded before it is believed.

    peerlistener   the port; doorstep: before the handshake; gate: rates and places of each peer and lane
    peerserver     who calls, by its key; pouchserver, partserver, witnessserver: pouches, parts, heads
    collectserver  a peer without an address fetches what waits for it
"""
