"""The peers' port without sockets: requests are handed to the shipped application, answers come back as status, headers and bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from aiohttp import HttpVersion11, StreamReader, web
from aiohttp.http_parser import RawRequestMessage
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from node.peerport.peerlistener import PeerConnection


@dataclass(frozen=True)
class Answer:
    """What came back; also what ``peerclient`` reads a refusal from."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        return self.headers.get("Content-Type", "").partition(";")[0]


class Connection(PeerConnection):
    """A connection of this peer: nothing but its name. The application asks it for the TLS key's authority."""

    ssl_context = peername = sockname = None  # type: ignore[assignment]

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self.transport = SimpleNamespace(get_extra_info=lambda name, default=None: peer if name == "ssl_object" else default)
        self._reading_paused = False

    def began(self) -> None:
        """Nothing counts time here."""

    def ended(self) -> None:
        """Nothing counts time here."""

    def pause_reading(self) -> None:
        """The buffer is as long as the body."""

    def resume_reading(self, resume_parser: bool = True) -> None:
        """See above."""

    def __del__(self) -> None:
        """Nothing to close."""


@dataclass
class Incoming:
    """A request whose body may still be on its way."""

    peer: str
    method: str
    target: str
    headers: dict[str, str]
    body: StreamReader


def incoming(peer: str, method: str, target: str, headers: Mapping[str, Any]) -> Incoming:
    """A request with an empty body so far."""
    body = StreamReader(Connection(peer), 1 << 24, loop=asyncio.get_running_loop())
    return Incoming(peer, method, target, {str(key): str(value) for key, value in headers.items()}, body)


async def handle(app: web.Application, request: Incoming) -> Answer:
    """What the application answers."""
    headers = CIMultiDictProxy(CIMultiDict(request.headers))
    message = RawRequestMessage(
        request.method, request.target, HttpVersion11, headers, (), False, None, False, False, URL(request.target, encoded=True)
    )
    task = asyncio.current_task()
    made = web.Request(
        message, request.body, Connection(request.peer), None, task, asyncio.get_running_loop(), client_max_size=1 << 24  # type: ignore[arg-type]
    )
    response = await app._handle(made)
    body = getattr(response, "body", None)
    return Answer(response.status, dict(response.headers), bytes(body) if body else b"")
