"""The node: one process, one tree of tasks. The only place that puts the rooms of the program together.

    keystore ─┐
    directory ┼─ Exchange ── peers' port     (node/peerport)
    settings ─┘      ├────── couriers        (node/carrying), one per member; node/collector when nobody can call us
                     ├────── local API       (node/local), loopback and Unix socket
                     └────── housekeeping    (node/housekeeping): prekeys, directory, expiry, once a minute and once a day
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog

from exchange import codes as exchange_codes
from exchange.exchange import Exchange
from keys.assistant import AssistedSuite
from keys.directory.view import Directory
from keys.keystore import Keystore
from keys.passphrase import passphrase_from
from keys.transport import TransportKey
from node import housekeeping, logs
from node.carrying.couriers import Couriers
from node.carrying.mailbox import Mailboxes
from node.carrying.network import Network
from node.clock import SystemClock
from node.collector import Collectors
from node.home import Home
from node.inspecting import watch_older
from node.local.server import LocalServer
from node.opening import open_exchange
from node.peerport.peerlistener import PeerListener
from node.peerport.peerserver import PeerServer
from node.settings import Settings, load_settings
from node.watch import Watch
from node.witnessing import grading
from node.witnessing.announcing import announce
from node.witnessing.comparison import Comparison
from node.witnessing.reconciler import Reconciler
from node.witnessing.visits import Visits
from node.witnessing.witnesses import Witnesses
from protocol.errors import LocalError

_WORKERS = 16  # threads for cryptography and disk: a few that wait for the writer must not keep the others from work
_TURN = 0.0003  # seconds that a thread keeps the interpreter's lock while others wait for it
_COLLECT = 50_000  # objects that are new, before those in cycles are looked for: one pouch makes half as many, and nearly all die without
_log = structlog.get_logger("node")


class Node:
    """Everything of one running node.

    ``open`` may be slow (Argon2id) and raises what is wrong; ``serve`` runs until stopped, ``ready`` is set once its doors are open.
    """

    def __init__(self, home: Home, settings: Settings, keystore: Keystore) -> None:
        self.home = home
        self.settings = settings
        self.keystore = keystore
        self.clock = SystemClock()
        self.network = Network(home.directory, settings.authority, keystore.transport, self.clock.now, self._transport_on_disk)
        self.witnesses = Witnesses(lambda: self.directory, self.network.client)
        self._stop, self.ready = asyncio.Event(), asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._fatal: LocalError | None = None
        self._suite = AssistedSuite()
        with contextlib.ExitStack() as undo:
            undo.callback(self._suite.close)
            self.exchange = self._open_exchange()
            undo.callback(self.exchange.close)
            self.network.witnessed = self.exchange.peers.seen
            self._mailboxes = Mailboxes()
            self.couriers = Couriers(self.exchange, self.network, self._mailboxes)
            self._collectors = Collectors(self.exchange, self._collected_peers, self.network.client)
            self.reconciler = Reconciler(
                self.exchange, self.witnesses, lambda: self.directory, settings.guard_path(home), self.clock
            )
            self.visits = Visits(self.exchange, self.witnesses, self._on_stolen)
            self.comparison = Comparison(self.exchange, self.witnesses, self._on_stolen)
            undo.pop_all()
        self.local: LocalServer
        self._watch: Watch

    @classmethod
    def open(cls, home: Home) -> Node:
        """Read settings, keystore and directory, and open the exchange."""
        settings = load_settings(home)
        passphrase = passphrase_from(settings.passphrase_file)
        return cls(home, settings, Keystore.open(home.keystore, passphrase))

    def _open_exchange(self) -> Exchange:
        """The exchange, held. Raises LOG-CLOSED when its log has ended: then the next one must be in force first."""
        exchange = open_exchange(
            self.home, self.settings, self.keystore, lambda: self.directory, self.clock, self._on_fatal, held=True, suite=self._suite
        )
        if exchange.log.closed is not None:
            exchange.close()
            raise LocalError(exchange_codes.LOG_CLOSED, exchange.log.origin)
        return exchange

    def _transport_on_disk(self) -> Sequence[TransportKey]:
        """The keystore's transport keys of now: `rogatory keys rotate-transport` writes them while we run."""
        return Keystore.open(self.home.keystore, passphrase_from(self.settings.passphrase_file)).transport

    # -- the directory in force ---------------------------------------------------------------------------------------------------

    @property
    def directory(self) -> Directory:
        """The directory in force now."""
        return self.network.directory

    def peers(self) -> Sequence[str]:
        """Who can be called."""
        return self.network.callable_peers()

    def _collected_peers(self) -> list[str]:
        """From whom we collect: from all, when nobody can call us."""
        return [] if self.network.callable else self.network.callable_peers()

    def newer_directory_at(self) -> str | None:
        """The peer that last told of a newer directory, once."""
        return self.network.newer_at()

    async def update_directory(self, peer: str) -> None:
        """Fetch what this peer shows, and bring it into force if it is newer and good. Raises the DIRECTORY-* codes, PEER-*."""
        if await self.network.update(peer):
            await self._follow()

    async def refresh_directory(self) -> None:
        """Take what `rogatory directory update` has put into the home while we run."""
        if await self.network.refresh():
            await self._follow()

    async def _follow(self) -> None:
        self.couriers.follow()
        self._collectors.follow()
        await asyncio.to_thread(self.exchange.note_directory)

    # -- what happens by itself -----------------------------------------------------------------------------------------------------

    def lapse_drafts(self) -> int:
        """Destroy drafts whose time to live has ended; how many."""
        return self.local.rooms.cases.lapse()

    def watch(self) -> None:
        """Raise an alarm for what somebody must look at."""
        self._watch.look()

    # -- running --------------------------------------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Listen, carry and keep house until ``stop``. Raises PORT-BUSY, SOCKET-PATH, and what ended the writer."""
        loop = self._loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(_WORKERS, thread_name_prefix="work"))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        try:
            await self._serve()
        finally:
            await loop.shutdown_default_executor()  # nobody may still be reading when the store is closed
            self.exchange.close()
            self._suite.close()
        if self._fatal is not None:
            raise self._fatal

    async def _serve(self) -> None:
        self.exchange.inbox.on_version = self.network.told
        self.exchange.inbox.on_opened = self.couriers.hurry
        server = PeerServer(self.exchange, self.home, self.network.pins, self._seen, mailboxes=self._mailboxes)
        async with contextlib.AsyncExitStack() as stack:
            listener = PeerListener(server.app(), self.network.server_context)
            await listener.start(*self.settings.peer_listen)
            stack.push_async_callback(listener.close)
            stack.callback(server.stop)
            stack.push_async_callback(self.witnesses.close)
            await self._reconcile()
            await self.local.start()
            self.ready.set()
            stack.push_async_callback(self.local.close)
            _log.info("node.started", authority=self.settings.authority, log_size=self.exchange.log.size)
            await self._work()
            _log.info("node.stopping", authority=self.settings.authority)

    async def _work(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.reconciler.run())
                tasks.create_task(self._carry())
                tasks.create_task(self._keep_house())
                tasks.create_task(self._witness())
                tasks.create_task(self._until_stopped())
        except* _Stopped:
            pass

    async def _carry(self) -> None:
        await self.reconciler.opened.wait()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.couriers.run())
            tasks.create_task(self._collectors.run())
            tasks.create_task(announce(self.exchange, self.witnesses, self.network.callable_peers()))

    async def _witness(self) -> None:
        await self.reconciler.opened.wait()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.visits.run())
            tasks.create_task(self.comparison.run())
            tasks.create_task(grading.run(self.exchange, self.witnesses))

    async def _keep_house(self) -> None:
        await self.reconciler.begun.wait()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(housekeeping.run(self))
            tasks.create_task(watch_older(self.exchange))

    async def _reconcile(self) -> None:
        """Find out whether this data is the newest, then open the doors of the house: a log that is held still answers who asks why.

        Raises the reason when there is nothing here that could answer: the data is gone.
        """
        finding = await self.reconciler.first()
        if not self.exchange.log.size and finding.code is not None:
            raise LocalError(finding.code, finding.detail)
        self.local = await asyncio.to_thread(LocalServer, self)
        self._watch = Watch(self.exchange, lambda: self.directory, self.couriers, self.home.prekeys, self.local.alarm)
        if finding.code is not None:
            self.local.alarm(finding.code.code, finding.detail)

    def stop(self) -> None:
        """Stop in order: who carries, then both listeners, then what is queued. From the loop's thread."""
        self._stop.set()

    async def _until_stopped(self) -> None:
        await self._stop.wait()
        raise _Stopped

    def _seen(self, peer: str) -> None:
        """An authority has called: whatever waits for it goes now."""
        self.reconciler.called()
        self.couriers.seen(peer)
        self.visits.hasten(peer)

    def _on_stolen(self, error: LocalError) -> None:
        """Somebody else signs in our name. The watch repeats it every day."""
        self.local.alarm(error.code.code, error.detail)

    def _on_fatal(self, error: LocalError) -> None:
        self._fatal = error
        _log.error("alarm", code=error.code.code, detail=error.detail)  # nothing can be written any more: no event
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)


class _Stopped(Exception):  # noqa: N818 - a signal, not an error
    """Ends the tree of tasks."""


def economise() -> None:
    """For a process that will be one node: look for cycles seldom, and take turns often.

    Cycles are rare here, and looking for them at Python's own pace took 7 % of the CPU of a busy node.
    """
    gc.freeze()
    gc.set_threshold(_COLLECT, 10, 10)
    sys.setswitchinterval(_TURN)


def run(path: Path) -> int:
    """Run the node of this home until SIGTERM or SIGINT; the exit code."""
    home = Home(path)
    settings = load_settings(home)
    logs.set_up(settings.log_level, settings.log_format)
    economise()
    node = Node.open(home)
    asyncio.run(node.serve())
    return 0
