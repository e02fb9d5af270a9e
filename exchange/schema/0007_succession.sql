-- Logs of ours that were opened without a closing of the one before (amnesia, theft): log n follows the head of log n-1 that is named here,
-- the greatest of ours that anybody showed; [lost_from, lost_to) of log n-1 is lost (0, 0: nothing).
CREATE TABLE succession (n INTEGER PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, reason TEXT NOT NULL,
                         lost_from INTEGER NOT NULL, lost_to INTEGER NOT NULL);

-- The same of others: the newest log that was opened under keys the directory lists as standby, with its proven `opened`.
CREATE TABLE successor (authority TEXT PRIMARY KEY, n INTEGER NOT NULL, entry BLOB NOT NULL, path BLOB NOT NULL,
                        note INTEGER NOT NULL REFERENCES note) WITHOUT ROWID;

-- Deliveries that are offered again because the recipient lost what it had receipted, and the receipt it gave the second time; ``authority`` is
-- the recipient. On the recipient's side: what was consigned again (authority: ourselves).
CREATE TABLE repeat (hash BLOB NOT NULL, authority TEXT NOT NULL, receipt BLOB, receipt_index INTEGER, receipt_path BLOB,
                     receipt_note INTEGER REFERENCES note, PRIMARY KEY (hash, authority)) WITHOUT ROWID;
