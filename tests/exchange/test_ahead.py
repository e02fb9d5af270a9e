"""The standby log in the place of one that was lost or stolen: peers take it, what was lost is offered again, nothing counts twice."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from exchange import ahead
from exchange.auditor.examination import verify_bundle
from exchange.auditor.report import Verdict
from exchange.exchange import Exchange, Identity
from exchange.export.export import Exporter
from exchange.guard import Standing
from exchange.reconcile import Asked, judge, read_head
from exchange.repeats import repeated
from keys.directory import codes as directory_codes
from keys.directory import selfentry
from keys.directory.succession import check_succession
from keys.prekeys import PrekeyStore
from keys.suite import SUITE
from protocol import limits, merkle, pouch
from protocol.checkpoint import Checkpoint, Head, sign_head
from protocol.entries import Consigned, Lane, Opened, Receipted, Submitted, parse_entry
from protocol.errors import ProtocolError, RogatoryError
from tests.exchange.forgery import changes
from tests.world import World, make_world

A, B, C = "xa-ca", "xb-ca", "xc-ca"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path, (A, B, C))
    made.exchange_prekeys()
    yield made
    made.close()


def _code(act: Callable[[], object]) -> str:
    with pytest.raises(RogatoryError) as caught:
        act()
    return caught.value.code.code


def _copy(world: World, folder: Path) -> None:
    """A backup of A's data, without guard and prekeys."""
    world.exchanges.pop(A).close()
    shutil.copytree(world.home(A).data, folder)
    world.open(A)


def _put_back(world: World, copy: Path) -> None:
    """A's machine has burned; the copy stands on a new one, without guard and prekeys."""
    world.exchanges.pop(A).close()
    shutil.rmtree(world.home(A).path)
    world.home(A).path.mkdir(mode=0o700)
    shutil.copytree(copy, world.home(A).data)


def _held(world: World, n: int = 1) -> Exchange:
    home, holding = world.home(A), world.holdings[A]
    for made in (home.guard.parent, home.prekeys):
        made.mkdir(parents=True, exist_ok=True, mode=0o700)
    record = world.directory.member(A).logs[n - 1]
    pair = holding.log if n == 1 else holding.standby
    identity = Identity(record.origin, record.keys, pair, PrekeyStore(home.prekeys, holding.prekey_key), holding.storage, holding.witness)
    exchange = Exchange(
        home.data, home.guard, identity, lambda: world.directory, SUITE, world.clock, on_fatal=world.fatal.append, held=True
    )
    world.exchanges[A] = exchange
    return exchange


def _shown(world: World) -> dict[str, Head | None]:
    found: dict[str, Head | None] = {}
    log = world.exchanges[A].log
    for name in (B, C):
        record = world.exchanges[name].peers.record(log.origin)
        found[name] = None if record is None else read_head(record.greatest.note, log.keys, SUITE)
    return found


def _replace(world: World, reason: str = ahead.AMNESIA) -> ahead.Ahead:
    """What `rogatory log replace` does, and the start after it."""
    exchange = _held(world) if A not in world.exchanges else world.exchanges[A]
    shown = _shown(world)
    planned = ahead.plan(exchange.log, exchange.guard.value, shown, reason)
    for _ in range(2):  # it may be run again
        ahead.prepare(planned, exchange.log, exchange.writer, exchange.peers, exchange.guard, shown)
    world.exchanges.pop(A).close()
    assert ahead.opened_ahead(world.home(A).data) == 2
    exchange = _held(world, 2)
    assert exchange.log.standing is Standing.ON
    exchange.release()
    exchange.begin()
    return planned


def _burn(world: World, tmp_path: Path) -> list[bytes]:
    """Messages before and after the backup in both directions, then the fire; hashes of B's messages: before, after."""
    before = world.send(B, A, b'{"m": 1}')
    world.deliver(B, A)
    world.send(A, B, b'{"m": 2}')
    world.deliver(A, B)
    _copy(world, tmp_path / "copy")
    after = world.send(B, A, b'{"m": 3}')
    world.deliver(B, A)
    world.send(A, B, b'{"m": 4}')
    world.deliver(A, B)
    _put_back(world, tmp_path / "copy")
    return [before.hash, after.hash]


def _introduce(world: World) -> None:
    """A shows its new log to its peers, which witness it and take its prekeys."""
    for _ in range(2):
        for other in (B, C):
            world.tell_prekeys(A, other)
        world.visit(A)


def test_restored_at_n_with_more_proven_the_standby_log_goes_on(world: World, tmp_path: Path) -> None:
    before, after = _burn(world, tmp_path)
    size = world.exchanges[B].peers.greatest(A)
    known = _held(world).log.size
    planned = _replace(world)
    assert (planned.head.size, planned.lost) == (size, (known, size))
    opened = world.entries(A)[0]
    assert isinstance(opened, Opened)
    assert (opened.n, opened.reason, opened.predecessor, opened.lost) == (2, "amnesia", planned.head, planned.lost)
    _introduce(world)
    b, a = world.exchanges[B], world.exchanges[A]
    assert b.peers.successors.record(A).origin.n == 2
    delivery = b.messages.find(after).deliveries[0]
    assert delivery.state == "queued"
    assert b.messages.find(before).deliveries[0].state == "delivered"
    assert _code(lambda: a.messages.find(after)) == "MESSAGE-UNKNOWN"
    world.deliver(B, A)
    assert a.messages.read(a.messages.find(after)).form == b'{"m": 3}'
    assert b.messages.find(after).deliveries[0].state == "delivered"
    assert repeated(a.store.reader(), after, A)
    assert repeated(b.store.reader(), after, A)
    assert not repeated(b.store.reader(), before, A)
    assert sum(isinstance(entry, Receipted) and entry.envelope_hash == after for entry in world.entries(B)) == 1
    receipt = b.store.reader().execute("SELECT note.origin FROM delivery JOIN note ON note.id=receipt_note WHERE hash=?", (after,))
    assert receipt.fetchone()[0] == a.log.numbered(1).origin  # the first receipt stands
    world.send(A, B, b"{}")
    world.deliver(A, B)
    assert isinstance(world.entries(B)[-1], Consigned)


def test_an_expired_message_is_consigned_again_with_our_own_receipt_only(world: World, tmp_path: Path) -> None:
    _, after = _burn(world, tmp_path)
    _replace(world)
    world.clock.advance(11 * limits.DAY)
    world.exchanges[A].daily()
    _introduce(world)
    b = world.exchanges[B]
    assert b.deadletters.expire() == 0
    world.deliver(B, A)
    assert b.messages.find(after).deliveries[0].state == "delivered"
    assert world.exchanges[A].messages.find(after).deliveries[0].state == "consigned"


def test_what_had_no_receipt_is_submitted_again_and_an_old_receipt_is_taken(world: World, tmp_path: Path) -> None:
    """Queued in the backup, delivered since: the recipient answers with the entry that cites a head which the sender forgot."""
    sent = world.send(A, B, b"{}")
    _copy(world, tmp_path / "copy")
    world.deliver(A, B)
    world.send(A, C, b"{}")
    world.deliver(A, C)
    _put_back(world, tmp_path / "copy")
    _replace(world)
    assert [entry.envelope_hash for entry in world.entries(A) if isinstance(entry, Submitted)] == [sent.hash]
    world.tell_prekeys(B, A)
    world.deliver(A, B)
    assert world.exchanges[A].messages.find(sent.hash).deliveries[0].state == "delivered"
    assert sum(isinstance(entry, Consigned) for entry in world.entries(B)) == 1


def test_an_answer_that_cannot_be_proven_any_more_is_said_again(world: World, tmp_path: Path) -> None:
    """B never got the receipt; A remembers the message, but not the whole log that would prove its entry to B."""
    sent = world.send(B, A, b"{}")
    a, b = world.exchanges[A], world.exchanges[B]
    b.links.hint(A, a.peers.greatest(B))
    bag = b.outbox.bag(A, Lane.ROUTINE)
    assert bag is not None
    a.inbox.receive(B, bag.frame)
    _copy(world, tmp_path / "copy")
    world.send(A, C, b"{}")
    world.deliver(A, C)
    _put_back(world, tmp_path / "copy")
    _replace(world)
    _introduce(world)
    world.deliver(B, A)
    assert b.messages.find(sent.hash).deliveries[0].state == "delivered"
    mine = world.exchanges[A].messages.find(sent.hash)
    assert mine.n == 2
    again = [entry for entry in world.entries(A) if isinstance(entry, Consigned)]
    assert [entry.envelope_hash for entry in again] == [sent.hash]


def test_SUCC_1_the_next_log_under_the_old_keys_is_refused(world: World, tmp_path: Path) -> None:
    _burn(world, tmp_path)
    _replace(world)
    a, b = world.exchanges[A], world.exchanges[B]
    head, old = a.log.head(), world.holdings[A].log
    opened = a.log.introduction(head)
    assert opened is not None
    forged = sign_head(head.checkpoint, head.time, old, old.log_keys(a.log.origin))
    with changes(b):
        assert _code(lambda: b.peers.verify(A, forged, opened)) == "NOTE-UNSIGNED"
        assert _code(lambda: b.peers.verify(A, head.note)) == "HEAD-ORIGIN"  # without `opened` nothing shows that it began
        wrong = opened[0], ()
        assert _code(lambda: b.peers.verify(A, head.note, wrong)) == "HEAD-SUCCESSION"
        another = a.log.entry(1), a.log.path(1, head.size)
        assert _code(lambda: b.peers.verify(A, head.note, another)) == "HEAD-SUCCESSION"
    assert b.peers.verify(A, head.note, opened).size == head.size


@pytest.mark.parametrize("wrong", ["planned", "another n", "another authority", "another network", "no predecessor"])
def test_SUCC_1_an_opened_that_does_not_fit(world: World, tmp_path: Path, wrong: str) -> None:
    _burn(world, tmp_path)
    _replace(world)
    a, b = world.exchanges[A], world.exchanges[B]
    good = parse_entry(a.log.entry(0))
    assert isinstance(good, Opened)
    bad = {
        "planned": replace(good, reason="planned"), "another n": replace(good, n=3), "another authority": replace(good, authority=B),
        "another network": replace(good, network_id=bytes(32)), "no predecessor": replace(good, predecessor=None),
    }[wrong].encode()  # fmt: skip
    pair = world.holdings[A].standby
    note = sign_head(Checkpoint(a.log.origin, 1, merkle.leaf_hash(bad)), 1_795_500_000, pair, a.log.keys)
    assert _code(lambda: b.peers.verify(A, note, (bad, ()))) == "HEAD-SUCCESSION"


def test_SUCC_2_once_opened_later_heads_of_the_old_log_are_refused(world: World, tmp_path: Path) -> None:
    _burn(world, tmp_path)
    old_head = world.exchanges[B].peers.record("exercise.example/xa-ca/log/1")
    assert old_head is not None
    _replace(world)
    b = world.exchanges[B]
    assert b.peers.verify(A, old_head.greatest.note).size == old_head.greatest.size
    _introduce(world)
    thief = world.holdings[A].log
    later = Checkpoint(old_head.greatest.origin, old_head.greatest.size + 1, bytes(32))
    note = sign_head(later, 1_795_500_000, thief, thief.log_keys(later.origin))
    frame = pouch.encode_pouch(pouch.PouchHead(Lane.ROUTINE, pouch.HeadOffer(0, (), note), 0, 1), [])
    with changes(b):
        assert _code(lambda: b.inbox.receive(A, frame)) == "HEAD-ORIGIN"
        assert _code(lambda: b.peers.verify(A, old_head.greatest.note)) == "HEAD-ORIGIN"
    world.reopen(B)
    assert _code(lambda: world.exchanges[B].peers.verify(A, note)) == "HEAD-ORIGIN"


def test_SUCC_3_a_closing_below_a_head_that_was_seen_takes_the_threshold(world: World, tmp_path: Path) -> None:
    world.send(A, B, b"{}")
    world.deliver(A, B)
    old = world.directory.member(A)
    seen = world.exchanges[B].peers.seen
    size = seen(old.logs[0].origin)
    short = selfentry.rotate(old, (size - 1, bytes(32)))
    with pytest.raises(ProtocolError) as caught:
        check_succession(old, short, (), witnessed=seen)
    assert caught.value.code is directory_codes.DIRECTORY_LOG_CUT
    check_succession(old, short, {old.logs[0].origin}, witnessed=seen)
    check_succession(old, selfentry.rotate(old, (size, bytes(32))), (), witnessed=seen)


def test_after_theft_our_own_history_is_followed_and_nothing_is_lost(world: World, tmp_path: Path) -> None:
    sent = world.send(B, A, b"{}")
    world.deliver(B, A)
    a = world.exchanges[A]
    size = a.log.size
    thief = world.holdings[A].log
    forged = read_head(sign_head(Checkpoint(a.log.origin, size + 9, bytes(32)), 1_795_600_000, thief, a.log.keys), a.log.keys, SUITE)
    world.exchanges.pop(A).close()
    exchange = _held(world)
    assert ahead.plan(exchange.log, exchange.guard.value, {B: forged}, ahead.COMPROMISE).lost == (0, 0)
    planned = _replace(world, ahead.COMPROMISE)
    assert (planned.head.size, planned.lost) == (size, (0, 0))
    a = world.exchanges[A]
    assert a.log.numbered(1).provable(size - 1)
    _introduce(world)
    assert world.exchanges[B].messages.find(sent.hash).deliveries[0].state == "delivered"
    assert isinstance(world.entries(A)[0], Opened)


def test_nothing_lost_is_no_amnesia(world: World) -> None:
    world.exchanges.pop(A).close()
    exchange = _held(world)
    assert _code(lambda: ahead.plan(exchange.log, exchange.guard.value, _shown(world), ahead.AMNESIA)) == "LOG-NOT-LOST"


def test_no_copy_signs_the_old_log_again(world: World, tmp_path: Path) -> None:
    _burn(world, tmp_path)
    _replace(world)
    world.exchanges.pop(A).close()
    shutil.rmtree(world.home(A).data)
    shutil.copytree(tmp_path / "copy", world.home(A).data)
    exchange = _held(world)
    assert exchange.log.standing is Standing.AHEAD
    assert judge(exchange.log, Asked(2, 2, {B: None, C: None}), elsewhere=True).code is not None
    assert _code(exchange.release) == "GUARD-AHEAD"


def test_what_was_sent_and_taken_before_is_exported_and_verified(tmp_path: Path) -> None:
    world = make_world(tmp_path, (A, B, C), founded=True)
    world.exchange_prekeys()
    before, after = _burn(world, tmp_path)
    _replace(world)
    _introduce(world)
    world.deliver(B, A)
    for name, key in ((A, before), (B, before), (A, after), (B, after)):
        exchange = world.exchanges[name]
        exporter = Exporter(exchange.store, exchange.log, exchange.messages, exchange.holdings, tmp_path / B / "directory")
        folder = tmp_path / f"{name}-{key.hex()[:8]}"
        exporter.export(exchange.messages.find(key), folder)
        report = verify_bundle(folder, world.root_file, world.clock.now() + limits.MINUTE)
        assert report.verdict is Verdict.PROVEN, [c for c in report.numbered() if c.verdict is not Verdict.PROVEN]
    world.close()
