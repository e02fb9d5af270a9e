"""Clocks that jump, logs that end: time of a log never goes back, and a closed log speaks no more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keys.directory.view import LogRecord, LogState
from keys.logkeys import LogKeyPair
from keys.suite import SUITE
from protocol import limits
from protocol.checkpoint import Checkpoint, sign_head, verify_head
from protocol.entries import Consigned, Filler, Lane
from protocol.errors import ProtocolError
from protocol.names import Origin
from protocol.pouch import HeadOffer, PouchHead, Receipt
from tests.exchange.forgery import Forger, changes
from tests.world import START, World

JUMPS = (-limits.HOUR, 3 * limits.DAY, -START, 1, -1, 3_600_000, -3_600_000, -limits.DAY)


def test_TIM_6_a_clock_that_jumps(pair: World) -> None:
    """-1 h, +3 d, to 1970, a leap second, DST: entries and heads never go back, and everything is delivered all the same."""
    a = pair.exchanges["xa-ca"]
    seconds = [a.log.head().time]
    for jump in JUMPS:
        pair.clock.time = START + jump
        a.writer.run(lambda tx: tx.append(Filler))
        seconds.append(verify_head(a.log.head().note, a.log.keys, SUITE).value.time)
    times = [entry.time for entry in pair.entries("xa-ca")]
    assert times == sorted(times)
    assert seconds == sorted(seconds)
    assert seconds[-1] * 1000 >= times[-1]
    pair.clock.time = START + 10
    sent = pair.send("xa-ca", "xb-ca", b"{}", lane=Lane.URGENT)
    assert a.due.next("xb-ca", Lane.URGENT) == START + 10  # not in three days, when the log's time is reached
    pair.deliver("xa-ca", "xb-ca", Lane.URGENT)
    assert a.messages.find(sent.hash).deliveries[0].state == "delivered"


def test_TIM_6_over_restarts(pair: World) -> None:
    pair.exchanges["xa-ca"].writer.run(lambda tx: tx.append(Filler))
    for jump in JUMPS:
        pair.clock.time = max(START + jump, START - 2 * limits.DAY)  # prekeys of 1970 are another matter
        pair.reopen("xa-ca")
        pair.exchanges["xa-ca"].writer.run(lambda tx: tx.append(Filler))
    times = [entry.time for entry in pair.entries("xa-ca")]
    assert times == sorted(times)


def test_the_heads_time_is_never_before_its_last_entry(pair: World) -> None:
    a = pair.exchanges["xa-ca"]
    for ms in (1, 999, 1000, 1001):
        pair.clock.time = START + ms
        a.writer.run(lambda tx: tx.append(Filler))
        assert a.log.head().time == START // 1000 + -(-ms // 1000)


def test_urgent_goes_before_and_beside_routine(pair: World) -> None:
    routine = [pair.send("xa-ca", "xb-ca", b"{}") for _ in range(3)]
    urgent = pair.send("xa-ca", "xb-ca", b"{}", lane=Lane.URGENT)
    bag = pair.deliver("xa-ca", "xb-ca", Lane.URGENT)
    assert bag is not None
    assert [row.hash for row in bag.rows] == [urgent.hash]
    a = pair.exchanges["xa-ca"]
    assert a.messages.find(urgent.hash).deliveries[0].state == "delivered"
    assert {a.messages.find(sent.hash).deliveries[0].state for sent in routine} == {"queued"}


# -- KEY-1..6: closing of logs ----------------------------------------------------------------------------------------------


def _close_log(world: World, authority: str, head: tuple[int, bytes] | None) -> LogKeyPair:
    """The directory now says: this log is closed at that head, the next one is in force."""
    member = world.directory.member(authority)
    old = member.logs[0]
    pair, origin = LogKeyPair.generate(), Origin(old.origin.network, authority, 2)
    following = LogRecord(pair.log_keys(str(origin)), origin, LogState.IN_FORCE, old.witnesses, old.quorum)
    closed = replace(member, logs=(replace(old, state=LogState.CLOSED, closing=head), following))
    world.directory = replace(world.directory, version=2, members={**world.directory.members, authority: closed})
    return pair


def test_KEY_1_nothing_is_taken_under_a_closed_log(forger: Forger, pair: World) -> None:
    item = forger.item(forger.seal())
    frame = forger.frame(item)
    _close_log(pair, "xa-ca", (forger.ours.log.size, forger.ours.log.root))
    with changes(forger.theirs), pytest.raises(ProtocolError) as caught:
        forger.carry(frame)
    assert caught.value.code.code == "HEAD-ORIGIN"


def test_KEY_2_what_was_taken_before_stays(forger: Forger, pair: World) -> None:
    (answer,) = forger.offer(forger.item(forger.seal()))
    assert isinstance(answer, Receipt)
    head = forger.ours.log.head()
    _close_log(pair, "xa-ca", (head.size, head.root))
    message = forger.theirs.messages.inbox()[0]
    assert message.deliveries[0].state == "consigned"
    assert forger.theirs.messages.read(message).kind == "EE_PRESERVE"
    row = forger.theirs.store.reader().execute("SELECT note FROM note WHERE origin=?", (head.origin,)).fetchone()
    assert verify_head(row[0], pair.directory.log(head.origin).keys, SUITE)
    assert isinstance(pair.entries("xb-ca")[-1], Consigned)


def test_KEY_1_the_next_logs_keys_do_not_sign_for_the_old_one(forger: Forger, pair: World) -> None:
    following = _close_log(pair, "xa-ca", None)
    head = forger.ours.log.head()
    old = sign_head(Checkpoint(head.origin, head.size, head.root), 1_795_500_001, following, following.log_keys(head.origin))
    about = PouchHead(Lane.ROUTINE, HeadOffer(0, (), old), 0, 1)
    with changes(forger.theirs), pytest.raises(ProtocolError) as caught:
        forger.carry(forger.frame(about=about))
    assert caught.value.code.code == "HEAD-ORIGIN"


def test_KEY_1_a_receipt_under_a_closed_log_is_not_taken(pair: World) -> None:
    a, b = pair.exchanges["xa-ca"], pair.exchanges["xb-ca"]
    pair.send("xa-ca", "xb-ca", b"{}")
    pair.deliver("xa-ca", "xb-ca")
    sent = pair.send("xa-ca", "xb-ca", b"{}")
    bag = a.outbox.bag("xb-ca", Lane.ROUTINE)
    assert bag is not None
    answer = b.inbox.receive("xa-ca", bag.frame)
    _close_log(pair, "xb-ca", None)
    with changes(a), pytest.raises(ProtocolError) as caught:
        a.answers.take(bag, answer)
    assert caught.value.code.code == "HEAD-ORIGIN"
    assert a.messages.find(sent.hash).deliveries[0].state == "queued"


def test_an_authority_that_left_is_nobodys_peer(forger: Forger, pair: World) -> None:
    members = {name: member for name, member in pair.directory.members.items() if name != "xa-ca"}
    frame = forger.frame()
    pair.directory = replace(pair.directory, members=members)
    with changes(forger.theirs), pytest.raises(ProtocolError) as caught:
        forger.carry(frame)
    assert caught.value.code.code == "DIRECTORY-UNKNOWN-AUTHORITY"
