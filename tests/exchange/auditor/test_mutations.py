"""Single-byte changes over every file of a bundle, seeded: each is refuted, or changes nothing that anybody could rely on.

Twice per change: as it is (the manifest refuses it), and with the manifest repaired, so that only the deeper checks can object.
What these let pass must leave the report and a re-export byte-identical: white space of unsigned JSON, words in README.txt.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from exchange.auditor import examination
from exchange.auditor.anchor import Trust, check_trust
from exchange.auditor.folder import Folder
from exchange.auditor.report import Verdict
from exchange.export.bundle import write_bundle
from keys.directory.view import Directory
from protocol.errors import ProtocolError
from tests.exchange.auditor.export import Export

SEED = 20261124
CHANGES = 2_000
FREE = ("README.txt", "manifest.json", "directory/", "policy")  # may hold bytes that mean nothing


@pytest.fixture
def remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Verify each state of the directory files once: it is the same function of the same bytes."""
    outcomes: dict[bytes, tuple[Directory, str] | ProtocolError] = {}

    def check(folder: Folder, trust: Trust) -> tuple[Directory, str]:
        digest = hashlib.sha256()
        for name in sorted(folder.sizes):
            if name.startswith("directory/"):
                digest.update(name.encode() + hashlib.sha256(folder.read(name)).digest())
        key = digest.digest()
        if key not in outcomes:
            try:
                outcomes[key] = check_trust(folder, trust)
            except ProtocolError as error:
                outcomes[key] = error
        outcome = outcomes[key]
        if isinstance(outcome, ProtocolError):
            raise ProtocolError(outcome.code, outcome.detail)
        return outcome

    monkeypatch.setattr(examination, "check_trust", check)


def test_two_thousand_single_byte_changes(
    export: Callable[..., Export], remembered: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = export()
    honest = bundle.verify()
    assert honest.verdict is Verdict.PROVEN
    expected, files = json.dumps(honest.as_dict()), _files(bundle.folder)
    choose = random.Random(SEED)
    codes: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    names = sorted(files)
    for turn in range(CHANGES):
        name = names[turn % len(names)]  # every file as often as every other: a proof counts as much as a big key
        original = files[name]
        at = choose.randrange(len(original))
        changed = original[:at] + bytes([original[at] ^ choose.randrange(1, 256)]) + original[at + 1 :]
        _write(bundle.folder / name, changed)
        plain = bundle.verify()
        if name == "manifest.json":
            _judge(plain.verdict, json.dumps(plain.as_dict()) == expected, name, at)
        else:
            first = next(c for c in plain.numbered() if c.verdict is Verdict.REFUTED)
            assert (first.number, first.code) == (1, "BUNDLE-DIGEST")
            counts["refused by the manifest"] += 1
            _write(bundle.folder / "manifest.json", _repaired(files["manifest.json"], name, changed))
        report = bundle.verify()
        identical = json.dumps(report.as_dict()) == expected
        _judge(report.verdict, identical, name, at)
        counts["identical" if identical else "refused with the manifest repaired"] += 1
        if not identical:
            codes[next(c.code for c in report.numbered() if c.verdict is Verdict.REFUTED)] += 1
        _write(bundle.folder / name, original)
        _write(bundle.folder / "manifest.json", files["manifest.json"])
    assert json.dumps(bundle.verify().as_dict()) == expected
    write_bundle(bundle.materials, tmp_path / "again")
    assert _files(tmp_path / "again") == files
    assert counts["refused with the manifest repaired"] + counts["identical"] == CHANGES
    with capsys.disabled():
        print(f"\nbundle, seed {SEED}, {CHANGES} changes: {dict(counts)}\n  {dict(codes.most_common())}")


def _judge(verdict: Verdict, identical: bool, name: str, at: int) -> None:
    """Refused, or byte-identical and in a file that has room for bytes without meaning."""
    if identical:
        assert name.startswith(FREE), f"{name} byte {at} means nothing to the auditor"
    else:
        assert verdict is Verdict.REFUTED, f"{name} byte {at} changed the report and not the verdict"


def _repaired(manifest: bytes, name: str, data: bytes) -> bytes:
    value = _parsed(manifest)
    files = {**value["files"], name: {**value["files"][name], "sha256": hashlib.sha256(data).hexdigest()}}
    return json.dumps({**value, "files": files}).encode()


@cache
def _parsed(manifest: bytes) -> dict[str, dict[str, dict[str, str]]]:
    value: dict[str, dict[str, dict[str, str]]] = json.loads(manifest)
    return value


def _files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)
