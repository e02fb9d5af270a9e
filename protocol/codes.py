"""The codes of ``protocol``: one constant per reason to refuse, in the order of SPEC.md.

A code is never renamed or reused. tests/tidy holds that each is raised somewhere and stands in SPEC.md's table.
"""

from protocol.errors import Actor, Code

# encoding and names (SPEC.md section 3.1, 2)
CBOR_FORM = Code("CBOR-FORM", "5", "these bytes are not deterministic CBOR of our profile", Actor.PEER, "encode them as SPEC.md section 3.1 says")
NAME_NETWORK = Code("NAME-NETWORK", "names", "this is not a network's DNS name", Actor.CALLER, "use lower-case letters, digits, hyphens and dots, as example.org")
NAME_AUTHORITY = Code("NAME-AUTHORITY", "names", "this is not an authority's name", Actor.CALLER, "use 1 to 64 of a-z, 0-9, dot and hyphen, as xa-ca")
NAME_OFFICE = Code("NAME-OFFICE", "names", "this is not an office's name", Actor.CALLER, "write authority/office, as xa-ca/247")
NAME_ORIGIN = Code("NAME-ORIGIN", "names", "this is not the origin of a log", Actor.PEER, "write network/authority/log/n, at most 200 bytes")
