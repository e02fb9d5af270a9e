"""The table of names: who is meant by an id, and which pseudonym stands for whom in which year. A file apart from the log.

The log knows pseudonyms only: 16 random bytes per person and year. Whoever erases a row here makes every act of that year one
of somebody unknown, and breaks nothing. Names are encrypted under the storage key. (Domain 7.5.8)
"""

from __future__ import annotations

import sqlite3
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from exchange import codes
from exchange.ports import Random
from keys.storage import StorageKey
from protocol.errors import LocalError

ID: Final = 16  # bytes, of persons and pseudonyms

_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS name (person BLOB PRIMARY KEY, wrapped BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS pseudonym (pseudonym BLOB PRIMARY KEY, person BLOB NOT NULL, year INTEGER NOT NULL,"
    " UNIQUE (person, year)) WITHOUT ROWID;"
)


class NameTable:
    """Any thread may call; changes are on disk when a call returns."""

    def __init__(self, path: Path, storage: StorageKey, random: Random) -> None:
        self._storage = storage
        self._random = random
        self._lock = threading.Lock()
        try:
            path.touch(mode=0o600, exist_ok=True)
            self._db = _open(path)
        except (OSError, sqlite3.Error) as error:
            raise LocalError(codes.PEOPLE_FILE, f"{path.name}: {type(error).__name__}") from None

    def name(self, person: bytes) -> str:
        """The person's name, or the empty text once it was erased."""
        with self._lock:
            row = self._db.execute("SELECT wrapped FROM name WHERE person=?", (person,)).fetchone()
        return "" if row is None else self._storage.unwrap(person, row[0], "name").decode()

    def set_name(self, person: bytes, name: str) -> None:
        """Write a name down, encrypted."""
        wrapped = self._storage.wrap(person, name.encode(), "name")
        with self._lock:
            self._db.execute("INSERT OR REPLACE INTO name VALUES (?,?)", (person, wrapped))

    def pseudonym(self, person: bytes, time: int) -> bytes:
        """What stands for the person in the log in the year of ``time`` (ms); drawn when first needed."""
        year = datetime.fromtimestamp(time / 1000, UTC).year
        with self._lock:
            row = self._db.execute("SELECT pseudonym FROM pseudonym WHERE person=? AND year=?", (person, year)).fetchone()
            if row is not None:
                return bytes(row[0])
            drawn = self._random(ID)
            self._db.execute("INSERT INTO pseudonym VALUES (?,?,?)", (drawn, person, year))
            return drawn

    def person(self, pseudonym: bytes) -> bytes | None:
        """Whom a pseudonym of any year means; None when nobody knows (any more)."""
        with self._lock:
            row = self._db.execute("SELECT person FROM pseudonym WHERE pseudonym=?", (pseudonym,)).fetchone()
        return None if row is None else bytes(row[0])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode=DELETE")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA secure_delete=ON")
        db.executescript(_SCHEMA)
    except sqlite3.Error:
        db.close()
        raise
    return db
