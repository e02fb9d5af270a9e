"""Crash points: every durable step and every step on the wire, at each of which one life of a node can end, or its disk can fail.

    S1 submission committed    S2 pouch packed         S3 connection       S4 request's head sent     S5 piece of a part sent
    S6 request sent, no answer yet                     S7 receipt committed                           S8 its entry written
    R1 header committed        R2 part stored          R3 parts verified   R4 wrap opened             R5 transaction begun
    R6 entry and row written   R7 committed            R8 head signed      R9 guard moved             R10 answer sent
    W1 proof of a head checked W2 its size stored      W3 cosignature sent
    P1 prekey made             P2 prekeys published    P3 prekey destroyed B1 file of a backup        U1 migration step

The steps are found where they cannot move: in statements on the writer's connection, in calls of the operating system, in the signer, on
the wire. The code under test knows nothing of them. (assurance programme, 6.2)
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any, Protocol, cast

from protocol.entries import Kind

BEFORE, AFTER = "before", "after"
POINTS = (
    "S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8", "R9", "R10",
    "W1", "W2", "W3", "P1", "P2", "P3", "B1", "U1",
)  # fmt: skip
KILLS = ("kill", "kill-long", "kill-clock")
LAG = "kill-lag"  # the process ends, and goes on with the data of a replica that lost the last transaction; the guard lies elsewhere
LAGS = ("R7", "R8", "R9", "R10", "S1", "S7")
# disk faults: refused (nothing happened, and the system says so), lost (an I/O error, nothing happened), happened (an I/O error, yet it did)
DISK = {
    "refused": ("R1", "R6", "S1", "S8"), "lost": ("S1", "S7", "R1", "R7", "R2", "R9", "P1", "P2"),
    "happened": ("S1", "S7", "R1", "R7", "R2", "R9", "P1", "P2"), "signer": ("R8",),
}  # fmt: skip


class Here(Protocol):
    """The life in whose name code runs."""

    dead: bool

    def at(self, point: str, when: str) -> None:
        """Pass a point: counted, and perhaps the end of this life."""

    def fault(self, point: str) -> str:
        """The disk fault that is due at this point, or nothing."""

    def cosigns(self, origin: str, size: int, lines: bytes) -> None:
        """As a witness it stores lines of its own under a head of this log."""


here: ContextVar[Here | None] = ContextVar("here", default=None)


def passing(point: str, call: Callable[..., Any], *args: Any, error: Callable[[str], BaseException] | None = None) -> Any:
    """The call, with the point before and after it. ``error``: what a disk fault of this kind raises here."""
    life = here.get()
    if life is None:
        return call(*args)
    life.at(point, BEFORE)
    kind = life.fault(point) if error is not None else ""
    if kind in ("refused", "lost", "signer"):
        raise error(kind)
    result = call(*args)
    if kind:
        raise error(kind)
    life.at(point, AFTER)
    return result


def _sql_error(kind: str) -> sqlite3.OperationalError:
    return sqlite3.OperationalError("database or disk is full" if kind == "refused" else "disk I/O error")


def _os_error(kind: str) -> OSError:
    return OSError(5, "Input/output error")


_ENTRY_POINTS = {Kind.CONSIGNED: "R6", Kind.REFUSED: "R6", Kind.RECEIPTED: "S8"}
_COMMIT_POINTS = {
    Kind.SUBMITTED: "S1", Kind.CONSIGNED: "R7", Kind.REFUSED: "R7", Kind.RECEIPTED: "S7", Kind.PREKEYS: "P2",
}  # fmt: skip


class Watched:
    """The writer's connection: what a transaction writes tells which points its commit is."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._found: set[str] = set()
        self.execute_raw = db.execute

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        life = here.get()
        if life is None:
            return self._db.execute(sql, parameters)
        if life.dead:
            life.at("R5", BEFORE)
        if sql.startswith("BEGIN"):
            self._found.clear()
            return passing("R5", self._db.execute, sql)
        if sql == "COMMIT":
            return self._commit(sorted(self._found))
        if sql.startswith("INSERT INTO entry "):
            return self._nested(self._entries(parameters[2::3]), self._db.execute, sql, parameters)
        self._see(sql, parameters)
        return self._db.execute(sql, parameters)

    def executemany(self, sql: str, rows: Any) -> sqlite3.Cursor:
        rows = list(rows)
        if here.get() is not None and rows:
            assert not sql.startswith("INSERT INTO entry "), "points are found in single statements"
            self._see(sql, rows[0])
        return self._db.executemany(sql, rows)

    def _entries(self, written: Sequence[bytes]) -> list[str]:
        """The points that writing these entries is; the commit will be others."""
        kinds = {raw[2] for raw in written}
        self._found |= {point for kind, point in _COMMIT_POINTS.items() if int(kind) in kinds}
        return sorted({point for kind, point in _ENTRY_POINTS.items() if int(kind) in kinds})

    def executescript(self, sql: str) -> sqlite3.Cursor:
        return passing("U1", self._db.executescript, sql)

    def _see(self, sql: str, parameters: Sequence[Any]) -> None:
        if "INTO cosigned " in sql:
            self._found.add("W2")
            cast(Here, here.get()).cosigns(*parameters)
        elif sql.startswith("INSERT INTO incoming ") and "pending" in parameters:
            self._found.add("R1")

    def _commit(self, points: list[str]) -> sqlite3.Cursor:
        self._found.clear()
        return self._nested(points, self._db.execute, "COMMIT")

    def _nested(self, points: list[str], call: Callable[..., Any], *args: Any) -> Any:
        if not points:
            return call(*args)
        return passing(points[0], self._nested, points[1:], call, *args, error=_sql_error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


class WatchedOs:
    """The module ``os`` for one module of ours: its durable calls are a point."""

    def __init__(self, point: str) -> None:
        self._point = point

    def fsync(self, file: int) -> None:
        passing(self._point, os.fsync, file, error=_os_error)

    def fdatasync(self, file: int) -> None:
        passing(self._point, os.fdatasync, file, error=_os_error)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


class Token:
    """The signer of a log: every message that it signs is told to ``signed`` before anybody else has it."""

    def __init__(self, pair: Any, signed: Callable[[bytes], None]) -> None:
        self._pair, self._signed = pair, signed

    def sign_ed25519(self, message: bytes) -> bytes:
        life = here.get()
        if life is not None:
            life.at("R8", BEFORE)
            if life.fault("R8"):
                raise RuntimeError("the token was pulled")
        self._signed(message)
        return self._pair.sign_ed25519(message)

    def sign_mldsa44(self, message: bytes) -> bytes:
        signature = self._pair.sign_mldsa44(message)
        life = here.get()
        if life is not None:
            life.at("R8", AFTER)
        return signature


class Patches:
    """Changes of attributes that are all taken back at the end."""

    def __init__(self) -> None:
        self._undo: list[tuple[Any, str, Any]] = []

    def set(self, owner: Any, name: str, value: Any) -> None:
        """Replace what is there; a name that is not there is a mistake of the simulator."""
        self._undo.append((owner, name, owner.__dict__[name] if isinstance(owner, type) else getattr(owner, name)))
        setattr(owner, name, value)

    def point(self, owner: Any, name: str, point: str) -> None:
        """Put a crash point around a method or a function."""
        real = getattr(owner, name)

        def passed(*args: Any, **named: Any) -> Any:
            return passing(point, lambda: real(*args, **named))

        self.set(owner, name, passed)

    def undo(self) -> None:
        """Put everything back, the newest first."""
        while self._undo:
            owner, name, value = self._undo.pop()
            setattr(owner, name, value)


@contextmanager
def watching() -> Iterator[Patches]:
    """Every point set, for as long as the block runs."""
    import exchange.backup.medium
    import exchange.evidence.partsin
    import exchange.evidence.spoolfile
    import exchange.guard
    import exchange.outgoing.outbox
    import exchange.peering.peers
    import exchange.store
    import keys.prekeys
    import keys.sealedfile

    patches = Patches()
    real = exchange.store._connect
    try:
        patches.set(exchange.store, "_connect", lambda path: Watched(real(path)))
        patches.set(exchange.store, "threading", SimpleNamespace(local=SimpleNamespace))
        patches.set(exchange.guard, "os", WatchedOs("R9"))
        patches.set(exchange.evidence.spoolfile, "os", WatchedOs("R2"))
        patches.set(keys.sealedfile, "os", WatchedOs("P1"))
        patches.point(exchange.outgoing.outbox.Outbox, "bag", "S2")
        patches.point(exchange.peering.peers.Peers, "judge", "W1")
        patches.point(exchange.backup.medium.Medium, "put", "B1")
        patches.point(exchange.backup.medium.Medium, "finish", "B1")
        patches.point(exchange.evidence.partsin.Upload, "finish", "R3")
        patches.point(keys.prekeys.PrekeyStore, "open", "R4")
        patches.point(keys.prekeys.PrekeyStore, "_destroy", "P3")
        yield patches
    finally:
        patches.undo()
