"""A stolen log key: what the thief can do, what he cannot, and when it is seen (the rows of the table, one after another)."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from exchange.guard import Standing
from exchange.reconcile import Asked, Verdict, judge, read_head
from keys.suite import SUITE
from protocol import addcheckpoint, cbor, merkle, pouch
from protocol.checkpoint import Checkpoint, Head, sign_head, verify_head
from protocol.entries import Filler, Forked, Lane, Prekeys, PublishedKey, TreeHead
from protocol.errors import LocalError, ProtocolError
from protocol.grades import Grade
from protocol.heads import ForkCase, ForkProof, HeadError, verify_fork_proof
from protocol.pouch import HeadOffer, Proven
from protocol.prekeyset import PeerKey
from tests.exchange.forgery import Forger, changes
from tests.world import World


class Thief:
    """xa-ca's log keys, on a copy of its data as of now, going on by himself."""

    def __init__(self, world: World, folder: Path) -> None:
        world.exchanges.pop("xa-ca").close()
        shutil.copytree(world.folder / "xa-ca", folder / "xa-ca")
        world.open("xa-ca")
        self.world = World(folder, world.clock, {"xa-ca": world.holdings["xa-ca"]}, world.directory)
        self.exchange = self.world.open("xa-ca")
        self.real = world.exchanges["xa-ca"]
        self.common = self.exchange.log.size

    def grow(self, times: int = 1) -> Head:
        for _ in range(times):
            self.exchange.writer.run(lambda tx: tx.append(Filler))
        return self.exchange.log.head()

    def show(self, world: World, witness: str, head: Head, old: int) -> bytes:
        """Over the stolen TLS key."""
        offer = HeadOffer(old, self.exchange.log.consistency(old, head), head.note)
        return world.exchanges[witness].witness.add_checkpoint("xa-ca", addcheckpoint.format_request(offer))


def test_THEFT_1_with_the_log_keys_only_a_paper_is_logged_and_convicts(three: World, tmp_path: Path) -> None:
    """He mints a proof offline. It is good for its signatures, never witnessed, and contradicts the real log at its index."""
    a = three.exchanges["xa-ca"]
    a.writer.run(lambda tx: tx.append(Filler))
    real = a.log.head()
    forged = b"an entry that xa-ca never made"
    leaf = merkle.leaf_hash(forged)
    keys = a.log.keys
    note = sign_head(Checkpoint(keys.origin, 1, leaf), three.clock.now() // 1000, three.holdings["xa-ca"].log, keys)
    verify_head(note, keys, SUITE)
    merkle.check_inclusion(leaf, 0, 1, [], leaf)
    proof = ForkProof(ForkCase.LEAVES, note, real.note, (), (Proven(forged, 0, ()), a.log.prove(0, real)))
    verify_fork_proof(proof, keys, SUITE)
    b = three.exchanges["xb-ca"]
    with changes(b), pytest.raises(HeadError):  # nobody with a record takes it, even over the right connection
        b.witness.add_checkpoint("xa-ca", addcheckpoint.format_request(HeadOffer(0, (), note)))
    with pytest.raises(ProtocolError):  # and over no other
        b.witness.add_checkpoint("xc-ca", addcheckpoint.format_request(HeadOffer(0, (), note)))
    with changes(b, log=1):
        assert b.forks.take(proof.encode())
    assert not b.forks.take(proof.encode())


def test_THEFT_2_with_an_old_edge_his_history_is_consistent_and_convicts_all_the_same(three: World, tmp_path: Path) -> None:
    thief = Thief(three, tmp_path / "thief")
    head = thief.grow(2)
    thief.real.writer.run(lambda tx: tx.append(Filler))
    real = thief.real.log.head()
    path = thief.exchange.log.consistency(thief.common, head)
    merkle.check_consistency(thief.common, head.size, path, merkle.root(thief.common, thief.real.log), head.root)
    index = thief.common
    theirs = thief.exchange.log.prove(index, head)
    proof = ForkProof(ForkCase.LEAVES, real.note, head.note, (), (thief.real.log.prove(index, real), theirs))
    verify_fork_proof(proof, thief.real.log.keys, SUITE)
    swapped = replace(proof, leaves=(thief.real.log.prove(0, real), thief.exchange.log.prove(0, head)))
    with pytest.raises(ProtocolError):
        verify_fork_proof(swapped, thief.real.log.keys, SUITE)  # what both histories hold accuses nobody
    thief.world.close()


def test_THEFT_3_with_the_tls_key_the_real_node_sees_it_at_its_next_visit(three: World, tmp_path: Path) -> None:
    """He extends at a witness before we do: our visit gets 409, the note there bears our signatures, and we stop. His prekeys wait."""
    three.visit("xa-ca")
    thief = Thief(three, tmp_path / "thief")
    head = thief.grow(2)
    old = three.exchanges["xb-ca"].peers.greatest("xa-ca")
    assert thief.show(three, "xb-ca", head, old)
    real = thief.real
    real.writer.run(lambda tx: tx.append(Filler))
    with pytest.raises(HeadError) as caught:
        three.exchanges["xb-ca"].witness.add_checkpoint("xa-ca", real.heads.request(real.log.head(), old))
    assert caught.value.code.code == "HEAD-UNLINKED"
    note = three.exchanges["xb-ca"].contact.checkpoint(_hash(real.log.origin))
    assert note is not None
    with pytest.raises(LocalError) as stopped:
        real.contact.shown_own_head(note)
    assert stopped.value.code.code == "LOG-STOPPED"
    with pytest.raises(LocalError):
        real.log.head()
    thief.world.close()


def test_THEFT_3_prekeys_of_a_thief_are_not_used_before_the_quorum_took_his_head(three: World, tmp_path: Path) -> None:
    three.visit("xa-ca")
    thief = Thief(three, tmp_path / "thief")
    own = thief.exchange.shelf.own.current_set(three.clock.now())
    keys = tuple(PeerKey(k.id, k.from_, k.until, k.public) for k in own)
    listed = tuple(PublishedKey(key.id, key.from_, key.until) for key in keys[:1])
    index = thief.exchange.writer.run(lambda tx: tx.append(Prekeys, 99, listed))
    head, b = thief.exchange.log.head(), three.exchanges["xb-ca"]
    before = b.shelf.freshest("xa-ca", three.clock.now())
    old = b.peers.greatest("xa-ca")
    about = pouch.PouchHead(Lane.ROUTINE, HeadOffer(old, thief.exchange.log.consistency(old, head), head.note), 0, 1)
    offer = pouch.PrekeyOffer(thief.exchange.log.prove(index, head), (keys[0].public,))
    b.contact.take_prekeys("xa-ca", pouch.encode_pouch(about, [cbor.encode(pouch.offer_row(offer))]))
    assert b.shelf.freshest("xa-ca", three.clock.now()) == before
    assert b.shelf._peer("xa-ca", b.store.reader()).sequence == 99  # it was proven, and is only logged
    thief.world.close()


def test_THEFT_4_while_the_real_node_was_down_its_start_sees_it(three: World, tmp_path: Path) -> None:
    three.visit("xa-ca")
    thief = Thief(three, tmp_path / "thief")
    old = three.exchanges["xb-ca"].peers.greatest("xa-ca")
    thief.show(three, "xb-ca", thief.grow(2), old)
    log = thief.real.log
    note = three.exchanges["xb-ca"].contact.checkpoint(_hash(log.origin))
    shown = read_head(note, log.keys, SUITE)
    assert shown is not None
    assert log.relation(TreeHead(shown.size, shown.root)) is not Standing.ON
    finding = judge(log, Asked(2, 2, {"xb-ca": shown, "xc-ca": None}), elsewhere=True)
    assert finding.verdict is Verdict.HOLD
    thief.world.close()


def test_THEFT_5_half_of_the_pair_signs_nothing_that_is_taken(three: World) -> None:
    a, b = three.exchanges["xa-ca"], three.exchanges["xb-ca"]
    head = a.log.head()
    text, _, lines = head.note.partition(b"\n\n")
    for line in lines.splitlines(keepends=True):
        with changes(b), pytest.raises(ProtocolError) as caught:
            b.witness.add_checkpoint("xa-ca", addcheckpoint.format_request(HeadOffer(0, (), text + b"\n\n" + line)))
        assert caught.value.code.code == "CHECKPOINT-SIGNATURES"
        a.contact.shown_own_head(text + b"\n\n" + line)  # nor does it stop anybody
    a.log.head()


def test_THEFT_6_who_is_inside_the_node_cannot_erase_it_later(three: World, tmp_path: Path) -> None:
    """Everything he does stands in the real log. Once that is witnessed, a history without it is a fork."""
    three.visit("xa-ca")
    thief = Thief(three, tmp_path / "before")  # the data as it was before his deed
    a = three.exchanges["xa-ca"]
    index = a.writer.run(lambda tx: tx.append(Filler))
    three.visit("xa-ca")
    assert a.holdings.ours(1, index).grade is Grade.WITNESSED
    size = a.log.size
    head = thief.grow(1)
    assert head.size == size
    with pytest.raises(HeadError) as caught:
        thief.show(three, "xb-ca", head, size)
    assert caught.value.code.code == "HEAD-FORKED"
    assert isinstance(three.entries("xb-ca")[-1], Forked)
    thief.world.close()


def test_a_fork_of_ours_that_somebody_brings_stops_us(three: World, tmp_path: Path) -> None:
    thief = Thief(three, tmp_path / "thief")
    head = thief.grow(1)
    thief.real.writer.run(lambda tx: tx.append(Filler))
    proof = ForkProof(ForkCase.SIZES, thief.real.log.head().note, head.note)
    with pytest.raises(LocalError) as caught:
        thief.real.forks.take(proof.encode())
    assert caught.value.code.code == "LOG-STOPPED"
    thief.world.close()


def test_a_fork_proof_that_shows_nothing_is_refused(forger: Forger) -> None:
    note = forger.ours.log.head().note
    for junk in (ForkProof(ForkCase.SIZES, note, note).encode(), b"junk"):
        with changes(forger.theirs), pytest.raises(ProtocolError) as caught:
            forger.theirs.forks.take(junk)
        assert caught.value.code.code == "FORK-PROOF"


def _hash(origin: str) -> bytes:
    return hashlib.sha256(origin.encode()).digest()
