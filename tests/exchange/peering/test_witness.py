"""The witness: add-checkpoint by C2SP's rules, one record per log, nothing signed that is behind."""

from __future__ import annotations

import hashlib
import random
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from exchange.peering.quorum import good_line, witness_keys
from keys.suite import SUITE
from protocol import addcheckpoint
from protocol.checkpoint import Checkpoint, Head, sign_head
from protocol.entries import Filler, Forked
from protocol.errors import PassingError, ProtocolError
from protocol.heads import HeadError, parse_fork_proof, verify_fork_proof
from protocol.note import parse_note
from protocol.pouch import HeadOffer, PouchHead
from protocol.treehead import stated_checkpoint
from tests.exchange.forgery import Forger, changes
from tests.world import World, make_world


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[World]:
    """xa-ca and xb-ca, which have not met."""
    world = make_world(tmp_path, ("xa-ca", "xb-ca"))
    yield world
    world.close()


def _grow(world: World, name: str = "xa-ca", times: int = 1) -> Head:
    exchange = world.exchanges[name]
    for _ in range(times):
        exchange.writer.run(lambda tx: tx.append(Filler))
    return exchange.log.head()


def _request(world: World, head: Head, old: int) -> bytes:
    log = world.exchanges["xa-ca"].log
    return addcheckpoint.format_request(HeadOffer(old, log.consistency(old, head), head.note))


def _add(world: World, head: Head, old: int) -> bytes:
    return world.exchanges["xb-ca"].witness.add_checkpoint("xa-ca", _request(world, head, old))


def _refused(world: World, body: bytes, code: str, peer: str = "xa-ca") -> ProtocolError:
    b = world.exchanges["xb-ca"]
    before = b.peers.record(world.exchanges["xa-ca"].log.origin)
    with changes(b), pytest.raises(ProtocolError) as caught:
        b.witness.add_checkpoint(peer, body)
    assert caught.value.code.code == code
    assert b.peers.record(world.exchanges["xa-ca"].log.origin) == before
    return caught.value


def test_lines_are_good_and_kept_before_they_are_given(bare: World) -> None:
    head = _grow(bare)
    lines = _add(bare, head, 0)
    record = bare.directory.log_in_force("xa-ca")
    vkey = witness_keys(record, bare.directory)["xb-ca"]
    line = good_line(parse_note(addcheckpoint.add_lines(head.note, lines)), vkey, SUITE)
    assert line is not None
    classical = bare.holdings["xb-ca"].witness.vkeys(vkey.name)[1]
    assert good_line(parse_note(head.note + lines), classical, SUITE) is not None
    b = bare.reopen("xb-ca")  # a restart: what was given is what is shown
    assert b.peers.greatest("xa-ca") == head.size
    [shown] = [b.contact.checkpoint(hashlib.sha256(head.origin.encode()).digest())]
    assert shown == head.note + lines


def test_the_same_head_again_is_signed_again(bare: World) -> None:
    head = _grow(bare)
    _add(bare, head, 0)
    assert _add(bare, head, head.size)


def test_first_contact_starts_at_zero_and_409_names_the_size(bare: World) -> None:
    head = _grow(bare, times=3)
    error = _refused(bare, _request(bare, head, 2), "HEAD-UNLINKED")
    assert isinstance(error, HeadError)
    assert error.greatest == 0
    _add(bare, head, 0)
    later = _grow(bare)
    again = _refused(bare, _request(bare, later, 2), "HEAD-UNLINKED")
    assert isinstance(again, HeadError)
    assert again.greatest == head.size


def test_LOG_8_a_broken_consistency_proof(bare: World) -> None:
    first = _grow(bare, times=2)
    _add(bare, first, 0)
    later = _grow(bare, times=3)
    log = bare.exchanges["xa-ca"].log
    proof = list(log.consistency(first.size, later))
    broken = [proof[:-1], [*proof, b"x" * 32], [bytes(32), *proof[1:]], proof[::-1] if proof != proof[::-1] else proof[1:], []]
    for path in broken:
        _refused(bare, addcheckpoint.format_request(HeadOffer(first.size, tuple(path), later.note)), "HEAD-BROKEN")
    assert _add(bare, later, first.size)


def test_LOG_9_HEAD_3_a_smaller_tree_after_a_larger_is_not_cosigned(bare: World) -> None:
    small = _grow(bare)
    large = _grow(bare, times=4)
    _add(bare, large, 0)
    _refused(bare, _request(bare, small, 0), "HEAD-UNLINKED")
    body = addcheckpoint.format_request(HeadOffer(large.size, (), small.note))
    _refused(bare, body, "WITNESS-FORM")
    honest = bare.exchanges["xa-ca"].log.consistency(small.size, large)
    _refused(bare, addcheckpoint.format_request(HeadOffer(large.size, honest, small.note)), "WITNESS-FORM")
    assert bare.exchanges["xb-ca"].witness.with_answer("xa-ca", small) is None


def test_LOG_10_same_size_other_root_is_evidence(bare: World, tmp_path: Path) -> None:
    head = _grow(bare)
    _add(bare, head, 0)
    other = _other_history(bare, tmp_path / "other", head.size)
    b = bare.exchanges["xb-ca"]
    with changes(b, log=1), pytest.raises(HeadError) as caught:
        b.witness.add_checkpoint("xa-ca", addcheckpoint.format_request(HeadOffer(head.size, (), other.note)))
    assert caught.value.code.code == "HEAD-FORKED"
    _convicts(bare, "xb-ca")
    _refused(bare, _request(bare, _grow(bare), head.size), "HEAD-STOPPED")


def test_LOG_11_a_fork_after_a_common_prefix_is_evidence(bare: World, tmp_path: Path) -> None:
    """A second process on a copy of the data: its path, full as it must be for a size that is no power of two, convicts it."""
    common = _grow(bare)
    twin = _twin(bare, tmp_path / "twin")
    head = _grow(bare, times=1)
    while head.size & (head.size - 1) == 0:
        head = _grow(bare)
    _add(bare, head, 0)
    other = twin.exchanges["xa-ca"]
    while other.log.size <= head.size + 2:
        other.writer.run(lambda tx: tx.append(Filler))
    forked, path = other.log.head(), other.log.consistency(head.size, other.log.head())
    twin.close()
    assert common.size < head.size
    b = bare.exchanges["xb-ca"]
    with changes(b, log=1), pytest.raises(HeadError) as caught:
        b.witness.add_checkpoint("xa-ca", addcheckpoint.format_request(HeadOffer(head.size, path, forked.note)))
    assert caught.value.code.code == "HEAD-FORKED"
    _convicts(bare, "xb-ca")


def test_LOG_12_interleaved_calls_never_roll_back(bare: World) -> None:
    """Two calls for N and N+K at once, over and over in every order that threads find: the greatest size never shrinks."""
    b, choose = bare.exchanges["xb-ca"], random.Random(1)
    origin = bare.exchanges["xa-ca"].log.origin
    seen, stop = [], threading.Event()

    def watch() -> None:
        while not stop.is_set():
            record = b.peers.record(origin)
            seen.append(0 if record is None else record.greatest.size)

    watcher = threading.Thread(target=watch)
    watcher.start()
    rounds, at = 40, 0
    with ThreadPoolExecutor(2) as pool:
        for _ in range(rounds):
            near, far = _grow(bare), _grow(bare, times=choose.randint(1, 3))
            calls = [_request(bare, head, at) for head in choose.sample((near, far), 2)]
            done = [pool.submit(b.witness.add_checkpoint, "xa-ca", call) for call in calls]
            outcomes = [each.exception() for each in done]
            assert any(error is None for error in outcomes)
            assert all(error is None or isinstance(error, HeadError) for error in outcomes)
            at = b.peers.greatest("xa-ca")
            shown = stated_checkpoint(b.peers.greatest_note(hashlib.sha256(origin.encode()).digest()) or b"")
            assert shown.size == at
    stop.set()
    watcher.join()
    assert seen == sorted(seen)
    assert not [entry for entry in bare.entries("xb-ca") if isinstance(entry, Forked)]


def test_LOG_13_nothing_is_signed_while_our_clock_is_in_doubt(bare: World) -> None:
    head = _grow(bare)
    bare.clock.certain = False
    b = bare.exchanges["xb-ca"]
    with changes(b), pytest.raises(PassingError) as caught:
        _add(bare, head, 0)
    assert caught.value.code.code == "TIME-CLOCK"
    assert b.witness.with_answer("xa-ca", head) is None


def test_LOG_13_a_line_of_another_name_time_or_head_is_not_taken(three: World) -> None:
    a = three.exchanges["xa-ca"]
    head = a.log.head()
    lines = three.exchanges["xb-ca"].witness.add_checkpoint("xa-ca", _request(three, head, head.size))
    later = _grow(three)
    renamed = lines.replace(b"/xb-ca/", b"/xc-ca/")
    zero = b"\n".join(line.replace(line.split(b" ")[2], b"AAAA") for line in lines.splitlines()) + b"\n"
    for about, junk, witness in ((later, lines, "xb-ca"), (head, renamed, "xc-ca"), (head, zero, "xb-ca"), (head, lines, "xc-ca")):
        with pytest.raises(ProtocolError) as caught:
            a.heads.take_lines(witness, about, junk)
        assert caught.value.code.code == "WITNESS-LINES"
    assert a.heads.take_lines("xb-ca", head, lines)


def test_a_stranger_to_the_log_is_no_witness_and_nobody_is_his_own(three: World) -> None:
    assert not three.exchanges["xb-ca"].witness.serves("xb-ca")
    assert three.exchanges["xb-ca"].witness.serves("xa-ca")
    members = dict(three.directory.members)
    logs = tuple(replace(log, witnesses=("xc-ca",), quorum=1) for log in members["xa-ca"].logs)
    members["xa-ca"] = replace(members["xa-ca"], logs=logs)
    three.directory = replace(three.directory, members=members)
    head = three.exchanges["xa-ca"].log.head()
    with pytest.raises(ProtocolError) as caught:
        three.exchanges["xb-ca"].witness.add_checkpoint("xa-ca", _request(three, head, head.size))
    assert caught.value.code.code == "WITNESS-UNASSIGNED"


def test_HEAD_5_only_over_the_connection_of_the_logs_own_authority(three: World) -> None:
    body = _request(three, _grow(three), three.exchanges["xb-ca"].peers.greatest("xa-ca"))
    with pytest.raises(ProtocolError) as caught:
        three.exchanges["xb-ca"].witness.add_checkpoint("xc-ca", body)
    assert caught.value.code.code == "HEAD-ORIGIN"


def test_signatures_that_are_missing_or_bad(bare: World) -> None:
    head = _grow(bare)
    text, _, lines = head.note.partition(b"\n\n")
    first, second = lines.splitlines(keepends=True)
    spoiled = second[:200] + (b"B" if second[200:201] == b"A" else b"A") + second[201:]  # in the signature: the key stays known
    for note, code in (
        (text + b"\n\n" + first, "CHECKPOINT-SIGNATURES"), (text + b"\n\n" + second, "CHECKPOINT-SIGNATURES"),
        (text + b"\n\n" + first + spoiled, "NOTE-"),
    ):  # fmt: skip
        with pytest.raises(ProtocolError) as caught:
            bare.exchanges["xb-ca"].witness.add_checkpoint("xa-ca", addcheckpoint.format_request(HeadOffer(0, (), note)))
        assert caught.value.code.code.startswith(code)


def test_HEAD_7_pouches_and_add_checkpoint_share_one_record(forger: Forger) -> None:
    world = forger.world
    forger.log(Filler)
    forger.offer()  # a pouch moves the record
    at = forger.theirs.peers.greatest("xa-ca")
    assert at == forger.ours.log.size
    later = _grow(world)
    _refused(world, _request(world, later, at - 1), "HEAD-UNLINKED")
    assert _add(world, later, at)
    assert forger.theirs.peers.greatest("xa-ca") == later.size  # and a call moves it for pouches
    forger.carry(forger.frame(about=PouchHead(forger.about().lane, HeadOffer(later.size, (), later.note), 0, 1)))


def test_LOG_20_a_witness_never_sees_or_gives_an_entry(bare: World) -> None:
    head = _grow(bare, times=5)
    body = _request(bare, head, 0)
    lines = _add(bare, head, 0)
    log = bare.exchanges["xa-ca"].log
    for index in range(head.size):
        assert log.entry(index) not in body + lines
    links = bare.exchanges["xa-ca"].heads.links(1, head.size, [1, 2, 3])
    assert all(log.entry(index) not in links for index in range(head.size))


def test_a_request_parses_back_to_its_bytes_and_nothing_else_does(bare: World) -> None:
    head = _grow(bare, times=6)
    body = _request(bare, head, 3)
    assert addcheckpoint.format_request(addcheckpoint.parse_request(body)) == body
    bad = (
        b"", b"old 3\n", body.replace(b"old 3", b"old 03"), body.replace(b"old 3", b"old +3"), body.replace(b"old 3", b"OLD 3"),
        body.replace(b"old 3\n", b"old 3\r\n"), b"old 3\n" + b"A" * 43 + b"=\n" * 64 + b"\n" + head.note,
        b"old 3\nAAAA\n\n" + head.note, body.partition(b"\n\n")[0] + b"\n\n",
    )  # fmt: skip
    for junk in bad:
        with pytest.raises(ProtocolError) as caught:
            addcheckpoint.parse_request(junk)
        assert caught.value.code.code == "WITNESS-FORM"
    assert addcheckpoint.parse_size(addcheckpoint.format_size(17)) == 17


def _other_history(world: World, folder: Path, size: int) -> Head:
    """A head that xa-ca's keys signed in a history of its own."""
    other = World(folder, world.clock, {"xa-ca": world.holdings["xa-ca"]}, world.directory)
    exchange = other.open("xa-ca")
    while exchange.log.size < size:
        exchange.writer.run(lambda tx: tx.append(Filler))
    root = exchange.log.root
    other.close()
    keys = world.exchanges["xa-ca"].log.keys
    note = sign_head(Checkpoint(keys.origin, size, root), world.clock.now() // 1000 + 1, world.holdings["xa-ca"].log, keys)
    return Head(stated_checkpoint(note), note, 0)


def _twin(world: World, folder: Path) -> World:
    """xa-ca a second time, on a copy of its data as of now."""
    world.exchanges.pop("xa-ca").close()
    shutil.copytree(world.folder / "xa-ca", folder / "xa-ca")
    world.open("xa-ca")
    twin = World(folder, world.clock, {"xa-ca": world.holdings["xa-ca"]}, world.directory)
    twin.open("xa-ca")
    return twin


def _convicts(world: World, name: str) -> None:
    """What this authority kept is a fork proof that a stranger believes."""
    entry = world.entries(name)[-1]
    assert isinstance(entry, Forked)
    proof = world.exchanges[name].peers.forks()[entry.origin]
    verify_fork_proof(parse_fork_proof(proof), world.directory.log(entry.origin).keys, SUITE)
