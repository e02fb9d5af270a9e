"""One inspection: the whole database at one moment."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from exchange import codes
from exchange.inspection.found import Notes, Scene
from exchange.inspection.logs import inspect_logs
from exchange.inspection.messages import inspect_messages
from exchange.inspection.people import inspect_people
from protocol.errors import LocalError

_LOG: Final = frozenset({"entry", "head", "tile"})


def inspect(scene: Scene) -> Notes:
    """Everything that is wrong. Raises STORE-OPEN for a database that SQLite itself cannot read."""
    notes = Notes()
    try:
        fault = scene.db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if fault != "ok":
            notes.accuse("database", f"SQLite finds its pages damaged: {fault[:100]}")
        _each(notes, lambda: inspect_logs(scene, notes))
        if not any(wrong.place in _LOG for wrong in notes.wrong):  # else the rest would be compared with a log that is not ours
            _each(notes, lambda: inspect_messages(scene, notes))
            _each(notes, lambda: inspect_people(scene, notes))
    except sqlite3.Error as error:
        raise LocalError(codes.STORE_OPEN, f"{error}") from None
    return notes


def _each(notes: Notes, look: Callable[[], None]) -> None:
    """One pass. A column of another type than the schema's is tampering too, and ends it."""
    try:
        look()
    except (TypeError, ValueError, AttributeError, LookupError) as error:
        notes.accuse("database", f"a column holds something of another kind ({type(error).__name__})")


@contextmanager
def one_moment(folder: Path) -> Iterator[sqlite3.Connection]:
    """A connection that reads the database of this data folder as it is now, whoever writes to it meanwhile. Raises STORE-OPEN."""
    path = folder / "exchange.sqlite"
    if not path.exists():
        raise LocalError(codes.STORE_OPEN, f"{path} is missing")
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        db.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        db.execute("PRAGMA query_only=ON")
        db.execute("BEGIN")
        yield db
    except sqlite3.Error as error:
        raise LocalError(codes.STORE_OPEN, f"{path.name}: {error}") from None
    finally:
        db.close()
