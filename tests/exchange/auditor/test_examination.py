"""Bundles that lie, one lie each: the check that is there for it refutes, under its own number and code."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from exchange.auditor.report import Verdict
from exchange.export.bundle import Materials
from keys.directory import found
from keys.directory.rolekeys import Holder
from keys.logkeys import LogKeyPair
from protocol import limits
from protocol.checkpoint import Checkpoint, sign_head
from protocol.entries import Consigned, Filler, Place, Submitted
from tests.exchange.auditor.export import LATER, Export
from tests.exchange.auditor.world import NOW, MemoryLog, World, refused

Write = Callable[..., Export]
BOTH = ["xb-ca", "xc-ca"]


def test_an_honest_bundle_is_proven_under_every_number(export: Write) -> None:
    report = export().verify()
    assert report.verdict is Verdict.PROVEN
    assert report.exit_code == 0
    assert [check.number for check in report.numbered()] == list(range(1, 16))
    assert {check.verdict for check in report.numbered()} == {Verdict.PROVEN}
    assert [proof["says"] for proof in report.facts["proofs"]] == ["submitted", "consigned", "consigned"]


def test_without_a_trust_root_it_is_consistent_with_itself_only(export: Write) -> None:
    report = export().verify(anchored=False)
    assert report.exit_code == 3
    assert [(c.number, c.code) for c in report.numbered() if c.verdict is Verdict.NOT_ANCHORED] == [(2, "TRUST-NONE")]


def test_a_recipient_that_has_not_answered_is_pending(world: World, export: Write) -> None:
    report = export(world.exchange(world.seal(("xb-ca", "xc-ca")), ["xc-ca"])).verify()
    assert report.exit_code == 4
    assert [(c.number, c.code, c.about) for c in report.checks if c.verdict is Verdict.PENDING] == [
        (7, "RECEIPT-PENDING", "xb-ca")
    ]


def test_nobody_answered_is_pending_and_not_anchored_goes_before_it(world: World, export: Write) -> None:
    bundle = export(world.exchange(world.seal(("xb-ca",)), []))
    assert bundle.verify().exit_code == 4
    assert bundle.verify(anchored=False).exit_code == 3


def test_a_refusal_is_proven_as_what_it_is(world: World, export: Write) -> None:
    materials = world.exchange(world.seal(("xb-ca",)), ["xb-ca"], answer=lambda _, honest: refused(honest))
    report = export(materials).verify()
    assert report.exit_code == 0
    assert report.facts["proofs"][1]["says"] == "refused"
    assert report.facts["proofs"][1]["reason"] == "BODY-FORM"


def test_the_root_of_another_network_refutes(world: World, export: Write, tmp_path: Path) -> None:
    bundle = export()
    bundle.world = World(tmp_path / "other")
    assert bundle.refusals() == {2: "TRUST-ROOT"}


def test_an_expired_directory_still_proves_and_says_until_when(export: Write) -> None:
    report = export().verify(now=LATER + 400 * limits.DAY)
    assert report.exit_code == 0
    assert "it was good until" in next(c.says for c in report.checks if c.number == 2)


def test_a_newer_root_chain_is_followed_from_the_first_root(tmp_path: Path) -> None:
    world = World(tmp_path / "net")
    keeper = Holder.generate("keeper-2")
    charter = found.Charter(
        "exercise.example", world.directory.kind, world.directory.address_ranges,
        tuple(f.public() for f in world.made.founders), 2, (keeper.public(),), 1,
    )  # fmt: skip
    found.re_root(world.folder, charter, world.made.founders[:2], (keeper,), NOW + 1000)
    world.reload()
    bundle = Export(world, world.exchange(world.sealed, BOTH), tmp_path / "out")
    assert (bundle.folder / "directory/2.root.json").is_file()
    assert bundle.verify().exit_code == 0
    bundle.remove("directory/2.root.json")
    assert bundle.refusals() == {2: "DIRECTORY-THRESHOLD"}


def test_a_missing_directory_file_is_named(export: Write) -> None:
    bundle = export()
    name = next(p for p in (bundle.folder / "directory/authorities").iterdir())
    bundle.remove(f"directory/authorities/{name.name}")
    assert bundle.refusals() == {2: "BUNDLE-MISSING"}


# receipts -----------------------------------------------------------------------------------------------------------------


def test_RCP_1_receipt_for_another_envelope_hash(world: World, export: Write) -> None:
    other = world.seal(("xb-ca",)).envelope

    def about_another(_: str, honest: Consigned) -> Consigned:
        return replace(honest, envelope_hash=other.hash)

    assert export(world.exchange(world.seal(("xb-ca",)), ["xb-ca"], answer=about_another)).refusals() == {10: "ANSWER-ENVELOPE"}


def test_RCP_1_receipt_of_another_message_put_in_its_place(world: World, export: Write) -> None:
    first, second = (world.exchange(world.seal(("xb-ca",)), ["xb-ca"]) for _ in range(2))
    assert export(replace(first, receipts=second.receipts)).refusals() == {10: "ANSWER-ENVELOPE"}


def test_RCP_2_index_beyond_the_checkpoint(export: Write) -> None:
    for name, number in (("receipt-xb-ca.tlog-proof", 9), ("origin.tlog-proof", 5)):
        bundle = export()
        bundle.put_proof(name, replace(bundle.proof(name), index=10_000))
        assert bundle.refusals() == {number: "PROOF-INCLUSION"}


def test_RCP_3_valid_proof_with_another_leaf(world: World, export: Write) -> None:
    bundle = export()
    name = "receipt-xb-ca.tlog-proof"
    proof = bundle.proof(name)
    other = world.exchange(world.seal(("xb-ca",)), ["xb-ca"]).receipts["xb-ca"].proven.entry
    bundle.put_proof(name, replace(proof, extra=other))
    assert bundle.refusals() == {9: "PROOF-INCLUSION"}


def test_RCP_4_extra_line_altered_or_missing(export: Write) -> None:
    for name, number in (("receipt-xb-ca.tlog-proof", 9), ("origin.tlog-proof", 5)):
        bundle = export()
        proof = bundle.proof(name)
        assert proof.extra is not None
        bundle.put_proof(name, replace(proof, extra=proof.extra[:-1] + bytes([proof.extra[-1] ^ 1])))
        assert bundle.refusals() == {number: "PROOF-INCLUSION"}
        bundle.put_proof(name, replace(proof, extra=None))
        assert bundle.refusals() == {number: "PROOF-EXTRA"}


def test_a_receipt_that_names_another_sender(world: World, export: Write) -> None:
    materials = world.exchange(world.seal(("xb-ca",)), ["xb-ca"], answer=lambda _, honest: replace(honest, sender="xc-ca"))
    assert export(materials).refusals() == {10: "ANSWER-SENDER"}


def test_a_receipt_that_is_no_answer(world: World, export: Write) -> None:
    materials = world.exchange(world.seal(("xb-ca",)), ["xb-ca"], answer=lambda _, honest: Filler(honest.time, honest.salt))
    assert export(materials).refusals() == {10: "ANSWER-KIND"}


@pytest.mark.parametrize("lie", ["n", "index", "root"])
def test_a_receipt_that_cites_another_place(world: World, export: Write, lie: str) -> None:
    def elsewhere(_: str, honest: Consigned) -> Consigned:
        place = honest.place
        lies = {"n": place._replace(n=2), "index": place._replace(index=0), "root": place._replace(root=bytes(32))}
        return replace(honest, place=lies[lie])

    assert export(world.exchange(world.seal(("xb-ca",)), ["xb-ca"], answer=elsewhere)).refusals() == {11: "ANSWER-PLACE"}


def test_a_receipt_that_cites_an_earlier_head_is_proven_and_says_so(world: World, export: Write) -> None:
    def earlier(_: str, honest: Consigned) -> Consigned:
        log, place = world.parties["xa-ca"].log, honest.place
        return replace(honest, place=Place(1, place.index, place.index + 1, log.root(place.index + 1)))

    report = export(world.exchange(world.seal(("xb-ca",)), ["xb-ca"], answer=earlier)).verify()
    assert report.exit_code == 0
    assert "the origin proof is under" in next(c.says for c in report.checks if c.number == 11)


def test_a_message_submitted_again_in_the_next_log(tmp_path: Path) -> None:
    """One recipient answered before the change of logs and cites log 1, the other after it and cites log 2."""
    world = World(tmp_path / "net")
    sealed = world.sealed
    first = world.exchange(sealed, ["xb-ca"])
    world.parties["xa-ca"].next_log(2)
    second = world.exchange(sealed, ["xc-ca"])
    both = replace(second, receipts={**first.receipts, **second.receipts})
    lacking = Export(world, both, tmp_path / "lacking")
    assert lacking.refusals() == {11: "ANSWER-PLACE"}
    bundle = Export(world, replace(both, earlier=(first.origin,)), tmp_path / "out")
    report = bundle.verify()
    assert report.exit_code == 0
    assert [p["log"][-1] for p in report.facts["proofs"]] == ["2", "1", "1", "1"]
    assert any("still lists this log as standby" in c.says for c in report.checks if c.number == 4)
    bundle.put("origin-3.tlog-proof", bundle.read("origin-1.tlog-proof"))
    assert bundle.refusals() == {4: "PROOF-SPEAKER"}


def test_a_receipt_of_a_stranger(world: World, export: Write) -> None:
    materials = world.exchange(world.seal(("xb-ca",)), BOTH)
    assert export(materials).refusals()[7] == "RECEIPT-STRANGER"


def test_a_receipt_under_anothers_name(export: Write) -> None:
    bundle = export()
    bundle.put("receipt-xc-ca.tlog-proof", bundle.read("receipt-xb-ca.tlog-proof"))
    assert bundle.refusals() == {8: "PROOF-SPEAKER"}


def test_the_first_receipt_is_not_the_first(export: Write) -> None:
    bundle = export()
    bundle.put("receipt.tlog-proof", bundle.read("receipt-xc-ca.tlog-proof"))
    assert bundle.refusals() == {7: "RECEIPT-FIRST"}
    bundle.remove("receipt.tlog-proof")
    assert bundle.refusals() == {7: "RECEIPT-FIRST"}


# origin -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("envelope_hash", bytes(32), "BIND-HASH"),
        ("message_id", bytes(range(16)), "BIND-FIELDS"),
        ("expires", NOW, "BIND-FIELDS"),
        ("recipients", 3, "BIND-FIELDS"),
    ],
)
def test_an_entry_that_submits_something_else(world: World, export: Write, field: str, value: object, code: str) -> None:
    sealed = world.seal(("xb-ca",))
    entry: Submitted = replace(world.submitted(sealed.envelope), **{field: value})  # type: ignore[arg-type]
    assert export(world.exchange(sealed, [], submitted=entry)).refusals() == {6: code}


def test_an_entry_that_submits_nothing(world: World, export: Write) -> None:
    materials = world.exchange(world.seal(("xb-ca",)), [], submitted=Filler(NOW, os.urandom(16)))
    assert export(materials).refusals() == {6: "ORIGIN-KIND"}


def test_another_envelope_in_its_place(world: World, export: Write) -> None:
    bundle = export(world.exchange(world.seal(("xb-ca",)), ["xb-ca"]))
    bundle.put("envelope.cbor", world.seal(("xb-ca",)).envelope.raw)
    assert bundle.refusals() == {6: "BIND-HASH", 10: "ANSWER-ENVELOPE"}


def test_an_envelope_of_another_network(export: Write, tmp_path: Path) -> None:
    bundle = export()
    bundle.put("envelope.cbor", World(tmp_path / "other").sealed.envelope.raw)
    assert bundle.refusals() == {3: "BIND-NETWORK"}
    assert {c.code for c in bundle.verify().checks if c.number > 3} == {"CHECK-SKIPPED"}


def test_an_envelope_from_nobody(world: World, export: Write) -> None:
    bundle = export()
    bundle.put("envelope.cbor", bundle.read("envelope.cbor").replace(b"xa-ca", b"xd-ca"))
    assert bundle.refusals() == {3: "DIRECTORY-UNKNOWN-AUTHORITY"}


def test_a_head_signed_with_other_keys(world: World, export: Write) -> None:
    bundle = export()
    log = world.parties["xa-ca"].log
    thief = LogKeyPair.generate()
    proof = bundle.proof("origin.tlog-proof")
    size = int(proof.note.split(b"\n")[1])
    forged = sign_head(
        Checkpoint(log.keys.origin, size, log.root(size)), NOW // 1000 + 9, thief, thief.log_keys(log.keys.origin)
    )
    bundle.put_proof("origin.tlog-proof", replace(proof, note=forged))
    assert bundle.refusals() == {4: "NOTE-UNSIGNED"}


def test_a_head_with_one_of_two_signatures(export: Write) -> None:
    for line in (0, 1):
        bundle = export()
        proof = bundle.proof("origin.tlog-proof")
        text, _, lines = proof.note.partition(b"\n\n")
        kept = lines.splitlines(keepends=True)[1 - line]
        bundle.put_proof("origin.tlog-proof", replace(proof, note=text + b"\n\n" + kept))
        assert bundle.refusals() == {4: "CHECKPOINT-SIGNATURES"}


def test_a_head_of_a_log_that_the_directory_does_not_list(world: World, export: Write) -> None:
    bundle = export()
    pair = LogKeyPair.generate()
    log = MemoryLog("exercise.example/xa-ca/log/9", pair)
    index = log.append(world.submitted(world.sealed.envelope))
    proven = log.evidence(index)
    proof = replace(bundle.proof("origin.tlog-proof"), extra=proven.proven.entry, index=index, path=(), note=proven.note)
    bundle.put_proof("origin.tlog-proof", proof)
    assert bundle.refusals() == {4: "DIRECTORY-UNKNOWN-LOG"}


def test_an_entry_later_than_its_head(world: World, export: Write) -> None:
    sealed = world.seal(("xb-ca",))
    log = world.parties["xa-ca"].log
    index = log.append(world.submitted(sealed.envelope, NOW + 3000))
    evidence = log.evidence(index, time_s=NOW // 1000 + 1)
    assert export(Materials(sealed.envelope.raw, evidence, {}, world.directory, world.metadata)).refusals() == {12: "TIME-HEAD"}


def test_an_envelope_created_after_it_was_logged(world: World, export: Write) -> None:
    sealed = world.seal(("xb-ca",), created=NOW + 10_000)
    assert export(world.exchange(sealed, [])).refusals() == {12: "BIND-CREATED"}


def test_a_receipt_that_claims_to_be_earlier_is_shown_as_such(world: World, export: Write) -> None:
    sealed = world.seal(("xb-ca",))
    entry = world.submitted(sealed.envelope, NOW + limits.HOUR)
    report = export(world.exchange(sealed, ["xb-ca"], submitted=entry)).verify()
    assert report.exit_code == 0
    assert any("one of both clocks was wrong" in c.says for c in report.checks if c.number == 12)
