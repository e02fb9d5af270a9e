"""Folders made to harm whoever opens them: each gets a verdict with a stable code; none is followed, run or waited for."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.auditor import folder
from exchange.auditor.examination import verify_bundle
from exchange.auditor.folder import Folder
from exchange.auditor.report import Verdict
from protocol import limits
from protocol.errors import ProtocolError
from tests.exchange.auditor.export import LATER, Export

Write = Callable[..., Export]


def test_an_empty_folder_and_no_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    report = verify_bundle(tmp_path / "empty", None, LATER)
    assert report.exit_code == 1
    assert [c.code for c in report.checks if c.verdict is Verdict.REFUTED] == ["BUNDLE-MANIFEST", "BUNDLE-MISSING"]
    assert verify_bundle(tmp_path / "none", None, LATER).checks[0].code == "BUNDLE-READ"


def test_a_link_is_not_followed(export: Write, tmp_path: Path) -> None:
    for target in ("/etc/passwd", "..", "manifest.json"):
        bundle = export()
        (bundle.folder / "README.txt").unlink()
        (bundle.folder / "README.txt").symlink_to(target)
        assert bundle.refusals() == {1: "BUNDLE-READ"}
    bundle = export()
    outside = tmp_path / "outside"
    (bundle.folder / "disclosed").rename(outside)
    (bundle.folder / "disclosed").symlink_to(outside)
    assert bundle.refusals() == {1: "BUNDLE-READ"}


def test_a_pipe_and_a_socket_do_not_hang(export: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = export()
    (bundle.folder / "policy.txt").unlink()
    os.mkfifo(bundle.folder / "policy.txt")
    assert bundle.refusals() == {1: "BUNDLE-READ"}
    (bundle.folder / "policy.txt").unlink()
    monkeypatch.chdir(bundle.folder)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("policy.txt")
        assert bundle.refusals() == {1: "BUNDLE-READ"}


@pytest.mark.parametrize(
    "name",
    [
        "run.sh",
        ".hidden",
        "receipt-..tlog-proof",
        "receipt-XB.tlog-proof",
        "disclosed/part-01",
        "directory/in-force",
        "a\nb",
        "\udcff",
    ],
)
def test_a_name_that_no_bundle_has(export: Write, name: str) -> None:
    bundle = export()
    (bundle.folder / name).write_bytes(b"x")
    report = bundle.verify()
    assert [check.code for check in report.checks] == ["BUNDLE-NAME"]
    json.dumps(report.as_dict()).encode()
    report.text().encode()


def test_folders_in_folders(export: Write) -> None:
    bundle = export()
    (bundle.folder / "directory/authorities/a/b").mkdir(parents=True)
    assert bundle.refusals() == {1: "BUNDLE-READ"}


def test_a_file_that_is_too_large_is_not_read(export: Write) -> None:
    for name, size in (
        ("manifest.json", 64 * limits.MiB),
        ("envelope.cbor", limits.ENVELOPE + 1),
        ("disclosed/part-0", limits.BODY + 1),
    ):
        bundle = export()
        os.truncate(bundle.folder / name, size)
        assert bundle.refusals() == {1: "BUNDLE-SIZE"}


def test_a_directory_that_is_too_large_altogether(export: Write) -> None:
    bundle = export()
    for number in range(260):
        (bundle.folder / f"directory/{number}.root.json").touch()
        os.truncate(bundle.folder / f"directory/{number}.root.json", limits.DIRECTORY)  # sparse: takes no room on the disk
    check = next(check for check in bundle.verify().checks if check.number == 2)
    assert check.code == "BUNDLE-SIZE"


def test_more_files_than_a_bundle_can_have(export: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = export()
    count = len(json.loads(bundle.read("manifest.json"))["files"]) + 1
    monkeypatch.setattr(folder, "FILES", count)
    assert bundle.refusals() == {}
    monkeypatch.setattr(folder, "FILES", count - 1)
    assert bundle.refusals() == {1: "BUNDLE-COUNT"}


def test_a_file_that_changes_after_it_was_listed(export: Write) -> None:
    bundle = export()
    listed = Folder.open(bundle.folder)
    bundle.put("README.txt", bundle.read("README.txt") + b"more", repair=False)
    with pytest.raises(ProtocolError) as caught:
        listed.read("README.txt")
    assert caught.value.code.code == "BUNDLE-SIZE"
    (bundle.folder / "README.txt").unlink()
    os.mkfifo(bundle.folder / "README.txt")
    with pytest.raises(ProtocolError) as caught:
        listed.read("README.txt")
    assert caught.value.code.code == "BUNDLE-READ"


def test_a_manifest_that_names_what_lies_elsewhere(export: Write) -> None:
    for name in ("../outside", "/etc/passwd", "directory/../README.txt", "envelope.cbor\0", "\ud800"):
        bundle = export()
        manifest = json.loads(bundle.read("manifest.json"))
        manifest["files"][name] = manifest["files"]["README.txt"]
        (bundle.folder / "manifest.json").write_text(json.dumps(manifest))
        report = bundle.verify()
        assert bundle.refusals()[1] == "BUNDLE-MISSING"
        report.text().encode()


def test_a_file_that_is_not_what_the_manifest_names(export: Write) -> None:
    for name in ("README.txt", "envelope.cbor", "disclosed/part-1"):
        bundle = export()
        data = bundle.read(name)
        bundle.put(name, data[:-1] + bytes([data[-1] ^ 1]), repair=False)
        assert bundle.refusals()[1] == "BUNDLE-DIGEST"


def test_a_file_that_is_not_listed_or_not_there(export: Write) -> None:
    bundle = export()
    bundle.put("receipt-zz.tlog-proof", b"x", repair=False)
    assert bundle.refusals()[1] == "BUNDLE-UNLISTED"
    bundle = export()
    (bundle.folder / "README.txt").unlink()
    assert bundle.refusals() == {1: "BUNDLE-MISSING"}


@pytest.mark.parametrize(
    "text",
    [
        b"", b"[]", b"{", b"\xff", b"[" * 200_000, b'{"format":"rogatory/bundle/v1","suite":1,"files":[]}',
        b'{"format":1,"format":2}',
        b'{"format":"rogatory/bundle/v1","suite":1,"files":{"README.txt":{"sha256":"00","size":1,"what":""}}}',
        b'{"format":"rogatory/bundle/v2","suite":1,"files":{}}',
        b'{"format":"rogatory/bundle/v1","suite":1,"files":{"a":' + b"1" * 5000 + b"}}",
    ],
)  # fmt: skip
def test_a_manifest_that_is_none(export: Write, text: bytes) -> None:
    bundle = export()
    bundle.put("manifest.json", text, repair=False)
    assert bundle.refusals()[1] == "BUNDLE-MANIFEST"


def test_a_file_that_may_not_be_read_is_said_so(export: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails under our eyes: the real open is asked for a file that went away after it was listed."""
    bundle = export()
    real = os.open

    def failing(path: Path, *rest: int) -> int:
        if str(path).endswith("envelope.cbor"):
            raise OSError(5, "Input/output error")
        return real(path, *rest)

    monkeypatch.setattr(os, "open", failing)
    assert bundle.refusals() == {1: "BUNDLE-READ", 3: "BUNDLE-READ"}


NAMES = (
    "manifest.json", "envelope.cbor", "origin.tlog-proof", "receipt-xb-ca.tlog-proof", "policy.txt", "policy-xa-ca-1.txt",
    "directory/1.root.json", "directory/timestamp.json", "disclosed/part-0", "disclosed/part-0.json", "disclosed/part-1.json",
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(NAMES),
    data=st.one_of(st.binary(max_size=300), st.text(max_size=80).map(lambda t: t.encode("utf-8", "replace"))),
)
def test_any_bytes_in_any_file_give_a_verdict(export: Write, name: str, data: bytes) -> None:
    bundle = _kept(export)
    before = {n: bundle.read(n) for n in (name, "manifest.json")}
    bundle.put(name, data, repair=name != "manifest.json")
    report = bundle.verify(anchored=False)
    assert report.verdict is Verdict.REFUTED
    assert all(check.code for check in report.checks)
    for restored, content in before.items():
        bundle.put(restored, content, repair=False)


_made: list[Export] = []


def _kept(export: Write) -> Export:
    """One bundle for all examples."""
    if not _made:
        _made.append(export())
    return _made[0]
