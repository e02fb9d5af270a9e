-- The log of this authority: entries, hash tiles (C2SP tlog-tiles, 256 hashes a row), committed heads.
CREATE TABLE entry (n INTEGER NOT NULL, idx INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (n, idx)) WITHOUT ROWID;
CREATE TABLE tile (n INTEGER NOT NULL, level INTEGER NOT NULL, idx INTEGER NOT NULL, hashes BLOB NOT NULL,
                   PRIMARY KEY (n, level, idx)) WITHOUT ROWID;
CREATE TABLE head (n INTEGER NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, time INTEGER NOT NULL,
                   PRIMARY KEY (n, size)) WITHOUT ROWID;

-- What we have confirmed of other logs: one record per origin, and every note that a stored proof needs, once.
CREATE TABLE peer_head (origin TEXT PRIMARY KEY, note BLOB NOT NULL, time INTEGER NOT NULL, confirmed BLOB NOT NULL,
                        forked BLOB) WITHOUT ROWID;
CREATE TABLE note (id INTEGER PRIMARY KEY, origin TEXT NOT NULL, size INTEGER NOT NULL, note BLOB NOT NULL,
                   UNIQUE (origin, size));
-- How far a peer has confirmed our log, and its newest proven prekeys.
CREATE TABLE peer (authority TEXT PRIMARY KEY, ours_there INTEGER NOT NULL DEFAULT 0, prekeys BLOB) WITHOUT ROWID;

-- CEK || r of each message, wrapped under the storage key. Deleting the row erases the message.
CREATE TABLE secret (hash BLOB PRIMARY KEY, wrapped BLOB NOT NULL) WITHOUT ROWID;

-- Messages sent: the envelope, the body's ciphertext, and one delivery per recipient.
CREATE TABLE outgoing (hash BLOB PRIMARY KEY, message_id BLOB NOT NULL UNIQUE, envelope BLOB NOT NULL, body BLOB NOT NULL,
                       lane INTEGER NOT NULL, expires INTEGER NOT NULL, n INTEGER NOT NULL, idx INTEGER NOT NULL,
                       time INTEGER NOT NULL, conversation BLOB NOT NULL, sequence INTEGER NOT NULL);
CREATE TABLE delivery (id INTEGER PRIMARY KEY, hash BLOB NOT NULL REFERENCES outgoing, recipient TEXT NOT NULL,
                       lane INTEGER NOT NULL, state TEXT NOT NULL, expires INTEGER NOT NULL, due INTEGER NOT NULL,
                       attempts INTEGER NOT NULL DEFAULT 0, last_code TEXT NOT NULL DEFAULT '',
                       receipt BLOB, receipt_index INTEGER, receipt_path BLOB, receipt_note INTEGER REFERENCES note,
                       UNIQUE (hash, recipient));
CREATE INDEX outgoing_conversation ON outgoing (conversation);
CREATE INDEX delivery_due ON delivery (recipient, lane, due) WHERE state IN ('queued', 'wanted');
CREATE INDEX delivery_expiry ON delivery (expires) WHERE state IN ('queued', 'wanted', 'held');

-- Messages that came: pending (parts missing), consigned or refused; with the sender's proof. Unique for ever: the duplicate check.
CREATE TABLE incoming (hash BLOB PRIMARY KEY, sender TEXT NOT NULL, message_id BLOB NOT NULL, envelope BLOB NOT NULL,
                       body BLOB NOT NULL, lane INTEGER NOT NULL, state TEXT NOT NULL, time INTEGER NOT NULL,
                       origin_entry BLOB NOT NULL, origin_n INTEGER NOT NULL, origin_index INTEGER NOT NULL,
                       origin_path BLOB NOT NULL, origin_note INTEGER NOT NULL REFERENCES note,
                       n INTEGER, idx INTEGER, conversation BLOB, sequence INTEGER, answers BLOB);
CREATE UNIQUE INDEX incoming_once ON incoming (sender, message_id) WHERE state != 'refused';
CREATE INDEX incoming_conversation ON incoming (conversation);
CREATE INDEX incoming_newest ON incoming (time);
CREATE TABLE incoming_part (hash BLOB NOT NULL, i INTEGER NOT NULL, digest BLOB NOT NULL, length INTEGER NOT NULL,
                            done INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (hash, i)) WITHOUT ROWID;
-- Passing trouble, counted: tries of a wrap per envelope, refusals logged per peer and day.
CREATE TABLE wrap_try (hash BLOB PRIMARY KEY, tries INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE refusal_count (peer TEXT NOT NULL, day INTEGER NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (peer, day)) WITHOUT ROWID;
-- Where our current set of prekeys stands in our log.
CREATE TABLE published_prekeys (n INTEGER PRIMARY KEY, idx INTEGER NOT NULL);
-- Single facts: the snapshot of the directory that was logged last; why log n signs nothing any more (stopped/n).
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
