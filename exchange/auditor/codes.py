"""The codes of the auditor: what can be wrong with a bundle, a proof file or an exported log beyond what ``protocol`` refuses."""

from typing import Final

from protocol.errors import Actor, Code

_HOLDER: Final = Actor.HOLDER
_AGAIN: Final = "ask for the bundle again, from whoever exported it"

# what is not a refusal
PROVEN: Final = "PROVEN"
SKIPPED: Final = "CHECK-SKIPPED"
NOTHING: Final = "CHECK-NOTHING"
UNANCHORED: Final = "TRUST-NONE"
RECEIPT_PENDING: Final = "RECEIPT-PENDING"

# how it is called
AUDIT_FOLDER = Code("AUDIT-FOLDER", "usage", "there is no such folder or file to verify", Actor.CALLER, "name a folder written by `rogatory export`, or a proof file")
AUDIT_TRUST = Code("AUDIT-TRUST", "usage", "the trust root or policy cannot be read", Actor.CALLER, "name the root file of the network, or a policy, from a source you trust")

# files (check 1)
BUNDLE_READ = Code("BUNDLE-READ", "1", "a file cannot be read, or is not a plain file", _HOLDER, "copy the bundle again, without links and special files")
BUNDLE_NAME = Code("BUNDLE-NAME", "1", "a file has a name that no bundle has", _HOLDER, "take it out of the folder; a bundle holds only the files of docs/auditing.md")
BUNDLE_COUNT = Code("BUNDLE-COUNT", "1", "the folder holds more files than a bundle can", _HOLDER, _AGAIN)
BUNDLE_SIZE = Code("BUNDLE-SIZE", "1", "a file is larger than any of its kind can be", _HOLDER, _AGAIN)
BUNDLE_MANIFEST = Code("BUNDLE-MANIFEST", "1", "manifest.json is missing or not a manifest", _HOLDER, _AGAIN)
BUNDLE_MISSING = Code("BUNDLE-MISSING", "1", "a file of the bundle is missing", _HOLDER, _AGAIN)
BUNDLE_UNLISTED = Code("BUNDLE-UNLISTED", "1", "a file is not in the manifest", _HOLDER, "take it out of the folder, or ask for the bundle again")
BUNDLE_DIGEST = Code("BUNDLE-DIGEST", "1", "a file is not the one that the manifest names", _HOLDER, _AGAIN)

# trust (check 2), proofs (checks 4 to 11)
TRUST_ROOT = Code("TRUST-ROOT", "2", "the bundle's directory belongs to another network than the trust root", _HOLDER, "take the trust root of the network in which the message was sent")
PROOF_SPEAKER = Code("PROOF-SPEAKER", "4", "this proof is from the log of another authority", _HOLDER, "put the proof from the right authority's log in its place")
HEAD_DISPUTED = Code("HEAD-DISPUTED", "4", "this head contradicts the closing head that the directory lists", Actor.FOUNDERS, "compare both sides' bundles; a human decides")
RECEIPT_STRANGER = Code("RECEIPT-STRANGER", "7", "there is a receipt of an authority to which the envelope is not addressed", _HOLDER, "take it out; it belongs to another message")
RECEIPT_FIRST = Code("RECEIPT-FIRST", "7", "receipt.tlog-proof is not the receipt of the first recipient that gave one", _HOLDER, _AGAIN)
BRACKET_HEAD = Code("BRACKET-HEAD", "12", "this is no witnessed head of the same log from before the entry", _HOLDER, _AGAIN)
TIME_HEAD = Code("TIME-HEAD", "12", "an entry claims a later time than the head that holds it", Actor.PEER, "ask the authority of this log what its clock did")
BUNDLE_POLICY = Code("BUNDLE-POLICY", "13", "a policy file does not say what the directory says", _HOLDER, "use the directory's keys; this file would make other tools accept other proofs")

# disclosed parts (checks 14, 15)
DISCLOSED_FORM = Code("DISCLOSED-FORM", "14", "a disclosed part lacks its file, or the opening that belongs to it", _HOLDER, "disclose the part again: its plaintext, media type and opening")
DISCLOSED_BODY = Code("DISCLOSED-BODY", "15", "a disclosed attachment is not the one that the body describes", _HOLDER, "compare both sides' bundles; sealed and described were different things")

# a whole log
AUDIT_EMPTY = Code("AUDIT-EMPTY", "log", "this folder holds no log", Actor.CALLER, "name a folder with checkpoint, tile/ and tile/entries/")
LOG_TILE = Code("LOG-TILE", "log", "a tile on disk is not the one that its entries make", Actor.OPERATOR, "restore the tile; the entries and the head are good")
LOG_BUNDLE = Code("LOG-BUNDLE", "log", "entries on disk are not those that the tree was built from", Actor.OPERATOR, "restore the entries named; the tiles and the head are good")
LOG_ROOT = Code("LOG-ROOT", "log", "neither entries nor tiles rebuild the root of the head", Actor.OPERATOR, "restore the log from another copy, and keep this one")
LOG_ENTRY = Code("LOG-ENTRY", "log", "an entry of the log is not one of ours", Actor.PEER, "ask the authority of this log what it signed")
LOG_RULE = Code("LOG-RULE", "log", "the log breaks a rule of the tables", Actor.PEER, "ask the authority of this log what it signed")
LOG_MESSAGE = Code("LOG-MESSAGE", "log", "a message beside the log is not what both logs say", _HOLDER, "ask for the export again; if it is the same, ask the authority of this log")
