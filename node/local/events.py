"""Events: what systems of the house are told as it happens, and can read up on later. Names and ids, never content.

    id: 41
    event: message.consigned
    data: {"message_id": "6f0c...", "envelope_hash": "...", "sender": "xb-ca", "lane": "urgent", "time": "2026-11-24T06:00:00.000Z"}

Events are hints where to look; lists and messages are the truth. The newest ten thousand are kept: who names an older one as the last
that it saw is told ``gap`` first.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from exchange.log import Tx
from exchange.store import Store
from exchange.writer import Writer

KEPT: Final = 10_000
PAGE: Final = 256

CONSIGNED, RECEIPTED, REFUSED = "message.consigned", "message.receipted", "message.refused"
UNDELIVERED, DRAFTED, ALARM = "message.undelivered", "draft.created", "alarm"
HELD, LATE = "message.held", "message.late"


@dataclass(frozen=True, slots=True)
class Event:
    """One event. ``offices``: ours that it concerns; empty: whoever the message named in ``data`` concerns, or all."""

    id: int
    time: int
    name: str
    data: Mapping[str, Any]
    offices: frozenset[str]


class Events:
    """Writes events and wakes whoever waits for them. ``emit`` from any thread, ``wait`` in the loop given to ``attach``."""

    def __init__(self, store: Store, writer: Writer) -> None:
        self._store, self._writer = store, writer
        self._lock = threading.Lock()
        self._waiting: set[asyncio.Event] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.closed = False

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """The loop in which subscribers wait."""
        self._loop = loop

    def close(self) -> None:
        """Let every stream end."""
        self.closed = True
        self._wake()

    def emit(self, name: str, data: Mapping[str, Any], offices: Iterable[str] = ()) -> None:
        """Tell something. Never raises: what is told is true whether or not anybody could be told."""
        self.emit_all([(name, data)], offices)

    def emit_all(self, told: Sequence[tuple[str, Mapping[str, Any]]], offices: Iterable[str] = ()) -> None:
        """Tell several things at once, as one change. Never raises."""
        concerned = sorted(offices)
        rows = [(name, json.dumps({"data": data, "offices": concerned})) for name, data in told]
        future = self._writer.submit_unhurried(lambda tx: _insert(tx, rows))
        future.add_done_callback(lambda done: None if done.exception() else self._wake())

    def after(self, last: int) -> tuple[list[Event], bool]:
        """At most a page of events behind this id, and whether some before them are lost."""
        db = self._store.reader()
        rows = db.execute("SELECT id, time, name, data FROM event WHERE id>? ORDER BY id LIMIT ?", (last, PAGE)).fetchall()
        oldest = db.execute("SELECT min(id) FROM event").fetchone()[0]
        events = []
        for number, time, name, text in rows:
            told = json.loads(text)
            events.append(Event(number, time, name, told["data"], frozenset(told["offices"])))
        return events, oldest is not None and oldest > last + 1

    def newest(self) -> int:
        """The id of the newest event; 0 when there is none."""
        return int(self._store.reader().execute("SELECT coalesce(max(id), 0) FROM event").fetchone()[0])

    def subscribe(self) -> asyncio.Event:
        """Something that is set at every new event, until ``unsubscribe``."""
        bell = asyncio.Event()
        with self._lock:
            self._waiting.add(bell)
        return bell

    def unsubscribe(self, bell: asyncio.Event) -> None:
        """Wake it no more."""
        with self._lock:
            self._waiting.discard(bell)

    def _wake(self) -> None:
        if self._loop is None or self._loop.is_closed():
            return
        with self._lock:
            bells = list(self._waiting)
        for bell in bells:
            self._loop.call_soon_threadsafe(bell.set)


def _insert(tx: Tx, rows: list[tuple[str, str]]) -> None:
    tx.db.executemany("INSERT INTO event (time, name, data) VALUES (?,?,?)", [(tx.time, name, text) for name, text in rows])
    tx.db.execute("DELETE FROM event WHERE id<=(SELECT max(id) FROM event)-?", (KEPT,))
