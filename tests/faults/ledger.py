"""The ledger: what the world was promised, kept outside the nodes, and the invariants that it lets anybody check.

    I1  nothing accepted is lost       I2  nothing is there twice        I3  a receipt is its entry, for ever
    I4  the log never forks            I8  log time never decreases      I11 everything converges

It holds every submission that was answered with 202, every receipt and every head that was ever shown. ``check_log`` compares them
with a node's whole log, as exported; a difference raises ``ViolationError``.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from protocol import merkle
from protocol.checkpoint import parse_checkpoint
from protocol.entries import Consigned, Receipted, Refused, Submitted, parse_entry
from protocol.note import parse_note
from protocol.tiles import Tile


class ViolationError(AssertionError):
    """An invariant does not hold: its number, and what was seen."""

    def __init__(self, invariant: str, seen: str) -> None:
        super().__init__(f"{invariant}: {seen}")
        self.invariant = invariant


@dataclass(frozen=True, slots=True)
class Accepted:
    """A submission that was answered with 202."""

    sender: str
    recipient: str
    message_id: str
    hash: str
    origin: str
    index: int


@dataclass
class Ledger:
    """Everything that was promised. ``accepted`` by idempotency key; ``receipts`` by envelope hash; ``heads`` by origin and size;
    ``shown``: the size that an authority last showed of a log."""

    accepted: dict[str, Accepted] = field(default_factory=dict)
    receipts: dict[str, tuple[str, int]] = field(default_factory=dict)
    entries: dict[str, bytes] = field(default_factory=dict)
    heads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    shown: dict[tuple[str, str], int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def accept(self, key: str, sender: str, recipient: str, answer: dict[str, Any]) -> None:
        """A 202. The same key may be answered again, with the same answer only."""
        log = answer["log"]
        one = Accepted(sender, recipient, answer["message_id"], answer["envelope_hash"], log["origin"], log["index"])
        with self._lock:
            demand("I2", self.accepted.setdefault(key, one) == one, f"key {key} was answered twice, differently")

    def receipt(self, envelope_hash: str, recipient: str, index: int) -> None:
        """A receipt, as the sender's API tells of it."""
        with self._lock:
            known = self.receipts.setdefault(envelope_hash, (recipient, index))
            demand("I3", known == (recipient, index), f"receipt of {envelope_hash} was {known}, is {(recipient, index)}")

    def head(self, note: bytes) -> None:
        """A signed head that somebody was shown."""
        head = parse_checkpoint(parse_note(note).text)
        with self._lock:
            known = self.heads.setdefault(head.origin, {}).setdefault(head.size, head.root)
            demand("I4", known == head.root, f"{head.origin} has two heads of size {head.size}")

    def show(self, authority: str, note: bytes) -> None:
        """The greatest head that this authority has of some log, as it tells a caller: its own, or one that it has witnessed."""
        self.head(note)
        head = parse_checkpoint(parse_note(note).text)
        with self._lock:
            before = self.shown.get((authority, head.origin), 0)
            demand("I8", head.size >= before, f"{authority} shows {head.origin} at {head.size}, and had it at {before}")
            self.shown[authority, head.origin] = head.size

    def waiting(self) -> dict[str, Accepted]:
        """Accepted, and no receipt seen yet; by envelope hash."""
        with self._lock:
            return {each.hash: each for each in self.accepted.values() if each.hash not in self.receipts}

    def promised(self) -> Ledger:
        """What had been promised by now: compare it with what a node shows afterwards."""
        with self._lock:
            heads = {origin: dict(known) for origin, known in self.heads.items()}
            return Ledger(dict(self.accepted), dict(self.receipts), self.entries, heads)

    def check_log(self, authority: str, log: Sequence[bytes], note: bytes) -> None:
        """Everything promised by this authority is in its log, as exported later, once."""
        self.head(note)
        parsed = [parse_entry(raw) for raw in log]
        self._check_tree(parse_checkpoint(parse_note(note).text).origin, log)
        times = [entry.time for entry in parsed]
        demand("I8", times == sorted(times), f"{authority}: log time decreases")
        for kind in (Submitted, Consigned, Refused, Receipted):
            _once(authority, kind.__name__, [entry.envelope_hash for entry in parsed if isinstance(entry, kind)])
        self._check_submissions(authority, parsed)
        self._check_receipts(authority, parsed, log)

    def _check_tree(self, origin: str, log: Sequence[bytes]) -> None:
        heads = dict(self.heads.get(origin, {}))
        frontier = merkle.Frontier()
        for raw in (None, *log):
            if raw is not None:
                list(frontier.append(merkle.leaf_hash(raw)))
            root = heads.pop(frontier.size, None)
            demand("I4", root in (None, frontier.root()), f"{origin}: the head of size {frontier.size} is of another history")
        demand("I4", not heads, f"{origin}: heads of sizes {sorted(heads)[:5]} are beyond its {len(log)} entries")

    def _check_submissions(self, authority: str, parsed: Sequence[Any]) -> None:
        for each in self.accepted.values():
            if each.sender != authority:
                continue
            there = parsed[each.index] if each.index < len(parsed) else None
            fits = isinstance(there, Submitted) and there.envelope_hash.hex() == each.hash
            demand("I1", fits, f"{authority}: {each.hash} was accepted at {each.index}, and is not there")

    def _check_receipts(self, authority: str, parsed: Sequence[Any], log: Sequence[bytes]) -> None:
        for hash_, (recipient, index) in self.receipts.items():
            if recipient != authority:
                continue
            there = parsed[index] if index < len(parsed) else None
            fits = isinstance(there, Consigned) and there.envelope_hash.hex() == hash_
            demand("I3", fits, f"{authority}: receipted {hash_} at {index}, and it is not there")
            demand("I3", self.entries.setdefault(hash_, log[index]) == log[index], f"{authority}: the entry of {hash_} has changed")

    def check_inbox(self, authority: str, messages: Iterable[dict[str, Any]]) -> None:
        """What the recipient's API lists as received: everything that was receipted, each once."""
        hashes = [each["envelope_hash"] for each in messages if each["direction"] == "in"]
        _once(authority, "message", hashes)
        given = {hash_ for hash_, (recipient, _) in self.receipts.items() if recipient == authority}
        demand("I1", given <= set(hashes), f"{authority}: {len(given - set(hashes))} receipted messages are gone")


def demand(invariant: str, holds: bool, seen: str) -> None:
    """Raises ViolationError when it does not hold."""
    if not holds:
        raise ViolationError(invariant, seen)


def read_log(folder: Path) -> tuple[list[bytes], bytes]:
    """The entries and the checkpoint of an exported log (C2SP tiles)."""
    note = (folder / "checkpoint").read_bytes()
    size = parse_checkpoint(parse_note(note).text).size
    entries: list[bytes] = []
    while len(entries) < size:
        bundle = (folder / str(Tile(-1, len(entries) // 256, min(256, size - len(entries))))).read_bytes()
        at = 0
        while at < len(bundle):
            length = int.from_bytes(bundle[at : at + 2], "big")
            entries.append(bundle[at + 2 : at + 2 + length])
            at += 2 + length
    return entries, note


def _once(authority: str, what: str, hashes: Sequence[Any]) -> None:
    demand("I2", len(hashes) == len(set(hashes)), f"{authority}: {len(hashes) - len(set(hashes))} {what} too many")
