"""An inspection of a home: its data, log, guard and people, whether its node runs or stands still. And the one that goes on while it runs.

Of what administrators can alter, what is found only through the guard and the witnesses is found when the node starts: it asks them then.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import structlog

from exchange import codes as exchange_codes
from exchange.exchange import Exchange
from exchange.guard import Guarded, read_guard
from exchange.inspection.found import Notes, Scene
from exchange.inspection.inspect import inspect, one_moment
from exchange.log import TAIL
from keys.directory.view import Directory
from keys.keystore import Keystore
from keys.storage import StorageKey
from keys.suite import SUITE
from node.home import Home
from node.settings import Settings

NAMED: Final = 20  # of what is wrong
_STEP: Final = 1 << 14  # entries that are hashed at a time while the node runs
_PAUSE: Final = 0.2  # seconds between two steps
_log = structlog.get_logger("inspection")


def inspect_home(home: Home, settings: Settings, directory: Directory, storage: StorageKey, guard: Guarded | None) -> Notes:
    """Compare everything with everything. Raises STORE-OPEN."""
    keys = {log.origin.n: log.keys for log in directory.member(settings.authority).logs}
    with one_moment(home.data) as db:
        return inspect(Scene(db, settings.authority, directory.network, directory, guard, keys, storage, SUITE, home.data))


def inspect_standing(home: Home, settings: Settings, keystore: Keystore, directory: Directory) -> Notes:
    """The same while no node runs. Raises STORE-OPEN, GUARD-DAMAGED."""
    return inspect_home(home, settings, directory, keystore.storage_key(), read_guard(settings.guard_path(home)))


def told(notes: Notes) -> dict[str, Any]:
    """As JSON: what was counted, and what is wrong, the first by index first."""
    wrong = sorted(notes.wrong, key=lambda each: (each.index < 0, each.n, each.index))
    first = notes.first()
    return {
        "ok": not wrong, "entries": notes.entries, "heads": notes.heads, "rows": notes.rows, "parts": notes.parts, "bodies": notes.bodies,
        "signatures": notes.signatures, "wrong": len(wrong),
        "first": None if first is None else {"n": first.n, "index": first.index, "place": first.place, "says": first.says},
        "named": [str(each) for each in wrong[:NAMED]],
    }  # fmt: skip


async def watch_older(exchange: Exchange) -> None:
    """Hash again, slowly, the entries that the start did not look at; one that is not the one that was signed stops the log."""
    log = exchange.log
    end = max(0, log.size - TAIL)
    for start in range(0, end, _STEP):
        fault = await asyncio.to_thread(log.fault, start, min(start + _STEP, end))
        if fault is not None:
            log.keep_held(exchange_codes.LOG_DAMAGED, takes=False)
            _log.error("alarm", code=exchange_codes.LOG_DAMAGED.code, detail=f"index {fault}")
            return
        await asyncio.sleep(_PAUSE)

