"""Many at once: identical pouches, two lanes that overtake each other, readers beside the writer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from exchange.exchange import Exchange
from exchange.outgoing.sealing import Draft
from protocol import limits, merkle, pouch
from protocol.entries import Consigned, Filler, Forked, Lane, Receipted, parse_entry
from protocol.errors import ProtocolError, RogatoryError
from protocol.heads import HeadError
from protocol.names import Office
from protocol.pouch import Receipt
from tests.exchange.forgery import Forger, changes
from tests.world import World


def _together(count: int, run: Callable[[int], object]) -> list[object]:
    barrier = threading.Barrier(count)

    def one(number: int) -> object:
        barrier.wait()
        return run(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_RPL_8_fifty_identical_pouches_at_once(forger: Forger) -> None:
    frame = forger.frame(*forger.items(forger.seal(), forger.seal(files=[("text/plain", b"evidence")])))
    with changes(forger.theirs, incoming=2, incoming_part=1, secret=2, note=1, log=1):
        answers = _together(50, lambda _: forger.carry(frame))
    receipts = {(first.proven.index, first.proven.entry) for first, _ in answers}  # type: ignore[misc, attr-defined]
    assert len(receipts) == 1
    index, entry = receipts.pop()
    assert isinstance(parse_entry(entry), Consigned)
    assert forger.theirs.log.entry(index) == entry
    for first, wants in answers:  # type: ignore[misc]
        assert isinstance(first, Receipt)
        assert wants == pouch.Wants(((1, 0),))


def test_RPL_3_two_messages_of_one_id_at_once(forger: Forger) -> None:
    first = forger.seal()
    items = forger.items(first, *(forger.seal({2: first.fields[2]}) for _ in range(7)))
    frames = [forger.frame(item) for item in items]
    with changes(forger.theirs, incoming=8, secret=1, note=1, log=8, refusal_count=7):
        answers = _together(8, lambda number: forger.carry(frames[number])[0])
    kinds = [type(parse_entry(answer.proven.entry)).__name__ for answer in answers]  # type: ignore[attr-defined]
    assert sorted(kinds) == ["Consigned", *["Refused"] * 7]


def test_HEAD_7_heads_that_race_leave_one_record_that_never_goes_back(forger: Forger) -> None:
    old = forger.theirs.peers.greatest("xa-ca")
    frames = []
    for _ in range(16):
        forger.log(Filler)
        frames.append(forger.frame(about=forger.about(old=old)))
    seen: list[int] = []

    def show(number: int) -> str:
        try:
            forger.carry(frames[number])
        except HeadError as error:
            assert error.fork is None
            return error.code.code
        finally:
            seen.append(forger.theirs.peers.greatest("xa-ca"))
        return "taken"

    results = _together(16, show)
    assert set(results) <= {"taken", "HEAD-UNLINKED"}
    assert "taken" in results
    record = forger.theirs.peers.record(forger.ours.log.origin)
    assert record is not None
    sizes = [known.size for known in record.confirmed]
    assert sizes == sorted(sizes)
    assert record.greatest.size == sizes[-1] == max(seen)
    assert not [entry for entry in forger.world.entries("xb-ca") if isinstance(entry, Forked)]
    forger.offer()  # linked rightly: all is well


Way = tuple[str, str, Lane]


def _carry(world: World, way: Way, wrong: list[object]) -> None:
    """Carry one lane until nothing is open; heads that were overtaken are linked again."""
    us, them, lane = way
    sending = world.exchanges[us]
    for _ in range(400):
        if sending.due.next(them, lane) is None:
            return
        bag = sending.outbox.bag(them, lane)
        try:
            if bag is not None:
                sending.answers.take(bag, world.exchanges[them].inbox.receive(us, bag.frame))
        except HeadError as error:
            if not sending.links.hint(them, error.greatest) or error.fork:
                wrong.append(error)
        sending.retries.hasten(them)


def _prove(exchange: Exchange, stop: threading.Event, wrong: list[object]) -> None:
    """Hand out proofs while the log grows."""
    while not stop.is_set():
        head = exchange.log.head()
        for index in range(0, head.size, 7):
            proven = exchange.log.prove(index, head)
            try:
                merkle.check_inclusion(merkle.leaf_hash(proven.entry), index, head.size, list(proven.path), head.root)
            except ProtocolError as error:
                wrong.append(error)


def test_two_lanes_both_ways_while_a_reader_is_at_work(pair: World) -> None:
    ways = [(us, them, lane) for us, them in (("xa-ca", "xb-ca"), ("xb-ca", "xa-ca")) for lane in Lane]
    sent = {way: [pair.send(way[0], way[1], b"%d" % n, lane=way[2]) for n in range(25)] for way in ways}
    stop, wrong = threading.Event(), []
    prover = threading.Thread(target=_prove, args=(pair.exchanges["xb-ca"], stop, wrong))
    prover.start()
    _together(len(ways), lambda number: _carry(pair, ways[number], wrong))
    stop.set()
    prover.join()
    assert not wrong
    for (us, them, _), submissions in sent.items():
        for submission in submissions:
            assert pair.exchanges[us].messages.find(submission.hash).deliveries[0].state == "delivered"
            assert pair.exchanges[them].messages.find(submission.hash).deliveries[0].state == "consigned"
    for name in pair.exchanges:
        entries = pair.entries(name)
        assert not [entry for entry in entries if isinstance(entry, Forked)]
        for kind in (Consigned, Receipted):
            told = [entry.envelope_hash for entry in entries if isinstance(entry, kind)]
            assert len(told) == len(set(told)) == 50


def _draft(world: World, form: bytes) -> Draft:
    return Draft("247", (Office("xb-ca", "247"),), "EE_PRESERVE", form, world.clock.now() + limits.DAY)


def test_more_than_a_pouch_holds_goes_in_several(pair: World) -> None:
    a = pair.exchanges["xa-ca"]
    for n in range(limits.POUCH_ITEMS + 3):
        a.outbox.submit(a.outbox.seal(_draft(pair, b"%d" % n)))
    a.writer.run(lambda tx: None)
    sizes = []
    while (bag := pair.deliver("xa-ca", "xb-ca")) is not None:
        sizes.append(len(bag.rows))
        assert len(bag.frame) <= limits.POUCH
    assert sizes == [limits.POUCH_ITEMS, 3]


def test_large_bodies_never_make_a_pouch_too_large(pair: World) -> None:
    a = pair.exchanges["xa-ca"]
    for n in range(12):
        a.outbox.submit(a.outbox.seal(_draft(pair, bytes([n]) * 1_000_000))).result()
    sizes = []
    while (bag := pair.deliver("xa-ca", "xb-ca")) is not None:
        sizes.append(len(bag.rows))
        assert len(bag.frame) <= limits.POUCH
    assert sum(sizes) == 12
    assert len(sizes) > 1


def test_limits_are_refused_at_the_sender_too(pair: World) -> None:
    a = pair.exchanges["xa-ca"]
    with changes(a), pytest.raises(RogatoryError) as caught:
        a.outbox.seal(_draft(pair, bytes(limits.BODY)))
    assert caught.value.code.code == "BODY-FORM"
