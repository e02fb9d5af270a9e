"""Grades, policies and disclosed parts: what a bundle adds to its bare proofs, and how it can lie about that."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from exchange.export.bundle import metadata_of
from keys.directory import found, selfentry
from protocol import limits
from protocol.parts import PartName
from tests.exchange.auditor.export import Export
from tests.exchange.auditor.world import NOW, World

Write = Callable[..., Export]
BOTH = ["xb-ca", "xc-ca"]


# grades -------------------------------------------------------------------------------------------------------------------


def test_GRADE_witnessed_when_the_quorum_has_signed(world: World, export: Write) -> None:
    materials = world.exchange(world.seal(("xb-ca",)), ["xb-ca"])
    note = materials.origin.note
    for name in ("xb-ca", "xc-ca"):
        note = world.parties[name].cosigned(note, NOW // 1000 + 30)
    bundle = export(replace(materials, origin=replace(materials.origin, note=note)))
    report = bundle.verify()
    assert report.exit_code == 0
    assert [proof["grade"] for proof in report.facts["proofs"]] == ["witnessed", "logged"]
    assert b"quorum all-of-them" in bundle.read("policy-xa-ca-1.txt")
    assert b"quorum self" in bundle.read("policy-xb-ca-1.txt")


def test_a_witness_line_that_is_not_good_is_not_exported_and_refutes_when_it_is(world: World, export: Write) -> None:
    materials = world.exchange(world.seal(("xb-ca",)), [])
    good = world.parties["xb-ca"].cosigned(materials.origin.note, NOW // 1000 + 30)
    elsewhere = world.parties["xb-ca"].cosigned(world.parties["xa-ca"].log.note(1), NOW // 1000 + 30)
    bad = materials.origin.note + elsewhere.splitlines(keepends=True)[-1]
    bundle = export(replace(materials, origin=replace(materials.origin, note=bad)))
    assert bundle.proof("origin.tlog-proof").note == materials.origin.note
    bundle.put_proof("origin.tlog-proof", replace(bundle.proof("origin.tlog-proof"), note=bad))
    assert bundle.refusals() == {4: "NOTE-SIGNATURE"}
    bundle.put_proof("origin.tlog-proof", replace(bundle.proof("origin.tlog-proof"), note=good))
    assert bundle.refusals() == {}


# policies -----------------------------------------------------------------------------------------------------------------


def test_a_policy_that_would_accept_other_proofs(export: Write) -> None:
    for name, old, new in (
        ("policy-xa-ca-1.txt", b"quorum self", b"quorum none"),
        ("policy-xa-ca-1.txt", b"quorum self", b"quorum exercise.example/xb-ca/witness"),
        ("policy.txt", b"quorum none", b"log"),
    ):
        bundle = export()
        data = bundle.read(name).replace(old, new)
        if new == b"log":
            data = b"\n".join(bundle.read(name).split(b"\n")[1:])
        bundle.put(name, data)
        assert bundle.refusals() == {13: "BUNDLE-POLICY"}


def test_a_policy_too_many_or_too_few(export: Write) -> None:
    bundle = export()
    bundle.put("policy-xc-ca-2.txt", bundle.read("policy-xc-ca-1.txt"))
    assert bundle.refusals() == {13: "BUNDLE-POLICY"}
    bundle.remove("policy-xc-ca-2.txt", "policy-xc-ca-1.txt")
    assert bundle.refusals() == {13: "BUNDLE-MISSING"}


# disclosed parts ----------------------------------------------------------------------------------------------------------


def test_a_disclosed_part_with_one_byte_changed(export: Write) -> None:
    bundle = export()
    data = bundle.read("disclosed/part-1")
    bundle.put("disclosed/part-1", data[:-1] + b"?")
    assert bundle.refusals() == {14: "PART-COMMITMENT"}
    bundle.put("disclosed/part-1", data + bytes(4000))
    assert bundle.refusals() == {14: "PART-LENGTH"}


def test_a_disclosed_part_under_another_media_type_or_opening(export: Write) -> None:
    bundle = export()
    line = json.loads(bundle.read("disclosed/part-1.json"))
    lies: list[dict[str, object]] = [{"media_type": "text/html"}, {"opening": "00" * 32}]
    for change in lies:
        bundle.put("disclosed/part-1.json", json.dumps(line | change).encode())
        assert bundle.refusals() == {14: "PART-COMMITMENT"}
    wrong: list[dict[str, object]] = [{"part": 2}, {"opening": "00"}, {"r": "00"}, {"media_type": "\ud800"}]
    for change in wrong:
        bundle.put("disclosed/part-1.json", json.dumps(line | change).encode())
        assert bundle.refusals() == {14: "DISCLOSED-FORM"}


def test_a_disclosed_part_without_its_opening_or_beyond_the_envelope(export: Write) -> None:
    bundle = export()
    bundle.put("disclosed/part-3", b"more")
    assert bundle.refusals() == {14: "DISCLOSED-FORM"}
    bundle.remove("disclosed/part-3", "disclosed/part-2.json")
    assert bundle.refusals() == {14: "DISCLOSED-FORM"}


def test_a_part_disclosed_as_another_part(export: Write) -> None:
    bundle = export()
    line = json.loads(bundle.read("disclosed/part-1.json"))
    bundle.put("disclosed/part-2", bundle.read("disclosed/part-1"), repair=False)
    bundle.put("disclosed/part-2.json", json.dumps(line | {"part": 2}).encode())
    assert bundle.refusals() == {14: "PART-LENGTH"}


def test_one_part_disclosed_says_nothing_of_the_others(world: World, export: Write) -> None:
    sealed = world.seal(("xb-ca",))
    bundle = export(world.exchange(sealed, ["xb-ca"], disclose=[1]))
    everything = b"".join(p.read_bytes() for p in bundle.folder.rglob("*") if p.is_file())
    assert bundle.verify().exit_code == 0
    assert b"Ersuchen.pdf" not in everything
    r = sealed.secret[32:]
    for secret in (sealed.secret[:32], r, r[:32]):
        assert secret not in everything
        assert secret.hex().encode() not in everything
    name = PartName(sealed.envelope.network_id, sealed.envelope.message_id, 2)
    assert name.opening(r).hex().encode() not in everything


def test_a_name_that_the_body_does_not_give(export: Write) -> None:
    bundle = export()
    manifest = json.loads(bundle.read("manifest.json"))
    manifest["files"]["disclosed/part-1"]["original"] = "Urteil.pdf"
    (bundle.folder / "manifest.json").write_text(json.dumps(manifest))
    assert bundle.refusals() == {15: "DISCLOSED-BODY"}
    bundle.remove("disclosed/part-0", "disclosed/part-0.json")
    assert bundle.refusals() == {15: "DISCLOSED-BODY"}


def test_a_body_under_another_media_type_or_name(world: World, export: Write) -> None:
    bundle = export(world.exchange(world.seal(("xb-ca",), body_type="text/html"), ["xb-ca"], disclose=[0]))
    assert bundle.refusals() == {15: "DISCLOSED-BODY"}
    bundle = export()
    manifest = json.loads(bundle.read("manifest.json"))
    manifest["files"]["disclosed/part-0"]["original"] = "Urteil.pdf"
    (bundle.folder / "manifest.json").write_text(json.dumps(manifest))
    assert bundle.refusals() == {15: "DISCLOSED-BODY"}


def test_a_body_whose_copies_are_of_another_envelope(world: World, export: Write) -> None:
    other = world.seal(("xb-ca",))
    lying = world.seal(("xb-ca",), body=other.plaintexts[0][1])
    bundle = export(world.exchange(lying, ["xb-ca"], disclose=[0]))
    assert bundle.refusals() == {15: "BODY-COPIES"}


@pytest.mark.parametrize(
    ("closing", "grade"),
    [("at the head", "closed"), ("later", "logged"), ("earlier", "disputed"), ("another root", "disputed")],
)
def test_GRADE_under_the_closing_head_of_the_directory(tmp_path: Path, closing: str, grade: str) -> None:
    world = World(tmp_path / "net")
    materials = world.exchange(world.sealed, BOTH)
    log = world.parties["xa-ca"].log
    size, root = len(log.entries), log.root(len(log.entries))
    point = {"at the head": (size, root), "later": (size + 5, root), "earlier": (size - 1, log.root(size - 1))}
    member = selfentry.rotate(world.directory.members["xa-ca"], point.get(closing, (size, bytes(32))))
    entry = selfentry.new_entry(world.folder, world.made.role_keys["xa-ca"], member)
    found.publish(world.folder, entry, world.made.keepers, NOW + limits.HOUR)
    world.reload()
    bundle = Export(world, replace(materials, directory=world.directory, metadata=world.metadata), tmp_path / "out")
    if grade == "disputed":
        assert bundle.refusals() == {4: "HEAD-DISPUTED"}
    else:
        assert bundle.verify().facts["proofs"][0]["grade"] == grade


def test_a_directory_that_moved_on_keeps_old_bundles_proven(tmp_path: Path) -> None:
    """A member that was revoked later cannot take back what its log holds."""
    world = World(tmp_path / "net")
    materials = world.exchange(world.sealed, BOTH)
    found.revoke(world.folder, "xb-ca", world.made.founders[:2], world.made.keepers, NOW + limits.HOUR)
    directory, metadata = metadata_of(world.folder)
    assert not directory.members["xb-ca"].active
    assert Export(world, replace(materials, directory=directory, metadata=metadata), tmp_path / "out").verify().exit_code == 0
