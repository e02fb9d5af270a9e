"""Files of evidence do not fill the page cache: the database needs it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from exchange.evidence.partfiles import read_chunks
from exchange.evidence.spoolfile import SpoolFile
from protocol import limits

BLOCK = bytes(range(256)) * (limits.MiB // 256)


def _cached(path: Path) -> int:
    """Bytes of a file that lie in the page cache, by the kernel."""
    told = subprocess.run(["/usr/bin/fincore", "--bytes", "--noheadings", "--output", "RES", path], check=True, capture_output=True, text=True)
    return int(told.stdout)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """64 MiB on a disk, as they are cached after they were written."""
    found = subprocess.run(["/usr/bin/stat", "--file-system", "--format=%T", tmp_path], check=True, capture_output=True, text=True)
    if found.stdout.strip() in ("tmpfs", "ramfs"):
        pytest.skip("this folder lies in memory alone")
    path = tmp_path / "part"
    file = SpoolFile(path, fresh=True)
    for _ in range(56):
        file.write(BLOCK)
    _sync(path)  # the kernel can only forget what lies on the disk
    for _ in range(8):
        file.write(BLOCK)
    file.close()
    return path


def test_what_lies_on_the_disk_is_forgotten_while_a_file_grows(large: Path) -> None:
    assert large.stat().st_size == 64 * limits.MiB
    assert _cached(large) <= 33 * limits.MiB


def test_a_file_that_is_read_does_not_stay_in_memory(large: Path) -> None:
    _sync(large)
    assert b"".join(read_chunks(large, 1)) == (64 * BLOCK)[1:]
    assert _cached(large) <= 4 * limits.MiB


def test_a_plain_file_of_that_size_would_stay(tmp_path: Path, large: Path) -> None:
    (tmp_path / "plain").write_bytes(64 * BLOCK)
    assert _cached(tmp_path / "plain") == 64 * limits.MiB
