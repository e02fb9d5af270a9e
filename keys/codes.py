"""The codes of ``keys``: one constant per reason to refuse a key, a key file or a signature's key.

A code is never renamed or reused. tests/tidy holds that each is raised somewhere and stands in SPEC.md's table.
"""

from protocol.errors import Actor, Code

# keys of others (SPEC.md section 6)
KEY_WEAK = Code("KEY-WEAK", "enrolment", "this public key is malformed, of low or mixed order, or not reduced", Actor.PEER, "make a new key pair and publish its public half")
