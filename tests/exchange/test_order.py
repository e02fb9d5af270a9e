"""Commit, guard, sign, speak: each step fails, and each fails after it happened. Nothing accepted is lost, nothing unproven is spoken of.

    step      fails                          failed, but happened
    commit    nothing of it is there         it is there, and proven after the restart
    guard     it is there, guard behind      it is there, guard at it
    sign      it is there, guard at it       it is there, guard at it
    speak     it is there, the same entry is given again
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exchange.exchange import Exchange
from exchange.guard import Guarded
from exchange.outgoing.sealing import Draft
from protocol import limits
from protocol.entries import Filler, Submitted
from protocol.errors import LocalError, RogatoryError
from protocol.names import Office
from protocol.pouch import Receipt
from tests.exchange.forgery import Forger, counts
from tests.world import World, make_world


class Faulty:
    """The writer's connection, on which one statement fails before or after it ran."""

    def __init__(self, db: sqlite3.Connection, statement: str, error: Exception, *, after: bool) -> None:
        self._db, self._statement, self._error, self._after = db, statement, error, after

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        if not sql.startswith(self._statement):
            return self._db.execute(sql, *args)
        if self._after:
            self._db.execute(sql, *args)
        raise self._error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


def _statement(sql: str, error: Exception, *, after: bool) -> Callable[[Exchange, pytest.MonkeyPatch], None]:
    def arm(exchange: Exchange, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(exchange.writer, "_db", Faulty(exchange.store.writer, sql, error, after=after))

    return arm


def _guard(call: str, *, after: bool) -> Callable[[Exchange, pytest.MonkeyPatch], None]:
    def arm(exchange: Exchange, patch: pytest.MonkeyPatch) -> None:
        real = getattr(os, call)
        handle = exchange.guard._file

        def faulty(file: int, *args: Any) -> Any:
            if file != handle:
                return real(file, *args)
            if after:
                real(file, *args)
            raise OSError(5, "Input/output error")

        patch.setattr(os, call, faulty)

    return arm


def _short(exchange: Exchange, patch: pytest.MonkeyPatch) -> None:
    real, handle = os.pwrite, exchange.guard._file
    patch.setattr(os, "pwrite", lambda file, data, at: real(file, data[:100] if file == handle else data, at))


def _signer(method: str, *, after: bool) -> Callable[[Exchange, pytest.MonkeyPatch], None]:
    def arm(exchange: Exchange, patch: pytest.MonkeyPatch) -> None:
        real = exchange.log.signer

        class Token:
            def sign_ed25519(self, message: bytes) -> bytes:
                return self._sign("sign_ed25519", message)

            def sign_mldsa44(self, message: bytes) -> bytes:
                return self._sign("sign_mldsa44", message)

            def _sign(self, name: str, message: bytes) -> bytes:
                if name != method:
                    return bytes(getattr(real, name)(message))
                if after:
                    getattr(real, name)(message)
                raise RuntimeError("the token was pulled")

        patch.setattr(exchange.log, "signer", Token())

    return arm


def _io(text: str) -> sqlite3.OperationalError:
    return sqlite3.OperationalError(text)


# name -> how it is armed, code to the caller, whether the submission is there after the restart, whether the writer ends
STEPS: dict[str, tuple[Callable[[Exchange, pytest.MonkeyPatch], None], str, bool, bool]] = {
    "begin_fails": (_statement("BEGIN", _io("disk I/O error"), after=False), "STORE-WRITE", False, True),
    "write_fails_full": (_statement("INSERT INTO head", _io("database or disk is full"), after=False), "STORE-WRITE", False, False),
    "write_fails_io": (_statement("INSERT INTO head", _io("disk I/O error"), after=False), "STORE-WRITE", False, True),
    "change_fails_full": (_statement("INSERT INTO outgoing", _io("database or disk is full"), after=False), "STORE-WRITE", False, False),
    "commit_fails": (_statement("COMMIT", _io("disk I/O error"), after=False), "STORE-WRITE", False, True),
    "commit_fails_full": (_statement("COMMIT", _io("database or disk is full"), after=False), "STORE-WRITE", False, False),
    "commit_happened": (_statement("COMMIT", _io("disk I/O error"), after=True), "STORE-WRITE", True, True),
    "commit_happened_full": (_statement("COMMIT", _io("database or disk is full"), after=True), "STORE-WRITE", True, True),
    "guard_write_fails": (_guard("pwrite", after=False), "GUARD-WRITE", True, True),
    "guard_write_happened": (_guard("pwrite", after=True), "GUARD-WRITE", True, True),
    "guard_write_short": (_short, "GUARD-WRITE", True, True),
    "guard_sync_fails": (_guard("fdatasync", after=False), "GUARD-WRITE", True, True),
    "guard_sync_happened": (_guard("fdatasync", after=True), "GUARD-WRITE", True, True),
    "sign_fails": (_signer("sign_ed25519", after=False), "LOG-SIGN", True, True),
    "sign_happened": (_signer("sign_ed25519", after=True), "LOG-SIGN", True, True),
    "sign_second_fails": (_signer("sign_mldsa44", after=False), "LOG-SIGN", True, True),
    "sign_second_happened": (_signer("sign_mldsa44", after=True), "LOG-SIGN", True, True),
}  # fmt: skip


def _draft(world: World) -> Draft:
    return Draft("247", (Office("xb-ca", "247"),), "EE_PRESERVE", b"{}", world.clock.now() + limits.DAY)


@pytest.mark.parametrize("name", STEPS)
def test_each_step(pair: World, name: str) -> None:
    arm, code, there, ends = STEPS[name]
    a = pair.exchanges["xa-ca"]
    kept = pair.send("xa-ca", "xb-ca", b"kept")
    before, head = counts(a), a.log.head()
    sealed = a.outbox.seal(_draft(pair))
    with pytest.MonkeyPatch.context() as patch:
        arm(a, patch)
        with pytest.raises(RogatoryError) as caught:
            a.outbox.submit(sealed).result(timeout=10)
        assert caught.value.code.code == code
        assert a.log.signed is None or a.log.signed.size == head.size  # nothing new was signed, so nothing can be spoken of
        assert [error.code.code for error in pair.fatal] == ([code] if ends else [])
        if ends:
            with pytest.raises(LocalError) as dead:
                a.writer.submit(lambda tx: None).result(timeout=10)
            assert dead.value.code.code == code
    if not ends:
        assert counts(a) == before
        pair.send("xa-ca", "xb-ca", b"works again")
    a = pair.reopen("xa-ca")
    pair.fatal.clear()
    submitted = [entry.envelope_hash for entry in pair.entries("xa-ca") if isinstance(entry, Submitted)]
    assert (sealed.envelope.hash in submitted) == there
    assert kept.hash in submitted
    assert a.log.size == before["log"] + (1 if there or not ends else 0)
    assert a.guard.read() == Guarded(a.log.origin, a.log.size, a.log.root)
    assert a.log.consistency(head.size, a.log.head()) is not None
    pair.deliver("xa-ca", "xb-ca")
    assert {message.deliveries[0].state for message in a.messages.outbox()} == {"delivered"}
    assert len(pair.exchanges["xb-ca"].messages.inbox()) == len(submitted)


def test_speaking_fails_and_the_same_is_said_again(forger: Forger, pair: World) -> None:
    """Committed, guarded, signed, and the answer was never heard: after a restart the same entry is given."""
    item = forger.item(forger.seal())
    frame = forger.frame(item)
    first = forger.carry(frame)
    pair.reopen("xb-ca")
    second = forger.carry(frame)
    assert isinstance(first[0], Receipt)
    assert first == second


def test_nothing_is_spoken_of_before_it_is_signed(pair: World) -> None:
    """The future resolves after guard and signature: whoever hears of it can prove it."""
    a = pair.exchanges["xa-ca"]
    order: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        swap, sign = a.guard.swap, a.log.signer.sign_ed25519
        patch.setattr(a.guard, "swap", lambda old, new: (order.append(f"guard {new.size}"), swap(old, new))[1])

        class Signer:
            def sign_ed25519(self, message: bytes) -> bytes:
                size = int(message.split(b"\n")[1])
                rows = a.store.reader().execute("SELECT count(*) FROM head WHERE size=?", (size,)).fetchone()[0]
                order.append(f"sign {size} committed {rows}")
                return sign(message)

            sign_mldsa44 = staticmethod(a.log.signer.sign_mldsa44)

        patch.setattr(a.log, "signer", Signer())
        size = a.log.size + 1
        future = a.outbox.submit(a.outbox.seal(_draft(pair)))
        future.add_done_callback(lambda done: order.append(f"speak {a.log.head().size}"))
        future.result()
        a.writer.run(lambda tx: None)
    assert order == [f"guard {size}", f"sign {size} committed 1", f"speak {size}"]


def test_a_change_that_raises_undoes_itself_alone(pair: World) -> None:
    a = pair.exchanges["xa-ca"]

    def wrong(tx: Any) -> None:
        tx.append(Filler)
        tx.db.execute("INSERT INTO meta VALUES ('half', x'00')")
        raise KeyError("half way")

    size = a.log.size
    futures = [a.writer.submit(change) for change in (lambda tx: tx.append(Filler), wrong, lambda tx: tx.append(Filler))]
    assert futures[0].result() == size
    with pytest.raises(KeyError):
        futures[1].result()
    assert futures[2].result() == size + 1
    assert a.log.size == size + 2
    assert a.store.reader().execute("SELECT count(*) FROM meta WHERE key='half'").fetchone() == (0,)


def test_a_cancelled_change_is_not_made(pair: World) -> None:
    import threading

    a = pair.exchanges["xa-ca"]
    go = threading.Event()
    first = a.writer.submit(lambda tx: go.wait(10))
    second = a.writer.submit(lambda tx: tx.append(Filler))
    size = a.log.size
    assert second.cancel()
    go.set()
    first.result()
    a.writer.run(lambda tx: None)
    assert a.log.size == size


def test_a_log_that_cannot_grow_ends_the_writer_and_hangs_nobody(pair: World) -> None:
    a = pair.exchanges["xa-ca"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(a.log, "write", lambda tx: (_ for _ in ()).throw(MemoryError()))
        with pytest.raises(LocalError) as caught:
            a.writer.submit(lambda tx: tx.append(Filler)).result(timeout=10)
    assert caught.value.code.code == "LOG-SIGN"
    assert not a.store.writer.in_transaction


def test_STORE_STOPPED_nothing_queues_up_behind_the_end(tmp_path: Path) -> None:
    world = make_world(tmp_path, ("xa-ca",))
    a = world.exchanges["xa-ca"]
    queued = [a.writer.submit(lambda tx: tx.append(Filler)) for _ in range(200)]
    world.close()
    assert all(future.result(timeout=10) > 0 for future in queued)  # what was queued is finished
    with pytest.raises(LocalError) as caught:
        a.writer.submit(lambda tx: None).result(timeout=10)
    assert caught.value.code.code == "STORE-STOPPED"


def test_a_set_of_prekeys_that_was_not_committed_is_not_offered(pair: World) -> None:
    a = pair.exchanges["xa-ca"]
    offered = a.shelf.offer(a.log.head())
    pair.clock.advance(limits.DAY)
    with pytest.MonkeyPatch.context() as patch:
        STEPS["write_fails_full"][0](a, patch)
        with pytest.raises(LocalError):
            a.daily()
    a.writer.run(lambda tx: [tx.append(Filler) for _ in range(5)])
    again = a.shelf.offer(a.log.head())
    assert offered is not None
    assert again is not None
    assert (again.proven.entry, again.keys) == (offered.proven.entry, offered.keys)
    a.daily()
    pair.tell_prekeys("xa-ca", "xb-ca")
