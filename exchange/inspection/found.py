"""What an inspection found wrong, and what of the log it remembers for comparing the tables with it."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from exchange.guard import Guarded
from keys.directory.view import Directory
from keys.storage import StorageKey
from protocol.checkpoint import LogKeys
from protocol.entries import Act, Consigned, Entry, Receipted, Refused, Submitted, Undelivered
from protocol.ports import Sealing, Verifier


class Suite(Sealing, Verifier, Protocol):
    """What opens bodies and verifies signatures."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What is compared with what. ``db`` sees one moment; ``guard`` None: there is none; ``keys`` of our logs by number.

    ``data``: the folder of the database and of the parts.
    """

    db: sqlite3.Connection
    us: str
    network: str
    directory: Directory
    guard: Guarded | None
    keys: Mapping[int, LogKeys]
    storage: StorageKey
    suite: Suite
    data: Path


@dataclass(frozen=True, slots=True, order=True)
class Wrong:
    """One thing. ``n``, ``index``: the entry of our log that it contradicts, -1 where there is none; ``place``: the table or file."""

    n: int
    index: int
    place: str
    says: str

    def __str__(self) -> str:
        where = f"log {self.n} index {self.index}" if self.index >= 0 else self.place
        return f"{where}: {self.says}" if self.index < 0 else f"{where}, {self.place}: {self.says}"


@dataclass(slots=True)
class Notes:
    """What the entries said, gathered in one pass, and everything found wrong."""

    wrong: list[Wrong] = field(default_factory=list)
    entries: int = 0
    heads: int = 0
    rows: int = 0
    parts: int = 0
    bodies: int = 0
    signatures: int = 0
    submitted: dict[bytes, list[tuple[int, int, Submitted]]] = field(default_factory=lambda: defaultdict(list))
    answered: dict[bytes, list[tuple[int, int, Consigned | Refused]]] = field(default_factory=lambda: defaultdict(list))
    receipted: dict[tuple[bytes, str], tuple[int, int, Receipted]] = field(default_factory=dict)
    undelivered: dict[tuple[bytes, str], tuple[int, int, Undelivered]] = field(default_factory=dict)
    acts: list[tuple[int, int, Act]] = field(default_factory=list)

    def accuse(self, place: str, says: str, n: int = -1, index: int = -1) -> None:
        """Note something wrong."""
        self.wrong.append(Wrong(n, index, place, says))

    def see(self, n: int, index: int, entry: Entry) -> None:
        """Remember what an entry says of messages and people."""
        match entry:
            case Submitted():
                self.submitted[entry.envelope_hash].append((n, index, entry))
            case Consigned() | Refused():
                self.answered[entry.envelope_hash].append((n, index, entry))
            case Receipted():
                self.receipted[entry.envelope_hash, entry.recipient] = n, index, entry
            case Undelivered():
                self.undelivered[entry.envelope_hash, entry.recipient] = n, index, entry
            case Act():
                self.acts.append((n, index, entry))
            case _:
                pass

    def first(self) -> Wrong | None:
        """What is wrong at the lowest index; what has none comes last."""
        return min(self.wrong, key=lambda wrong: (wrong.index < 0, wrong.n, wrong.index), default=None)
