"""A whole exported log: what was altered on disk is named by tile and index (LOG-18), and what the log may not say is found."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from exchange.auditor.logfolder import audit_log
from exchange.auditor.report import Check, Report, Verdict
from exchange.export.tilefolder import write_log
from keys.logkeys import LogKeyPair
from protocol.entries import (
    Accessed,
    Anchored,
    Closed,
    Consigned,
    Directory,
    Entry,
    Filler,
    Lane,
    Opened,
    Place,
    Prekeys,
    PublishedKey,
    Receipted,
    Submitted,
    TreeHead,
    Undelivered,
)
from protocol.errors import LocalError
from protocol.policy import format_policy, policy_for
from tests.exchange.auditor.world import NOW, MemoryLog

ORIGIN = "exercise.example/xa-ca/log/1"
HASH, ID = bytes(range(32)), bytes(range(1, 17))


def _salt() -> bytes:
    return os.urandom(16)


OPENED = Opened(NOW, _salt(), bytes(32), "xa-ca", 1, None, "first")
SUBMITTED = Submitted(NOW, _salt(), HASH, ID, Lane.ROUTINE, NOW + 1000, 1)
CONSIGNED = Consigned(NOW, _salt(), HASH, ID, "xb-ca", Place(1, 0, 1, bytes(32)))
RECEIPTED = Receipted(NOW, _salt(), HASH, ID, "xb-ca", Place(1, 0, 1, bytes(32)), bytes(32))
UNDELIVERED = Undelivered(NOW, _salt(), HASH, ID, "xb-ca", "expired", 3, "")
FILLER = Filler(NOW, _salt())
KEYS = (PublishedKey(bytes(32), 1, 2),)


def _log(entries: Iterable[Entry | bytes]) -> MemoryLog:
    log = MemoryLog(ORIGIN, LogKeyPair.generate())
    for entry in entries:
        log.append(entry)
    return log


def _policy(log: MemoryLog) -> bytes:
    return format_policy(policy_for(log.keys, (), 0))


def _audit(log: MemoryLog, folder: Path, heads: Iterable[TreeHead] = ()) -> Report:
    write_log(log.entries, log.note(), folder)
    return audit_log(folder, _policy(log), heads)


def _wrong(report: Report) -> list[Check]:
    return [check for check in report.checks if check.verdict is Verdict.REFUTED]


@pytest.fixture(scope="module")
def long_log() -> MemoryLog:
    """700 entries: two full bundles, a partial one, and a partial tile of the second level."""
    return _log([OPENED, *(Filler(NOW + n, _salt()) for n in range(699))])


@pytest.fixture
def folder(long_log: MemoryLog, tmp_path: Path) -> Path:
    write_log(long_log.entries, long_log.note(), tmp_path / "log")
    return tmp_path / "log"


def _flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))


def test_an_honest_log_is_proven(long_log: MemoryLog, folder: Path) -> None:
    report = audit_log(folder, _policy(long_log))
    assert report.exit_code == 0
    assert [check.number for check in report.numbered()] == [1, 2, 3, 4, 5]
    assert report.facts["log"]["size"] == 700
    assert (folder / "tile/1/000.p/2").is_file()
    assert (folder / "tile/entries/002.p/188").is_file()


def test_without_a_policy_it_is_consistent_with_itself_only(folder: Path) -> None:
    assert audit_log(folder, None).exit_code == 3


def test_under_the_policy_of_another_log(folder: Path) -> None:
    other = _log([OPENED])
    assert [c.code for c in _wrong(audit_log(folder, _policy(other)))] == ["NOTE-UNSIGNED"]


def test_LOG_18_tile_bytes_altered(long_log: MemoryLog, folder: Path) -> None:
    _flip(folder / "tile/0/001", 32 * 7 + 3)
    (wrong,) = _wrong(audit_log(folder, _policy(long_log)))
    assert (wrong.number, wrong.code, wrong.about) == (2, "LOG-TILE", "tile/0/001")
    assert "tile/0/001 index 263:" in wrong.says


def test_LOG_18_upper_tile_altered(long_log: MemoryLog, folder: Path) -> None:
    _flip(folder / "tile/1/000.p/2", 40)
    (wrong,) = _wrong(audit_log(folder, _policy(long_log)))
    assert (wrong.code, wrong.about) == ("LOG-TILE", "tile/1/000.p/2")
    assert "index 1:" in wrong.says


@pytest.mark.parametrize("cut", [1, 32, 40])
def test_LOG_18_partial_tile_truncated(long_log: MemoryLog, folder: Path, cut: int) -> None:
    path = folder / "tile/0/002.p/188"
    path.write_bytes(path.read_bytes()[:-cut])
    wrong = _wrong(audit_log(folder, _policy(long_log)))
    assert {(c.code, c.about) for c in wrong} == {("LOG-TILE", "tile/0/002.p/188")}
    assert f"index {700 - (cut + 31) // 32}:" in wrong[0].says


def test_LOG_18_tile_too_long(long_log: MemoryLog, folder: Path) -> None:
    for name in ("tile/0/002.p/188", "tile/1/000.p/2"):
        path = folder / name
        before = path.read_bytes()
        path.write_bytes(before + b"\0")
        assert [(c.code, c.about) for c in _wrong(audit_log(folder, _policy(long_log)))] == [("LOG-TILE", name)]
        path.write_bytes(before)


def test_LOG_18_tile_missing(long_log: MemoryLog, folder: Path) -> None:
    (folder / "tile/0/001").unlink()
    wrong = _wrong(audit_log(folder, _policy(long_log)))
    assert (wrong[0].code, wrong[0].about) == ("LOG-TILE", "tile/0/001")
    assert "index 256:" in wrong[0].says
    assert wrong[-1].says == "and 240 more places"


def test_LOG_18_entries_bundle_reordered(long_log: MemoryLog, folder: Path) -> None:
    path = folder / "tile/entries/001"
    entries, bundle = long_log.entries[256:512], path.read_bytes()
    entries[10], entries[11] = entries[11], entries[10]
    path.write_bytes(b"".join(len(e).to_bytes(2, "big") + e for e in entries))
    assert len(path.read_bytes()) == len(bundle)
    wrong = [c for c in _wrong(audit_log(folder, _policy(long_log))) if c.number == 2]
    assert [(c.code, c.about) for c in wrong] == [("LOG-BUNDLE", "tile/entries/001")] * 2
    assert ["index 266:" in wrong[0].says, "index 267:" in wrong[1].says] == [True, True]


def test_LOG_18_entry_altered(long_log: MemoryLog, folder: Path) -> None:
    _flip(folder / "tile/entries/000", len(long_log.entries[0]) + 2 + 2 + 20)
    (wrong,) = [c for c in _wrong(audit_log(folder, _policy(long_log))) if c.number == 2]
    assert (wrong.code, wrong.about) == ("LOG-BUNDLE", "tile/entries/000")
    assert "index 1:" in wrong.says


def test_LOG_18_bundle_cut_short(long_log: MemoryLog, folder: Path) -> None:
    path = folder / "tile/entries/002.p/188"
    path.write_bytes(path.read_bytes()[:-1])
    wrong = [c for c in _wrong(audit_log(folder, _policy(long_log))) if c.number == 2]
    assert (wrong[0].code, wrong[0].about) == ("LOG-BUNDLE", "tile/entries/002.p/188")


def test_both_altered_is_neither(long_log: MemoryLog, folder: Path) -> None:
    _flip(folder / "tile/0/001", 0)
    _flip(folder / "tile/entries/000", 40)
    codes = [c.code for c in _wrong(audit_log(folder, _policy(long_log))) if c.number == 2]
    assert codes[0] == "LOG-ROOT"


def test_another_checkpoint_over_the_same_tiles(long_log: MemoryLog, folder: Path) -> None:
    (folder / "checkpoint").write_bytes(long_log.note(699))
    assert _wrong(audit_log(folder, _policy(long_log)))[0].code == "LOG-ROOT"  # its partial tiles are not there
    (folder / "checkpoint").write_bytes(long_log.note(600).replace(b"\n600\n", b"\n601\n"))
    assert [c.code for c in _wrong(audit_log(folder, _policy(long_log)))] == ["NOTE-SIGNATURE"]


def test_heads_known_from_elsewhere(long_log: MemoryLog, folder: Path) -> None:
    good = [TreeHead(size, long_log.root(size)) for size in (1, 256, 300, 700)]
    assert audit_log(folder, _policy(long_log), good).exit_code == 0
    for lie in (TreeHead(300, bytes(32)), TreeHead(701, bytes(32))):
        (wrong,) = _wrong(audit_log(folder, _policy(long_log), [*good, lie]))
        assert (wrong.number, wrong.code) == (5, "LOG-ROOT")
        assert f"size {lie.size}" in wrong.says


def test_any_byte_of_the_tiles(long_log: MemoryLog, folder: Path) -> None:
    """Every file, first, middle and last byte: refuted, and under check 2 or as a head that is not signed."""
    policy = _policy(long_log)
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        size = path.stat().st_size
        for at in (0, size // 2, size - 1):
            _flip(path, at)
            assert audit_log(folder, policy).exit_code == 1, f"{path.name} byte {at}"
            _flip(path, at)
    assert audit_log(folder, policy).exit_code == 0


# rules --------------------------------------------------------------------------------------------------------------------


def _rules_broken(tmp_path: Path, *entries: Entry) -> list[str]:
    report = _audit(_log(entries), tmp_path / "log")
    assert all((c.number, c.code) == (4, "LOG-RULE") for c in _wrong(report))
    return [c.says for c in _wrong(report)]


@pytest.mark.parametrize(
    "entries",
    [
        (OPENED, SUBMITTED, UNDELIVERED, RECEIPTED),
        (OPENED, CONSIGNED, Accessed(NOW, _salt(), HASH, ID, bytes(16), "read"), Closed(NOW, _salt(), 2, "planned")),
        (OPENED, Prekeys(NOW, _salt(), 1, KEYS), Directory(NOW, _salt(), 3, bytes(32)), Directory(NOW, _salt(), 3, bytes(32))),
    ],
)
def test_what_the_tables_allow(tmp_path: Path, entries: tuple[Entry, ...]) -> None:
    assert _rules_broken(tmp_path, *entries) == []


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ((FILLER,), "`opened` is the first entry"),
        ((OPENED, OPENED), "`opened` is the first entry"),
        ((replace(OPENED, authority="xb-ca"),), "`opened` speaks of log 1 of xb-ca"),
        ((replace(OPENED, reason="planned"),), "for the reason `first`"),
        ((replace(OPENED, predecessor=TreeHead(9, bytes(32)), lost=(7, 5)),), "ends before it begins"),
        ((OPENED, replace(FILLER, time=NOW - 1)), "before the entry above"),
        ((OPENED, Closed(NOW, _salt(), 2, "planned"), FILLER), "nothing follows `closed`"),
        ((OPENED, Closed(NOW, _salt(), 3, "planned")), "names log 3"),
        ((OPENED, SUBMITTED, SUBMITTED), "was submitted before"),
        ((OPENED, SUBMITTED, replace(SUBMITTED, envelope_hash=bytes(32))), "another envelope under this message id"),
        ((OPENED, CONSIGNED, CONSIGNED), "was answered before"),
        ((OPENED, RECEIPTED), "no such envelope was submitted"),
        ((OPENED, SUBMITTED, RECEIPTED, RECEIPTED), "was logged before"),
        ((OPENED, SUBMITTED, RECEIPTED, UNDELIVERED), "was logged before"),
        ((OPENED, SUBMITTED, UNDELIVERED, UNDELIVERED), "given up for xb-ca before"),
        ((OPENED, Accessed(NOW, _salt(), HASH, ID, bytes(16), "read")), "taken in or submitted before"),
        ((OPENED, Prekeys(NOW, _salt(), 1, KEYS), Prekeys(NOW, _salt(), 1, KEYS)), "prekey set 1 after 1"),
        ((OPENED, Directory(NOW, _salt(), 3, bytes(32)), Directory(NOW, _salt(), 2, bytes(32))), "version 2 after 3"),
        ((OPENED, Anchored(NOW, _salt(), TreeHead(1, bytes(32)), "rfc3161", bytes(32))), "anchors another root"),
        ((OPENED, Anchored(NOW, _salt(), TreeHead(2, bytes(32)), "rfc3161", bytes(32))), "lies beyond it"),
    ],
)
def test_what_the_tables_forbid(tmp_path: Path, entries: tuple[Entry, ...], says: str) -> None:
    (broken,) = _rules_broken(tmp_path, *entries)
    assert says in broken


def test_an_entry_that_is_none(tmp_path: Path) -> None:
    (wrong,) = _wrong(_audit(_log([OPENED, b"\xa0"]), tmp_path / "log"))
    assert (wrong.number, wrong.code) == (3, "LOG-ENTRY")
    assert "index 1: ENTRY-FORM" in wrong.says


# the writer ---------------------------------------------------------------------------------------------------------------


def test_the_writer_names_no_log_that_its_head_does_not_sign(long_log: MemoryLog, tmp_path: Path) -> None:
    with pytest.raises(LocalError) as caught:
        write_log(long_log.entries[:-1], long_log.note(), tmp_path / "log")
    assert caught.value.code.code == "LOG-DAMAGED"
    assert not (tmp_path / "log/checkpoint").exists()


def test_the_writer_leaves_a_full_folder_alone(long_log: MemoryLog, folder: Path) -> None:
    with pytest.raises(LocalError) as caught:
        write_log(long_log.entries, long_log.note(), folder)
    assert caught.value.code.code == "EXPORT-FOLDER"


def test_a_folder_that_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(LocalError) as caught:
        audit_log(tmp_path, None)
    assert caught.value.code.code == "AUDIT-EMPTY"


def test_a_log_in_pieces(folder: Path, long_log: MemoryLog) -> None:
    shutil.rmtree(folder / "tile")
    report = audit_log(folder, _policy(long_log))
    assert report.exit_code == 1
    assert _wrong(report)[0].code == "LOG-ROOT"


def test_a_checkpoint_that_is_none(folder: Path, read: Callable[[Path], Report]) -> None:
    (folder / "checkpoint").write_bytes(b"not a note")
    report = read(folder)
    assert [c.code for c in _wrong(report)] == ["NOTE-FORM"]
    assert {c.verdict for c in report.checks[1:]} == {Verdict.SKIPPED}


@pytest.fixture
def read(long_log: MemoryLog) -> Callable[[Path], Report]:
    return lambda folder: audit_log(folder, _policy(long_log))
