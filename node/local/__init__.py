"""The local API: what systems of the house, the desk and the command line ask of the node. Never on the peers' port."""
