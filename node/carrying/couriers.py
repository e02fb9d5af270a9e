"""The couriers of a node: one for each authority that can be called or collects, coming and going with the directory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

from exchange.exchange import Exchange
from node.carrying.courier import PeerCourier
from node.carrying.mailbox import Mailboxes
from node.carrying.network import Network
from protocol.entries import Lane


class Couriers(Mapping[str, PeerCourier]):
    """By authority. ``run`` once, in a task; ``follow`` whenever the directory has changed."""

    def __init__(self, exchange: Exchange, network: Network, mailboxes: Mailboxes | None = None) -> None:
        self._exchange = exchange
        self._mailboxes = mailboxes or Mailboxes()
        self._network = network
        self._running: dict[str, tuple[PeerCourier, asyncio.Task[None]]] = {}
        self._changed = asyncio.Event()

    def __getitem__(self, peer: str) -> PeerCourier:
        return self._running[peer][0]

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._running))

    def __len__(self) -> int:
        return len(self._running)

    async def run(self) -> None:
        """Carry for everybody until cancelled."""
        self._exchange.outbox.on_queued = self._wake
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._changed.clear()
                self._match(tasks)
                await self._changed.wait()

    def follow(self) -> None:
        """The directory has changed: who has joined gets a courier, who has left loses it."""
        self._changed.set()

    def seen(self, peer: str) -> None:
        """A peer has called: it is there."""
        running = self._running.get(peer)
        if running is not None:
            running[0].there()

    def hurry(self, peer: str) -> None:
        """Look at once what there is for a peer: it asks for something again. Safe from any thread."""
        running = self._running.get(peer)
        if running is not None:
            for lane in Lane:
                running[0].wake(lane)

    def _match(self, tasks: asyncio.TaskGroup) -> None:
        called = dict.fromkeys(self._network.callable_peers(), True)
        wanted = called | dict.fromkeys(self._network.collecting_peers(), False)
        for peer, (running, task) in tuple(self._running.items()):
            if wanted.get(peer) is not running.calls:
                del self._running[peer]
                task.cancel()
        for peer, calls in wanted.items():
            if peer not in self._running:
                client = self._network.client(peer) if calls else self._mailboxes.of(peer)
                courier = PeerCourier(self._exchange, client, asyncio.get_running_loop(), self._network.told)
                self._running[peer] = courier, tasks.create_task(courier.run(), name=f"courier {peer}")

    def _wake(self, peer: str, lane: Lane) -> None:
        running = self._running.get(peer)
        if running is not None:
            running[0].wake(lane)
