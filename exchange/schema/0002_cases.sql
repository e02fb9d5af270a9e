-- People and systems of this authority, by random id. Their names and pseudonyms are in a file of their own, apart from this one.
CREATE TABLE person (id BLOB PRIMARY KEY, kind TEXT NOT NULL, active INTEGER NOT NULL, since INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE role (person BLOB NOT NULL REFERENCES person, office TEXT NOT NULL, role TEXT NOT NULL,
                   PRIMARY KEY (person, office, role)) WITHOUT ROWID;

-- What opens the commitments of our acts: salt and object, wrapped. Deleting a row leaves the entry and hides its object for ever.
CREATE TABLE act (n INTEGER NOT NULL, idx INTEGER NOT NULL, commitment BLOB NOT NULL, opening BLOB NOT NULL,
                  PRIMARY KEY (n, idx)) WITHOUT ROWID;

-- Messages that wait for a second person, sealed already: what is approved is exactly what is sent. ``secret`` is wrapped, and
-- NULL once it was sent, rejected or lapsed.
CREATE TABLE draft (id BLOB PRIMARY KEY, state TEXT NOT NULL, office TEXT NOT NULL, drafter BLOB NOT NULL REFERENCES person,
                    emergency INTEGER NOT NULL, envelope BLOB NOT NULL, body BLOB, secret BLOB, conversation BLOB NOT NULL,
                    sequence INTEGER NOT NULL, time INTEGER NOT NULL, expires INTEGER NOT NULL, decided INTEGER,
                    decider BLOB, reason BLOB);
CREATE INDEX draft_open ON draft (time) WHERE state = 'in_approval';
CREATE INDEX draft_conversation ON draft (conversation) WHERE state = 'in_approval';

-- Calls that were made with an idempotency key, and what they were answered; kept for two days.
CREATE TABLE once (caller TEXT NOT NULL, key TEXT NOT NULL, request BLOB NOT NULL, status INTEGER NOT NULL, answer TEXT NOT NULL,
                   time INTEGER NOT NULL, PRIMARY KEY (caller, key)) WITHOUT ROWID;
CREATE INDEX once_time ON once (time);

-- What systems of the house are told: names and ids, never content. The newest ten thousand.
CREATE TABLE event (id INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, name TEXT NOT NULL, data TEXT NOT NULL);
