"""Real exchanges with real listeners on loopback TLS ports and real couriers between them, all in one event loop.

    async with peers(tmp_path, "xa-ca", "xb-ca") as net:
        sent = net.world.send("xa-ca", "xb-ca", b"{}")
        await net.settled(sent.hash)

The clock runs, and can be set. ``net.places[name]``: exchange, network, couriers, port. A place can be stopped and started again.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exchange.exchange import Exchange
from keys.directory.view import Directory
from keys.transport import client_context, server_context
from node.carrying.courier import PeerCourier
from node.carrying.mailbox import Mailboxes
from node.carrying.peerclient import Patience, PeerClient
from node.collector import Collector
from node.exercise import free_ports
from node.peerport.peerlistener import PeerListener, Times
from node.peerport.peerserver import PeerServer
from protocol.delivery import State
from tests.world import World, make_world

WAIT = 20.0  # seconds that a test waits for anything


async def until(condition: Callable[[], Any], what: str = "condition", limit: float = WAIT) -> Any:
    """Wait until the condition holds; what it gave."""
    try:
        async with asyncio.timeout(limit):
            while not (found := condition()):  # noqa: ASYNC110 - what it waits for is in a database or another process
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"waited {limit} s for: {what}") from None
    return found


class Place:
    """One authority: listener and couriers around its exchange."""

    def __init__(self, world: World, name: str, times: dict[str, float]) -> None:
        self.world, self.name, self._times = world, name, times
        self.mailboxes = Mailboxes()
        self.port = world.directory.member(name).address[1]
        self.listens_at = self.port
        self.seen: list[str] = []
        self.told: list[tuple[str, int]] = []
        self.couriers: dict[str, PeerCourier] = {}
        self.collectors: list[Collector] = []
        self.patience = Patience()
        self._contexts: dict[tuple[bytes, ...], ssl.SSLContext] = {}
        self.listening = False
        self._tasks: asyncio.Task[None] | None = None

    @property
    def exchange(self) -> Exchange:
        return self.world.exchanges[self.name]

    def directory(self) -> Directory:
        return self.world.directory

    def context(self, peer: str) -> ssl.SSLContext:
        certificates = self.directory().member(peer).certificates
        if certificates not in self._contexts:
            self._contexts[certificates] = client_context(self.world.holdings[self.name].transport, certificates)
        return self._contexts[certificates]

    def client(self, peer: str, directory: Callable[[], Directory] | None = None) -> PeerClient:
        at = directory or self.directory
        return PeerClient(peer, at, lambda: self.directory().pins(), lambda: self.context(peer), self.patience)

    async def listen(self) -> None:
        certificates = [der for m in self.directory().members.values() for der in m.certificates]
        self.context_in = server_context(self.world.holdings[self.name].transport, certificates)
        piece = {"piece": self._times["piece"]} if "piece" in self._times else {}
        times = Times(**{key: value for key, value in self._times.items() if key != "piece"})
        self.server = PeerServer(
            self.exchange, self.world.home(self.name), lambda: self.directory().pins(), self._seen, mailboxes=self.mailboxes, **piece
        )
        self.listener = PeerListener(self.server.app(), self.context_in, times)
        await self.listener.start("127.0.0.1", self.listens_at)
        self.listening = True

    def _seen(self, peer: str) -> None:
        self.seen.append(peer)
        if peer in self.couriers:
            self.couriers[peer].there()

    def carry_to(self, *names: str, directory: Callable[[], Directory] | None = None) -> None:
        """Start couriers to these."""
        loop = asyncio.get_running_loop()
        for name in names:
            told = lambda peer, version: self.told.append((peer, version))  # noqa: E731
            called = self.directory().member(name).address is not None
            client = self.client(name, directory) if called else self.mailboxes.of(name)
            self.couriers[name] = PeerCourier(self.exchange, client, loop, told)
        self.exchange.outbox.on_queued = lambda peer, lane: self.couriers[peer].wake(lane) if peer in self.couriers else None
        self._tasks = loop.create_task(self._run())

    def collect_from(self, *names: str, wait: int = 5) -> None:
        """Collect from these, as an authority that nobody can call. Before ``carry_to``, which starts both."""
        self.collectors = [Collector(self.exchange, self.client(name), wait=wait) for name in names]

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for collector in self.collectors:
                tasks.create_task(collector.run())
            for courier in self.couriers.values():
                tasks.create_task(courier.run())

    async def stop_carrying(self) -> None:
        tasks, self._tasks = self._tasks, None
        if tasks is not None:
            failed = tasks.done() and not tasks.cancelled() and tasks.exception()
            tasks.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await tasks
            assert not failed
        self.couriers.clear()
        self.collectors.clear()

    async def stop_listening(self) -> None:
        if self.listening:
            self.listening = False
            self.server.stop()
            await self.listener.close()

    async def stop(self) -> None:
        await self.stop_carrying()
        await self.stop_listening()


@dataclass
class Net:
    """The places by name."""

    world: World
    places: dict[str, Place] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Place:
        return self.places[name]

    def state(self, envelope_hash: bytes, recipient: str = "xb-ca", sender: str = "xa-ca") -> str:
        message = self.world.exchanges[sender].messages.find(envelope_hash)
        return next(d.state for d in message.deliveries if d.authority == recipient)

    async def settled(
        self, envelope_hash: bytes, recipient: str = "xb-ca", state: State = State.DELIVERED, sender: str = "xa-ca"
    ) -> None:
        await until(lambda: self.state(envelope_hash, recipient, sender) == state, f"{recipient}: {state}")


@contextlib.asynccontextmanager
async def peers(
    folder: Path, *names: str, carry: bool = True, founded: bool = False, visit: bool = True, **times: float
) -> AsyncIterator[Net]:
    """A world whose exchanges listen, and with ``carry`` carry to each other; ``visit``: their heads are witnessed. ``times``: of the listener and ``piece``, in seconds."""
    names = names or ("xa-ca", "xb-ca")
    world = make_world(folder, names, founded=founded, ports=free_ports(len(names)))
    net = Net(world, {name: Place(world, name, times) for name in names})
    ticking = asyncio.get_running_loop().create_task(_tick(world))
    try:
        for name, place in net.places.items():
            await place.listen()
            if visit:
                world.visit(name)  # routine waits for prekeys under a witnessed head
        if carry:
            for name, place in net.places.items():
                place.carry_to(*(other for other in names if other != name))
        yield net
    finally:
        ticking.cancel()
        for place in net.places.values():
            await place.stop()
        await asyncio.get_running_loop().shutdown_default_executor()
        world.close()


async def _tick(world: World) -> None:
    """The world's clock runs with the loop's, from wherever a test has set it."""
    loop = asyncio.get_running_loop()
    last = loop.time()
    while True:
        await asyncio.sleep(0.02)
        now = loop.time()
        world.clock.advance(round((now - last) * 1000))
        last = now
