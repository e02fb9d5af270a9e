"""The two doors of the local API: a loopback port, where a key is needed, and a Unix socket in the home, where its permissions decide."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import structlog
from aiohttp import web, web_response

from exchange.exchange import Exchange
from exchange.ports import Clock
from keys.directory.view import Directory
from keys.keystore import Keystore
from node import codes
from node.home import Home
from node.local.events import ALARM
from node.local.rooms import Courier, Host, Rooms
from node.local.routes import LocalApp
from node.settings import Settings
from node.socketpath import reachable
from protocol.errors import LocalError

# What answers a request too broken for any handler names no versions either (OPS-6). aiohttp has no setting for that.
setattr(web_response, "SERVER_SOFTWARE", "rogatory")  # noqa: B010 - no name that it exports


_log = structlog.get_logger("local")


class NodeLike(Protocol):
    """What the local API needs of its node."""

    @property
    def home(self) -> Home:
        """Its folder."""
        ...

    @property
    def settings(self) -> Settings:
        """Its settings."""
        ...

    @property
    def exchange(self) -> Exchange:
        """Its exchange."""
        ...

    @property
    def keystore(self) -> Keystore:
        """Its secrets: only the storage key is taken from it."""
        ...

    @property
    def directory(self) -> Directory:
        """The directory in force."""
        ...

    @property
    def clock(self) -> Clock:
        """Its clock."""
        ...

    @property
    def couriers(self) -> Mapping[str, Courier]:
        """Who carries, by peer."""
        ...


class LocalServer:
    """Both doors. ``start`` in the loop, ``close`` before the exchange is closed."""

    def __init__(self, node: NodeLike) -> None:
        host = Host(
            node.home, node.settings, node.exchange, node.keystore.storage_key(), lambda: node.directory, node.clock, node.couriers
        )  # fmt: skip
        self._settings = node.settings
        self._home = node.home
        self.rooms = Rooms(host)
        self._runners: list[web.AppRunner] = []
        self.port = 0

    def alarm(self, code: str, detail: str = "") -> None:
        """Tell the log, and whoever listens, that somebody must look: a code, and public names at most."""
        _log.error("alarm", code=code, detail=detail)
        self.rooms.events.emit(ALARM, {"code": code, "detail": detail[:200]})

    async def start(self) -> None:
        """Listen. Raises PORT-BUSY, SOCKET-PATH."""
        self.rooms.events.attach(asyncio.get_running_loop())
        await asyncio.to_thread(self.rooms.cases.lapse)
        at_work: set[tuple[str, str]] = set()
        try:
            await self._listen_port(LocalApp(self.rooms, over_socket=False, at_work=at_work).app())
            await self._listen_socket(LocalApp(self.rooms, over_socket=True, at_work=at_work).app())
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End the event streams, then both doors."""
        self.rooms.events.close()
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()
        if self._home.socket.is_socket():
            self._home.socket.unlink()
        self.rooms.close()

    async def _listen_port(self, app: web.Application) -> None:
        host, port = self._settings.local_listen
        runner = await self._runner(app)
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise LocalError(codes.PORT_BUSY, f"{host}:{port}: {error.strerror}") from None
        self.port = int(runner.addresses[0][1])

    async def _listen_socket(self, app: web.Application) -> None:
        runner = await self._runner(app)
        try:
            await web.SockSite(runner, _bound(self._home.socket)).start()
        except OSError as error:
            raise LocalError(codes.SOCKET_PATH, f"{self._home.socket}: {error.strerror or type(error).__name__}") from None

    async def _runner(self, app: web.Application) -> web.AppRunner:
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=2)
        await runner.setup()
        self._runners.append(runner)
        return runner


def _bound(path: Path) -> socket.socket:
    """A socket bound at this path, mode 0600 from its first moment. A leftover nobody listens on is removed; the data's lock is ours."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        with reachable(path) as address:
            made.bind(address)
    except OSError:
        made.close()
        raise
    finally:
        os.umask(before)
    return made

