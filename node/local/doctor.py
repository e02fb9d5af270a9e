"""The doctor: what a running node can check of itself. Every check that fails names the command or the hand that mends it."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp.http_parser

from exchange.casework.unattended import load_policies
from keys.directory.view import Standing
from keys.prekeys import read_published
from keys.transport import validity
from node.local.rooms import Rooms
from protocol import limits, merkle, tiles
from protocol.errors import RogatoryError

TAIL: Final = 256  # entries of the log that are hashed again
CERTIFICATE: Final = 30 * limits.DAY

_SAFE_SQLITE: Final = (3, 51, 3)
_SILENT: Final = 10 * limits.MINUTE


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. ``warning``: well enough to go on, worth knowing."""

    check: str
    ok: bool
    says: str
    todo: str = ""
    warning: bool = False

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"check": self.check, "ok": self.ok, "says": self.says, "todo": self.todo, "warning": self.warning}


def examine(rooms: Rooms) -> list[Check]:
    """Every check. One that cannot be made has failed, and the others are made nevertheless."""
    found: list[Check] = []
    for look in _LOOKS:
        try:
            found += look(rooms)
        except RogatoryError as error:
            found.append(Check(look.__name__.strip("_"), False, f"{error.code.code}: {error.code.says}", error.code.todo))
        except (OSError, sqlite3.Error) as error:
            found.append(Check(look.__name__.strip("_"), False, f"cannot be looked at: {type(error).__name__}", "look at the node's log"))
    return found


def _clock(rooms: Rooms) -> Iterator[Check]:
    sure = rooms.clock.sure()
    says = "wall clock and monotonic clock agree" if sure else "the wall clock has jumped by more than a minute"
    yield Check("clock", sure, says, "" if sure else "set it with `timedatectl set-ntp true`, then restart the node")


def _disk(rooms: Rooms) -> Iterator[Check]:
    reserve = rooms.host.settings.data.disk_reserve_mib * limits.MiB
    free = shutil.disk_usage(rooms.exchange.store.folder).free
    todo = "" if free >= reserve else "free space on the disk of data/, or move the home to a larger one"
    yield Check("disk", free >= reserve, f"{free // limits.MiB} MiB free, {reserve // limits.MiB} must stay so", todo)


def _sqlite(rooms: Rooms) -> Iterator[Check]:
    version = sqlite3.sqlite_version_info
    mode = rooms.exchange.store.reader().execute("PRAGMA journal_mode").fetchone()[0]
    yield Check("database", mode == "wal", f"journal mode {mode}", "" if mode == "wal" else "put data/ on a local disk")
    if version < _SAFE_SQLITE:
        says = f"SQLite {sqlite3.sqlite_version} can damage a WAL when two connections write at once; this node writes with one only"
        yield Check("SQLite", True, says, "never open data/exchange.sqlite for writing beside the node", warning=True)
    else:
        yield Check("SQLite", True, sqlite3.sqlite_version)


def _parser(_: Rooms) -> Iterator[Check]:
    there = aiohttp.http_parser.HttpRequestParser.__module__ == "aiohttp._http_parser"
    says = "the HTTP parser in C is there" if there else "only the slow HTTP parser in Python is there, which had flaws of its own"
    yield Check("HTTP parser", there, says, "" if there else "install aiohttp from its wheel: `pip install --force-reinstall aiohttp`")


def _permissions(rooms: Rooms) -> Iterator[Check]:
    home, passphrase = rooms.home, rooms.host.settings.passphrase_file
    for path in (home.path, home.keystore, home.prekeys, home.people, home.api_keys, home.socket, passphrase):
        if path is not None and path.exists():
            yield _private(path)


def _private(path: Path) -> Check:
    mode = stat.S_IMODE(path.stat().st_mode)
    sound = not mode & 0o077
    return Check(f"{path.name} mode", sound, f"{mode:04o}", "" if sound else f"chmod go= {path}")


def _certificate(rooms: Rooms) -> Iterator[Check]:
    member = rooms.host.directory().member(rooms.exchange.us)
    ends = max(validity(der)[1] for der in member.certificates)
    left = (ends - rooms.clock.now()) // limits.DAY
    sound = ends - rooms.clock.now() > CERTIFICATE
    yield Check("certificate", sound, f"valid for {left} days", "" if sound else "rogatory keys rotate-transport")


def _directory(rooms: Rooms) -> Iterator[Check]:
    view = rooms.host.directory()
    standing = view.standing(rooms.clock.now())
    sound = standing is Standing.FRESH
    says = f"version {view.version} of {view.network}, {standing}"
    todo = "ask a keeper to run `rogatory directory refresh`, then `rogatory directory update`"
    yield Check("directory", sound, says, "" if sound else todo)


def _prekeys(rooms: Rooms) -> Iterator[Check]:
    now = rooms.clock.now()
    ahead = max((key.until for key in read_published(rooms.home.prekeys)), default=0) - now
    logged = rooms.exchange.store.reader().execute("SELECT count(*) FROM published_prekeys").fetchone()[0]
    sound = bool(logged) and ahead > limits.PREKEY_LIFE
    says = f"published until {max(ahead, 0) // limits.HOUR} hours from now" if logged else "none is published"
    yield Check("prekeys", sound, says, "" if sound else "restart the node; it publishes prekeys when it begins")


def _guard(rooms: Rooms) -> Iterator[Check]:
    log, held = rooms.exchange.log, rooms.exchange.guard.read()
    row = None
    if held is not None:
        query = "SELECT root FROM head WHERE n=? AND size=?"
        row = rooms.exchange.store.reader().execute(query, (log.n, held.size)).fetchone()
    sound = held is not None and held.origin == log.origin and row is not None and row[0] == held.root and not log.stopped
    says = f"the guard holds the head of size {held.size}" if held is not None and sound else log.stopped or "the guard is not our log's"
    yield Check("guard", sound, says, "" if sound else "stop the node; restore the newest data and guard, or `rogatory log replace`")


def _hold(rooms: Rooms) -> Iterator[Check]:
    """Whether the log is open; if not, why, and the one thing to do. A log whose time ran ahead of the clock is told of as well."""
    log = rooms.exchange.log
    if log.hold is not None:
        says = f"{log.hold.code}: {log.hold.says}"
        if log.takes:
            says += "; messages are taken in and stored, nothing is signed"
        yield Check("reconciliation", False, says, log.hold.todo)
    else:
        yield Check("reconciliation", True, "the log is open: this data was found to be the newest")
    ahead = log.time - rooms.clock.now()
    if ahead > limits.MINUTE:
        says = f"the log's time ran {ahead // limits.SECOND} s ahead of the clock, and a log's time never goes back"
        yield Check("log time", False, says, "look which of the two is wrong; if it is the log: `rogatory directory rotate`")


def _log(rooms: Rooms) -> Iterator[Check]:
    """Entries, tiles and head row still agree: the tail hashed again, the root rebuilt from the tiles."""
    log = rooms.exchange.log
    query = "SELECT size, root FROM head WHERE n=? ORDER BY size DESC LIMIT 1"
    size, stored = rooms.exchange.store.reader().execute(query, (log.n,)).fetchone()
    start = max(0, size - TAIL)
    reader = tiles.TileReader(log.tile)
    wrong = [start + i for i, raw in enumerate(log.entries(start, size)) if merkle.leaf_hash(raw) != reader.node(0, start + i)]
    sound = not wrong and merkle.root(size, tiles.TileReader(log.tile)) == stored
    says = f"{size} entries, the last {size - start} hashed again"
    if not sound:
        says = f"entry {wrong[0]} is not what was signed" if wrong else "the tiles do not rebuild the signed root"
    yield Check("log", sound, says, "" if sound else "stop the node, keep this data for the auditor, restore the backup")


def _peers(rooms: Rooms) -> Iterator[Check]:
    now = rooms.clock.now()
    for name, courier in sorted(rooms.host.couriers.items()):
        seen, failed, code = courier.contacts.reached, courier.contacts.failed, courier.contacts.code
        sound = not code or (seen is not None and now - seen < _SILENT)
        says = "never reached" if seen is None else f"reached {(now - seen) // limits.SECOND} s ago"
        if code and failed:
            says += f", tried in vain {(now - failed) // limits.SECOND} s ago"
        todo = "" if sound else f"call its operator ({code}); what is for it waits: `rogatory outbox list --open`"
        yield Check(f"peer {name}", sound, says, todo)


def _witnesses(rooms: Rooms) -> Iterator[Check]:
    """How far our log is witnessed, receipts that are only logged, and logs that have signed two histories."""
    exchange, now = rooms.exchange, rooms.clock.now()
    record, newest = rooms.host.directory().log(exchange.log.origin), exchange.heads.newest(exchange.log.origin)
    if record.quorum:
        pending = exchange.heads.pending()
        missing = "".join(f", {name} has not signed ({code or 'on its way'})" for name, code in sorted(pending.items()))
        sound = newest is not None and len(pending) <= len(record.witnesses) - record.quorum
        says = f"size {0 if newest is None else newest.size} of {exchange.log.size} has its quorum of {record.quorum}{missing}"
        todo = "" if sound else "call the operators of these witnesses; messages go on, their proofs are logged only"
        yield Check("witnesses", sound, says, todo)
    late = exchange.holdings.waiting(now - limits.DAY)
    says = ", ".join(f"{count} of {name}" for name, count in late) or "every receipt older than a day is witnessed"
    yield Check("receipts", not late, says, "" if not late else "call these authorities: their logs do not show them to their witnesses")
    for origin in exchange.forks.unlinked():
        says = f"{origin} does not show that it is one with what its witnesses have"
        yield Check("comparison", False, says, "call its operator; what it says from now on may be another history")
    for origin in sorted(exchange.peers.forks()):
        yield Check("fork", False, f"{origin} has signed two histories", "call its founders; nothing more is taken from this log")


def _held(rooms: Rooms) -> Iterator[Check]:
    count = rooms.exchange.store.reader().execute("SELECT count(*) FROM delivery WHERE state='held'").fetchone()[0]
    yield Check("held deliveries", not count, str(count), "" if not count else "decide on each: `rogatory outbox list --open`")


def _policies(rooms: Rooms) -> Iterator[Check]:
    yield Check("policies", True, ", ".join(policy.name for policy in load_policies(rooms.home.policies)) or "none")


_LOOKS: Final[tuple[Callable[[Rooms], Iterator[Check]], ...]] = (
    _clock, _disk, _sqlite, _parser, _permissions, _certificate, _directory,
    _prekeys, _hold, _guard, _log, _peers, _witnesses, _held, _policies,
)  # fmt: skip
