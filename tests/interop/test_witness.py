"""What our witnesses sign, and proofs lengthened by a link, before the eyes of an independent reader."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from exchange.auditor.report import Verdict
from exchange.auditor.single import verify_proof_file
from exchange.export.export import Exporter
from protocol import addcheckpoint
from protocol.entries import Filler
from protocol.names import witness_name
from tests.world import NETWORK, World, make_world

scales: Any = import_module("tlog_scales.tlog")
signing: Any = import_module("tlog_scales.signing")


def _witnessed(folder: Path) -> tuple[World, bytes]:
    """A message from xa-ca to xb-ca, both of its proofs lengthened to witnessed heads; its hash."""
    world = make_world(folder, founded=True)
    world.exchange_prekeys()
    sent = world.send("xa-ca", "xb-ca", b"{}")
    world.deliver("xa-ca", "xb-ca")
    for name in ("xa-ca", "xb-ca"):
        world.exchanges[name].writer.run(lambda tx: tx.append(Filler))
        world.visit(name)
    world.tell_prekeys("xb-ca", "xa-ca")
    a, b = world.exchanges["xa-ca"].heads, world.exchanges["xb-ca"].heads
    for wanted in a.wanted():
        a.take_links(wanted, b.links(1, wanted.to.size, [size for _, size in wanted.notes]))
    return world, sent.hash


def test_they_verify_both_lines_of_our_witnesses(tmp_path: Path) -> None:
    world, _ = _witnessed(tmp_path)
    head = world.exchanges["xa-ca"].log.head()
    other = world.exchanges["xb-ca"]
    lines = other.witness.add_checkpoint("xa-ca", world.exchanges["xa-ca"].heads.request(head, other.peers.greatest("xa-ca")))
    theirs = scales.Checkpoint.from_text(addcheckpoint.add_lines(head.note, lines).decode())
    for vkey in world.holdings["xb-ca"].witness.vkeys(witness_name(NETWORK, "xb-ca")):
        theirs.verify(signing.Vkey.from_string(str(vkey)))
    world.close()


def test_an_exported_note_bears_its_quorum_for_them_and_its_proof_for_the_policy(tmp_path: Path) -> None:
    world, key = _witnessed(tmp_path)
    a = world.exchanges["xa-ca"]
    folder = tmp_path / "out"
    Exporter(a.store, a.log, a.messages, a.holdings, world.home("xa-ca").directory).export(a.messages.find(key), folder)
    for name, authority in (("origin", "xa-ca"), ("receipt-xb-ca", "xb-ca")):
        note = (folder / f"{name}.tlog-proof").read_bytes().partition(b"\n\n")[2]
        theirs = scales.Checkpoint.from_text(note.decode())
        record = world.directory.log_in_force(authority)
        for witness in record.witnesses:
            vkey = world.holdings[witness].witness.vkeys(witness_name(NETWORK, witness))[0]
            theirs.verify(signing.Vkey.from_string(str(vkey)))
        policy = (folder / f"policy-{authority}-1.txt").read_bytes()
        assert b"quorum all-of-them" in policy
        assert verify_proof_file(folder / f"{name}.tlog-proof", policy).verdict is Verdict.PROVEN
    world.close()
