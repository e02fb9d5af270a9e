"""Who is in the network: TUF metadata signed by a threshold offline, by keepers online, and by each authority for itself.

view      what the rest of the program reads
trust     a node's verified copy: load, update, refuse
mirror    which files a node serves to others
found     founding and keeping a network
exercise  a whole exercise network in one call
"""
