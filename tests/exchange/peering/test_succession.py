"""A planned change of logs: log n ends for good, log n+1 begins at its closing head, and no message, receipt or proof is lost."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from exchange import codes
from exchange.auditor.examination import verify_bundle
from exchange.auditor.logfolder import audit_log
from exchange.auditor.report import Verdict
from exchange.exchange import Exchange
from exchange.export.bundle import Evidence
from exchange.export.export import Exporter
from exchange.guard import Guard
from exchange.outgoing.sealing import Attachment
from keys.directory import found, mirror, selfentry, trust
from keys.directory.view import LogState
from keys.logkeys import LogKeyPair
from protocol import limits, pouch
from protocol.checkpoint import Checkpoint, sign_head
from protocol.entries import (
    Closed,
    Consigned,
    Filler,
    Lane,
    Opened,
    Place,
    Prekeys,
    Receipted,
    Submitted,
    TreeHead,
    parse_entry,
)
from protocol.errors import LocalError, RogatoryError
from protocol.grades import Grade
from protocol.policy import format_policy, policy_for
from protocol.pouch import Ask, HeadOffer, PouchHead, Receipt
from protocol.treehead import parse_checkpoint
from tests.exchange.forgery import changes
from tests.world import World, make_world

A, B = "xa-ca", "xb-ca"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path, (A, B), founded=True)
    made.exchange_prekeys()
    yield made
    made.close()


def _close(world: World, name: str) -> TreeHead:
    """Step 1: the log's last entry."""
    n = world.exchanges[name].log.n
    return world.exchanges[name].close_log(n + 1, "planned")


def _enlist(world: World, name: str, closing: TreeHead) -> None:
    """Step 2: the authority's entry lists log n closed and log n+1 in force; every node takes it in."""
    assert world.founded is not None
    founders = world.folder / "founders"
    bundle = selfentry.new_entry(founders, world.founded.role_keys[name], selfentry.rotate(world.directory.member(name), closing))
    world.directory = found.publish(founders, bundle, world.founded.keepers, world.clock.now())

    def fetch(path: str) -> bytes:
        data = mirror.read(founders, path)
        if data is None:
            raise FileNotFoundError(path)
        return data

    for each in world.holdings:
        trust.update(world.home(each).directory, fetch, world.clock.now())
    world.holdings[name].log = world.holdings[name].standby


def _change(world: World, name: str) -> TreeHead:
    """All steps; the closing head."""
    closing = _close(world, name)
    _enlist(world, name, closing)
    world.reopen(name)
    return closing


def _unanswered(a: Exchange, b: Exchange) -> None:
    """What is due reaches the other side, and its answer is lost."""
    a.links.hint(B, b.peers.greatest(A))
    bag = a.outbox.bag(B, Lane.ROUTINE)
    assert bag is not None
    b.inbox.receive(A, bag.frame)


def _code(act: Callable[[], object]) -> str:
    with pytest.raises(RogatoryError) as caught:
        act()
    return caught.value.code.code


def _frame(note: bytes, *items: bytes, old: int = 0, proof: pouch.Path = ()) -> bytes:
    return pouch.encode_pouch(PouchHead(Lane.ROUTINE, HeadOffer(old, proof, note), 0, 1), list(items))


def _signed(origin: str, size: int, root: bytes, pair: LogKeyPair, seconds: int) -> bytes:
    return sign_head(Checkpoint(origin, size, root), seconds, pair, pair.log_keys(origin))


def _verified(world: World, name: str, key: bytes, folder: Path) -> set[str]:
    """The names of the files of a message's bundle, which the auditor has found proven."""
    exchange = world.exchanges[name]
    exporter = Exporter(exchange.store, exchange.log, exchange.messages, exchange.holdings, world.home(name).directory)
    names = set(exporter.export(exchange.messages.find(key), folder))
    report = verify_bundle(folder, world.root_file, world.clock.now() + limits.MINUTE)
    assert report.verdict is Verdict.PROVEN, [c for c in report.numbered() if c.verdict is not Verdict.PROVEN]
    return names


def _audited(world: World, name: str, folder: Path) -> None:
    """Every log of this authority is one that the auditor finds nothing wrong with, and its closing head is the listed one."""
    exchange = world.exchanges[name]
    exporter = Exporter(exchange.store, exchange.log, exchange.messages, exchange.holdings, world.home(name).directory)
    for record in world.directory.member(name).logs:
        if record.state is not LogState.STANDBY:
            place = folder / f"{name}-log-{record.origin.n}"
            exporter.export_log(place, record.origin.n)
            heads = [] if record.closing is None else [TreeHead(*record.closing)]
            report = audit_log(place, format_policy(policy_for(record.keys, (), 0)), heads)
            assert report.verdict is Verdict.PROVEN, report


def _state(exchange: Exchange, key: bytes) -> str:
    return exchange.messages.find(key).deliveries[0].state


# -- what a peer takes ---------------------------------------------------------------------------------------------------------------


def test_SUCC_1_next_log_under_the_old_keys_is_refused(world: World) -> None:
    old = world.holdings[A].log
    _change(world, A)
    ours, theirs = world.exchanges[A], world.exchanges[B]
    head = ours.log.head()
    forged = _signed(ours.log.origin, head.size, head.root, old, head.time)
    with changes(theirs):
        assert _code(lambda: theirs.inbox.receive(A, _frame(forged))) == "NOTE-UNSIGNED"
    theirs.inbox.receive(A, _frame(head.note))


def test_SUCC_2_standby_is_taken_once_listed_and_later_heads_of_the_old_log_are_not(world: World) -> None:
    pair, standby = world.holdings[A].log, world.holdings[A].standby
    ours, theirs = world.exchanges[A], world.exchanges[B]
    origin = ours.log.origin
    early = _signed(f"{origin[:-1]}2", 1, bytes(32), standby, ours.log.head().time)
    with changes(theirs):
        assert _code(lambda: theirs.inbox.receive(A, _frame(early))) == "HEAD-ORIGIN"
    closing = _change(world, A)
    ours = world.exchanges[A]
    theirs.inbox.receive(A, _frame(ours.log.head().note))
    later = _signed(origin, closing.size + 1, bytes(32), pair, ours.log.head().time)
    for note in (later, ours.log.numbered(1).closing_note()):
        with changes(theirs):
            assert _code(lambda note=note: theirs.inbox.receive(A, _frame(note))) == "HEAD-ORIGIN"  # type: ignore[misc]


def test_the_next_log_opens_at_the_closing_head(world: World) -> None:
    closing = _change(world, A)
    exchange = world.exchanges[A]
    entries = world.entries(A)
    opened = entries[0]
    assert isinstance(opened, Opened)
    assert (opened.n, opened.predecessor, opened.reason, opened.lost) == (2, closing, "planned", None)
    assert world.directory.member(A).logs[0].closing == closing
    assert sum(isinstance(entry, Prekeys) for entry in entries) == 1
    old = exchange.log.numbered(1)
    last = parse_entry(old.entry(closing.size - 1))
    assert isinstance(last, Closed)
    assert (last.next_n, last.reason) == (2, "planned")
    world.tell_prekeys(A, B)  # a set of the new log, whose sequence begins again


# -- a closed log --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("restarted", [False, True])
def test_a_closed_log_takes_nothing_and_still_proves(world: World, restarted: bool) -> None:
    sent = world.send(A, B, b"{}")
    draft = world.send(B, A, b"{}")
    world.deliver(A, B)
    closing = _close(world, A)
    exchange = world.reopen(A) if restarted else world.exchanges[A]
    with changes(exchange):
        assert exchange.close_log(2, "planned") == closing
        assert _code(lambda: exchange.close_log(3, "planned")) == "LOG-CLOSED"
        assert _code(lambda: world.send(A, B, b"{}")) == "LOG-CLOSED"
        assert _code(lambda: world.deliver(B, A)) == "LOG-CLOSED"
        assert _code(lambda: exchange.messages.log_access(exchange.messages.find(sent.hash), bytes(16), "why")) == "LOG-CLOSED"
        exchange.daily()
        exchange.note_directory()
    assert _state(world.exchanges[B], draft.hash) == "queued"
    head = exchange.log.head()
    assert (head.size, head.root) == closing
    assert isinstance(parse_entry(exchange.log.prove(closing.size - 1, head).entry), Closed)
    assert exchange.log.closing_note().partition(b"\n\n")[0] == head.note.partition(b"\n\n")[0]
    assert not world.fatal


def test_what_queues_up_behind_closed_is_refused_and_closed_undone_closes_nothing(world: World) -> None:
    exchange = world.exchanges[A]

    def undone(tx):  # type: ignore[no-untyped-def]
        tx.append(Closed, 2, "planned")
        raise LocalError(codes.LOG_RANGE)

    gate = threading.Event()
    first = exchange.writer.submit(lambda tx: gate.wait(30))
    failed = exchange.writer.submit(undone)
    after_failed = exchange.writer.submit(lambda tx: tx.append(Filler))
    closed = exchange.writer.submit(lambda tx: tx.append(Closed, 2, "planned"))
    behind = exchange.writer.submit(lambda tx: tx.append(Filler))
    gate.set()
    assert first.result()
    assert _code(failed.result) == "LOG-RANGE"
    assert closed.result() == after_failed.result() + 1 == exchange.log.size - 1
    assert _code(behind.result) == "LOG-CLOSED"


def test_an_empty_log_has_nothing_to_close_with(world: World) -> None:
    closing = _close(world, A)
    _enlist(world, A, closing)
    world.exchanges.pop(A).close()
    exchange = _unbegun(world, A)
    assert _code(lambda: exchange.close_log(3, "planned")) == "LOG-RANGE"


def _unbegun(world: World, name: str) -> Exchange:
    """The exchange as a command opens it: nothing said yet."""
    begin = Exchange.begin
    Exchange.begin = lambda self: None  # type: ignore[method-assign]
    try:
        return world.open(name)
    finally:
        Exchange.begin = begin  # type: ignore[method-assign]


# -- the guard -----------------------------------------------------------------------------------------------------------------------


def test_the_next_log_does_not_begin_while_the_old_one_is_open(world: World) -> None:
    head = world.exchanges[A].log.head()
    _enlist(world, A, TreeHead(head.size, head.root))
    world.exchanges.pop(A).close()
    assert _code(lambda: world.open(A)) == "GUARD-AHEAD"


def test_a_copy_from_before_the_end_does_not_begin_the_next_log(world: World, tmp_path: Path) -> None:
    world.exchanges.pop(A).close()
    shutil.copytree(world.home(A).data, tmp_path / "copy")
    world.open(A)
    _enlist(world, A, _close(world, A))
    world.exchanges.pop(A).close()
    shutil.rmtree(world.home(A).data)
    shutil.copytree(tmp_path / "copy", world.home(A).data)
    assert _code(lambda: world.open(A)) == "GUARD-AHEAD"


def test_a_copy_from_before_the_beginning_does_not_begin_again(world: World, tmp_path: Path) -> None:
    _enlist(world, A, _close(world, A))
    world.exchanges.pop(A).close()
    shutil.copytree(world.home(A).data, tmp_path / "copy")
    world.open(A)
    world.exchanges.pop(A).close()
    shutil.rmtree(world.home(A).data)
    shutil.copytree(tmp_path / "copy", world.home(A).data)
    assert _code(lambda: world.open(A)) == "GUARD-AHEAD"


def test_the_next_log_does_not_begin_without_the_guard(world: World) -> None:
    _enlist(world, A, _close(world, A))
    world.exchanges.pop(A).close()
    world.home(A).guard.unlink()
    assert _code(lambda: world.open(A)) == "GUARD-MISSING"


# -- across the change ---------------------------------------------------------------------------------------------------------------


def _crash_at_guard(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """The process dies after the commit, before the guard has moved."""

    def dies(self: Guard, old: object, new: object) -> None:
        raise LocalError(codes.GUARD_WRITE, "power cut")

    with monkeypatch.context() as patched:
        patched.setattr(Guard, "swap", dies)
        assert _code(act) == "GUARD-WRITE"


def test_restart_between_each_two_steps(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = world.send(A, B, b"{}")
    _crash_at_guard(monkeypatch, lambda: _close(world, A))
    world.reopen(A)
    closing = _close(world, A)
    world.reopen(A)
    assert _close(world, A) == closing
    _enlist(world, A, closing)
    world.exchanges.pop(A).close()
    _crash_at_guard(monkeypatch, lambda: world.open(A))
    world.exchanges.pop(A).close()
    world.open(A)
    size = world.exchanges[A].log.size
    assert world.reopen(A).log.size == size  # said once
    world.deliver(A, B)
    assert _state(world.reopen(A), sent.hash) == "delivered"
    assert sum(isinstance(entry, Opened) for entry in world.entries(A)) == 1
    assert sum(isinstance(entry, Submitted) for entry in world.entries(A)) == 1
    _verified(world, A, sent.hash, tmp_path / "bundle")
    _audited(world, A, tmp_path)


def test_open_messages_are_submitted_again_and_delivered_with_the_same_hash(world: World, tmp_path: Path) -> None:
    evidence = tmp_path / "evidence.bin"
    evidence.write_bytes(bytes(200_000))
    a, b = world.exchanges[A], world.exchanges[B]
    done = world.send(A, B, b'{"m": "done"}')
    world.deliver(A, B)
    wanted = world.send(A, B, b'{"m": "wanted"}', attachments=[Attachment(evidence, "evidence.bin", "application/octet-stream", "evidence")])
    world.deliver(A, B, parts=False)
    lost = world.send(A, B, b'{"m": "lost"}')
    _unanswered(a, b)
    queued = world.send(A, B, b'{"m": "queued"}')
    _change(world, A)
    a = world.exchanges[A]
    again = [entry.envelope_hash for entry in world.entries(A) if isinstance(entry, Submitted)]
    assert again == [wanted.hash, lost.hash, queued.hash]
    world.deliver(A, B)
    a.retries.hasten(B)
    world.upload(A, B, wanted.hash, 1)
    a.retries.uploaded(wanted.hash, B)
    world.deliver(A, B)
    for sent in (done, wanted, lost, queued):
        assert _state(a, sent.hash) == "delivered"
        assert b.messages.find(sent.hash).message_id == sent.message_id
    taken = {entry.envelope_hash: entry.place.n for entry in world.entries(B) if isinstance(entry, Consigned)}
    assert taken == {done.hash: 1, wanted.hash: 1, lost.hash: 1, queued.hash: 2}
    assert sum(isinstance(entry, Receipted) for entry in world.entries(A)) == 3
    names = {sent.hash: _verified(world, A, sent.hash, tmp_path / sent.hash.hex()) for sent in (done, wanted, lost, queued)}
    assert ["origin-1.tlog-proof" in names[sent.hash] for sent in (done, wanted, lost, queued)] == [False, True, True, False]
    for sent in (done, wanted, lost, queued):
        _verified(world, B, sent.hash, tmp_path / f"b-{sent.hash.hex()}")
    _audited(world, A, tmp_path)
    _audited(world, B, tmp_path)


def test_a_receipt_of_a_closed_log_is_the_same_entry_under_its_closing_head(world: World, tmp_path: Path) -> None:
    a, b = world.exchanges[A], world.exchanges[B]
    sent = world.send(A, B, b"{}")
    _unanswered(a, b)
    entry = parse_entry(b.log.entry(b.log.size - 1))
    assert isinstance(entry, Consigned)
    index = b.log.size - 1
    closing = _change(world, B)
    b = world.exchanges[B]
    with changes(b):
        answer = _ask(a, b, sent.hash)
    assert (answer.proven.entry, answer.proven.index) == (entry.encode(), index)
    assert answer.closing == b.log.numbered(1).closing_note() == b.contact.checkpoint(_digest(b.log.numbered(1).origin))
    world.tell_prekeys(B, A)
    world.deliver(A, B)
    assert _state(a, sent.hash) == "delivered"
    receipted = world.entries(A)[-1]
    assert isinstance(receipted, Receipted)
    assert receipted.place == (1, index, *closing)
    _verified(world, A, sent.hash, tmp_path / "a")
    _verified(world, B, sent.hash, tmp_path / "b")
    _audited(world, B, tmp_path)


def _digest(origin: str) -> bytes:
    return hashlib.sha256(origin.encode()).digest()


def _ask(asker: Exchange, other: Exchange, envelope_hash: bytes) -> Receipt:
    head = asker.log.head()
    old = other.peers.greatest(A)
    frame = _frame(head.note, pouch.encode_item(Ask(envelope_hash)), old=old, proof=asker.log.consistency(old, head))
    reply = other.inbox.receive(A, frame)
    answer = pouch.parse_answer(pouch.parse_items(reply, pouch.parse_head(reply)[1])[0])
    assert isinstance(answer, Receipt)
    return answer


@pytest.mark.parametrize("wrong", ["other size", "log in force", "other authority", "old keys", "no path"])
def test_a_receipt_under_another_head_than_the_listed_closing_head_is_not_taken(world: World, wrong: str) -> None:
    a, b = world.exchanges[A], world.exchanges[B]
    sent = world.send(A, B, b"{}")
    _unanswered(a, b)
    before = b.log.head()
    _change(world, B)
    b = world.exchanges[B]
    world.tell_prekeys(B, A)
    answer = _ask(a, b, sent.hash)
    assert answer.closing is not None
    old = b.log.numbered(1)
    index, head = answer.proven.index, b.log.head()
    said, code = {
        "other size": (Receipt(old.prove(index, before), before.note), "HEAD-CLOSING"),
        "log in force": (replace(answer, closing=head.note), "HEAD-CLOSING"),
        "other authority": (replace(answer, closing=a.log.head().note), "HEAD-CLOSING"),
        "old keys": (replace(answer, closing=_resigned(answer.closing, LogKeyPair.generate())), "NOTE-UNSIGNED"),
        "no path": (replace(answer, closing=None), "ANSWER-INCLUSION"),
    }[wrong]
    bag = a.outbox.bag(B, Lane.ROUTINE)
    assert bag is not None
    about = PouchHead(Lane.ROUTINE, HeadOffer(head.size, (), head.note), b.peers.greatest(A), 1)
    with changes(a, note=1):  # our own head, which a good receipt of this pouch would cite
        a.answers.take(bag, pouch.encode_pouch(about, [pouch.encode_answer(said)]))
    delivery = a.messages.find(sent.hash).deliveries[0]
    assert (delivery.state, delivery.last_code) == ("queued", code)


def _resigned(note: bytes, pair: LogKeyPair) -> bytes:
    said = parse_checkpoint(note.partition(b"\n\n")[0] + b"\n")
    return _signed(said.origin, said.size, said.root, pair, 1_795_500_000)


def test_a_message_of_the_old_log_is_exported_under_the_closing_head(world: World) -> None:
    sent = world.send(A, B, b"{}")
    world.deliver(A, B)
    closing = _change(world, A)
    exchange = world.exchanges[A]
    message = exchange.messages.find(sent.hash)
    assert (message.n, message.index) == (1, sent.index)
    evidence = Evidence(*exchange.log.numbered(1).prove_closed(sent.index))
    assert evidence.note.split(b"\n")[1] == str(closing.size).encode()


def test_peers_are_shown_the_next_log_from_its_beginning(world: World) -> None:
    for _ in range(5):
        world.send(A, B, b"{}")
        world.deliver(A, B)
    sent = world.send(A, B, b"{}")
    _change(world, A)
    a, b = world.exchanges[A], world.exchanges[B]
    assert b.peers.record(a.log.numbered(1).origin).greatest.size > a.log.size  # type: ignore[union-attr]
    bag = a.outbox.bag(B, Lane.ROUTINE)
    assert bag is not None
    assert pouch.parse_head(bag.frame)[0].head.old_size == 0
    a.answers.take(bag, b.inbox.receive(A, bag.frame))
    assert _state(a, sent.hash) == "delivered"


@pytest.mark.parametrize("wrong", ["another message", "another kind", "no such log", "no such head"])
def test_a_receipt_may_cite_no_other_place_of_the_old_log(world: World, wrong: str) -> None:
    a, b = world.exchanges[A], world.exchanges[B]
    sent, other = world.send(A, B, b'{"m": 1}'), world.send(A, B, b'{"m": 2}')
    closing = _change(world, A)
    a = world.exchanges[A]
    place = {
        "another message": Place(1, other.index, *closing),
        "another kind": Place(1, 0, *closing),
        "no such log": Place(3, sent.index, *closing),
        "no such head": Place(1, sent.index, closing.size, bytes(32)),
    }[wrong]
    index = b.writer.run(lambda tx: tx.append(Consigned, sent.hash, sent.message_id, A, place))
    good = b.writer.run(lambda tx: tx.append(Consigned, other.hash, other.message_id, A, Place(1, other.index, *closing)))
    bag = a.outbox.bag(B, Lane.ROUTINE)
    assert bag is not None
    head = b.log.head()
    old = a.peers.greatest(B)
    about = PouchHead(Lane.ROUTINE, HeadOffer(old, b.log.consistency(old, head), head.note), 0, 1)
    replies = {sent.hash: Receipt(b.log.prove(index, head)), other.hash: Receipt(b.log.prove(good, head))}
    a.answers.take(bag, pouch.encode_pouch(about, [pouch.encode_answer(replies[row.hash]) for row in bag.rows]))
    delivery = a.messages.find(sent.hash).deliveries[0]
    assert (delivery.state, delivery.last_code) == ("queued", "ANSWER-PLACE")
    assert _state(a, other.hash) == "delivered"


def test_a_log_that_named_another_next_is_not_followed_by_this_one(world: World) -> None:
    closing = world.exchanges[A].close_log(3, "planned")
    _enlist(world, A, closing)
    world.exchanges.pop(A).close()
    assert _code(lambda: world.open(A)) == "GUARD-AHEAD"


def test_GRADE_4_a_receipt_of_a_closed_log_is_lengthened_to_its_closing_head(world: World, tmp_path: Path) -> None:
    sent = world.send(A, B, b"{}")
    world.deliver(A, B)
    a = world.exchanges[A]
    assert a.holdings.receipt(sent.hash, B).grade is Grade.LOGGED  # type: ignore[union-attr]
    _change(world, B)
    b, a = world.exchanges[B], world.reopen(A)
    origin = b.log.numbered(1).origin
    assert a.heads.unclosed() == [origin]
    note = b.contact.checkpoint(hashlib.sha256(origin.encode()).digest())
    assert note is not None
    a.contact.take_closing(B, note)
    assert a.heads.unclosed() == []
    [wanted] = [each for each in a.heads.wanted() if each.origin == origin]
    a.heads.take_links(wanted, b.heads.links(1, wanted.to.size, [size for _, size in wanted.notes]))
    assert a.holdings.receipt(sent.hash, B).grade is Grade.CLOSED  # type: ignore[union-attr]
    _verified(world, A, sent.hash, tmp_path / "closed")
