"""Mistakes that are put into the shipped code to see that the simulator finds them: each by a replacement, for one run, in tests only.

``PLANTS`` names each with the scenario in which it is looked for and the invariants that may find it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, NamedTuple

import node.witnessing.reconciler
from exchange.evidence.partsin import Upload
from exchange.guard import Guard, Guarded
from exchange.incoming.seen import Seen
from exchange.log import Log, Tx
from exchange.outgoing.retries import Retries
from exchange.outgoing.wraps import Wraps
from exchange.peering.witness import Witness
from exchange.reconcile import Finding, Verdict
from protocol.checkpoint import Checkpoint, sign_head
from protocol.entries import Receipted, Undelivered
from protocol.heads import HeadError
from tests.simulation.authority import SteppedWriter
from tests.simulation.network import Network
from tests.simulation.points import Patches, Watched, here


def _sign_before_commit(world: Any, patches: Patches) -> None:
    real = Log.write

    def write(self: Log, tx: Tx) -> Any:
        growth = real(self, tx)
        if growth is not None and self.hold is None:
            size, root, time = tx.db.execute("SELECT size, root, time FROM head WHERE n=? ORDER BY size DESC LIMIT 1", (self.n,)).fetchone()
            sign_head(Checkpoint(self.origin, size, root), -(-time // 1000), self.signer, self.keys)
        return growth

    patches.set(Log, "write", write)


def _guard_after_signature(world: Any, patches: Patches) -> None:
    """The head is signed, and spoken of, before the guard has moved; it moves at the next one."""
    real = Guard.swap

    def swap(self: Guard, old: Guarded | None, new: Guarded) -> None:
        late, self.late = getattr(self, "late", None), new  # type: ignore[attr-defined]
        if late is not None and late.size:
            real(self, self.read(), late)
        self.value = new

    patches.set(Guard, "swap", swap)


def _guard_skipped(world: Any, patches: Patches) -> None:
    def swap(self: Guard, old: Guarded | None, new: Guarded) -> None:
        self.value = new

    patches.set(Guard, "swap", swap)
    patches.set(Log, "demand_guard", lambda self: None)
    _witnesses_not_asked(world, patches)


def _witnesses_not_asked(world: Any, patches: Patches) -> None:
    patches.set(node.witnessing.reconciler, "judge", lambda log, asked, **_: Finding(Verdict.GO))


def _receipt_before_commit(world: Any, patches: Patches) -> None:
    """The answer leaves while its transaction is still open: the commit comes with the next one."""
    real = Watched.execute

    def execute(self: Watched, sql: str, parameters: Any = ()) -> Any:
        if sql == "COMMIT" and here.get() is not None:
            self.open = True  # type: ignore[attr-defined]
            return None
        if sql.startswith("BEGIN") and getattr(self, "open", False):
            self.open = False  # type: ignore[attr-defined]
            real(self, "COMMIT")
        return real(self, sql, parameters)

    patches.set(Watched, "execute", execute)


def _no_duplicate_row(world: Any, patches: Patches) -> None:
    real = Watched.execute

    def execute(self: Watched, sql: str, parameters: Any = ()) -> Any:
        if sql.startswith(("INSERT INTO incoming ", "INSERT INTO secret ")):
            sql = sql.replace("INSERT", "INSERT OR REPLACE", 1)
        return real(self, sql, parameters)

    patches.set(Seen, "standing", lambda self, envelope: None)
    patches.set(Seen, "has_id", lambda self, envelope: False)
    patches.set(Watched, "execute", execute)
    patches.set(Tx, "demand_once", lambda self: None)


def _lane_shared(world: Any, patches: Patches) -> None:
    """One connection for both lanes."""
    real, locks = Network.call, {}

    async def call(self: Network, life: Any, dst: str, connection: str, *rest: Any) -> Any:
        if connection not in ("URGENT", "ROUTINE"):
            return await real(self, life, dst, connection, *rest)
        async with locks.setdefault((life, dst), asyncio.Lock()):
            return await real(self, life, dst, "ROUTINE", *rest)

    patches.set(Network, "call", call)


def _salt_left_out(world: Any, patches: Patches) -> None:
    real = Tx.append

    def append(self: Tx, cls: Any, *fields: Any) -> int:
        random, self._log.random = self._log.random, bytes
        try:
            return real(self, cls, *fields)
        finally:
            self._log.random = random

    patches.set(Tx, "append", append)


def _receipt_in_a_transaction_of_its_own(world: Any, patches: Patches) -> None:
    """The state of a delivery and the entry that proves it are committed one after the other."""
    real = Tx.append

    def append(self: Tx, cls: Any, *fields: Any) -> int:
        life = here.get()
        if cls is not Receipted or life is None:
            return real(self, cls, *fields)
        world.loop.call_later(0.005, lambda: None if life.dead else life.writer.submit(lambda tx: real(tx, cls, *fields)))  # type: ignore[attr-defined]
        return 0

    patches.set(Tx, "append", append)


def _dropped_on_later(world: Any, patches: Patches) -> None:
    def later(self: Retries, tx: Tx, row: Any, code: str, seconds: int) -> None:
        tx.db.execute("UPDATE delivery SET state='rejected', last_code=? WHERE id=?", (code, row.id))

    patches.set(Retries, "later", later)


def _silent_expiry(world: Any, patches: Patches) -> None:
    real = Tx.append
    patches.set(Tx, "append", lambda self, cls, *fields: 0 if cls is Undelivered else real(self, cls, *fields))


def _part_not_verified(world: Any, patches: Patches) -> None:
    patches.set(Upload, "finish", lambda self: None)


def _time_goes_back(world: Any, patches: Patches) -> None:
    real = Tx.__init__

    def init(self: Tx, db: Any, log: Any, time: int) -> None:
        real(self, db, log, log.time - 1 if log.time and log.size % 7 == 0 else time)
        self._latest = 0  # nor does the log refuse it

    patches.set(Tx, "__init__", init)


def _plaintext_kept(world: Any, patches: Patches) -> None:
    """A part is opened while it flows, and what was opened is written beside it."""
    real = Upload.write

    def write(self: Upload, *pieces: bytes) -> None:
        check = self.check

        def opened(data: bytes) -> bytes:
            plain = check.update(data)
            with open(f"{self.file.path}.plain", "ab") as file:
                file.write(plain)
            return plain

        self.check = SimpleNamespace(update=opened, finalize=check.finalize)  # type: ignore[assignment]
        try:
            real(self, *pieces)
        finally:
            self.check = check

    patches.set(Upload, "write", write)


def _told_before_commit(world: Any, patches: Patches) -> None:
    """Who submits is told before the commit that may still fail."""
    real = SteppedWriter.submit

    def submit(self: SteppedWriter, change: Callable[[Tx], Any], **named: Any) -> Any:
        def early(tx: Tx) -> Any:
            result = change(tx)
            if not future.done() and future.running() and type(result).__name__ == "Submission":
                told, future.set_result = future.set_result, lambda _: None  # type: ignore[method-assign]
                told(result)
            return result

        future = real(self, early, **named)
        return future

    patches.set(SteppedWriter, "submit", submit)


def _behind_head_cosigned(world: Any, patches: Patches) -> None:
    """A witness signs whatever head it is shown; what it has signed before it looks up too late."""

    def confirm(self: Witness, tx: Tx, head: Any, offer: Any, lines: bytes) -> None:
        with suppress(HeadError):
            self._peers.confirm(tx, head, offer)
        self._keep(tx, head, None, lines)

    def keep(self: Witness, tx: Tx, head: Any, record: Any, lines: bytes) -> bool:
        tx.db.execute("INSERT OR REPLACE INTO cosigned VALUES (?,?,?)", (head.origin, head.size, lines))
        return True

    patches.set(Witness, "_confirm", confirm)
    patches.set(Witness, "_keep", keep)


def _wrap_reused(world: Any, patches: Patches) -> None:
    """A message is wrapped once: when the prekey has ended before it was delivered, the old wrap travels again."""
    made: dict[tuple[str, bytes, str], bytes] = {}
    real = Wraps.wrap

    def wrap(self: Wraps, row: Any, peer: str, key: Any) -> bytes:
        life = here.get()
        return made.setdefault((life.name, row.hash, peer), real(self, row, peer, key))  # type: ignore[union-attr]

    patches.set(Wraps, "wrap", wrap)


class Plant(NamedTuple):
    """A mistake, where it is looked for, and which invariants may find it."""

    put: Callable[[Any, Patches], None]
    scenario: str
    found_by: tuple[str, ...]


PLANTS: dict[str, Plant] = {
    "sign before commit": Plant(_sign_before_commit, "pair", ("I4",)),
    "guard after signature": Plant(_guard_after_signature, "pair", ("I12", "I4")),
    "guard skipped": Plant(_guard_skipped, "pair", ("I12", "I4")),
    "receipt before commit": Plant(_receipt_before_commit, "pair", ("I3", "I1", "I11")),
    "told before commit": Plant(_told_before_commit, "pair", ("I1",)),
    "no duplicate row": Plant(_no_duplicate_row, "pair", ("I2", "I3")),
    "lane shared": Plant(_lane_shared, "urgent", ("I6",)),
    "salt left out": Plant(_salt_left_out, "pair", ("I7",)),
    "receipt in a transaction of its own": Plant(_receipt_in_a_transaction_of_its_own, "pair", ("I5",)),
    "dropped on later": Plant(_dropped_on_later, "pair", ("I5",)),
    "silent expiry": Plant(_silent_expiry, "pair", ("I5",)),
    "part not verified": Plant(_part_not_verified, "pair", ("I1",)),
    "time goes back": Plant(_time_goes_back, "pair", ("I8",)),
    "plaintext kept": Plant(_plaintext_kept, "pair", ("I7",)),
    "behind-head cosigned": Plant(_behind_head_cosigned, "pair", ("I8",)),
    "wrap reused": Plant(_wrap_reused, "pair", ("I5", "I11")),
}
