"""What one holds, and when it was first shown: logged, witnessed, closed, disputed, with the bracket that witnesses give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from exchange.auditor.examination import verify_bundle
from exchange.auditor.report import Verdict
from exchange.export.export import Exporter
from exchange.messages import Message
from keys.directory.members import check_members
from protocol import cbor, grades, limits
from protocol.entries import Filler
from protocol.errors import ProtocolError
from protocol.grades import Grade
from tests.exchange.test_theft import Thief
from tests.world import World, make_world

A, B = "xa-ca", "xb-ca"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Three authorities of a founded network, whose prekeys are witnessed."""
    made = make_world(tmp_path, founded=True)
    made.exchange_prekeys()
    yield made
    made.close()


def _sent(world: World) -> Message:
    sent = world.send(A, B, b"{}")
    world.deliver(A, B)
    return world.exchanges[A].messages.find(sent.hash)


def _link(world: World, holder: str, other: str) -> None:
    """Ask for links, and take them."""
    holding, telling = world.exchanges[holder].heads, world.exchanges[other].heads
    for wanted in holding.wanted():
        n = int(wanted.origin.rpartition("/")[2])
        holding.take_links(wanted, telling.links(n, wanted.to.size, [size for _, size in wanted.notes]))


def _verify(world: World, name: str, key: bytes, folder: Path) -> dict:
    exchange = world.exchanges[name]
    exporter = Exporter(exchange.store, exchange.log, exchange.messages, exchange.holdings, world.home(name).directory)
    exporter.export(exchange.messages.find(key), folder)
    report = verify_bundle(folder, world.root_file, world.clock.now() + limits.MINUTE)
    assert report.verdict is Verdict.PROVEN, report.text()
    return {fact["authority"]: fact for fact in report.facts["proofs"]}


def test_GRADE_1_a_receipt_is_first_logged(world: World, tmp_path: Path) -> None:
    message = _sent(world)
    held = world.exchanges[A].holdings.receipt(message.hash, B)
    assert held is not None
    assert held.grade is Grade.LOGGED
    assert not held.not_after
    assert held.not_before  # a head of xb-ca was witnessed before it
    facts = _verify(world, A, message.hash, tmp_path / "out")
    assert {fact["grade"] for fact in facts.values()} == {"logged"}


def test_GRADE_2_linked_to_a_witnessed_head_it_is_witnessed(world: World, tmp_path: Path) -> None:
    message = _sent(world)
    world.clock.advance(30 * limits.SECOND)
    for name in (A, B):
        world.exchanges[name].writer.run(lambda tx: tx.append(Filler))
        world.visit(name)
    world.tell_prekeys(B, A)
    world.tell_prekeys(A, B)
    _link(world, A, B)
    _link(world, B, A)
    for name in (A, B):
        facts = _verify(world, name, message.hash, tmp_path / f"out-{name}")
        assert {fact["grade"] for fact in facts.values()} == {"witnessed"}
        for fact in facts.values():
            assert fact["not_before"] <= fact["claimed_time"] + limits.SECOND
            assert fact["not_after"] >= fact["claimed_time"]
            assert not fact["claim_outside"]
            assert len(fact["witnesses"]) == 2
    assert world.exchanges[A].holdings.receipt(message.hash, B).grade is Grade.WITNESSED  # type: ignore[union-attr]
    assert world.exchanges[B].holdings.submission(message.hash).grade is Grade.WITNESSED


def test_GRADE_3_a_receipt_that_stays_logged_raises_an_alarm_after_a_day(world: World) -> None:
    _sent(world)
    holdings, clock = world.exchanges[A].holdings, world.clock
    assert holdings.waiting(clock.now() - limits.DAY) == []
    clock.advance(limits.DAY + 1)
    assert holdings.waiting(clock.now() - limits.DAY) == [(B, 1)]


def test_GRADE_4_in_a_log_that_forked_what_is_only_logged_is_disputed(world: World) -> None:
    early = _sent(world)
    world.exchanges[B].writer.run(lambda tx: tx.append(Filler))
    world.visit(B)
    world.tell_prekeys(B, A)
    _link(world, A, B)
    late = _sent(world)
    a = world.exchanges[A]
    origin = world.exchanges[B].log.origin
    a.writer.run(lambda tx: tx.db.execute("UPDATE peer_head SET forked=x'00' WHERE origin=?", (origin,)))
    assert a.holdings.receipt(early.hash, B).grade is Grade.WITNESSED  # type: ignore[union-attr]
    assert a.holdings.receipt(late.hash, B).grade is Grade.DISPUTED  # type: ignore[union-attr]


def test_a_link_that_was_altered_convicts_or_is_refused_and_changes_no_grade(world: World) -> None:
    message = _sent(world)
    world.exchanges[B].writer.run(lambda tx: tx.append(Filler))
    world.visit(B)
    world.tell_prekeys(B, A)
    a, b = world.exchanges[A].heads, world.exchanges[B].heads
    [wanted] = a.wanted()
    paths = cbor.decode(b.links(1, wanted.to.size, [size for _, size in wanted.notes]))
    for junk in ([], [[]], [[bytes(32), *paths[0][1:]]], [paths[0][:-1]], [[*paths[0], bytes(32)]]):  # type: ignore[index]
        with pytest.raises(ProtocolError):
            a.take_links(wanted, cbor.encode(junk))  # type: ignore[arg-type]
    assert world.exchanges[A].holdings.receipt(message.hash, B).grade is Grade.LOGGED  # type: ignore[union-attr]


def test_the_bracket_allows_for_as_many_liars_as_the_quorum_does() -> None:
    times = [100, 200, 300, 400, 500]
    assert grades.not_after(times, 7, 5) == 300
    assert grades.not_before(times, 7, 5) == 300
    assert grades.not_after(times[:4], 7, 5) == 0
    assert grades.not_after([7], 1, 1) == grades.not_before([7], 1, 1) == 7
    assert grades.not_after([7], 0, 0) == 0
    assert grades.outside(1_000_000, 0, 300)
    assert grades.outside(1_000, 900, 0)
    assert not grades.outside(301_000, 300, 301)


def test_SPLIT_2_two_disjoint_triples_are_no_quorum(tmp_path: Path) -> None:
    """One branch to three of seven witnesses, another to three others: neither has its quorum, and no directory allows such a one."""
    names = ("xa-ca", "xb-ca", "xc-ca", "xd-ca", "xe-ca", "xf-ca", "xg-ca", "xh-ca")
    world = make_world(tmp_path / "real", names)
    thief = Thief(world, tmp_path / "thief")
    try:
        record = world.directory.log_in_force(A)
        assert (len(record.witnesses), record.quorum) == (7, 5)
        one, other = record.witnesses[:3], record.witnesses[3:6]
        a = world.exchanges[A]
        a.writer.run(lambda tx: tx.append(Filler))
        world.visit(A, *one)
        head = thief.grow(1)
        for name in other:
            lines = thief.show(world, name, head, 0)
            assert not thief.exchange.heads.take_lines(name, head, lines).result()
        assert a.heads.newest(a.log.origin) is None
        assert thief.exchange.heads.newest(a.log.origin) is None
        assert a.holdings.ours(1, 0).grade is Grade.LOGGED
        members = dict(world.directory.members)
        logs = tuple(replace(log, quorum=3) for log in members[A].logs)
        members[A] = replace(members[A], logs=logs)
        with pytest.raises(ProtocolError) as caught:
            check_members(members, world.directory.kind, world.directory.address_ranges, ())
        assert caught.value.code.code == "DIRECTORY-WITNESSES"
    finally:
        thief.world.close()
        world.close()
