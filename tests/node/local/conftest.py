"""A real local server on a real socket and a real port, over a real exchange."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from exchange.casework.people import PersonKind, PersonRole
from node.exercise import free_ports
from node.local.server import LocalServer
from node.settings import parse_settings
from tests.world import World, make_world

_PATIENCE = aiohttp.ClientTimeout(total=20)


class Door:
    """One door of the server: calls, and what was answered."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    async def __call__(self, method: str, path: str, expect: int = 200, **more: Any) -> Any:
        """The JSON of an answer with this status."""
        async with self.session.request(method, path, **more) as response:
            text = await response.text()
            assert response.status == expect, (response.status, text)
            self.headers = response.headers
            return await response.json(content_type=None)


class Served:
    """The server of xa-ca, its world, and both doors."""

    def __init__(self, world: World, server: LocalServer, socket: Door, port: Door) -> None:
        self.world, self.server, self.socket, self.port = world, server, socket, port
        self.exchange = world.exchanges["xa-ca"]
        self.rooms = server.rooms

    def staff(self, office: str, *roles: str, kind: PersonKind = PersonKind.OFFICER) -> str:
        """Somebody with these roles; the id in hex."""
        people = self.rooms.people
        person = people.add(" ".join(roles), kind, people.operator)
        for role in roles:
            people.grant(person.id, f"xa-ca/{office}", PersonRole(role), people.operator)
        return person.id.hex()

    def key(self, office: str, *roles: str, offices: tuple[str, ...] = ()) -> tuple[str, dict[str, str]]:
        """A system account with a key; its id, and the header."""
        account = self.staff(office, *roles, kind=PersonKind.SYSTEM)
        named = frozenset(offices or {f"xa-ca/{office}"})
        _, text = self.rooms.api_keys.make(bytes.fromhex(account), named, self.rooms.people.operator)
        return account, {"Authorization": f"Bearer {text}"}

    def policy(self, account: str, kinds: str = '["EE_PRESERVE"]', office: str = "xa-ca/247") -> None:
        """A written policy for this account."""
        folder = self.world.home("xa-ca").policies
        folder.mkdir(exist_ok=True)
        (folder / "policy.toml").write_text(
            f'name="p"\noffices=["{office}"]\nkinds={kinds}\naccounts=["{account}"]\nsigned_by="D"\ntext="T"\n'
        )


@pytest.fixture
def short_path():
    """A folder with a short name: a socket's address holds about a hundred bytes."""
    folder = Path(tempfile.mkdtemp(prefix="rog-"))
    yield folder
    shutil.rmtree(folder)


@asynccontextmanager
async def serve(world: World, *, couriers: Any = None) -> AsyncIterator[Served]:
    """Serve xa-ca."""
    port = free_ports(1)[0]
    settings = parse_settings(f'authority = "xa-ca"\n[local]\nlisten = "127.0.0.1:{port}"')
    keystore = SimpleNamespace(storage_key=lambda: world.holdings["xa-ca"].storage)
    node = SimpleNamespace(
        home=world.home("xa-ca"), settings=settings, exchange=world.exchanges["xa-ca"], keystore=keystore,
        directory=world.directory, clock=world.clock, couriers=couriers or {},
    )  # fmt: skip
    server = LocalServer(node)
    await server.start()
    connector = aiohttp.UnixConnector(path=str(world.home("xa-ca").socket))
    async with (
        aiohttp.ClientSession("http://rogatory", connector=connector, timeout=_PATIENCE) as socket,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}", timeout=_PATIENCE) as tcp,
    ):
        try:
            yield Served(world, server, Door(socket), Door(tcp))
        finally:
            await server.close()


@pytest.fixture
async def served(short_path):
    """xa-ca with xb-ca as its peer."""
    world = make_world(short_path, ("xa-ca", "xb-ca"))
    world.exchange_prekeys()
    async with serve(world) as served:
        yield served
    world.close()


@pytest.fixture
async def founded(short_path):
    """The same with a founded directory, for exports."""
    world = make_world(short_path, ("xa-ca", "xb-ca"), founded=True)
    world.exchange_prekeys()
    async with serve(world) as served:
        yield served
    world.close()
