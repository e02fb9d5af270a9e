"""`rogatory bench theft`: how long a thief with a node's log keys and TLS key goes unseen while the real node runs.

    real network of processes ──> a process of its own copies the home of one authority, signs a history of its own,
                                   and carries it to the witnesses before the real node does
    seen: the real node stops signing, by what its witnesses show

The thief has everything but the machine: keystore, data, prekeys. Seconds count from the first witness that signed its head.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import shutil
import sqlite3
import tempfile
import time
from contextlib import suppress
from multiprocessing.queues import Queue
from pathlib import Path
from queue import Empty
from typing import Any, Final

import click

from keys.keystore import Keystore
from keys.passphrase import passphrase_from
from node import codes
from node.carrying.network import Network
from node.clock import SystemClock, monotonic_ms
from node.demo.stage import raised
from node.home import Home
from node.opening import open_exchange
from node.settings import load_settings
from node.witnessing.witnesses import Witnesses
from protocol.entries import Filler
from protocol.errors import LocalError, RogatoryError

VICTIM: Final = "xa-ca"
NAMES: Final = (VICTIM, "xb-ca", "xc-ca", "xd-ca", "xe-ca")
_LIMIT: Final = 180_000  # ms

Taken = dict[str, Any]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Only the JSON object.")
def theft(as_json: bool) -> None:
    """Seconds until the real node sees a thief who signs in its name, and has stopped signing."""
    with tempfile.TemporaryDirectory(prefix="rogatory-bench-") as folder, raised(Path(folder), NAMES) as (_, actors):
        victim = actors[VICTIM]
        _await(lambda: victim.client.get("/v1/status")["witnessed"]["size"], "the first quorum")
        taken = _rob(victim.place.home, Path(folder) / "thief")
        stopped = _await(lambda: victim.client.get("/v1/status")["log"]["stopped"], "the theft to be seen")
        seconds = (monotonic_ms() - taken["at"]) / 1000
    result = {
        "seconds_until_seen": round(seconds, 2), "witnesses_that_signed_the_thief": taken["signed"], "witnesses": taken["witnesses"],
        "quorum": taken["quorum"], "thief_had_quorum": taken["signed"] >= taken["quorum"], "says": stopped, "nodes": len(NAMES),
    }  # fmt: skip
    if not as_json:
        click.echo(f"seen after {seconds:.1f} s, when {taken['signed']} of {taken['witnesses']} witnesses had signed for the thief")
    click.echo(json.dumps(result))


def _rob(home: Home, copy: Path) -> Taken:
    """Let a process of its own do it; what it got."""
    spawn = multiprocessing.get_context("spawn")
    results: Queue[Taken] = spawn.Queue()
    thief = spawn.Process(target=_thief, args=(home.path, copy, results), daemon=True)
    thief.start()
    try:
        return results.get(timeout=_LIMIT / 1000)
    except Empty:
        raise LocalError(codes.BENCH_STUCK, "the thief got nothing") from None
    finally:
        thief.join(15)


def _thief(home: Path, copy: Path, results: Queue[Taken]) -> None:
    """Copy the home as it is while its node runs, go on from there, and show the witnesses another history."""
    shutil.copytree(home, copy, ignore=shutil.ignore_patterns("run", "exchange.sqlite*", "lock"))
    (copy / "data").mkdir(exist_ok=True)
    source = sqlite3.connect(f"{(home / 'data/exchange.sqlite').as_uri()}?mode=ro", uri=True)
    target = sqlite3.connect(copy / "data/exchange.sqlite")
    with source, target:
        source.backup(target)
    source.close()
    target.close()
    results.put(asyncio.run(_carry(Home(copy))))


async def _carry(home: Home) -> Taken:
    settings, clock = load_settings(home), SystemClock()
    keystore = Keystore.open(home.keystore, passphrase_from(settings.passphrase_file))
    network = Network(home.directory, settings.authority, keystore.transport, clock.now)
    (home.path / "guard" / "guard").unlink(missing_ok=True)
    exchange = open_exchange(home, settings, keystore, lambda: network.directory, clock, lambda error: None, held=True)
    witnesses = Witnesses(lambda: network.directory, network.client)
    try:
        exchange.release()
        old = exchange.log.size
        exchange.writer.run(lambda tx: tx.append(Filler))
        head, signed, at = exchange.log.head(), 0, 0
        for name in witnesses.named(head.origin):
            with suppress(RogatoryError):
                await witnesses.client(name).add_checkpoint(exchange.heads.request(head, old))
                signed += 1
                at = at or monotonic_ms()
    finally:
        await witnesses.close()
        exchange.close()
    record = network.directory.log(head.origin)
    return {"at": at or monotonic_ms(), "signed": signed, "witnesses": len(record.witnesses), "quorum": record.quorum}


def _await(look: Any, what: str) -> Any:
    deadline = monotonic_ms() + _LIMIT
    while monotonic_ms() < deadline:
        with suppress(LocalError):
            if found := look():
                return found
        time.sleep(0.05)  # noqa: TID251 - nothing to wait on: the change happens in another process
    raise LocalError(codes.BENCH_STUCK, what)
