"""The codes of ``keys``: one constant per reason to refuse a key, a key file or a certificate.

A code is never renamed or reused. tests/tidy holds that each is raised somewhere and stands in SPEC.md's table.
"""

from protocol.errors import Actor, Code

# keys of others (SPEC.md section 6)
KEY_WEAK = Code("KEY-WEAK", "enrolment", "this public key is malformed, of low or mixed order, or not reduced", Actor.PEER, "make a new key pair and publish its public half")

# key files
KEY_FILE_MODE = Code("KEY-FILE-MODE", "start", "others than its owner may read or write this key file", Actor.OPERATOR, "chmod 600 it, and ask who may have read it before")
KEY_FILE_READ = Code("KEY-FILE-READ", "start", "this key file cannot be read", Actor.OPERATOR, "look at its path, its owner and the disk; nothing was changed")
PASSPHRASE_MISSING = Code("PASSPHRASE-MISSING", "start", "no passphrase was given and nobody is there to ask", Actor.OPERATOR, "name a passphrase file in the settings, or give the service the credential rogatory-passphrase")
PASSPHRASE_EMPTY = Code("PASSPHRASE-EMPTY", "start", "this passphrase is empty or has several lines", Actor.OPERATOR, "write one line into the passphrase file, or type it")
PASSPHRASE_TWICE = Code("PASSPHRASE-TWICE", "start", "the two passphrases typed are not the same", Actor.OPERATOR, "try again")
KEYSTORE_MISSING = Code("KEYSTORE-MISSING", "start", "there is no keystore here", Actor.OPERATOR, "look at the data folder in the settings, restore the keystore from its copy, or run `rogatory init`")
KEYSTORE_EXISTS = Code("KEYSTORE-EXISTS", "start", "there is a keystore here already", Actor.OPERATOR, "use it, or move it away first; it was not touched")
KEYSTORE_FORM = Code("KEYSTORE-FORM", "start", "this is not a keystore, or one of another release", Actor.OPERATOR, "look at the path, or install the release that wrote it")
KEYSTORE_DAMAGED = Code("KEYSTORE-DAMAGED", "start", "this keystore was altered or cut short", Actor.OPERATOR, "restore the keystore from its copy; the passphrase is not the reason")
KEYSTORE_PASSPHRASE = Code("KEYSTORE-PASSPHRASE", "start", "this passphrase does not open the keystore", Actor.OPERATOR, "try again, or restore the keystore whose passphrase it is")
KEYSTORE_CHANGED = Code("KEYSTORE-CHANGED", "save", "another process has written this keystore meanwhile", Actor.OPERATOR, "stop the other process, then repeat the command; the file was not touched")
KEYSTORE_KEY = Code("KEYSTORE-KEY", "keys", "this keystore does not hold, or already holds, such a key", Actor.OPERATOR, "look at `rogatory keys list`")
STANDBY_FORM = Code("STANDBY-FORM", "standby", "this is not a sealed standby key", Actor.OPERATOR, "look at the path of each share")
STANDBY_SHARES = Code("STANDBY-SHARES", "standby", "these shares do not make up one standby key", Actor.OPERATOR, "bring every share of one set, each once")

# keys of messages
STORAGE_WRAP = Code("STORAGE-WRAP", "storage", "the stored key of this message does not open", Actor.OPERATOR, "restore it from the backup of wraps, or the storage key from the keystore's copy")
PREKEY_FOLDER = Code("PREKEY-FOLDER", "start", "the folder of prekeys cannot be used", Actor.OPERATOR, "make it a folder of the node's own on a local disk, mode 0700")

# transport
TRANSPORT_CERTIFICATE = Code("TRANSPORT-CERTIFICATE", "TLS", "this is not a certificate that a transport key can use", Actor.OPERATOR, "issue it again: `rogatory keys rotate transport`")
