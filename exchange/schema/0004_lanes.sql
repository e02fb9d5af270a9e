-- Deliveries whose item the recipient called *bad*, how often: at a passed number they are held.
CREATE TABLE bad_answer (delivery INTEGER PRIMARY KEY REFERENCES delivery, count INTEGER NOT NULL);
-- Urgent deliveries that are open: looked through every few seconds for warnings.
CREATE INDEX delivery_urgent ON delivery (id) WHERE lane = 1 AND state IN ('queued', 'wanted', 'held');
-- What could not be read or judged, as it came, for a human: the newest few of each peer.
CREATE TABLE oddity (id INTEGER PRIMARY KEY, peer TEXT NOT NULL, what TEXT NOT NULL, code TEXT NOT NULL, hash BLOB, time INTEGER NOT NULL,
                     raw BLOB NOT NULL);
CREATE INDEX oddity_peer ON oddity (peer);
