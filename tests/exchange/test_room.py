"""The log against a plain tree, and what the reading side of messages gives and refuses."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exchange.outgoing.sealing import Attachment, Draft
from keys.suite import SUITE
from protocol import limits, merkle, tiles
from protocol.checkpoint import verify_head
from protocol.entries import Accessed, Filler, HandedOver, Lane, Opened, TreeHead
from protocol.errors import LocalError
from protocol.names import Office
from protocol.parts import PartName, verify_opening
from tests.exchange.forgery import changes
from tests.protocol.c2sp import Tree
from tests.world import START, World


def _code(call: Callable[[], object]) -> str:
    with pytest.raises(LocalError) as caught:
        call()
    return caught.value.code.code


# -- the log -----------------------------------------------------------------------------------------------------------------


def test_the_log_is_the_tree_of_its_entries_at_every_size(pair: World) -> None:
    """Group commits of all sizes over two tile borders; after a restart from tiles alone the same."""
    log = pair.exchanges["xa-ca"].log
    writer = pair.exchanges["xa-ca"].writer
    roots = {log.size: log.root}
    for step in (1, 2, 3, 250, 1, 255, 256, 257):
        writer.run(lambda tx, n=step: [tx.append(Filler) for _ in range(n)])  # type: ignore[misc]
        roots[log.size] = log.root
    for life in range(2):
        entries = log.entries(0, log.size)
        head = verify_head(log.head().note, log.keys, SUITE).value
        assert isinstance(pair.entries("xa-ca")[0], Opened)
        for size, root in roots.items():
            assert Tree(entries[:size]).root == root
            assert log.has_head(TreeHead(size, root))
            assert not log.has_head(TreeHead(size, bytes(32)))
            merkle.check_consistency(size, head.size, list(log.consistency(size, head)), root, head.root)
        whole = Tree(entries)
        for index in (0, 1, 255, 256, 511, 512, head.size - 1):
            assert log.path(index, head.size) == whole.path(index)
            proven = log.prove(index, head)
            merkle.check_inclusion(merkle.leaf_hash(proven.entry), index, head.size, list(proven.path), head.root)
        first = log.tile(0, 0, tiles.WIDTH)
        assert first == b"".join(merkle.leaf_hash(entry) for entry in entries[:256])
        assert log.tile(1, 0, 1) == Tree(entries[:256]).root
        if life == 0:
            log = pair.reopen("xa-ca").log
            log._subtrees.clear()


def test_LOG_RANGE(pair: World) -> None:
    log = pair.exchanges["xa-ca"].log
    assert _code(lambda: log.entry(log.size)) == "LOG-RANGE"
    assert _code(lambda: log.consistency(log.size + 1, log.head())) == "LOG-RANGE"
    assert log.consistency(0, log.head()) == ()
    assert log.consistency(log.size, log.head()) == ()


def test_the_head_rows_time_is_the_last_entrys(pair: World) -> None:
    rows = pair.exchanges["xa-ca"].store.reader().execute("SELECT size, time FROM head ORDER BY size").fetchall()
    entries = pair.entries("xa-ca")
    assert [time for _, time in rows] == [entries[size - 1].time for size, _ in rows]


# -- messages ----------------------------------------------------------------------------------------------------------------


@contextmanager
def _evidence() -> Iterator[tuple[io.BytesIO, int]]:
    yield io.BytesIO(b"evidence"), 8


def _sent(world: World) -> bytes:
    attachment = Attachment(Path("upload"), "a.bin", "text/csv", "annex", _evidence)
    outbox = world.exchanges["xa-ca"].outbox
    draft = Draft("247", (Office("xb-ca", "247"),), "EE_PRESERVE", b'{"n":1}', START + limits.DAY, attachments=(attachment,))
    return outbox.submit(outbox.seal(draft)).result().hash


@pytest.mark.parametrize("name", ["xa-ca", "xb-ca"])
def test_both_sides_read_the_same_and_can_show_one_part_to_a_court(pair: World, name: str) -> None:
    hash_ = _sent(pair)
    pair.deliver("xa-ca", "xb-ca")
    messages = pair.exchanges[name].messages
    message = messages.find(hash_)
    assert messages.find(message.message_id) == message
    letter = messages.read(message)
    assert (letter.form, letter.attachments[0].media_type) == (b'{"n":1}', "text/csv")
    envelope = messages.envelope(message)
    for number, media_type, plaintext in ((0, "application/vnd.rogatory.body+cbor", messages.body(message)), (1, "text/csv", b"evidence")):
        part = PartName(envelope.network_id, envelope.message_id, number)
        verify_opening(part, envelope.parts[number], media_type, messages.opening(message, number), [plaintext])


def test_refusals_of_reading(pair: World) -> None:
    hash_ = _sent(pair)
    a = pair.exchanges["xa-ca"].messages
    message = a.find(hash_)
    assert _code(lambda: a.find(bytes(32))) == "MESSAGE-UNKNOWN"
    assert _code(lambda: a.find(bytes(16))) == "MESSAGE-UNKNOWN"
    for number in (0, 2, -1):
        assert _code(lambda n=number: list(a.attachment(message, n))) == "PART-NUMBER"  # type: ignore[misc]
    for number in (2, -1):
        assert _code(lambda n=number: a.opening(message, n)) == "PART-NUMBER"  # type: ignore[misc]
    pair.deliver("xa-ca", "xb-ca", parts=False)
    b = pair.exchanges["xb-ca"].messages
    assert _code(lambda: list(b.attachment(b.find(hash_), 1))) == "MESSAGE-PENDING"
    for name in ("xa-ca", "xb-ca"):
        exchange = pair.exchanges[name]
        with changes(exchange, secret=-1):
            exchange.writer.run(lambda tx, e=exchange: e.messages.erase(tx, e.messages.find(hash_)))  # type: ignore[misc]
        for use in (exchange.messages.read, exchange.messages.body, lambda m, e=exchange: e.messages.opening(m, 0)):
            assert _code(lambda u=use, e=exchange: u(e.messages.find(hash_))) == "MESSAGE-ERASED"  # type: ignore[misc]
    with pytest.raises(Exception, match="MESSAGE-ERASED"):
        pair.exchanges["xb-ca"].parts_in.open("xa-ca", hash_, 1, 0)


@pytest.mark.parametrize(("change", "code"), [("DELETE FROM secret WHERE hash=?", "MESSAGE-ERASED"), ("UPDATE secret SET wrapped=x'01' WHERE hash=?", "STORAGE-WRAP")])
def test_POI_1_a_message_whose_secret_is_gone_is_held_and_stops_no_other(pair: World, change: str, code: str) -> None:
    damaged, good = _sent(pair), _sent(pair)
    a = pair.exchanges["xa-ca"]
    a.writer.run(lambda tx: tx.db.execute(change, (damaged,)))
    pair.deliver("xa-ca", "xb-ca")
    assert [(d.state, d.last_code) for d in a.messages.find(damaged).deliveries] == [("held", code)]
    assert a.messages.find(good).deliveries[0].state == "delivered"
    alone = _sent(pair)
    a.writer.run(lambda tx: tx.db.execute(change, (alone,)))
    assert pair.deliver("xa-ca", "xb-ca") is None
    assert a.due.next("xb-ca", Lane.ROUTINE) is None


def test_reading_and_handing_over_are_logged(pair: World) -> None:
    hash_ = _sent(pair)
    pair.deliver("xa-ca", "xb-ca")
    b = pair.exchanges["xb-ca"]
    message = b.messages.find(hash_)
    with changes(b, log=2):
        b.messages.log_access(message, b"p" * 16, "case 4711")
        b.messages.log_hand_over(message, b"p" * 16, "case 4711")
    read, handed = pair.entries("xb-ca")[-2:]
    assert isinstance(read, Accessed)
    assert isinstance(handed, HandedOver)
    assert (read.envelope_hash, read.pseudonym, handed.purpose) == (hash_, b"p" * 16, "case 4711")
