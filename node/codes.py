"""The codes of ``node``."""

from protocol.errors import Actor, Code

# peers' port and courier
CONTENT_ENCODING = Code("CONTENT-ENCODING", "1", "encoded content is not taken on this port", Actor.PEER, "send the bytes as they are")
PEER_REFUSED = Code("PEER-REFUSED", "carrying", "the other authority refused the request", Actor.PEER, "look up the code that it answered")
PEER_UNREACHABLE = Code("PEER-UNREACHABLE", "carrying", "the other authority cannot be reached", Actor.NOBODY, "it is tried again until the message expires; if it lasts, call its operator")
PEER_BUSY = Code("PEER-BUSY", "carrying", "the other authority asks us to wait", Actor.NOBODY, "it is tried again when the time it named has passed")
PEER_ANSWER_SIZE = Code("PEER-ANSWER-SIZE", "carrying", "the other authority's answer is longer than any answer may be", Actor.PEER, "look what answers at its address")
PORT_BUSY = Code("PORT-BUSY", "start", "another process listens on this port", Actor.OPERATOR, "stop it, or choose another port in node.toml")
NOT_IN_DIRECTORY = Code("NOT-IN-DIRECTORY", "start", "the directory does not list this node with these keys", Actor.OPERATOR, "send the join request to the founders, then run `rogatory directory update`")

# command line
NODE_NOT_RUNNING = Code("NODE-NOT-RUNNING", "socket", "no node is running in this home", Actor.CALLER, "start it with `rogatory run --home DIR`, or name another home")
NODE_ANSWER = Code("NODE-ANSWER", "socket", "the running node answered in a way that this program does not understand", Actor.OPERATOR, "use the same release of program and node, and look at the node's log")
SOCKET_ACCESS = Code("SOCKET-ACCESS", "socket", "this user may not speak to the node", Actor.CALLER, "run the command as the node's own user")
HOME_EXISTS = Code("HOME-EXISTS", "init", "there is something here already", Actor.CALLER, "name a new or empty folder; nothing was changed")
HOME_MISSING = Code("HOME-MISSING", "home", "this is not the home of a node", Actor.CALLER, "name the folder that `rogatory init` made")
FILE_ACCESS = Code("FILE-ACCESS", "files", "a file cannot be read or written", Actor.CALLER, "look at its path, its owner and the disk")
FORM_FILE = Code("FORM-FILE", "send", "this file is not one JSON object", Actor.CALLER, "look at `rogatory forms schema KIND` for what it must hold")
ENTRY_FILE = Code("ENTRY-FILE", "directory", "this description of an authority is not as it must be", Actor.CALLER, "correct entry.toml; `rogatory init` writes one with comments")
ID_UNKNOWN = Code("ID-UNKNOWN", "call", "nothing is known under this id", Actor.CALLER, "look at the list, and give more of the id")
ID_AMBIGUOUS = Code("ID-AMBIGUOUS", "call", "several ids begin like this", Actor.CALLER, "give more of the id")
PART_ALTERED = Code("PART-ALTERED", "save", "a part that was saved is not the one that the message lists", Actor.OPERATOR, "look at the node's log and its disk; the file was removed")
PROGRAM_FAULT = Code("PROGRAM-FAULT", "program", "this is a mistake in the program, not yours", Actor.OPERATOR, "report the place named; with ROGATORY_DEBUG=1 in the environment the whole trace is shown")
FINGERPRINT = Code("FINGERPRINT", "admission", "a request has another fingerprint than the one told", Actor.FOUNDERS, "call the authority again on a number that you know; somebody may have changed the request on its way")

# settings
SETTINGS_FORM = Code("SETTINGS-FORM", "start", "node.toml cannot be read as TOML", Actor.OPERATOR, "correct the line named; nothing was started")
SETTINGS_UNKNOWN = Code("SETTINGS-UNKNOWN", "start", "node.toml has a setting that does not exist", Actor.OPERATOR, "correct or remove it; deploy/examples/node.toml has them all")
SETTINGS_VALUE = Code("SETTINGS-VALUE", "start", "a setting in node.toml has a value that cannot be used", Actor.OPERATOR, "correct it; deploy/examples/node.toml says what each means")
