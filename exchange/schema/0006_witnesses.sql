-- Of each note: the times (seconds) by which its witnesses' quorum saw it and until which an honest one saw nothing greater, 0 while it
-- is only logged. Of one that is only logged and that a proof needs: a later note of the same log that is witnessed or closing, and the
-- full consistency path that links it there.
ALTER TABLE note ADD COLUMN not_after INTEGER NOT NULL DEFAULT 0;
ALTER TABLE note ADD COLUMN not_before INTEGER NOT NULL DEFAULT 0;
ALTER TABLE note ADD COLUMN later INTEGER REFERENCES note;
ALTER TABLE note ADD COLUMN link BLOB;
CREATE INDEX note_only_logged ON note (origin, size) WHERE not_after=0 AND later IS NULL;
-- The greatest witnessed head of each log, ours included.
CREATE TABLE witnessed (origin TEXT PRIMARY KEY, note INTEGER NOT NULL REFERENCES note) WITHOUT ROWID;
-- As a witness: the lines that we set to the greatest head of a log.
CREATE TABLE cosigned (origin TEXT PRIMARY KEY, size INTEGER NOT NULL, lines BLOB NOT NULL) WITHOUT ROWID;
-- As a log: the lines that witnesses set to heads of ours, from the greatest witnessed head on; time in seconds.
CREATE TABLE witness_line (n INTEGER NOT NULL, size INTEGER NOT NULL, witness TEXT NOT NULL, time INTEGER NOT NULL, line BLOB NOT NULL,
                           PRIMARY KEY (n, size, witness)) WITHOUT ROWID;
-- The newest set of a peer's prekeys that stands under a witnessed head; deliveries whose wrap had to be made without one.
ALTER TABLE peer ADD COLUMN witnessed_prekeys BLOB;
CREATE TABLE logged_prekey (hash BLOB NOT NULL, recipient TEXT NOT NULL, PRIMARY KEY (hash, recipient)) WITHOUT ROWID;
