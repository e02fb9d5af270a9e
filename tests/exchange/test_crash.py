"""Real processes, really killed, and a disk that is really full: every submission that was acknowledged is there afterwards."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from exchange.exchange import Exchange
from keys.suite import SUITE
from protocol import merkle
from protocol.checkpoint import verify_head
from protocol.entries import Submitted, parse_entry
from tests.exchange import submitting
from tests.exchange.submitting import opened

ROOT = Path(submitting.__file__).parents[2]


def _start(folder: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.exchange.submitting", str(folder), *more]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _verify(exchange: Exchange, said: dict[str, int]) -> None:
    """Everything said is in the log at its index, in the outbox with its secret; the whole log rebuilds the signed head."""
    log = exchange.log
    frontier = merkle.Frontier()
    time = 0
    for raw in log.entries(0, log.size):
        entry = parse_entry(raw)
        assert entry.time >= time
        time = entry.time
        frontier.append(merkle.leaf_hash(raw))
    head = verify_head(log.head().note, log.keys, SUITE).value
    assert (frontier.size, frontier.root()) == (head.size, head.root)
    for name, index in said.items():
        entry = parse_entry(log.entry(index))
        assert isinstance(entry, Submitted)
        assert entry.envelope_hash.hex() == name
        proven = log.prove(index, log.head())
        merkle.check_inclusion(merkle.leaf_hash(proven.entry), index, head.size, list(proven.path), head.root)
        message = exchange.messages.find(entry.envelope_hash)
        assert message.deliveries[0].state == "queued"
        assert exchange.messages.read(message).form
    submitted = sum(isinstance(parse_entry(raw), Submitted) for raw in log.entries(0, log.size))
    assert submitted == exchange.store.reader().execute("SELECT count(*) FROM outgoing").fetchone()[0]


def test_killed_five_times_over(tmp_path: Path) -> None:
    """I1, I3, I4: what was acknowledged survives SIGKILL; heads of all lives lie on one history."""
    folder = tmp_path / "node"
    choose = random.Random(5)
    said: dict[str, int] = {}
    heads: list[tuple[int, bytes]] = []
    for _ in range(5):
        process = _start(folder)
        assert process.stdout is not None
        for _ in range(choose.randrange(20, 120)):
            name, index = process.stdout.readline().split()
            said[name] = int(index)
        process.send_signal(signal.SIGKILL)
        rest, errors = process.communicate()
        for line in rest.splitlines():
            pieces = line.split()
            if len(pieces) == 2 and len(pieces[0]) == 64 and line + "\n" in rest:
                said[pieces[0]] = int(pieces[1])
        assert not errors, errors
        exchange = opened(folder)
        _verify(exchange, said)
        for size, root in heads:
            merkle.check_consistency(size, exchange.log.size, list(exchange.log.consistency(size, exchange.log.head())), root, exchange.log.root)
        heads.append((exchange.log.size, exchange.log.root))
        exchange.close()
    assert len(said) > 100
    assert len(set(said.values())) == len(said)
    print(f"\nkilled 5 times, {len(said)} acknowledged, none lost, log of {heads[-1][0]}")


def _fill(folder: Path, megabytes: int) -> tuple[dict[str, int], str]:
    process = _start(folder, str(megabytes))
    output, errors = process.communicate(timeout=60)
    assert not errors, errors
    *lines, code = output.splitlines()
    return {name: int(index) for name, index in (line.split() for line in lines)}, code


def test_STORE_WRITE_files_may_not_grow(tmp_path: Path) -> None:
    """RLIMIT_FSIZE: writes fail from two mebibytes on. Nothing acknowledged is lost, and it works again afterwards."""
    folder = tmp_path / "node"
    said, code = _fill(folder, 2)
    assert code == "STORE-WRITE"
    assert said
    exchange = opened(folder)
    _verify(exchange, said)
    exchange.close()
    again, code = _fill(folder, 4)
    assert code == "STORE-WRITE"
    exchange = opened(folder)
    _verify(exchange, said | again)
    exchange.close()
    print(f"\nfull twice: {len(said)} and {len(again)} acknowledged, none lost")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_STORE_WRITE_a_small_disk_is_full(tmp_path: Path) -> None:
    """A tmpfs of 4 MiB: SQLITE_FULL."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], capture_output=True, check=False).returncode:
        pytest.skip("no mounts here")
    try:
        said, code = _fill(disk / "node", 1000)
        assert code == "STORE-WRITE"
        assert said
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        exchange = opened(disk / "node")
        _verify(exchange, said)
        exchange.close()
        print(f"\ndisk full: {len(said)} acknowledged, none lost")
    finally:
        subprocess.run(["umount", str(disk)], check=True)
