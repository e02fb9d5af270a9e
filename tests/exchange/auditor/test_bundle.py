"""What the export writes: exactly its files, the same bytes for the same materials, whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from exchange.export import bundle as writer
from exchange.export.bundle import Disclosure, Evidence, write_bundle
from protocol.errors import LocalError, ProtocolError
from protocol.policy import parse_policy
from protocol.proof import parse_proof
from tests.exchange.auditor.export import Export
from tests.exchange.auditor.world import World

Write = Callable[..., Export]


def _names(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_exactly_its_files(world: World, export: Write) -> None:
    bundle = export(world.exchange(world.seal(("xb-ca", "xc-ca")), ["xb-ca"], disclose=[0, 2]))
    names = {n for n in _names(bundle.folder) if not n.startswith("directory/")}
    assert names == {
        "README.txt", "manifest.json", "envelope.cbor", "origin.tlog-proof", "receipt.tlog-proof", "receipt-xb-ca.tlog-proof",
        "policy.txt", "policy-xa-ca-1.txt", "policy-xb-ca-1.txt",
        "disclosed/part-0", "disclosed/part-0.json", "disclosed/part-2", "disclosed/part-2.json",
    }  # fmt: skip
    manifest = json.loads(bundle.read("manifest.json"))
    assert set(manifest["files"]) == _names(bundle.folder) - {"manifest.json"}
    for name, line in manifest["files"].items():
        assert line["sha256"] == hashlib.sha256(bundle.read(name)).hexdigest()
        assert line["what"]
    assert manifest["files"]["disclosed/part-2"]["original"] == "логи.csv"
    assert bundle.read("manifest.json").isascii()


def test_policies_are_for_foreign_tools(world: World, export: Write) -> None:
    bundle = export()
    policy = parse_policy(bundle.read("policy-xa-ca-1.txt"))
    keys = world.parties["xa-ca"].log.keys
    assert [str(log.vkey) for log in policy.logs] == [str(keys.vkeys[0])]
    assert [str(w.vkey) for w in policy.witnesses if w.name == "self"] == [str(keys.vkeys[1])]
    simple = parse_policy(bundle.read("policy.txt"))
    assert {log.vkey.name for log in simple.logs} == {f"exercise.example/{a}/log/1" for a in ("xa-ca", "xb-ca", "xc-ca")}
    assert simple.quorum == "none"


def test_the_same_materials_give_the_same_bytes(export: Write, tmp_path: Path) -> None:
    bundle = export()
    digests = write_bundle(bundle.materials, tmp_path / "again")
    assert {n: bundle.read(n) for n in _names(bundle.folder)} == {n: (tmp_path / "again" / n).read_bytes() for n in digests}


def test_a_folder_that_holds_something_is_left_alone(export: Write, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    with pytest.raises(LocalError) as caught:
        write_bundle(export().materials, folder)
    assert caught.value.code.code == "EXPORT-FOLDER"
    assert _names(folder) == {"thesis.txt"}
    (folder / "thesis.txt").unlink()
    write_bundle(export().materials, folder)  # an empty one is taken


def test_a_failure_leaves_nothing_behind(export: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    materials = export().materials
    real = writer._write

    def failing(folder: Path, file: writer._File) -> str:
        if file.name == "policy.txt":
            raise OSError(28, "No space left on device")
        return real(folder, file)

    monkeypatch.setattr(writer, "_write", failing)
    target = tmp_path / "parent" / "out"
    with pytest.raises(LocalError) as caught:
        write_bundle(materials, target)
    assert caught.value.code.code == "EXPORT-FOLDER"
    assert list((tmp_path / "parent").iterdir()) == []


def test_nothing_is_exported_that_the_auditor_would_refuse(world: World, export: Write, tmp_path: Path) -> None:
    materials = export().materials
    proven = materials.origin.proven
    bad = replace(materials, origin=Evidence(replace(proven, index=proven.index + 1), materials.origin.note))
    with pytest.raises(ProtocolError) as caught:
        write_bundle(bad, tmp_path / "bad")
    assert caught.value.code.code == "PROOF-INCLUSION"
    assert not (tmp_path / "bad").exists()


@pytest.mark.parametrize("parts", [(3,), (-1,), (1, 1)])
def test_a_part_that_is_none(world: World, tmp_path: Path, parts: tuple[int, ...]) -> None:
    materials = world.exchange(world.sealed, [])
    disclosures = tuple(Disclosure(part, "text/plain", bytes(32), b"") for part in parts)
    with pytest.raises(LocalError) as caught:
        write_bundle(replace(materials, disclosures=disclosures), tmp_path / "bad")
    assert caught.value.code.code == "EXPORT-PART"


def test_a_part_from_a_file_is_the_same_as_from_memory(world: World, export: Write, tmp_path: Path) -> None:
    bundle = export()
    files = []
    for disclosure in bundle.materials.disclosures:
        path = tmp_path / f"plain-{disclosure.part}"
        assert isinstance(disclosure.plaintext, bytes)
        path.write_bytes(disclosure.plaintext)
        files.append(replace(disclosure, plaintext=path))
    write_bundle(replace(bundle.materials, disclosures=tuple(files)), tmp_path / "out")
    assert (tmp_path / "out/manifest.json").read_bytes() == bundle.read("manifest.json")


def test_unknown_lines_are_not_carried(world: World, export: Write) -> None:
    materials = world.exchange(world.seal(("xb-ca",)), ["xb-ca"])
    stranger = "— stranger.example/witness " + "AAAAAAAAAAAAAAAA" * 4 + "\n"
    note = materials.origin.note + stranger.encode()
    bundle = export(replace(materials, origin=Evidence(materials.origin.proven, note)))
    assert parse_proof(bundle.read("origin.tlog-proof")).note == materials.origin.note
