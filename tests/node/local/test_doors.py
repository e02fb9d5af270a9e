"""The two doors: keys on the port, permissions on the socket, problems with every field, and nothing about us in an error (OPS-6)."""

from __future__ import annotations

import asyncio
import json
import os
import stat

import pytest

from node import codes
from node.home import Home
from node.local.apikeys import ApiKeys
from node.local.routes import ROUTES
from node.local.server import LocalServer
from node.settings import parse_settings
from protocol.entries import Act
from protocol.errors import LocalError
from tests.node.local.conftest import serve
from tests.world import make_world

HERE = "00" * 16


async def test_socket_is_for_its_owner_only(served):
    socket = served.world.home("xa-ca").socket
    assert stat.S_ISSOCK(socket.stat().st_mode)
    assert stat.S_IMODE(socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700


async def test_socket_goes_with_the_server_and_replaces_a_dead_one(short_path):
    world = make_world(short_path, ("xa-ca",))
    socket = world.home("xa-ca").socket
    socket.parent.mkdir()
    socket.write_bytes(b"left over")
    async with serve(world) as served:
        await served.socket("GET", "/v1/status")
    assert not socket.exists()
    world.close()


async def test_socket_with_a_long_path(tmp_path):
    folder = tmp_path / ("long" * 20)
    folder.mkdir()
    world = make_world(folder, ("xa-ca",))
    socket = world.home("xa-ca").socket
    assert len(os.fsencode(socket)) > 108
    link = tmp_path / "s"
    link.symlink_to(socket.parent)
    try:
        async with serve(world) as served:
            assert socket.exists()
            assert stat.S_IMODE(socket.stat().st_mode) == 0o600
            reader, writer = await asyncio.open_unix_connection(str(link / socket.name))
            writer.write(b"GET /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert b" 200 " in await reader.readline()
            writer.close()
            assert served.server.port
    finally:
        world.close()


async def test_port_needs_a_key(served):
    told = await served.port("GET", "/v1/status", 401)
    assert told["code"] == "CALL-KEY"
    assert served.port.headers["WWW-Authenticate"].startswith("Bearer")
    _, headers = served.key("247", "officer")
    text = headers["Authorization"]
    await served.port("GET", "/v1/status", headers=headers)
    for wrong in ("", "Basic x", "Bearer", "Bearer rog_", text[:-1], text + "A", text.replace("rog_", "gor_"), text[:-1] + "\u00e9"):
        try:
            assert (await served.port("GET", "/v1/status", 401, headers={"Authorization": wrong}))["code"] == "CALL-KEY"
        except UnicodeEncodeError:
            assert "\u00e9" in wrong


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_every_route_needs_a_key_on_the_port(served, route):
    path = route.path.replace("{id}", HERE).replace("{number:[0-9]{1,3}}", "1").replace("{kind}", "EE_PRESERVE")
    path = path.replace("{recipient}", "xb-ca").replace("{action}", "hold")
    size = served.exchange.log.size
    assert (await served.port(route.method, path, 401))["code"] == "CALL-KEY"
    if route.socket:
        _, headers = served.key("247", "officer")
        size = served.exchange.log.size
        assert (await served.port(route.method, path, 403, headers=headers))["code"] == "CALL-SOCKET"
    assert served.exchange.log.size == size


async def test_keys_are_shown_once_and_kept_as_hashes(served):
    account = served.staff("247", "officer", kind="system")
    made = await served.socket("POST", "/v1/api-keys", 201, json={"account": account, "offices": ["xa-ca/247"]})
    assert made["key"].startswith("rog_")
    assert len(made["key"]) > 50
    home = served.world.home("xa-ca")
    assert stat.S_IMODE(home.api_keys.stat().st_mode) == 0o600
    for path in home.path.rglob("*"):
        assert not path.is_file() or made["key"].encode() not in path.read_bytes()
    (listed,) = (await served.socket("GET", "/v1/api-keys"))["items"]
    assert "key" not in listed
    headers = {"Authorization": f"Bearer {made['key']}"}
    await served.port("GET", "/v1/status", headers=headers)
    await served.socket("DELETE", f"/v1/api-keys/{made['id']}")
    assert (await served.port("GET", "/v1/status", 401, headers=headers))["code"] == "CALL-KEY"
    assert (await served.socket("DELETE", f"/v1/api-keys/{made['id']}", 404))["code"] == "API-KEY-UNKNOWN"
    actions = [entry.action for entry in served.world.entries("xa-ca") if isinstance(entry, Act)]
    assert actions[-2:] == ["api_key.made", "api_key.ended"]


async def test_keys_are_for_systems_that_are_active(served):
    officer = served.staff("247", "officer")
    told = await served.socket("POST", "/v1/api-keys", 422, json={"account": officer, "offices": ["xa-ca/247"]})
    assert told["code"] == "PERSON-ROLE"
    account, headers = served.key("247", "officer")
    await served.socket("DELETE", f"/v1/people/{account}")
    assert (await served.port("GET", "/v1/status", 401, headers=headers))["code"] == "CALL-KEY"


async def test_keys_survive_a_restart_and_a_damaged_file_is_refused(served):
    _, headers = served.key("247", "officer")
    rooms, home = served.rooms, served.world.home("xa-ca")

    def read_again():
        return ApiKeys(home.api_keys, rooms.people, rooms.acts, served.exchange.writer, os.urandom, served.world.clock.now)

    assert read_again().check(headers["Authorization"].removeprefix("Bearer ")).offices == {"xa-ca/247"}
    home.api_keys.write_text("{}")
    with pytest.raises(LocalError) as caught:
        read_again()
    assert caught.value.code is codes.API_KEY_FILE


async def test_problems_have_every_field_and_the_request_id(served):
    told = await served.socket("GET", f"/v1/drafts/{HERE}", 404, headers={"X-Request-Id": "my-id-1"})
    assert served.socket.headers["Content-Type"].startswith("application/problem+json")
    assert served.socket.headers["X-Request-Id"] == "my-id-1"
    assert told == {
        "type": "urn:rogatory:error:DRAFT-UNKNOWN", "title": "no draft is known under this id", "status": 404, "instance": "my-id-1",
        "code": "DRAFT-UNKNOWN", "check": "call", "says": "no draft is known under this id", "detail": HERE,
        "actor": "the person or system that made the call", "todo": "look at `rogatory drafts`",
    }  # fmt: skip
    await served.socket("GET", "/v1/status", headers={"X-Request-Id": "<script>"})
    assert served.socket.headers["X-Request-Id"] != "<script>"


async def test_paths_and_methods_that_there_are_not(served):
    assert (await served.socket("GET", "/v1/nothing", 404))["code"] == "CALL-PATH"
    assert (await served.socket("PUT", "/v1/messages", 405))["code"] == "CALL-METHOD"
    assert "POST" in served.socket.headers["Allow"]


@pytest.mark.parametrize(
    "raw",
    [b"GET /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n", b"PUT /v1/messages HTTP/1.1\r\nHost: x\r\n\r\n", b"NONSENSE\r\n\r\n",
     b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nHost x\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
     b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: what\r\n\r\n"],
    ids=["path", "method", "nonsense", "version", "header", "length", "long", "coding"],
)  # fmt: skip
async def test_OPS_6_error_pages_show_no_versions(served, raw):
    socket = str(served.world.home("xa-ca").socket)
    for over_socket in (False, True):
        opened = asyncio.open_unix_connection(socket) if over_socket else asyncio.open_connection("127.0.0.1", served.server.port)
        reader, writer = await opened
        writer.write(raw)
        answer = b""
        async with asyncio.timeout(5):
            while b"\r\n\r\n" not in answer and (chunk := await reader.read(65536)):
                answer += chunk
        writer.close()
        lowered = answer.lower()
        assert lowered.startswith((b"http/1.1 4", b"http/1.0 4"))
        assert b"server: rogatory\r\n" in lowered
        for word in (b"aiohttp", b"python", b"traceback", b"3.11", b"/home", b"site-packages"):
            assert word not in lowered


async def test_OPS_6_a_fault_of_ours_shows_its_kind_and_nothing_else(served, monkeypatch):
    def fail(*_):
        raise ValueError("CANARY-7f3a")

    monkeypatch.setattr(served.exchange.messages, "page", fail)
    async with served.socket.session.get("/v1/messages") as response:
        text = await response.text()
    assert response.status == 500
    assert json.loads(text)["code"] == "PROGRAM-FAULT"
    assert json.loads(text)["detail"] == "ValueError"
    assert "CANARY" not in text
    assert "Traceback" not in text


async def test_port_that_is_busy(short_path):
    world = make_world(short_path, ("xa-ca", "xb-ca"))
    async with serve(world) as served:
        home = Home(short_path / "xb-ca")
        settings = parse_settings(f'authority = "xb-ca"\n[local]\nlisten = "127.0.0.1:{served.server.port}"')
        other = LocalServer(_node(world, home, settings))
        with pytest.raises(LocalError) as caught:
            await other.start()
        assert caught.value.code is codes.PORT_BUSY
        assert not home.socket.exists()
    world.close()


async def test_socket_that_cannot_be_made(short_path):
    world = make_world(short_path, ("xa-ca", "xb-ca"))
    home = world.home("xb-ca")
    home.socket.mkdir(parents=True)
    from node.exercise import free_ports

    settings = parse_settings(f'authority = "xb-ca"\n[local]\nlisten = "127.0.0.1:{free_ports(1)[0]}"')
    server = LocalServer(_node(world, home, settings))
    with pytest.raises(LocalError) as caught:
        await server.start()
    assert caught.value.code is codes.SOCKET_PATH
    world.close()


def _node(world, home, settings):
    from types import SimpleNamespace

    keystore = SimpleNamespace(storage_key=lambda: world.holdings["xb-ca"].storage)
    return SimpleNamespace(
        home=home, settings=settings, exchange=world.exchanges["xb-ca"], keystore=keystore, directory=world.directory,
        clock=world.clock, couriers={},
    )  # fmt: skip
