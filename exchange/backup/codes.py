"""The codes of ``exchange.backup``."""

from protocol.errors import Actor, Code

BACKUP_MISSING = Code("BACKUP-MISSING", "backup", "there is no backup in this folder", Actor.CALLER, "name the folder that `rogatory backup` wrote")
BACKUP_FORM = Code("BACKUP-FORM", "backup", "this is not a backup's manifest, or one of another release", Actor.CALLER, "look at the folder, or use the release that wrote it")
BACKUP_NAME = Code("BACKUP-NAME", "backup", "the manifest lists something that is never in a backup", Actor.OPERATOR, "use another copy, and keep this one for whoever looks into it: prekeys, guard and paths that lead elsewhere are never backed up")
BACKUP_ALTERED = Code("BACKUP-ALTERED", "backup", "this backup was altered or cut short", Actor.OPERATOR, "use another copy; nothing was restored")
BACKUP_OTHER = Code("BACKUP-OTHER", "backup", "this is the backup of another authority or node", Actor.CALLER, "name the right folder and authority; nothing was changed")
BACKUP_WRITE = Code("BACKUP-WRITE", "backup", "the backup cannot be written or read", Actor.OPERATOR, "look at the folder, its owner and its disk; the backup before this one is kept")
RESTORE_HOME = Code("RESTORE-HOME", "restore", "there is something in this home already", Actor.CALLER, "name a new or empty folder: nothing is ever restored over a node")
