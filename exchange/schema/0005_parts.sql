-- Messages whose parts are missing, by sender: counted before another one is taken.
CREATE INDEX incoming_pending ON incoming (sender) WHERE state = 'pending';
