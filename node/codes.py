"""The codes of ``node``."""

from protocol.errors import Actor, Code

# peers' port and courier
CONTENT_ENCODING = Code("CONTENT-ENCODING", "1", "encoded content is not taken on this port", Actor.PEER, "send the bytes as they are")
PEER_REFUSED = Code("PEER-REFUSED", "carrying", "the other authority refused the request", Actor.PEER, "look up the code that it answered")
PEER_UNREACHABLE = Code("PEER-UNREACHABLE", "carrying", "the other authority cannot be reached", Actor.NOBODY, "it is tried again until the message expires; if it lasts, call its operator")
PREKEYS_AHEAD = Code("PREKEYS-AHEAD", "prekeys", "no prekeys of ours are published for the day after tomorrow", Actor.OPERATOR, "look at the node's log, and restart it: it publishes prekeys when it begins")
PEER_BUSY = Code("PEER-BUSY", "carrying", "the other authority asks us to wait", Actor.NOBODY, "it is tried again when the time it named has passed")
PEER_ANSWER_SIZE = Code("PEER-ANSWER-SIZE", "carrying", "the other authority's answer is longer than any answer may be", Actor.PEER, "look what answers at its address")
PEER_ADDRESS = Code("PEER-ADDRESS", "carrying", "the other authority's name leads to an address that this network does not allow", Actor.PEER, "have it correct its address in the directory, or its name server")
PEER_TIME = Code("PEER-TIME", "1", "the rest of this request did not come in time", Actor.PEER, "send it again; what was taken of a part is kept")
PEER_STOPPING = Code("PEER-STOPPING", "1", "this node is stopping", Actor.NOBODY, "try again when it runs")
PEER_CONNECTIONS = Code("PEER-CONNECTIONS", "1", "this peer has too many connections", Actor.PEER, "use the ones it has")
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

# demo
DEMO_STUCK = Code("DEMO-STUCK", "demo", "the demo got stuck", Actor.OPERATOR, "look into the log named; if nothing there explains it, report it with that log")

# local API
CALL_JSON = Code("CALL-JSON", "API", "the body is not one strict JSON object", Actor.CALLER, "send UTF-8 JSON with each name once and plain numbers")
CALL_TYPE = Code("CALL-TYPE", "API", "this media type is not taken here", Actor.CALLER, "send application/json, or application/octet-stream for an upload")
CALL_FORM = Code("CALL-FORM", "API", "the call is not as it must be", Actor.CALLER, "correct every field listed; docs/local-api.md has them all")
CALL_SIZE = Code("CALL-SIZE", "API", "this call is larger than any call may be", Actor.CALLER, "attach files by upload instead of putting them into the form")
CALL_PATH = Code("CALL-PATH", "API", "there is nothing at this path", Actor.CALLER, "look at docs/local-api.md")
CALL_METHOD = Code("CALL-METHOD", "API", "this path does not take this method", Actor.CALLER, "look at the header Allow")
CALL_KEY = Code("CALL-KEY", "API", "no API key was given, or it is not (any more) one of this node's", Actor.CALLER, "send Authorization: Bearer rog_..., as the operator made it")
CALL_SOCKET = Code("CALL-SOCKET", "API", "this can only be done over the node's socket", Actor.CALLER, "let the operator do it with the command line on the node's own machine")
CALL_OFFICE = Code("CALL-OFFICE", "API", "this API key is not for that office", Actor.CALLER, "use the key of a system that works for it")
CALL_CURSOR = Code("CALL-CURSOR", "API", "this cursor was not made by this list", Actor.CALLER, "begin again without one")
ACTOR_MISSING = Code("ACTOR-MISSING", "API", "it was not said who acts", Actor.CALLER, "name the person: an id of `rogatory people list`")
ACTOR_OTHER = Code("ACTOR-OTHER", "API", "an API key acts for its own account only", Actor.CALLER, "leave the actor out; people act over the desk or the command line")
UPLOAD_UNKNOWN = Code("UPLOAD-UNKNOWN", "API", "nothing was uploaded under this id, or it is gone: uploads live a day and end with the process", Actor.CALLER, "upload it again")
UPLOAD_LENGTH = Code("UPLOAD-LENGTH", "API", "an upload must say its length, and may not be larger than a part", Actor.CALLER, "send Content-Length, at most 32 GiB")
UPLOAD_FULL = Code("UPLOAD-FULL", "API", "too many uploads wait to be sent, or the disk is nearly full", Actor.CALLER, "send or delete those that wait")
API_KEY_FILE = Code("API-KEY-FILE", "start", "the file of API keys cannot be read", Actor.OPERATOR, "restore api-keys from its copy, or remove it and make new keys")
API_KEY_UNKNOWN = Code("API-KEY-UNKNOWN", "API", "there is no such API key", Actor.CALLER, "look at GET /v1/api-keys")
SOCKET_PATH = Code("SOCKET-PATH", "start", "the node's socket cannot be made", Actor.OPERATOR, "look whether another process of this home runs, and whether run/ may be written")
BENCH_STUCK = Code("BENCH-STUCK", "bench", "the bench got stuck", Actor.OPERATOR, "run it again on an idle machine; if it happens again, report it with what it printed")
