"""The codes of the directory: one constant per reason to refuse metadata, an entry or a change (SPEC.md section 6).

Whatever is refused here, the directory that was in force before stays in force.
"""

from protocol.errors import Actor, Code

_FOUNDERS = Actor.FOUNDERS
_PEER = Actor.PEER
_OPERATOR = Actor.OPERATOR
_CALLER = Actor.CALLER


def _code(code: str, says: str, actor: Actor, todo: str) -> Code:
    return Code(code, "directory", says, actor, todo)


_AGAIN = "fetch from another peer; if all show the same, tell the founders"
_CEREMONY = "sign the file again as docs/directory.md says, with the keys of both thresholds"
_ENTRY = "correct the entry and publish it again"

# looking things up
DIRECTORY_UNKNOWN_AUTHORITY = _code(
    "DIRECTORY-UNKNOWN-AUTHORITY", "the directory has no such authority", _CALLER, "check the name with rogatory directory show"
)
DIRECTORY_UNKNOWN_OFFICE = _code(
    "DIRECTORY-UNKNOWN-OFFICE", "that authority has no such office", _CALLER, "check the name with rogatory directory show"
)
DIRECTORY_UNKNOWN_LOG = _code(
    "DIRECTORY-UNKNOWN-LOG", "the directory has no such log", _PEER, "publish the log in the directory first"
)
DIRECTORY_NO_LOG = _code("DIRECTORY-NO-LOG", "this authority has no log in force", _PEER, "bring the standby log into force")

# the local copy
DIRECTORY_NOT_ANCHORED = _code(
    "DIRECTORY-NOT-ANCHORED",
    "this folder has no trust root",
    _OPERATOR,
    "give the network's trust root file, received by a safe way",
)
DIRECTORY_EMPTY = _code(
    "DIRECTORY-EMPTY",
    "no directory has been fetched yet",
    _OPERATOR,
    "run rogatory directory update, or wait for the first peer",
)
DIRECTORY_ANCHOR_OTHER = _code(
    "DIRECTORY-ANCHOR-OTHER", "this folder is anchored in another network", _OPERATOR, "use a new folder for another network"
)
DIRECTORY_DAMAGED = _code(
    "DIRECTORY-DAMAGED",
    "a file of the local directory is missing or altered",
    _OPERATOR,
    "restore the folder, or anchor a new one and update it",
)
DIRECTORY_UNREACHABLE = _code(
    "DIRECTORY-UNREACHABLE", "a file of the directory could not be fetched", Actor.NOBODY, "it is tried again at the next peer"
)
DIRECTORY_FILE_NAME = _code(
    "DIRECTORY-FILE-NAME", "this is not the name of a directory file", _CALLER, "ask only for names that the metadata gives"
)
DIRECTORY_KIND = _code(
    "DIRECTORY-KIND",
    "this network is of another kind than this node is set to",
    _OPERATOR,
    "use the trust root of the right network, or correct kind in the settings",
)

# metadata: form
DIRECTORY_FORM = _code("DIRECTORY-FORM", "this is not well-formed directory metadata", _PEER, _AGAIN)
DIRECTORY_FIELD = _code(
    "DIRECTORY-FIELD",
    "there is a field that this version does not know",
    _FOUNDERS,
    "sign metadata with the fields of SPEC.md only",
)
DIRECTORY_ROLE = _code(
    "DIRECTORY-ROLE", "there is a role that this version does not know", _FOUNDERS, "use the roles of SPEC.md only"
)
DIRECTORY_TOO_LARGE = _code("DIRECTORY-TOO-LARGE", "a directory file is larger than its limit", _PEER, _AGAIN)
DIRECTORY_TOO_SLOW = _code(
    "DIRECTORY-TOO-SLOW", "a directory file came slower than 1 KiB per second for 30 seconds", _PEER, "fetch from another peer"
)
DIRECTORY_VERSION_BEYOND = _code(
    "DIRECTORY-VERSION-BEYOND",
    "a version number is beyond the limit",
    _FOUNDERS,
    "replace the keepers' keys in a new root, which starts their versions anew",
)

# metadata: signatures
DIRECTORY_THRESHOLD = _code(
    "DIRECTORY-THRESHOLD", "fewer valid signatures by different keys than the threshold asks for", _PEER, _AGAIN
)
DIRECTORY_SIGNATURE_TWICE = _code("DIRECTORY-SIGNATURE-TWICE", "one key signed twice", _PEER, _AGAIN)
DIRECTORY_THRESHOLD_ZERO = _code("DIRECTORY-THRESHOLD-ZERO", "a threshold below one", _FOUNDERS, _CEREMONY)
DIRECTORY_THRESHOLD_UNREACHABLE = _code(
    "DIRECTORY-THRESHOLD-UNREACHABLE", "a threshold above the number of keys", _FOUNDERS, _CEREMONY
)
DIRECTORY_THRESHOLD_ONE_KIND = _code(
    "DIRECTORY-THRESHOLD-ONE-KIND", "a threshold that keys of one algorithm alone could reach", _FOUNDERS, _CEREMONY
)
DIRECTORY_KEY_TWICE = _code(
    "DIRECTORY-KEY-TWICE", "one key under two ids, or an id that is not its key's digest", _FOUNDERS, _CEREMONY
)
DIRECTORY_KEY_FORM = _code(
    "DIRECTORY-KEY-FORM",
    "a key that is not a sound Ed25519 or ML-DSA key of the expected kind",
    _FOUNDERS,
    "make a new key and publish it",
)
DIRECTORY_KEY_KNOWN = _code(
    "DIRECTORY-KEY-KNOWN",
    "a key whose secret half is public: from documents, test vectors or a trivial seed",
    _FOUNDERS,
    "make a new key and publish it",
)
DIRECTORY_ROOT_SKIPPED = _code("DIRECTORY-ROOT-SKIPPED", "a root that is not the next version of ours", _PEER, _AGAIN)
DIRECTORY_ROOT_NOT_BY_OLD = _code(
    "DIRECTORY-ROOT-NOT-BY-OLD", "a new root that the keys of the root before did not sign", _FOUNDERS, _CEREMONY
)
DIRECTORY_ROOT_NOT_BY_NEW = _code(
    "DIRECTORY-ROOT-NOT-BY-NEW", "a new root that its own keys did not sign", _FOUNDERS, _CEREMONY
)
DIRECTORY_ROOT_ROTATIONS = _code("DIRECTORY-ROOT-ROTATIONS", "more than 256 new roots in one update", _PEER, _AGAIN)
DIRECTORY_EDGE = _code(
    "DIRECTORY-EDGE",
    "an entry that is not signed under the delegation now in force for its name",
    _PEER,
    "sign the entry with the key that the founders admitted",
)

# metadata: versions and time
DIRECTORY_ROLLBACK = _code("DIRECTORY-ROLLBACK", "an older version than the one in force here", _PEER, _AGAIN)
DIRECTORY_SAME_VERSION = _code(
    "DIRECTORY-SAME-VERSION",
    "the same version with other content; both are kept as evidence",
    _FOUNDERS,
    "find out who signed both, and replace those keys",
)
DIRECTORY_FORK = _code(
    "DIRECTORY-FORK",
    "an authority signed two entries of one version; both are kept as evidence",
    _PEER,
    "find out who signed both, and replace that key",
)
DIRECTORY_EXPIRED = _code(
    "DIRECTORY-EXPIRED",
    "the metadata shown has expired: old metadata is shown, or the keepers do not sign",
    _PEER,
    "fetch from another peer; if all show the same, tell the keepers",
)
DIRECTORY_MIXED = _code("DIRECTORY-MIXED", "a file is not the one that the snapshot or timestamp names", _PEER, _AGAIN)

# the network
DIRECTORY_NETWORK_CHANGED = _code(
    "DIRECTORY-NETWORK-CHANGED",
    "a new root changes the network's name, kind or suite",
    _FOUNDERS,
    "found another network instead",
)
DIRECTORY_SUITE = _code(
    "DIRECTORY-SUITE", "this version does not know the network's suite", _OPERATOR, "install a version of rogatory that does"
)
DIRECTORY_RANGES = _code(
    "DIRECTORY-RANGES",
    "address ranges that a network of this kind may not allow",
    _FOUNDERS,
    "production allows none; others name CIDR ranges",
)
DIRECTORY_KEEPERS = _code(
    "DIRECTORY-KEEPERS",
    "too few keys for what they sign",
    _FOUNDERS,
    "name more holders, or a threshold they can reach; production needs two keepers",
)

# members and their entries
DIRECTORY_NAME = _code("DIRECTORY-NAME", "an entry under another name than its own, or not a name at all", _PEER, _ENTRY)
DIRECTORY_NAME_ALIKE = _code(
    "DIRECTORY-NAME-ALIKE",
    "two names that people cannot tell apart",
    _FOUNDERS,
    "admit the authority under a clearly different name",
)
DIRECTORY_NAME_TAKEN = _code(
    "DIRECTORY-NAME-TAKEN", "there is a member of this name already", _FOUNDERS, "admit the authority under another name"
)
DIRECTORY_MEMBERS = _code("DIRECTORY-MEMBERS", "more members than the limit", _FOUNDERS, "found a second network")
DIRECTORY_MEMBER_DROPPED = _code(
    "DIRECTORY-MEMBER-DROPPED",
    "a member is missing; members are revoked, never removed",
    _FOUNDERS,
    "put the member back and revoke it",
)
DIRECTORY_ENTRY_FORM = _code("DIRECTORY-ENTRY-FORM", "an authority's entry is not as SPEC.md says", _PEER, _ENTRY)
DIRECTORY_ENDPOINT = _code(
    "DIRECTORY-ENDPOINT", "an endpoint that is not https://host:port as this network allows", _PEER, _ENTRY
)
DIRECTORY_ENDPOINT_TWICE = _code(
    "DIRECTORY-ENDPOINT-TWICE",
    "two members claim one endpoint",
    _FOUNDERS,
    "find out whose it is; the other one publishes its own",
)
DIRECTORY_KEY_SHARED = _code(
    "DIRECTORY-KEY-SHARED",
    "one key in two places: two members, or two uses of one member",
    _FOUNDERS,
    "find out whose it is; the other one makes its own",
)
DIRECTORY_CERTIFICATE = _code(
    "DIRECTORY-CERTIFICATE", "a transport certificate that cannot be read or has another kind of key", _PEER, _ENTRY
)
DIRECTORY_WITNESSES = _code(
    "DIRECTORY-WITNESSES",
    "a log's witnesses or quorum are not possible",
    _PEER,
    "name members other than the log's own, and a quorum above half of them",
)
DIRECTORY_LOGS = _code(
    "DIRECTORY-LOGS",
    "a list of logs that is not possible",
    _PEER,
    "number them from 1 without gaps: closed ones, then the one in force, then standby; closing heads on closed ones only",
)
DIRECTORY_LOG_DROPPED = _code(
    "DIRECTORY-LOG-DROPPED",
    "a log that was listed is missing, changed, or went back to an earlier state",
    _PEER,
    "list every log as before; states only go from standby to in force to closed",
)
DIRECTORY_LOG_CUT = _code(
    "DIRECTORY-LOG-CUT",
    "a log is listed as closed below a head of it that was seen here: entries that its authority cannot disown alone",
    _PEER,
    "list the greatest head that was ever shown, or have the founders rule on the point",
)
DIRECTORY_LOG_SUCCESSION = _code(
    "DIRECTORY-LOG-SUCCESSION",
    "a log came into force that was not standby, nor named by the log before, nor ruled by the threshold",
    _PEER,
    "enrol it as standby first, or ask the founders for a ruling",
)
