"""The store: one SQLite file (WAL, synchronous=FULL) with one writing connection, and readers of their own.

Debian's SQLite before 3.51.3 can corrupt a WAL when two connections write or checkpoint at the same instant: so exactly one
process (a lock on the folder) and one connection ever write, and only that one checkpoints. docs/decisions/0004.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sqlite3
import threading
from importlib import resources
from pathlib import Path

from exchange import codes
from protocol.errors import LocalError

CARRY_OVER = 16_000  # pages of the WAL that a commit carries over into the database: 64 MiB, so that hot pages are seldom written twice
_NAME = "exchange.sqlite"


class Store:
    """The data folder of one node. ``open`` takes the folder for this process alone until ``close``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._lock = _take(folder)
        try:
            self.writer = _connect(folder / _NAME)
        except BaseException:
            os.close(self._lock)
            raise
        try:
            _demand_safety(self.writer)
            _migrate(self.writer)
        except sqlite3.Error as error:
            self.close()
            raise LocalError(codes.STORE_OPEN, f"{folder / _NAME}: {error}") from None
        except BaseException:
            self.close()
            raise

    def reader(self) -> sqlite3.Connection:
        """This thread's own read-only connection: sees what was committed when each statement begins."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            uri = f"{(self.folder / _NAME).absolute().as_uri()}?mode=ro"
            connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA query_only=ON")
            connection.execute("PRAGMA cache_size=-256")  # KiB: each commit empties it, and there is one for each thread
            self._local.connection = connection
            self._readers.append(connection)
        return connection

    def close(self) -> None:
        """Close every connection and let the folder go."""
        for reader in self._readers:
            reader.close()
        self.writer.close()
        os.close(self._lock)


def _take(folder: Path) -> int:
    """The folder's lock. Raises STORE-OPEN, STORE-IN-USE."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise LocalError(codes.STORE_OPEN, f"{folder}: {error.strerror}") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise LocalError(codes.STORE_IN_USE, str(folder)) from None
    return handle


def _connect(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise LocalError(codes.STORE_OPEN, f"{path}: {error}") from None
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "cache_size=-16384", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(f"PRAGMA wal_autocheckpoint={CARRY_OVER}")
    except sqlite3.Error as error:
        connection.close()
        raise LocalError(codes.STORE_OPEN, f"{path}: {error}") from None
    return connection


def _demand_safety(connection: sqlite3.Connection) -> None:
    """Refuse to run on settings that lose committed rows at a power cut. Raises STORE-UNSAFE."""
    journal = connection.execute("PRAGMA journal_mode").fetchone()[0]
    synchronous = connection.execute("PRAGMA synchronous").fetchone()[0]
    if journal != "wal" or synchronous < 2:
        raise LocalError(codes.STORE_UNSAFE, f"journal_mode={journal}, synchronous={synchronous}")


def migrations() -> list[tuple[int, str, bytes]]:
    """The numbered migrations of this release: (number, SQL text, SHA-256), in order."""
    found = []
    for item in sorted(resources.files("exchange").joinpath("schema").iterdir(), key=lambda item: item.name):
        if item.name.endswith(".sql"):
            text = item.read_text()
            found.append((int(item.name[:4]), text, hashlib.sha256(text.encode()).digest()))
    return found


def _migrate(connection: sqlite3.Connection) -> None:
    """Bring the schema up to this release, one transaction per step. Raises STORE-NEWER, STORE-ALTERED."""
    connection.execute("CREATE TABLE IF NOT EXISTS migration (number INTEGER PRIMARY KEY, sha256 BLOB NOT NULL)")
    done = dict(connection.execute("SELECT number, sha256 FROM migration").fetchall())
    known = migrations()
    if done and max(done) > known[-1][0]:
        raise LocalError(codes.STORE_NEWER, f"schema {max(done)}, this release knows {known[-1][0]}")
    for number, text, digest in known:
        if number in done:
            if done[number] != digest:
                raise LocalError(codes.STORE_ALTERED, f"number {number}")
            continue
        connection.executescript(f"BEGIN IMMEDIATE;\n{text}\nINSERT INTO migration VALUES ({number}, x'{digest.hex()}');\nCOMMIT;")
