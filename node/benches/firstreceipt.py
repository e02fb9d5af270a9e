"""How long a node with a full queue takes from its start to the first receipt that it has stored."""

from __future__ import annotations

import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from node import codes
from node.benches.grown import fill_queue
from node.benches.pair import RECIPIENT, SENDER, Figures
from node.benches.sample import resident
from node.benches.unwired import letters, meet, opened
from node.clock import SystemClock, monotonic_ms
from node.exercise import found_world
from node.home import Home
from node.settings import load_settings
from protocol.entries import Lane, Receipted, parse_entry
from protocol.errors import LocalError

_BODY: Final = 256
_LIMIT: Final = 120_000  # ms
_DONE: Final = "filled"
_NODE: Final = (sys.executable, "-m", "rogatory", "run", "--home")


def first_receipt(folder: Path, queued: int) -> Figures:
    """Start the recipient's node, then the sender's with ``queued`` routine messages and an urgent one submitted last.

    ``folder`` keeps the homes, and is used again when it holds them. Raises BENCH-STUCK.
    """
    homes = {name: folder / name for name in (SENDER, RECIPIENT)}
    if not (folder / _DONE).exists():
        folder.mkdir(parents=True)
        found_world(folder, (SENDER, RECIPIENT), SystemClock().now())
        fill_queue(homes[SENDER], RECIPIENT, queued, _BODY)
        (folder / _DONE).touch()
    with opened(homes[SENDER]) as sender, opened(homes[RECIPIENT]) as recipient:
        meet(sender, recipient)
        urgent = next(letters(sender.outbox.seal, sender.clock.now, RECIPIENT, _BODY, Lane.URGENT))
        sender.outbox.submit(urgent).result()
        before = sender.log.size
    address = load_settings(Home(homes[RECIPIENT])).peer_listen
    with _running(homes[RECIPIENT]) as other:
        _wait(lambda: _listens(address), other)
        began = monotonic_ms()
        with _running(homes[SENDER]) as process:
            _wait(lambda: _delivered(homes[SENDER], urgent.envelope.hash), process)
            took = monotonic_ms() - began
            memory = resident(process.pid)
    return {
        "first_receipt_seconds": round(took / 1000, 2),
        "first_receipt_is_urgent": _first_is(homes[SENDER], urgent.envelope.hash, before),
        "queued": queued,
        "start_rss_mib": round(memory / 2**20, 1),
    }


@contextmanager
def _running(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The node of this home, as an operator starts it; stopped at the end."""
    process = subprocess.Popen([*_NODE, str(home)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(happened: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    pause, deadline = threading.Event(), monotonic_ms() + _LIMIT
    while not happened():
        if process.poll() is not None:
            raise LocalError(codes.BENCH_STUCK, f"the node ended with exit code {process.returncode}")
        if monotonic_ms() > deadline:
            raise LocalError(codes.BENCH_STUCK, f"no receipt within {_LIMIT // 1000} s")
        pause.wait(0.01)


def _listens(address: tuple[str, int]) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(address) == 0


def _delivered(home: Path, envelope_hash: bytes) -> bool:
    """Whether the receipt is committed, as a stranger to the process sees it."""
    uri = f"{(Home(home).data / 'exchange.sqlite').absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as db:
        query = "SELECT receipt IS NOT NULL FROM outgoing o JOIN delivery d ON d.message=o.id WHERE o.hash=?"
        row = db.execute(query, (envelope_hash,)).fetchone()
    return bool(row and row[0])


def _first_is(home: Path, envelope_hash: bytes, before: int) -> bool:
    """Whether the first receipt that was logged since is that of this envelope."""
    with opened(home) as exchange:
        entries = map(parse_entry, exchange.log.entries(before, exchange.log.size))
        first = next(entry for entry in entries if isinstance(entry, Receipted))
    return first.envelope_hash == envelope_hash
