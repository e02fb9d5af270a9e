"""What cannot be judged or read harms only itself: faults of ours (POI-1), worthless answers (POI-3), endless *bad* (POI-4)."""

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from exchange import codes, oddities
from exchange.exchange import Exchange
from exchange.incoming import inbox
from protocol import limits
from protocol.delivery import Event, State
from protocol.entries import Consigned, Lane
from protocol.errors import LocalError
from protocol.pouch import Bad
from tests.exchange.outgoing.test_outbox_answers import Answering
from tests.world import World

# Every step of judging and storing an item: where it is found, and its name.
STEPS: dict[str, Callable[[Exchange], tuple[Any, str]]] = {
    "5": lambda _: (inbox.arrival, "check_5_parse"),
    "6": lambda _: (inbox.arrival, "check_6_inclusion"),
    "7": lambda _: (inbox.arrival, "check_7_bindings"),
    "8": lambda x: (x.inbox, "_known"),
    "9": lambda _: (inbox.arrival, "check_9_time"),
    "10": lambda _: (inbox.arrival, "check_10_recipient"),
    "11": lambda _: (inbox.arrival, "check_11_wrap"),
    "12": lambda _: (inbox.arrival, "check_12_body"),
    "13": lambda _: (inbox.arrival, "check_13_letter"),
    "15 insert": lambda _: (inbox._Batch, "add"),
    "15 entry": lambda _: (inbox._Batch, "place"),
    "17": lambda x: (x.inbox, "_reply"),
}


def poison(monkeypatch: pytest.MonkeyPatch, place: Any, name: str, mark: bytes) -> list[str]:
    """From now on this step breaks for whatever is about the envelope with this hash; how often it did."""
    whole, broken = getattr(place, name), []

    def step(*args: Any, **kwargs: Any) -> Any:
        if any(_is_about(arg, mark) for arg in args):
            broken.append(name)
            raise ZeroDivisionError("a fault of ours")
        return whole(*args, **kwargs)

    monkeypatch.setattr(place, name, step)
    return broken


def _is_about(arg: Any, mark: bytes) -> bool:
    envelope = getattr(getattr(arg, "arrived", arg), "envelope", arg)
    if isinstance(arg, inbox.Known):
        return arg.index == MARKED[0]
    return getattr(envelope, "hash", None) == mark or (isinstance(arg, bytes) and ENVELOPE[0] in arg)


ENVELOPE = [b"?"]
MARKED = [-1]


@pytest.mark.parametrize("step", STEPS)
def test_POI_1_a_fault_at_each_step(pair: World, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Tried three times, then kept and set aside; its neighbours are consigned at once; mended, it passes."""
    a, b = pair.exchanges["xa-ca"], pair.exchanges["xb-ca"]
    pair.send("xa-ca", "xb-ca", b"{}")
    pair.deliver("xa-ca", "xb-ca")
    sent = [pair.send("xa-ca", "xb-ca", b'{"n":%d}' % n) for n in range(3)]
    bad = sent[1]
    ENVELOPE[0], MARKED[0] = a.messages.envelope(a.messages.find(bad.hash)).raw, b.log.size + 1
    broken = poison(monkeypatch, *STEPS[step](b), bad.hash)
    for attempt in range(1, 5):
        a.retries.hasten("xb-ca")
        pair.deliver("xa-ca", "xb-ca")
        assert state(a, sent[0].hash) == state(a, sent[2].hash) == ("delivered", "")
        code = codes.ITEM_FAULT if attempt < limits.FAULTS else codes.ITEM_QUARANTINED
        assert state(a, bad.hash) == ("queued", code.code)
    tried = len(broken)
    a.retries.hasten("xb-ca")
    pair.deliver("xa-ca", "xb-ca")
    if step != "17":
        assert len(broken) == tried, "it is not judged any more"
    assert oddities.recent_oddities(b.store, pair.clock.now()) == [(oddities.ITEM, codes.ITEM_QUARANTINED.code, "xa-ca")]
    monkeypatch.undo()
    pair.reopen("xb-ca")  # the next release
    pair.clock.advance(limits.HOUR)
    pair.exchanges["xa-ca"].retries.hasten("xb-ca")
    pair.deliver("xa-ca", "xb-ca")
    assert state(a, bad.hash) == ("delivered", "")
    consigned = [entry.envelope_hash for entry in pair.entries("xb-ca") if isinstance(entry, Consigned)]
    assert consigned.count(bad.hash) == 1


def state(exchange: Exchange, envelope_hash: bytes) -> tuple[str, str]:
    delivery = exchange.messages.find(envelope_hash).deliveries[0]
    return delivery.state, delivery.last_code


def test_POI_1_a_disk_that_fails_is_no_fault_of_the_item(pair: World, monkeypatch: pytest.MonkeyPatch) -> None:
    pair.send("xa-ca", "xb-ca", b"{}")
    pair.deliver("xa-ca", "xb-ca")
    sent = pair.send("xa-ca", "xb-ca", b'{"n":1}')
    b = pair.exchanges["xb-ca"]

    def fails(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(inbox.arrival, "check_11_wrap", fails)
    with pytest.raises(sqlite3.OperationalError):
        pair.deliver("xa-ca", "xb-ca")
    monkeypatch.undo()
    pair.deliver("xa-ca", "xb-ca")
    assert state(pair.exchanges["xa-ca"], sent.hash) == ("delivered", "")
    assert oddities.recent_oddities(b.store, pair.clock.now()) == []


def test_POI_3_a_receipt_that_does_not_parse(pair: World) -> None:
    answering = Answering(pair, messages=3)
    garbage = b"\x00 no answer of ours"
    answering.a.answers.take(
        answering.bag, answering.frame(*(answering.renewed(one) if n != 1 else garbage for n, one in enumerate(_receipts(answering))))
    )
    assert [answering.state(n)[0] for n in range(3)] == ["delivered", "queued", "delivered"]
    assert answering.state(1) == ("queued", "ANSWER-FORM")
    kept = answering.a.store.reader().execute("SELECT peer, what, code, hash, raw FROM oddity").fetchall()
    assert kept == [("xb-ca", oddities.ANSWER, "ANSWER-FORM", answering.sent[1].hash, garbage)]


def _receipts(answering: Answering) -> list[Any]:
    return [answering.entry(n) for n in range(3)]


def test_POI_3_an_answer_that_is_no_pouch(pair: World) -> None:
    answering = Answering(pair)
    for _ in range(2 * limits.ODDITIES_PER_PEER):
        with pytest.raises(Exception, match="POUCH-FORM"):
            answering.a.answers.take(answering.bag, b"\0\0\0\x05<html>" + bytes(2 * limits.ODDITY))
    rows = answering.a.store.reader().execute("SELECT code, length(raw) FROM oddity").fetchall()
    assert rows == [("POUCH-FORM", limits.ODDITY)] * limits.ODDITIES_PER_PEER  # as much as is of use, and no more
    assert answering.state()[0] == "queued"


def test_POI_4_a_message_that_is_always_bad_is_held_for_a_human(pair: World) -> None:
    answering = Answering(pair)
    told: list[tuple[bytes, State]] = []
    answering.a.answers.on_settled = lambda notices: told.extend((each.hash, each.state) for each in notices)
    for n in range(1, limits.BAD_ANSWERS):
        answering.give(Bad(7, "BIND-HASH"))
        assert (answering.state(), n) == (("queued", "BIND-HASH"), n)
    assert told == []
    answering.give(Bad(7, "BIND-HASH"))
    assert answering.state() == ("held", "BIND-HASH")
    assert told == [(answering.sent[0].hash, State.HELD)]
    assert answering.a.outbox.bag("xb-ca", Lane.ROUTINE) is None, "it is offered no more"

    answering.a.deadletters.settle(answering.sent[0].hash, "xb-ca", Event.RETRY)  # an operator has asked the recipient
    for _ in range(limits.BAD_ANSWERS - 1):
        answering.give(Bad(7, "BIND-HASH"))
    assert answering.state() == ("queued", "BIND-HASH"), "the count begins anew"
    answering.give(answering.entry())
    assert answering.state() == ("delivered", "")


def test_POI_4_what_is_held_still_ends_at_its_deadline(pair: World) -> None:
    answering = Answering(pair)
    for _ in range(limits.BAD_ANSWERS):
        answering.give(Bad(7, "BIND-HASH"))
    pair.clock.advance(10 * limits.DAY)
    assert answering.a.deadletters.expire() == 1
    assert answering.state() == ("undelivered", "BIND-HASH")


def test_what_is_done_beside_settling_is_done_with_it(pair: World) -> None:
    answering = Answering(pair)

    def refuse(_: object) -> None:
        raise LocalError(codes.STORE_STOPPED)

    with pytest.raises(LocalError):
        answering.a.deadletters.settle(answering.sent[0].hash, "xb-ca", Event.HOLD, refuse)
    assert answering.state()[0] == "queued"
