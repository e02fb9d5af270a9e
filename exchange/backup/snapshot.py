"""A consistent copy of a database while its node works, by SQLite's online backup over a connection that only reads.

The copy is taken in one read transaction: what was committed when it began, nothing later. Of the exchange's database the keys of messages
are taken out into rows of their own, and the copy is written anew, so that nothing of them is left on its free pages.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from exchange.backup import codes
from protocol import cbor
from protocol.errors import LocalError, ProtocolError

_ROWS = 2000  # in one block of wraps


class Held(NamedTuple):
    """The newest head in a copy of the data: number of the log, size, root."""

    n: int
    size: int
    root: bytes


def copy_database(source: Path, target: Path) -> None:
    """Copy a database. Raises BACKUP-WRITE."""
    reading = writing = None
    try:
        reading = sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=30)
        writing = sqlite3.connect(target)
        reading.backup(writing)
        writing.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise LocalError(codes.BACKUP_WRITE, f"{source.name}: {error}") from None
    finally:
        for connection in (reading, writing):
            if connection is not None:
                connection.close()


def newest_head(path: Path) -> Held:
    """The newest head of a copy. Raises BACKUP-WRITE for data without one."""
    db = sqlite3.connect(path)
    try:
        row = db.execute("SELECT n, size, root FROM head ORDER BY n DESC, size DESC LIMIT 1").fetchone()
    except sqlite3.Error as error:
        raise LocalError(codes.BACKUP_WRITE, f"{path.name}: {error}") from None
    finally:
        db.close()
    return Held(0, 0, b"") if row is None else Held(row[0], row[1], bytes(row[2]))


def incoming_digests(path: Path) -> dict[str, str]:
    """Name of each whole part that came -> SHA-256 (hex) of its ciphertext."""
    db = sqlite3.connect(path)
    try:
        rows = db.execute("SELECT hash, i, digest FROM incoming_part WHERE done=1").fetchall()
    finally:
        db.close()
    return {f"{bytes(row[0]).hex()}-{row[1]}": bytes(row[2]).hex() for row in rows}


def take_wraps(path: Path) -> Iterator[bytes]:
    """Take the keys of messages out of a copy, as blocks with their length; when the iterator ends the copy holds none of them."""
    db = sqlite3.connect(path, isolation_level=None)
    try:
        rows = db.execute("SELECT message_id, hash, wrapped FROM secret ORDER BY message_id, hash")
        while block := rows.fetchmany(_ROWS):
            raw = cbor.encode([bytes(part) for row in block for part in row])
            yield len(raw).to_bytes(4, "big") + raw
        db.execute("PRAGMA secure_delete=ON")
        db.execute("DELETE FROM secret")
        db.execute("VACUUM")
    except sqlite3.Error as error:
        raise LocalError(codes.BACKUP_WRITE, f"{path.name}: {error}") from None
    finally:
        db.close()


def put_wraps(path: Path, chunks: Iterator[bytes]) -> int:
    """Put the keys of messages back into a restored copy; how many. Raises BACKUP-ALTERED."""
    db = sqlite3.connect(path)
    count, at, raw = 0, 0, b"".join(chunks)
    try:
        while at < len(raw):
            length = int.from_bytes(raw[at : at + 4], "big")
            block = cbor.decode(raw[at + 4 : at + 4 + length])
            at += 4 + length
            if not isinstance(block, list):
                raise LocalError(codes.BACKUP_ALTERED, "wraps")
            rows = list(zip(block[::3], block[1::3], block[2::3], strict=True))
            db.executemany("INSERT OR IGNORE INTO secret VALUES (?,?,?)", rows)
            count += len(rows)
        db.commit()
    except (sqlite3.Error, ProtocolError, ValueError):
        raise LocalError(codes.BACKUP_ALTERED, "wraps") from None
    finally:
        db.close()
    return count
