"""Every limit of the protocol on one screen. Sizes in bytes, times in milliseconds unless the name says otherwise.

A limit is part of the protocol: two nodes that disagree about one refuse each other's messages.
"""

from typing import Final

KiB: Final = 1024
MiB: Final = 1024 * KiB
GiB: Final = 1024 * MiB
SECOND: Final = 1000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

# encoding (cbor.py)
CBOR_DEPTH: Final = 8
CBOR_ITEMS: Final = 4096
CBOR_KEY: Final = 24  # map keys are 0..23: one byte each

# names (names.py)
AUTHORITY_NAME: Final = 64
ORIGIN: Final = 200  # a C2SP cosigned message has one length byte; 200 leaves room for suffixes

# log (entries.py, note.py, proof.py, policy.py)
ENTRY: Final = 512  # entry bundles could carry 65,535
NOTE: Final = 128 * KiB
NOTE_SIGNATURES: Final = 64  # C2SP: at least 16 must be accepted
PROOF_LINES: Final = 63  # a path in a tree of 2^63 leaves
POLICY: Final = 256 * KiB  # an ML-DSA-44 verifier key has 1.8 KiB
POLICY_LINES: Final = 64  # logs, witnesses and groups, of each; C2SP: at least 32
CONFIRMED_HEADS: Final = 64  # kept per origin: two lanes and lost answers overtake each other

# envelope (envelope.py)
ENVELOPE: Final = 64 * KiB  # E itself
RECIPIENTS: Final = 32
PARTS: Final = 512
BODY: Final = 1 * MiB  # part 0, plaintext
PART: Final = 32 * GiB  # one part, plaintext
MESSAGE: Final = 128 * GiB  # all parts
URGENT_MESSAGE: Final = 256 * KiB  # an urgent message is its body: it rings first, attachments follow in a linked message
TTL: Final = 30 * DAY  # expires - created
SKEW: Final = 300 * SECOND  # a created this far ahead of our clock is still taken

# evidence on its way in (exchange/evidence/partsin.py, exchange/evidence/spool.py)
UPLOADS_PEER: Final = 8  # at once, of one peer
UPLOADS: Final = 64  # at once, of all
PAUSED: Final = 10 * MINUTE  # the check of an upload that was cut is kept so long
SPOOL_PEER: Final = 64 * GiB  # parts that one peer has begun and not finished, by their whole length
SPOOL_SHARE: Final = 10  # and together with that no more than this part of a disk: a tenth
PENDING_PEER: Final = 512  # messages of one peer whose parts are missing
PENDING_PARTS: Final = 8192  # parts that they want, in all
PARTIAL_GRACE: Final = 3 * DAY  # past the message's end: then what is missing comes no more

# pouch (pouch.py)
POUCH: Final = 8 * MiB
POUCH_ITEMS: Final = 256
POUCH_HEAD: Final = 64 * KiB  # larger heads go through add-checkpoint first
WRAP_TRIES: Final = 3  # per envelope; then it is refused
REFUSALS_PER_DAY: Final = 100  # logged, per peer; then 429

# collect (collect.py)
COLLECT_HEAD: Final = 1 * KiB
COLLECT_WAIT: Final = 25  # seconds that a call waits for a pouch
COLLECT_LATER: Final = 3600  # seconds that a refusal may ask for

# lanes: what one peer gets of a node (docs/lanes.md)
URGENT_PER_HOUR: Final = 60  # new urgent messages, as many at once; an operator may set another number
ROUTINE_RATE: Final = 512 * KiB  # bytes of pouches a second, whatever others do; beyond it: what nobody else wants
ROUTINE_BURST: Final = 16 * MiB
URGENT_RATE: Final = 128 * KiB
URGENT_BURST: Final = 8 * MiB
POUCH_COST: Final = 4 * KiB  # what a pouch counts beside its bytes
WORKING: Final = 4  # pouches judged at a time, per lane
WORKING_PER_PEER: Final = 2  # of one peer
POUCHES_PER_PEER: Final = 4  # of one peer, being read, waiting or judged; another is answered 429
BODIES: Final = 128 * MiB  # of all pouches being read, waiting or judged, per lane
HANDSHAKES_RATE: Final = 20  # a second, from one IP address
HANDSHAKES_BURST: Final = 100
HANDSHAKES_PER_ADDRESS: Final = 16  # at once
HANDSHAKES: Final = 64  # at once, of all
CONNECTIONS: Final = 2048  # of all
QUESTIONS_RATE: Final = 100  # a second and peer: prekeys, heads, files of the directory
QUESTIONS_BURST: Final = 1000
RESERVE_TIMES: Final = 8  # a peer beyond its rate leaves so many times the disk's reserve free

BAD_ANSWERS: Final = 5  # *bad* about one envelope and recipient; then it is held, and a human decides
FAULTS: Final = 3  # of ours while judging one item; then it is set aside
ODDITIES_PER_PEER: Final = 16  # kept of what could not be read or judged
ODDITY: Final = 64 * KiB

# prekeys
PREKEY_SET: Final = 8  # keys in one published set; 40 bytes each in an entry of 512
PREKEY_LIFE: Final = 1 * DAY
PREKEY_AHEAD: Final = 2  # published ahead
PREKEY_GRACE: Final = 1 * DAY  # secret destroyed this long after its end

# directory
DIRECTORY: Final = 2 * MiB
DIRECTORY_MEMBERS: Final = 4096
DIRECTORY_ENTRY: Final = 64 * KiB
DIRECTORY_GRACE: Final = 7 * DAY  # an expired directory keeps known peers working, under alarm

# forms (protocol/forms/tree.py)
FORM_DEPTH: Final = 16
FORM_VALUES: Final = 65_536  # texts, numbers, arrays and objects of one form: 511 items with their custody need half of it
