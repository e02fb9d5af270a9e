"""One authority of a simulated network: its keys and files outlive its processes, and each process is a life that can end anywhere.

    Authority ── files of now ── Life: Exchange, PeerServer, Couriers, housekeeping      all shipped, on the virtual loop
        │            ▲                │ dies: files are copied as they are at that instant, memory is gone
        └── restart ─┴────────────────┘
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import shutil
import sqlite3
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from exchange.exchange import Exchange, Identity
from exchange.log import Tx
from exchange.writer import Writer
from keys.directory.view import Directory
from keys.logkeys import SigningPair, WitnessKeyPair
from keys.prekeys import PrekeyStore
from keys.storage import StorageKey
from node import housekeeping
from node.carrying.couriers import Couriers
from node.clock import SystemClock
from node.home import Home
from node.peerport.peerserver import PeerServer
from node.witnessing.reconciler import Reconciler
from node.witnessing.visits import Visits
from node.witnessing.witnesses import Witnesses
from protocol.errors import LocalError
from tests.simulation.http import Answer, Incoming, handle
from tests.simulation.loop import Killed, VirtualLoop, Waited
from tests.simulation.points import AFTER, BEFORE, Token, here
from tests.simulation.saved import back_up

_COMMIT = 0.003  # virtual seconds that a group may wait for its commit


class SteppedWriter(Writer):
    """The shipped writer without its thread: a group is committed when the loop draws it."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **{**named, "threaded": False})
        self.waiting: dict[Waited, None] = {}
        self._planned = False
        life = here.get()
        assert isinstance(life, Life)
        self.life = life
        life.writer = self

    def submit(self, change: Callable[[Tx], Any], **named: Any) -> Any:
        future = super().submit(change, **named)
        if self.life.dead:
            future.cancel()
        elif not future.done():
            self.waiting[future] = None
            future.add_done_callback(lambda done: self.waiting.pop(done, None))
            self._plan()
        return future

    def run(self, change: Callable[[Tx], Any], **named: Any) -> Any:
        return self.submit(change, **named).result()

    def pump(self) -> None:
        """Commit one group, for somebody who waits for it."""
        self.life.context.copy().run(self.step)

    def abandon(self) -> None:
        """This life is over: nobody waits any longer."""
        for future in tuple(self.waiting):
            with contextlib.suppress(Exception):
                future.set_exception(Killed())

    def _plan(self) -> None:
        if not self._planned and not self.life.dead:
            self._planned = True
            self.life.loop.call_later(self.life.loop._rng.random() * _COMMIT, self._drawn, context=self.life.context)

    def _drawn(self) -> None:
        self._planned = False
        with contextlib.suppress(Killed):
            if self.step():
                self._plan()


class Life:
    """One process of an authority."""

    def __init__(self, authority: Authority) -> None:
        self.authority, self.name, self.world = authority, authority.name, authority.world
        self.loop: VirtualLoop = authority.world.loop
        self.context = contextvars.copy_context()
        self.context.run(here.set, self)
        self.dead = False
        self.behind = False
        self.writer: SteppedWriter | None = None
        self.exchange: Exchange | None = None
        self.tasks: dict[asyncio.Task[Any], None] = {}
        self._root: asyncio.Task[None] | None = None

    # -- crash points ----------------------------------------------------------------------------------------------------------

    def at(self, point: str, when: str) -> None:
        """Pass a point."""
        if self.dead:
            raise Killed
        if self.world.trouble.due(self.authority, point, when):
            self.die()

    def fault(self, point: str) -> str:
        """The disk fault that is due here."""
        return "" if self.dead else self.world.trouble.disk_fault(self.authority, point)

    def die(self) -> None:
        """Memory is gone; the files are what they are at this instant."""
        self.dead = True
        self.authority.keep_files()
        self.world.ended(self)
        raise Killed

    # -- work ------------------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Open the exchange on the files and begin, as ``node.Node`` does."""
        a, home = self.authority, self.authority.home
        for folder in (home.path, home.guard.parent, home.prekeys):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.clock = SystemClock()
        record = a.directory().log_in_force(a.name)
        identity = Identity(
            record.origin, record.keys, Token(a.log, lambda message: self.world.ledger.signed(self, message)),
            PrekeyStore(home.prekeys, a.prekey_key, a.rand), StorageKey({1: a.storage_key}, 1, a.rand), a.witness,
        )  # fmt: skip
        self.exchange = Exchange(
            home.data, home.guard, identity, a.directory, self.world.suite, self.clock, random=a.rand, on_fatal=self._on_fatal, held=True
        )  # fmt: skip
        self.exchange.inbox.on_consigned = lambda told: self.world.ledger.consigned(self, told)
        self.couriers = Couriers(self.exchange, self)  # type: ignore[arg-type]
        self.witnesses = Witnesses(a.directory, self.client)
        self.reconciler = Reconciler(self.exchange, self.witnesses, a.directory, home.guard, self.clock)
        self.visits = Visits(self.exchange, self.witnesses, lambda error: None)
        self.server = PeerServer(self.exchange, home, dict, self.couriers.seen)
        self.app = self.server.app()
        self.app.freeze()

    def start(self) -> None:
        """Carry and keep house until the end."""
        self._root = self.loop.create_task(self._run(), context=self.context)

    @property
    def ended(self) -> bool:
        """Whether its tree of tasks ended although nobody ended it."""
        return self._root is not None and self._root.done() and not self.dead

    async def _run(self) -> None:
        try:
            await self.reconciler.first()
        except Exception as error:  # noqa: BLE001 - the process ends; whoever watches it judges why
            self.world.refused(self, error)
            return
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.reconciler.run())
            tasks.create_task(self._carry())
            tasks.create_task(self._keep_house())

    async def _carry(self) -> None:
        await self.reconciler.opened.wait()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.couriers.run())
            tasks.create_task(self.visits.run())

    async def _keep_house(self) -> None:
        await self.reconciler.begun.wait()
        await housekeeping.run(self, tick=self.world.tick)

    def serve(self, request: Incoming) -> asyncio.Task[Answer]:
        """Answer a request of a peer."""
        return self._track(self._serve(request))

    def _track(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = self.loop.create_task(work, context=self.context)
        self.tasks[task] = None
        task.add_done_callback(lambda done: self.tasks.pop(done, None))
        return task

    async def _serve(self, request: Incoming) -> Answer:
        answer = await handle(self.app, request)
        points = ("W3", "R10") if request.target == "/add-checkpoint" else ("R10",)
        for point in points:
            self.at(point, BEFORE)
        self.world.ledger.spoke(self, request, answer)
        with contextlib.suppress(Killed):  # it has left
            for point in points:
                self.at(point, AFTER)
        return answer

    def cosigns(self, origin: str, size: int, lines: bytes) -> None:
        """Told to the ledger, unless it works on an old copy: that of a witness is no guard."""
        if not self.behind:
            self.world.ledger.cosigns(self, origin, size, lines)

    def back_up(self) -> None:
        """Back up the home while it works."""
        self._track(back_up(self))

    async def bury(self) -> None:
        """Let everything of this life unwind, and let its files go."""
        if self.writer is not None:
            self.writer.abandon()
        tasks = [task for task in (self._root, *self.tasks) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._close()

    async def stop(self) -> None:
        """End in order, as SIGTERM does."""
        self.server.stop()
        tasks = [task for task in (self._root, *self.tasks) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if not self.dead and self.exchange is not None and self.writer is not None:
            with contextlib.suppress(Killed):
                self.context.run(self.writer.stop)
        if not self.dead:
            self.dead = True
            self._close()

    def _close(self) -> None:
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            with contextlib.suppress(sqlite3.Error, OSError):
                exchange.guard.close()
                exchange.store.close()

    def _on_fatal(self, error: LocalError) -> None:
        """Nothing can be written any more: the process ends and is started again by whoever watches it."""
        self.world.counts[f"fatal {error.code.code}"] += 1
        self.loop.call_soon(self.world.stopped, self)

    # -- what couriers and housekeeping ask of the node ------------------------------------------------------------------------

    def callable_peers(self) -> list[str]:
        return [name for name in self.authority.directory().members if name != self.name]

    peers = callable_peers

    def collecting_peers(self) -> list[str]:
        return []

    def client(self, peer: str) -> Any:
        return self.world.network.client(self, peer, self.authority.directory)

    def told(self, peer: str, version: int) -> None:
        """The directory does not change in a simulation."""

    def newer_directory_at(self) -> str | None:
        return None

    def lapse_drafts(self) -> int:
        return 0

    def watch(self) -> None:
        """Nobody looks."""

    async def refresh_directory(self) -> None:
        """Nobody changes it."""

    async def update_directory(self, peer: str) -> None:
        """Nobody changes it."""


class Authority:
    """``world``: see ``run.World``. ``folder``: where its homes lie, one after another."""

    def __init__(self, world: Any, name: str, folder: Path, rand: Callable[[int], bytes], pair: Callable[[bytes], Any]) -> None:
        self.world, self.name, self._folder, self.rand = world, name, folder, rand
        self.log, self.standby, self.witness = pair(rand(64)), pair(rand(64)), pair(rand(64))
        if isinstance(self.witness, SigningPair):
            self.witness = WitnessKeyPair(self.witness.secret)
        self.storage_key, self.prekey_key = rand(32), rand(32)
        self.offset = 0  # ms that its wall clock is off
        self.down = 1.0  # seconds until the next life begins
        self.lives = 0
        self.old = False  # its data lacks something that it has signed
        self.home = Home(folder / "0")
        self.backup = folder / "backup"
        self.backed_up = 0  # size of the log in the last backup that was finished
        self.copies: list[tuple[Path, int]] = []  # old copies of the data folder, and the size of the log in them

    def directory(self) -> Directory:
        return self.world.directory

    def keep_files(self) -> None:
        """The files as they are now become those of the next life."""
        before = self.home.path
        self.lives += 1
        self.home = Home(self._folder / str(self.lives))
        for name in ("data", "guard", "prekeys"):
            if (before / name).exists():
                shutil.copytree(before / name, self.home.path / name, ignore=shutil.ignore_patterns("*-shm", "lock"))
        if self.backup.exists():
            self.backup = shutil.copytree(self.backup, self._folder / f"backup-{self.lives}")

    def lag(self) -> None:
        """Remember the data as it is before a transaction: what a replica holds that lost the last one."""
        self.forget_lag()
        shutil.copytree(self.home.data, self._folder / "lagging", ignore=shutil.ignore_patterns("*-shm", "lock"))

    def forget_lag(self) -> None:
        """There is no replica."""
        shutil.rmtree(self._folder / "lagging", ignore_errors=True)

    def put_lagging(self) -> bool:
        """Replace the data by that of the replica, if there is one."""
        if not (self._folder / "lagging").exists():
            return False
        self._put_aside()
        shutil.move(self._folder / "lagging", self.home.data)
        return True

    def lose_prekeys(self) -> None:
        """Their folder is in no backup: a machine put up again has none."""
        shutil.rmtree(self.home.prekeys, ignore_errors=True)

    def copy_data(self, size: int) -> None:
        """What a backup program takes that knows nothing of us: the data folder, while it is in use."""
        target = self._folder / f"copy-{len(self.copies)}"
        shutil.copytree(self.home.data, target, ignore=shutil.ignore_patterns("*-shm", "lock"))
        self.copies.append((target, size))

    def put_back(self, number: int) -> int:
        """Replace the data by an old copy; the size of the log in it. The guard lies elsewhere."""
        copy, size = self.copies[number]
        self._put_aside()
        shutil.copytree(copy, self.home.data)
        return size

    def _put_aside(self) -> None:
        """What lies there now is kept, unless it is an old copy itself: then the newest lies aside already."""
        if self.old:
            shutil.rmtree(self.home.data)
            return
        shutil.rmtree(self._folder / "aside", ignore_errors=True)
        shutil.move(self.home.data, self._folder / "aside")

    def put_newest(self) -> None:
        """Replace the old copy by what was there before it."""
        self.old = False
        shutil.rmtree(self.home.data)
        shutil.move(self._folder / "aside", self.home.data)


def begin(authority: Authority) -> Life | None:
    """Start a process; None when it died before it could work. Raises what it refuses to start with."""
    life = Life(authority)
    try:
        life.context.run(life.open)
    except Killed:
        return None
    except Exception:
        life.dead = True
        life._close()
        raise
    return life
