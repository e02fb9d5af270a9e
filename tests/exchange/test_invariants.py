"""The invariants as assertions of the shipped program: each is broken on purpose, and what would be wrong is neither kept nor said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange.log import Tx
from exchange.writer import Writer
from protocol.entries import Consigned, Filler, Lane, Submitted
from protocol.errors import LocalError, PassingError
from tests.world import World, make_world

A, B = "xa-ca", "xb-ca"
HASH = bytes(range(32))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path, (A, B))
    made.exchange_prekeys()
    yield made
    made.close()


def _submitted(tx: Tx) -> int:
    return tx.append(Submitted, HASH, HASH[:16], Lane.ROUTINE, tx.time + 1, 1)


def _refused(future: object, detail: str, code: str = "INVARIANT") -> None:
    error = future.exception(10)  # type: ignore[attr-defined]
    assert isinstance(error, LocalError)
    assert (error.code.code, error.detail[: len(detail)]) == (code, detail)


def test_I2_two_entries_about_one_envelope_end_the_writer(world: World) -> None:
    log, writer = world.exchanges[A].log, world.exchanges[A].writer
    size = log.size
    _refused(writer.submit(lambda tx: (_submitted(tx), _submitted(tx))), "I2: two entries")
    assert world.exchanges[A].store.writer.execute("SELECT max(size) FROM head").fetchone() == (size,)
    assert log.head().size == log.size == size
    assert [error.code.code for error in world.fatal] == ["INVARIANT"]
    _refused(writer.submit(_submitted), "I2")  # it takes nothing more


def test_I2_what_was_undone_does_not_count(world: World) -> None:
    exchange = world.exchanges[A]
    stepped = Writer(exchange.store.writer, exchange.log, world.clock, world.fatal.append, threaded=False)

    def fail(tx: Tx) -> None:
        _submitted(tx)
        raise KeyError

    first, second = stepped.submit(fail), stepped.submit(_submitted)
    stepped.step()
    assert isinstance(first.exception(), KeyError)
    assert second.result() == exchange.log.size - 1


def test_I2_two_rows_of_one_message_refuse_the_group(world: World) -> None:
    exchange = world.exchanges[A]
    stepped = Writer(exchange.store.writer, exchange.log, world.clock, world.fatal.append, threaded=False)
    size = exchange.log.size

    def twice(tx: Tx) -> None:
        tx.append(Filler)
        tx.insert("wrap_try", HASH, 1)

    both = [stepped.submit(twice), stepped.submit(twice)]
    stepped.step()
    for future in both:
        _refused(future, "I2: UNIQUE")
    assert exchange.log.size == size
    assert stepped.run(twice) == None  # noqa: E711 - what can go on goes on
    assert exchange.log.size == size + 1


def test_I3_no_receipt_is_given_for_another_message(world: World) -> None:
    """A row that points to the entry of another message: asked again, the node says nothing rather than that."""
    for _ in range(2):
        world.send(A, B, b'{"m": "one"}')
        world.deliver(A, B)
    db = world.exchanges[B].store.writer
    (first, index), (second, other) = db.execute("SELECT hash, idx FROM incoming ORDER BY idx").fetchall()
    db.execute("UPDATE incoming SET idx=? WHERE hash=?", (other, first))
    _offer_again(world, first, "INVARIANT", f"I3: entry {other}")
    _offer_again(world, second, "", "")
    assert index < other


def test_I3_no_receipt_is_given_from_an_altered_entry(world: World) -> None:
    world.send(A, B, b'{"m": "one"}')
    world.deliver(A, B)
    db = world.exchanges[B].store.writer
    envelope_hash, index = db.execute("SELECT hash, idx FROM incoming").fetchone()
    raw = bytearray(db.execute("SELECT bytes FROM entry WHERE n=1 AND idx=?", (index,)).fetchone()[0])
    raw[-1] ^= 1
    db.execute("UPDATE entry SET bytes=? WHERE n=1 AND idx=?", (bytes(raw), index))
    _offer_again(world, envelope_hash, "LOG-DAMAGED", f"index {index}")


def _offer_again(world: World, envelope_hash: bytes, code: str, detail: str) -> None:
    db = world.exchanges[A].store.writer
    db.execute("UPDATE delivery SET state='queued', due=0 WHERE hash=?", (envelope_hash,))
    bag = world.exchanges[A].outbox.bag(B, Lane.ROUTINE)
    assert bag is not None
    try:
        world.exchanges[B].inbox.receive(A, bag.frame)
    except LocalError as error:
        assert (error.code.code, error.detail[: len(detail)]) == (code, detail)
    else:
        assert not code
    db.execute("UPDATE delivery SET state='delivered' WHERE hash=?", (envelope_hash,))


def test_I3_no_proof_is_made_of_an_altered_tile(world: World) -> None:
    exchange = world.exchanges[A]
    exchange.writer.run(lambda tx: [tx.append(Filler) for _ in range(600)])
    exchange.log._subtrees._grown.pop((0, 0))  # as in a log so long that its old tiles are read when they are needed
    tile = bytearray(exchange.log.tile(0, 0, 256))
    tile[77] ^= 1
    db = exchange.store.writer
    db.execute("UPDATE tile SET hashes=? WHERE n=1 AND level=0 AND idx=0", (bytes(tile),))
    with pytest.raises(LocalError) as caught:
        exchange.log.path(9, exchange.log.size)
    assert (caught.value.code.code, caught.value.detail) == ("LOG-DAMAGED", "tile/0/000")


@pytest.mark.parametrize("what", ["the tree", "the root", "the guard"])
def test_I4_no_head_is_signed_that_does_not_continue_the_last(world: World, what: str) -> None:
    """A bit falls over in memory; what is signed is the root of the entries, after the head that was signed last, or nothing is."""
    exchange = world.exchanges[A]
    log, before = exchange.log, exchange.log.head()
    if what == "the tree":
        hashes = log._subtrees._grown[0, 0][0]
        hashes[0] = _flipped(hashes[0])
        for row in log._subtrees._grown[0, 0][1:]:
            row[:] = [_flipped(each) for each in row]
    elif what == "the root":
        log._frontier._hashes = [_flipped(each) for each in log._frontier._hashes]
    else:
        assert exchange.guard.value is not None
        exchange.guard.value = exchange.guard.value._replace(root=_flipped(exchange.guard.value.root))
    _refused(exchange.writer.submit(lambda tx: tx.append(Filler)), "I4")
    assert [error.code.code for error in world.fatal] == ["INVARIANT"]
    assert log.signed == before
    assert exchange.guard.read() is not None
    assert exchange.guard.read().size == before.size  # type: ignore[union-attr]


def _flipped(value: bytes) -> bytes:
    return bytes([value[0] ^ 1]) + value[1:]


def test_before_the_first_signature_a_head_is_a_matter_of_seconds(world: World) -> None:
    """Nobody who asks meanwhile is told that the log's keys are stolen."""
    world.exchanges[A].log.signed = None
    with pytest.raises(PassingError) as caught:
        world.exchanges[A].log.head()
    assert (caught.value.code.code, caught.value.seconds) == ("LOG-UNSURE", 1)


def test_I8_no_entry_is_older_than_the_one_before(world: World) -> None:
    exchange = world.exchanges[A]
    stepped = Writer(exchange.store.writer, exchange.log, world.clock, world.fatal.append, threaded=False)

    def back(tx: Tx) -> None:
        tx.append(Filler)
        tx.time -= 1
        tx.append(Consigned)

    size = exchange.log.size
    future, after = stepped.submit(back), stepped.submit(lambda tx: tx.append(Filler))
    stepped.step()
    _refused(future, "I8")
    assert after.result() == size  # what comes after it is not harmed
