"""The node: one process, one tree of tasks. The only place that puts the rooms of the program together.

    keystore ─┐
    directory ┼─ Exchange ── peers' port     (node/peerserver)
    settings ─┘      ├────── couriers        (node/courier), one per member with an address
                     ├────── local API       (node/local), loopback and Unix socket
                     └────── housekeeping    (node/housekeeping): prekeys, directory, expiry, once a minute and once a day
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path

import structlog
from aiohttp import web

from exchange.exchange import Exchange, Identity
from keys.directory import trust
from keys.directory.view import Directory, LogState, Member
from keys.keystore import Keystore
from keys.passphrase import passphrase_from
from keys.prekeys import PrekeyStore
from keys.suite import SUITE
from keys.transport import TransportKey, client_context, server_context, trust_also
from node import codes, housekeeping, logs
from node.clock import SystemClock
from node.courier import PeerCourier
from node.home import Home
from node.local.server import LocalServer
from node.peerclient import PeerClient
from node.peerserver import PeerServer
from node.settings import Settings, load_settings
from protocol.entries import Lane
from protocol.errors import LocalError, ProtocolError

_log = structlog.get_logger("node")


class Node:
    """Everything of one running node. ``open`` may be slow (Argon2id) and raises what is wrong; ``serve`` runs until stopped."""

    def __init__(self, home: Home, settings: Settings, keystore: Keystore) -> None:
        self.home = home
        self.settings = settings
        self.keystore = keystore
        self.clock = SystemClock()
        self.couriers: dict[str, PeerCourier] = {}
        self._stop = asyncio.Event()
        self._fatal: LocalError | None = None
        self._take_directory(trust.load(home.directory))
        member = find_self(self.directory, settings.authority, keystore)
        self.transport = _transport_key(keystore, member)
        self.exchange = self._open_exchange(member)
        self.local = LocalServer(self)

    @classmethod
    def open(cls, home: Home) -> Node:
        """Read settings, keystore and directory, and open the exchange."""
        settings = load_settings(home)
        passphrase = passphrase_from(settings.passphrase_file)
        return cls(home, settings, Keystore.open(home.keystore, passphrase))

    def _open_exchange(self, member: Member) -> Exchange:
        record = self.directory.log_in_force(member.authority)
        pair = self.keystore.log(record.origin.n)
        prekeys = PrekeyStore(self.home.prekeys, self.keystore.prekey_key)
        identity = Identity(record.origin, record.keys, pair, prekeys, self.keystore.storage_key())
        exchange = Exchange(
            self.home.data, self.settings.guard_path(self.home), identity, lambda: self.directory, SUITE, self.clock,
            on_fatal=self._on_fatal,
        )  # fmt: skip
        exchange.begin()
        return exchange

    # -- the directory in force ---------------------------------------------------------------------------------------------------

    def _take_directory(self, directory: Directory) -> None:
        self.directory = directory
        self._pins: Mapping[bytes, str] = directory.pins()

    async def update_directory(self, peer: str) -> None:
        """Fetch what this peer shows, and bring it into force if it is newer and good."""
        client = PeerClient(peer, lambda: self.directory, self._client_context(peer))
        loop = asyncio.get_running_loop()

        def fetch(name: str) -> bytes:
            return asyncio.run_coroutine_threadsafe(client.directory_file(name), loop).result(timeout=60)

        try:
            directory = await asyncio.to_thread(trust.update, self.home.directory, fetch, self.clock.now())
        finally:
            await client.close()
        if directory.version != self.directory.version:
            self._take_directory(directory)
            trust_also(self._server_context, _certificates(directory))
            await asyncio.to_thread(self.exchange.note_directory)
            _log.info("directory.taken", version=directory.version, peer=peer)

    def _told_version(self, peer: str, version: int) -> None:
        if version > self.directory.version:
            self._newer_at = peer

    def newer_directory_at(self) -> str | None:
        """The peer that last told of a newer directory, once."""
        peer, self._newer_at = self._newer_at, None
        return peer

    _newer_at: str | None = None

    # -- running --------------------------------------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Listen, carry and keep house until ``stop``."""
        self._loop = asyncio.get_running_loop()
        self._server_context = server_context(self.transport, _certificates(self.directory))
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self.stop)
        server = PeerServer(self.exchange, self.home, lambda: self._pins, self._seen)
        peers = web.AppRunner(server.app(), access_log=None, handle_signals=False, shutdown_timeout=5, keepalive_timeout=150)
        await peers.setup()
        host, port = self.settings.peer_listen
        await _listen(web.TCPSite(peers, host, port, ssl_context=self._server_context, backlog=256), f"{host}:{port}")
        await self.local.start()
        _log.info("node.started", authority=self.settings.authority, log_size=self.exchange.log.size)
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._start_couriers()
                self._tasks.create_task(housekeeping.run(self))
                self._tasks.create_task(self._until_stopped())
        except* _Stopped:
            pass
        finally:
            await self.local.close()
            await peers.cleanup()
            await asyncio.to_thread(self.exchange.close)
        if self._fatal is not None:
            raise self._fatal

    def stop(self) -> None:
        """Stop in order: listeners first, then what is queued."""
        self._stop.set()

    async def _until_stopped(self) -> None:
        await self._stop.wait()
        raise _Stopped

    def _on_fatal(self, error: LocalError) -> None:
        self._fatal = error
        self._loop.call_soon_threadsafe(self._stop.set)

    def _start_couriers(self) -> None:
        """One courier per active member that can be called and has none yet."""
        self.exchange.outbox.on_queued = self._wake
        for member in self.directory.members.values():
            callable_ = member.active and member.address is not None and member.authority != self.settings.authority
            if callable_ and member.authority not in self.couriers:
                client = PeerClient(member.authority, lambda: self.directory, self._client_context(member.authority))
                courier = PeerCourier(self.exchange, client, self._loop, self._told_version)
                self.couriers[member.authority] = courier
                self._tasks.create_task(courier.run())

    def _client_context(self, peer: str) -> object:
        return client_context(self.transport, self.directory.member(peer).certificates)

    def _wake(self, peer: str, lane: Lane) -> None:
        if peer in self.couriers:
            self.couriers[peer].wake(lane)

    def _seen(self, peer: str) -> None:
        """A peer that calls is there: what waits for it after a failure is due now."""
        courier = self.couriers.get(peer)
        if courier is not None and courier.contacts.code:
            courier.there()


class _Stopped(Exception):  # noqa: N818 - a signal, not an error
    """Ends the tree of tasks."""


def run(path: Path) -> int:
    """Run the node of this home until SIGTERM or SIGINT; the exit code."""
    home = Home(path)
    settings = load_settings(home)
    logs.set_up(settings.log_level, settings.log_format)
    asyncio.run(_open_and_serve(home))
    return 0


async def _open_and_serve(home: Home) -> None:
    node = await asyncio.to_thread(Node.open, home)
    await node.serve()


def find_self(directory: Directory, authority: str, keystore: Keystore) -> Member:
    """This node's own member. Raises NOT-IN-DIRECTORY when the directory names other keys than the keystore holds."""
    try:
        member = directory.member(authority)
        record = directory.log_in_force(authority)
    except ProtocolError as error:
        raise LocalError(codes.NOT_IN_DIRECTORY, error.code.code) from None
    ours = keystore.logs.get(record.origin.n)
    if ours is None or ours.log_keys(str(record.origin)) != record.keys or record.state is not LogState.IN_FORCE:
        raise LocalError(codes.NOT_IN_DIRECTORY, f"the keys of {record.origin}")
    return member


def _transport_key(keystore: Keystore, member: Member) -> TransportKey:
    """The newest of our transport keys whose certificate the directory lists. Raises NOT-IN-DIRECTORY."""
    for key in reversed(keystore.transport):
        if key.certificate in member.certificates:
            return key
    raise LocalError(codes.NOT_IN_DIRECTORY, "the transport certificate")


def _certificates(directory: Directory) -> list[bytes]:
    return [der for member in directory.members.values() if member.active for der in member.certificates]


async def _listen(site: web.TCPSite, where: str) -> None:
    try:
        await site.start()
    except OSError as error:
        raise LocalError(codes.PORT_BUSY, f"{where}: {error.strerror}") from None
