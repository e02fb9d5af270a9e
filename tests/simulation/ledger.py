"""The ledger: everything that any node ever said, kept outside of all of them, and the invariants checked against it.

    I1  nothing accepted is lost          I2  at most once                 I3  receipts never lie
    I4  the log never forks               I5  no silent drop               I6  urgent never starves
    I7  no plaintext on disk              I8  monotonic                    I9  isolation
    I10 bounded                           I11 convergence                  I12 a restored node signs nothing

Cheap ones are checked as things are said and signed, the others whenever a node starts, dies, and at the end.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from exchange.auditor.rules import Rules
from protocol import cbor, limits, merkle, pouch
from protocol.checkpoint import parse_checkpoint
from protocol.entries import Consigned, Kind, Receipted, Refused
from protocol.entries import parse_entry as parse
from protocol.errors import ProtocolError
from protocol.names import Origin
from protocol.treehead import stated_checkpoint
from tests.simulation.http import Answer, Incoming

CANARY = b"PLAINTEXT-CANARY"
parse_entry = lru_cache(1 << 14)(parse)  # logs are read again and again, at every start and death
leaf_hash = lru_cache(1 << 14)(merkle.leaf_hash)


class Violation(AssertionError):  # noqa: N818 - what the simulator looks for
    """An invariant does not hold."""

    def __init__(self, invariant: str, says: str) -> None:
        super().__init__(f"{invariant}: {says}")
        self.invariant, self.says = invariant, says

    def __reduce__(self) -> tuple[Any, ...]:
        return Violation, (self.invariant, self.says)


@dataclass
class Accepted:
    """A message that was answered with 202. Times in virtual seconds."""

    sender: str
    hash: bytes
    message_id: bytes
    index: int
    recipients: tuple[str, ...]
    urgent: bool
    at: float
    delivered: dict[str, float] = field(default_factory=dict)


class Ledger:
    """``now``: virtual seconds. The first violation is raised where it is seen, kept, and told to ``broken``."""

    def __init__(self, now: Callable[[], float], broken: Callable[[], None]) -> None:
        self._now, self._broken = now, broken
        self.accepted: dict[bytes, Accepted] = {}
        self.receipts: dict[tuple[str, bytes], tuple[str, int, bytes]] = {}  # (recipient, hash) -> origin, index, entry
        self.heads: dict[str, dict[int, bytes]] = {}
        self.last_time: dict[str, tuple[int, int]] = {}
        self.effects: Counter[tuple[str, bytes]] = Counter()
        self.checks: Counter[str] = Counter()
        self._salts: dict[bytes, tuple[str, int]] = {}
        self._lines: dict[tuple[str, bytes], tuple[str, int]] = {}  # (witness, its lines) -> origin, size
        self._cosigned: dict[tuple[str, str], int] = {}  # (witness, origin) -> the greatest size of which it has spoken
        self.violation: Violation | None = None

    def demand(self, holds: bool, invariant: str, says: str) -> None:
        """Raise when it does not hold."""
        self.checks[invariant] += 1
        if not holds:
            if self.violation is None:
                self.violation = Violation(invariant, says)
                self._broken()  # who catches it must not hide it
            raise self.violation

    # -- as it happens ---------------------------------------------------------------------------------------------------------

    def signed(self, life: Any, message: bytes) -> None:
        """A log's key signs this checkpoint."""
        head = parse_checkpoint(message)
        self.demand(not life.behind, "I12", f"{life.name} signs size {head.size} on an old copy of its data")
        roots = self.heads.setdefault(head.origin, {})
        same = roots.setdefault(head.size, head.root) == head.root
        self.demand(same, "I4", f"two roots at size {head.size} of {head.origin}")

    def took(self, life: Any, accepted: Accepted) -> None:
        """The node says 202."""
        self.accepted[accepted.hash] = accepted
        self._demand_entry(life.exchange.store, accepted.index, Kind.SUBMITTED, "I1", f"{life.name} accepts what it has not committed")

    def consigned(self, life: Any, told: Iterable[Any]) -> None:
        """The node tells its people of messages: the effect that may happen once."""
        for notice in told:
            self.effects[life.name, notice.hash] += 1
            self.demand(self.effects[life.name, notice.hash] == 1, "I2", f"{life.name} was told twice of one message")

    def delivered(self, life: Any, told: Iterable[Any]) -> None:
        """The sender knows that it arrived."""
        for notice in told:
            found = self.accepted.get(notice.hash)
            if found is not None:
                found.delivered.setdefault(notice.peer, self._now())

    def spoke(self, life: Any, request: Incoming, answer: Answer) -> None:
        """An answer leaves for a peer: every receipt in it must be true, committed, and the same as ever."""
        if answer.status == 200 and request.target == "/add-checkpoint":
            self._cosignature(life, answer.body)
        if answer.status != 200 or not request.target.startswith("/v1/pouch"):
            return
        try:
            about, start = pouch.parse_head(answer.body)
            replies = [pouch.parse_answer(raw) for raw in pouch.parse_items(answer.body, start)]
        except ProtocolError as error:
            self.demand(False, "I3", f"{life.name} answers what nobody can read: {error}")
            return
        if about.cosignature is not None:
            self._cosignature(life, about.cosignature)
        head = stated_checkpoint(about.head.note)
        self.demand(self.heads.get(head.origin, {}).get(head.size) == head.root, "I3", f"{life.name} shows a head that it never signed")
        for reply in replies:
            if isinstance(reply, pouch.Receipt) and reply.closing is None:
                self._receipt(life, head, reply.proven)

    def cosigns(self, life: Any, origin: str, size: int, lines: bytes) -> None:
        """A witness stores its lines under a head: never one that is behind what it has given lines for."""
        self.demand(size >= self._cosigned.get((life.name, origin), 0), "I8", f"{life.name} cosigns {origin} at {size}, which is behind")
        self._lines[life.name, lines] = origin, size

    def _cosignature(self, life: Any, lines: bytes) -> None:
        found = self._lines.get((life.name, lines))
        self.demand(found is not None or life.behind, "I3", f"{life.name} gives lines that it has not stored")
        if found is not None:
            origin, size = found
            self._cosigned[life.name, origin] = max(size, self._cosigned.get((life.name, origin), 0))

    def _receipt(self, life: Any, head: Any, proven: pouch.Proven) -> None:
        try:
            merkle.check_inclusion(merkle.leaf_hash(proven.entry), proven.index, head.size, list(proven.path), head.root)
        except ProtocolError:
            self.demand(False, "I3", f"{life.name} gives a receipt whose path does not fit")
        entry = parse_entry(proven.entry)
        assert isinstance(entry, Consigned | Refused)
        given = (head.origin, proven.index, proven.entry)
        first = self.receipts.setdefault((life.name, entry.envelope_hash), given)
        self.demand(first == given, "I3", f"{life.name} gives another receipt for the same envelope")
        self._demand_entry(life.exchange.store, proven.index, entry.kind, "I3", f"{life.name} gives a receipt that is not committed")

    def _demand_entry(self, store: Any, index: int, kind: Kind, invariant: str, says: str) -> None:
        row = store.reader().execute("SELECT bytes FROM entry WHERE idx=? ORDER BY n DESC LIMIT 1", (index,)).fetchone()
        self.demand(row is not None and row[0][2] == int(kind), invariant, says)

    # -- at a start, at a death, at the end ------------------------------------------------------------------------------------

    def examine(self, name: str, origin: str, db: sqlite3.Connection) -> None:
        """Everything that this node ever said stands in what it has committed."""
        entries = [bytes(row[0]) for row in db.execute("SELECT bytes FROM entry WHERE n=1 ORDER BY idx")]
        self._heads(origin, entries)
        for accepted in self.accepted.values():
            if accepted.sender == name:
                known = db.execute("SELECT idx FROM outgoing WHERE hash=?", (accepted.hash,)).fetchone()
                self.demand(known is not None and known[0] == accepted.index, "I1", f"{name} lost a message that it accepted")
                self.demand(entries[accepted.index][2] == int(Kind.SUBMITTED), "I1", f"{name} lost the entry of a message")
        for (recipient, envelope_hash), (_, index, raw) in self.receipts.items():
            if recipient == name:
                stands = index < len(entries) and entries[index] == raw
                self.demand(stands, "I1", f"{name} lost an entry that it gave a receipt for")
                row = db.execute("SELECT state, idx, body FROM incoming WHERE hash=?", (envelope_hash,)).fetchone()
                whole = row is not None and row[1] == index and (row[0] == "refused" or bool(row[2]))
                self.demand(whole, "I1", f"{name} lost a message that it gave a receipt for")
                if row[0] == "consigned":
                    self._parts(name, envelope_hash, db)
        self._once(name, entries, db)

    def _heads(self, origin: str, entries: list[bytes]) -> None:
        """Every head ever signed is a head of this log, and times never go back."""
        signed = self.heads.get(origin, {})
        self.demand(not signed or max(signed) <= len(entries), "I4", f"{origin} signed {max(signed, default=0)}, and has {len(entries)}")
        self.demand(bool(entries) or not signed, "I8", f"{origin} has no entry")
        frontier = merkle.Frontier()
        rules = Rules(Origin.parse(origin), lambda size: None)
        for index, raw in enumerate(entries):
            for broken in rules.broken_by(index, parse_entry(raw)):
                self.demand(False, "I8" if "time" in broken or "set" in broken or "version" in broken else "I2", f"{origin} index {index}: {broken}")
            self.demand(self._salts.setdefault(parse_entry(raw).salt, (origin, index)) == (origin, index), "I7", f"{origin} index {index} can be guessed")
            frontier.append(leaf_hash(raw))
            if index + 1 in signed:
                self.demand(frontier.root() == signed[index + 1], "I4", f"{origin} signed another root at size {index + 1}")

    def _parts(self, name: str, envelope_hash: bytes, db: sqlite3.Connection) -> None:
        """The ciphertext of every part lies where it was verified, and is what the envelope names."""
        folder = Path(db.execute("PRAGMA database_list").fetchone()[2]).parent / "parts" / "in"
        for number, digest in db.execute("SELECT i, digest FROM incoming_part WHERE hash=?", (envelope_hash,)).fetchall():
            path = folder / f"{envelope_hash.hex()}-{number}"
            whole = path.exists() and hashlib.sha256(path.read_bytes()).digest() == digest
            self.demand(whole, "I1", f"{name} gave a receipt for a part that it does not hold")

    def _once(self, name: str, entries: list[bytes], db: sqlite3.Connection) -> None:
        query = "SELECT count(*) FROM incoming WHERE state='consigned' GROUP BY sender, message_id HAVING count(*)>1"
        self.demand(db.execute(query).fetchone() is None, "I2", f"{name} took one message twice")
        consigned = [parse_entry(raw).envelope_hash for raw in entries if raw[2] == int(Kind.CONSIGNED)]  # type: ignore[attr-defined]
        rows = {row[0] for row in db.execute("SELECT hash FROM incoming WHERE state='consigned'")}
        self.demand(len(consigned) == len(rows) and set(consigned) == rows, "I3", f"{name}: entries and messages differ")

    def scan(self, name: str, folder: Path) -> None:
        """No file holds a byte of content in clear."""
        for path in folder.rglob("*"):
            if path.is_file():
                self.demand(CANARY not in path.read_bytes(), "I7", f"{name}: {path.name} holds plaintext")

    def bounded(self, life: Any) -> None:
        """What a node keeps in memory for others has its limits."""
        self.demand(len(life.tasks) <= 64, "I10", f"{life.name} answers {len(life.tasks)} requests at once")
        self.demand(len(life.writer.waiting) <= 256, "I10", f"{life.name} has {len(life.writer.waiting)} changes queued")
        self.demand(len(life.exchange.peers._notes) <= 256, "I10", f"{life.name} remembers {len(life.exchange.peers._notes)} notes")
        for (confirmed,) in life.exchange.store.reader().execute("SELECT confirmed FROM peer_head"):
            self.demand(len(cbor.decode(confirmed)) <= limits.CONFIRMED_HEADS, "I10", f"{life.name} keeps too many heads")

    # -- when everything is quiet ------------------------------------------------------------------------------------------------

    def settled(self, name: str, db: sqlite3.Connection) -> list[str]:
        """What is still open at this node."""
        query = "SELECT recipient || ' ' || state || ' ' || last_code || ' ' || attempts FROM delivery WHERE state IN ('queued','wanted','held')"
        return [f"{name} -> {row[0]}" for row in db.execute(query)]

    def agree(self, logs: dict[str, list[bytes]], databases: dict[str, sqlite3.Connection], liars: Collection[str]) -> None:
        """Sender and recipient tell the same story of every message, each in its own log; what is sound is refused by nobody."""
        for name, log in logs.items():
            for entry in (parse_entry(raw) for raw in log if raw[2] == int(Kind.REFUSED)):
                sent = self.accepted.get(entry.envelope_hash)  # type: ignore[attr-defined]
                sound = sent is not None and sent.sender not in liars and entry.reason != "TIME-EXPIRED"  # type: ignore[attr-defined]
                self.demand(not sound, "I5", f"{name} refuses a sound message: {entry.reason}")  # type: ignore[attr-defined]
        for name, db in databases.items():
            receipted = {
                (entry.envelope_hash, entry.recipient): entry
                for entry in map(parse_entry, logs[name]) if isinstance(entry, Receipted)
            }  # fmt: skip
            given_up = Counter(parse_entry(raw).envelope_hash for raw in logs[name] if raw[2] == int(Kind.UNDELIVERED))  # type: ignore[attr-defined]
            for envelope_hash, recipient, state, receipt in db.execute("SELECT hash, recipient, state, receipt FROM delivery"):
                found = receipted.get((envelope_hash, recipient))
                if state in ("delivered", "refused"):
                    self.demand(found is not None and receipt is not None, "I5", f"{name}: {state} without a receipt in its log")
                    self._same(name, recipient, found, receipt, logs[recipient])
                else:
                    self.demand(given_up[envelope_hash] > 0, "I5", f"{name}: {state} to {recipient} without an entry that says so")
        for accepted in self.accepted.values():
            query = "SELECT count(*) FROM delivery WHERE hash=?"
            count = databases[accepted.sender].execute(query, (accepted.hash,)).fetchone()[0]
            self.demand(count == len(accepted.recipients), "I5", f"{accepted.sender}: a message lost a recipient")

    def _same(self, name: str, recipient: str, ours: Any, receipt: bytes, theirs: list[bytes]) -> None:
        place = ours.place
        self.demand(place.index < len(theirs) and theirs[place.index] == receipt, "I11", f"{name} holds a receipt that {recipient} has not")
        self.demand(ours.entry_hash == hashlib.sha256(receipt).digest(), "I11", f"{name} logged another receipt than it holds")
