"""Backups of a simulated home: made while its node works and dies, and whole whenever their manifest stands."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

from exchange.backup.manifest import DATABASE, parse_manifest
from exchange.backup.medium import Medium
from keys.storage import StorageKey
from node import backups
from protocol.errors import RogatoryError


async def back_up(life: Any) -> None:
    """Back up the home of a life. What was said before it began must be in it."""
    a, ledger = life.authority, life.world.ledger
    least = life.exchange.log.size
    a.home.keystore.write_bytes(b"sealed by itself")
    try:
        made = await asyncio.to_thread(
            backups.make_backup, a.home, a.name, a.directory().network, StorageKey({1: a.storage_key}, 1, a.rand), a.backup, life.clock.now()
        )
    except RogatoryError as error:
        life.world.counts[f"backup {error.code.code}"] += 1
        return
    life.world.counts["backups"] += 1
    ledger.demand(made.size >= least, "I1", f"{a.name}: its backup leaves out what was said before it began")
    a.backed_up = min(made.size, max(ledger.heads.get(life.exchange.log.origin, {0: b""})))


def check(a: Any, entries: list[bytes]) -> None:
    """The last backup that was finished, or a newer one, can be read to its last byte, and holds the beginning of this log."""
    if not a.backed_up:
        return
    demand, medium = a.world.ledger.demand, Medium(a.backup)
    raw = medium.manifest()
    demand(raw is not None, "I1", f"{a.name}: its backup is gone")
    try:
        manifest = parse_manifest(raw or b"")
        key = manifest.unwrap(StorageKey({1: a.storage_key}, 1, a.rand))
        manifest.check(raw or b"", key)
        content = {name: b"".join(backups._plain(medium, manifest, name, key)) for name in manifest.files}
    except RogatoryError as error:
        demand(False, "I1", f"{a.name}: its backup cannot be read: {error}")
        return
    path = a.backup / "opened.sqlite"
    path.write_bytes(content[DATABASE])
    db = sqlite3.connect(path)
    held = [bytes(row[0]) for row in db.execute("SELECT bytes FROM entry WHERE n=1 ORDER BY idx")]
    db.close()
    demand(held[: a.backed_up] == entries[: a.backed_up], "I1", f"{a.name}: its backup holds another log")
