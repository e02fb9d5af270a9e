-- Rows that are written together lie together, so that a message touches few pages however many lie below it. Envelope hashes are random:
-- only the one index that finds a message by its hash is in their order. Whatever belongs to a message follows its row's number, or its
-- message id, which begins with the time. ``outgoing.id``: where it was submitted first, log number times 2^40 plus index.
CREATE TABLE new_outgoing (id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, message_id BLOB NOT NULL UNIQUE, envelope BLOB NOT NULL,
                           body BLOB NOT NULL, lane INTEGER NOT NULL, expires INTEGER NOT NULL, n INTEGER NOT NULL, idx INTEGER NOT NULL,
                           time INTEGER NOT NULL, conversation BLOB NOT NULL, sequence INTEGER NOT NULL);
INSERT INTO new_outgoing SELECT (n << 40) + idx, hash, message_id, envelope, body, lane, expires, n, idx, time, conversation, sequence FROM outgoing
    ORDER BY n, idx;
CREATE TABLE new_delivery (id INTEGER PRIMARY KEY, message INTEGER NOT NULL REFERENCES new_outgoing, hash BLOB NOT NULL,
                           recipient TEXT NOT NULL, lane INTEGER NOT NULL, state TEXT NOT NULL, expires INTEGER NOT NULL,
                           due INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, last_code TEXT NOT NULL DEFAULT '',
                           receipt BLOB, receipt_index INTEGER, receipt_path BLOB, receipt_note INTEGER REFERENCES note,
                           UNIQUE (message, recipient));
INSERT INTO new_delivery SELECT d.id, (o.n << 40) + o.idx, d.hash, recipient, d.lane, state, d.expires, due, attempts, last_code, receipt,
    receipt_index, receipt_path, receipt_note FROM delivery d CROSS JOIN outgoing o ON o.hash=d.hash ORDER BY d.id;
CREATE TABLE new_bad_answer (delivery INTEGER PRIMARY KEY REFERENCES new_delivery, count INTEGER NOT NULL);
INSERT INTO new_bad_answer SELECT delivery, count FROM bad_answer;
CREATE TABLE new_secret (message_id BLOB NOT NULL, hash BLOB NOT NULL, wrapped BLOB NOT NULL, PRIMARY KEY (message_id, hash)) WITHOUT ROWID;
INSERT INTO new_secret SELECT message_id, hash, wrapped FROM outgoing JOIN secret USING (hash)
    UNION ALL SELECT message_id, hash, wrapped FROM incoming JOIN secret USING (hash) ORDER BY 1, 2;
DROP TABLE bad_answer;
DROP TABLE delivery;
DROP TABLE outgoing;
DROP TABLE secret;
ALTER TABLE new_outgoing RENAME TO outgoing;
ALTER TABLE new_delivery RENAME TO delivery;
ALTER TABLE new_bad_answer RENAME TO bad_answer;
ALTER TABLE new_secret RENAME TO secret;
CREATE INDEX outgoing_conversation ON outgoing (conversation);
CREATE INDEX outgoing_newest ON outgoing (time);
CREATE INDEX delivery_due ON delivery (recipient, lane, due) WHERE state IN ('queued', 'wanted');
CREATE INDEX delivery_expiry ON delivery (expires) WHERE state IN ('queued', 'wanted', 'held');
CREATE INDEX delivery_urgent ON delivery (id) WHERE lane = 1 AND state IN ('queued', 'wanted', 'held');
CREATE INDEX delivery_held ON delivery (recipient) WHERE state = 'held';
-- Receipts under one note: those of notes that are only logged are looked for all the time.
CREATE INDEX delivery_note ON delivery (receipt_note) WHERE receipt_note IS NOT NULL;
-- Found by message id alone too; of refused ones there may be several.
DROP INDEX incoming_once;
CREATE UNIQUE INDEX incoming_once ON incoming (message_id, sender) WHERE state != 'refused';
CREATE INDEX incoming_refused ON incoming (message_id) WHERE state = 'refused';
