"""Crash seeds: the real store, writer, outbox and inbox on a disk that loses power, twice in each seed; nothing that was spoken is lost."""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from exchange.exchange import Exchange, Identity
from exchange.outgoing.sealing import Draft
from keys.prekeys import PrekeyStore
from keys.storage import StorageKey
from protocol import limits
from protocol.errors import RogatoryError
from protocol.names import Office
from tests.simulation.crashdisk import Connected, Disk, GuardOs, Reading
from tests.simulation.http import Answer
from tests.simulation.ledger import Accepted, Ledger, Violation
from tests.simulation.loop import Killed
from tests.simulation.points import Patches, Token
from tests.simulation.suite import FastPair, FastPrekeySecret, FastSuite
from tests.simulation.world import MEMORY, START, make_directory

US, THEM = "xa-ca", "xb-ca"
PRAGMAS: dict[str, Callable[[str], str]] = {
    "": lambda sql: sql,
    "synchronous=NORMAL": lambda sql: {"PRAGMA synchronous=FULL": "PRAGMA synchronous=NORMAL", "PRAGMA synchronous": "SELECT 2"}.get(sql, sql),
    "synchronous=OFF": lambda sql: {"PRAGMA synchronous=FULL": "PRAGMA synchronous=OFF", "PRAGMA synchronous": "SELECT 2"}.get(sql, sql),
}


@dataclass
class CrashTally:
    """Sums over crash seeds."""

    seeds: int = 0
    crashes: int = 0
    spoken: int = 0
    seconds: float = 0.0
    failing: list[tuple[int, str]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        rate = round(self.seeds / max(self.seconds, 1e-9), 1)
        return {
            "seeds": self.seeds, "crashes": self.crashes, "spoken": self.spoken, "seconds": round(self.seconds, 1),
            "seeds_per_second": rate, "failing": [{"seed": seed, "says": says} for seed, says in self.failing],
        }  # fmt: skip


class Bench:
    """Two exchanges: ours on the disk that loses power, theirs on one that does not."""

    def __init__(self, seed: int, folder: Path, mistake: str, lies: bool) -> None:
        self.rng = random.Random(f"disk/{seed}")
        self.folder, self.mistake, self.lies = folder, mistake, lies
        self.drawn = random.Random(seed).randbytes
        self.suite: Any = FastSuite(self.drawn)
        self.holders = {name: SimpleNamespace(log=FastPair(n * 64), standby=FastPair(n * 32 + b"s" * 32), witness=FastPair(n * 16 + b"w" * 48))
                        for name, n in ((US, b"a"), (THEM, b"b"))}  # fmt: skip
        self.directory = make_directory(self.holders)
        self.now = START
        self.ledger = Ledger(lambda: 0.0, lambda: None)
        self.spoken = self.crashes = self.opened = 0
        self.lives: dict[str, Exchange] = {}
        self.checkpoint = self.rng.choice((4000, 40, 8))

    def open(self, name: str, disk: Disk) -> Exchange:
        """Open an exchange on this disk."""
        holder, home = self.holders[name], self.folder / name
        home.mkdir(parents=True, exist_ok=True)
        self.opened += 1
        here = home / str(self.opened)  # the files lie on the disk; only locks are here
        record = self.directory.log_in_force(name)
        life = SimpleNamespace(name=name, behind=False)
        disk.cosigned = partial(self.ledger.cosigns, life)
        signed = lambda message: self.ledger.signed(life, message)  # noqa: E731
        identity = Identity(
            record.origin, record.keys, Token(holder.log, signed), PrekeyStore(home / "prekeys", b"p" * 32, self.drawn),
            StorageKey({1: b"k" * 32}, 1, self.drawn), holder.witness,
        )  # fmt: skip
        clock = SimpleNamespace(now=lambda: self.now, sure=lambda: True)
        with self._on(disk):
            exchange = Exchange(here / "data", here / "guard", identity, lambda: self.directory, self.suite, clock, random=self.drawn)
            exchange.begin()
        self.lives[name] = exchange
        return exchange

    @contextmanager
    def _on(self, disk: Disk) -> Any:
        """Whatever opens a file meanwhile opens it on this disk."""
        import exchange.guard
        import exchange.store

        def pragma(sql: str) -> str:
            if sql.startswith("PRAGMA wal_autocheckpoint="):
                return f"PRAGMA wal_autocheckpoint={self.checkpoint}"
            return PRAGMAS[self.mistake](sql)

        made: list[Connected] = []

        def connect(path: Any, *, uri: bool = False, **_: Any) -> Any:
            if uri:
                return Reading(made[0])
            made.append(Connected(disk, str(path), pragma))
            return made[0]

        patches = Patches()
        try:
            real = exchange.store.sqlite3
            patches.set(exchange.store, "sqlite3", SimpleNamespace(connect=connect, Error=real.Error, Connection=real.Connection))
            patches.set(exchange.store, "threading", SimpleNamespace(local=SimpleNamespace))
            patches.set(exchange.guard, "os", exchange_guard_os(disk))
            yield
        finally:
            patches.undo()

    # -- work ------------------------------------------------------------------------------------------------------------------

    def work(self, disk: Disk, rounds: int) -> None:
        """Submit and take in, until power fails."""
        import exchange.guard

        ours, theirs = self.lives[US], self.lives[THEM]
        for _ in range(rounds):
            self.now += self.rng.randrange(1, 5000)
            exchange.guard.os = exchange_guard_os(disk)  # type: ignore[assignment]
            if self.rng.random() < 0.5:
                self._submit(ours)
            else:
                self._take_in(ours, theirs, disk)

    def _submit(self, ours: Exchange) -> None:
        futures = []
        for _ in range(self.rng.choice((1, 1, 2, 5))):
            draft = Draft("247", (Office(THEM, "247"),), "EE_PRESERVE", bytes(self.rng.randrange(20, 3000)), self.now + limits.DAY)
            futures.append(ours.outbox.submit(ours.outbox.seal(draft)))
        while ours.writer.step():
            pass
        for future in futures:
            got = future.result(0)
            self.ledger.took(SimpleNamespace(exchange=ours, name=US), Accepted(US, got.hash, got.message_id, got.index, (THEM,), False, 0))
            self.spoken += 1

    def _take_in(self, ours: Exchange, theirs: Exchange, disk: Disk) -> None:
        from exchange import guard
        from protocol.entries import Lane
        from protocol.heads import HeadError

        guard.os = exchange_guard_os(self.calm)  # type: ignore[assignment]
        for _ in range(self.rng.choice((1, 2))):
            draft = Draft("247", (Office(US, "247"),), "EE_PRESERVE", bytes(self.rng.randrange(20, 3000)), self.now + limits.DAY, Lane.URGENT)
            theirs.outbox.submit(theirs.outbox.seal(draft))
        while theirs.writer.step():
            pass
        bag = theirs.outbox.bag(US, Lane.URGENT)
        guard.os = exchange_guard_os(disk)  # type: ignore[assignment]
        if bag is None:
            return
        try:
            answer = ours.inbox.receive(THEM, bag.frame)
        except HeadError as error:
            theirs.links.hint(US, error.greatest)
            return
        life = SimpleNamespace(name=US, exchange=ours, behind=False)
        self.ledger.spoke(life, SimpleNamespace(target="/v1/pouch"), Answer(200, {}, answer))  # type: ignore[arg-type]
        self.spoken += 1
        guard.os = exchange_guard_os(self.calm)  # type: ignore[assignment]
        if self.rng.random() < 0.8:  # else the answer is lost, and asked for again
            with suppress(RogatoryError):
                theirs.answers.take(bag, answer)

    def run(self) -> None:
        """Twice: work until power fails, come back, and nothing is missing."""
        self.calm = Disk(_image())
        self.open(THEM, self.calm)
        files = {} if self.rng.random() < 0.05 else _image()
        for _ in range(2):
            disk = Disk(files, self.rng.randrange(1, 400), lies=self.lies)
            try:
                self._back(disk)
                self._meet()
                self.work(disk, 12)
            except Killed:
                self.crashes += 1
            files = disk.after_power_cut(self.rng)
            disk.dead = disk.buried = True
        disk = Disk(files)
        ours = self._back(disk)
        self.ledger.examine(US, ours.log.origin, ours.store.reader())
        self._meet()
        self.work(disk, 2)
        self.ledger.examine(US, ours.log.origin, ours.store.reader())
        disk.dead = disk.buried = True
        self.calm.dead = self.calm.buried = True

    def _back(self, disk: Disk) -> Exchange:
        """Power is back: it starts, whatever the disk holds."""
        try:
            return self.open(US, disk)
        except RogatoryError as error:
            self.ledger.demand(False, "I1", f"it does not start again: {error}")
            raise

    def _meet(self) -> None:
        ours, theirs = self.lives[US], self.lives[THEM]
        with suppress(RogatoryError):
            theirs.contact.take_prekeys(US, ours.contact.prekeys_frame(theirs.peers.greatest(US), 1))
        with suppress(RogatoryError):
            ours.contact.take_prekeys(THEM, theirs.contact.prekeys_frame(ours.peers.greatest(THEM), 1))


def exchange_guard_os(disk: Disk) -> GuardOs:
    """The guard's operating system on this disk."""
    return GuardOs(disk)


@cache
def _image() -> dict[str, bytes]:
    """The files of an empty store of this release."""
    from tests.simulation.world import template

    return {"exchange.sqlite": (template() / "exchange.sqlite").read_bytes()}


def crash(seed: int, mistake: str = "", *, lies: bool = False) -> tuple[Bench, Violation | None]:
    """One crash seed."""
    import exchange.exchange
    import exchange.guard
    import exchange.peering.prekeyshelf
    import keys.prekeys
    from exchange.writer import Writer

    folder = Path(tempfile.mkdtemp(prefix="simulation-", dir=MEMORY if MEMORY.is_dir() else None))
    bench, patches = Bench(seed, folder, mistake, lies), Patches()
    try:
        patches.set(exchange.exchange, "Writer", lambda *args, **named: Writer(*args, **{**named, "threaded": False}))
        patches.set(exchange.guard, "os", exchange.guard.os)
        patches.set(keys.prekeys, "PrekeySecret", FastPrekeySecret)
        patches.set(exchange.peering.prekeyshelf, "sound_prekey", lambda public: True)
        bench.run()
    except Exception:
        if bench.ledger.violation is None:  # else it may have been caught on its way, and come back as another
            raise
    finally:
        patches.undo()
        shutil.rmtree(folder, ignore_errors=True)
    return bench, bench.ledger.violation


def crash_seeds(seeds: Iterable[int], seconds: float = float("inf")) -> CrashTally:
    """Run these, until the time is spent."""
    tally, start = CrashTally(), time.perf_counter()
    for seed in seeds:
        bench, violation = crash(seed)
        tally.seeds += 1
        tally.crashes += bench.crashes
        tally.spoken += bench.spoken
        tally.seconds = time.perf_counter() - start
        if violation is not None:
            tally.failing.append((seed, str(violation)))
        if tally.seconds > seconds:
            break
    return tally
