"""Calls to other authorities: the same five questions that ``peerserver`` answers, over connections of their own per lane.

A context trusts the certificates of the one authority that is called, so a handshake with anybody else fails before a byte is said.
Redirects are errors; compression, cookies and proxies are off.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import ssl
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from pathlib import Path

import aiohttp

from exchange.partfiles import read_chunks
from keys.directory.view import Directory
from node import codes
from protocol import limits
from protocol.entries import Lane
from protocol.errors import PassingError, ProtocolError

_ANSWER = limits.POUCH + limits.POUCH_HEAD
_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=10, sock_connect=5, sock_read=60)


class PeerRefusedError(ProtocolError):
    """The peer answered with a status other than 200: its code, and the size it named (409)."""

    def __init__(self, status: int, code: str, size: int | None) -> None:
        super().__init__(codes.PEER_REFUSED, f"{status} {code}".strip())
        self.status = status
        self.peer_code = code
        self.size = size


class PeerClient:
    """Calls one authority. Lanes and evidence have connections of their own, so none waits behind another."""

    def __init__(self, peer: str, directory: Callable[[], Directory], context: ssl.SSLContext) -> None:
        self.peer = peer
        self._directory = directory
        self._context = context
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    async def close(self) -> None:
        """Close every connection."""
        for session in self._sessions.values():
            await session.close()

    async def pouch(self, lane: Lane, frame: bytes) -> bytes:
        """Hand over a pouch; the answer's frame. Raises PEER-REFUSED, PEER-UNREACHABLE."""
        return await self._call(lane.name, "POST", "/v1/pouch", data=frame)

    async def prekeys(self, yours: int) -> bytes:
        """The peer's current prekeys. ``yours``: the size of its log that we confirmed."""
        return await self._call("ROUTINE", "GET", f"/v1/prekeys?yours={yours}")

    async def checkpoint_of(self, origin: str) -> bytes:
        """The greatest head that the peer has of this log, its own or another's. Raises PEER-REFUSED."""
        return await self._call("ROUTINE", "GET", f"/{hashlib.sha256(origin.encode()).hexdigest()}/checkpoint")

    async def directory_file(self, name: str) -> bytes:
        """One file of the peer's mirror. Raises FileNotFoundError when it has none."""
        try:
            return await self._call("ROUTINE", "GET", f"/v1/directory/{name}")
        except PeerRefusedError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                raise FileNotFoundError(name) from None
            raise

    async def upload(self, envelope_hash: bytes, number: int, path: Path, offset: int) -> None:
        """Upload a part from this offset. Raises PEER-REFUSED (409 names the bytes held), PEER-UNREACHABLE."""
        target = f"/v1/parts/{envelope_hash.hex()}/{number}?offset={offset}"
        await self._call("EVIDENCE", "PUT", target, data=_from(path, offset))

    async def _call(self, connection: str, method: str, target: str, data: object = None) -> bytes:
        address = self._directory().member(self.peer).address
        if address is None:
            raise PassingError(codes.PEER_UNREACHABLE, "it has no address", seconds=300)
        host, port = address
        url = f"https://{f'[{host}]' if ':' in host else host}:{port}{target}"
        session = self._session(connection)
        try:
            async with session.request(method, url, data=data, allow_redirects=False, ssl=self._context) as response:
                body = await _read(response)
                if response.status not in (HTTPStatus.OK, HTTPStatus.NO_CONTENT):
                    raise _refusal(response, body)
                return body
        except (aiohttp.ClientError, TimeoutError, ssl.SSLError, OSError) as error:
            raise PassingError(codes.PEER_UNREACHABLE, type(error).__name__, seconds=5) from None

    def _session(self, connection: str) -> aiohttp.ClientSession:
        session = self._sessions.get(connection)
        if session is None:
            session = self._sessions[connection] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=4, ssl=self._context, keepalive_timeout=120),
                cookie_jar=aiohttp.DummyCookieJar(), timeout=_TIMEOUT, auto_decompress=False, trust_env=False,
                skip_auto_headers=("User-Agent", "Accept-Encoding"),
            )  # fmt: skip
        return session


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body, never more than an answer may have."""
    gathered = bytearray()
    async for chunk in response.content.iter_chunked(1 << 18):
        gathered += chunk
        if len(gathered) > _ANSWER:
            raise ProtocolError(codes.PEER_ANSWER_SIZE, f"{response.status}")
    return bytes(gathered)


def _refusal(response: aiohttp.ClientResponse, body: bytes) -> ProtocolError | PassingError:
    code, size = "", None
    if response.content_type == "application/problem+json" and len(body) < 4096:
        try:
            told = json.loads(body)
            code = str(told.get("code", ""))[:64]
            size = told["size"] if isinstance(told.get("size"), int) else None
        except (ValueError, AttributeError):
            pass
    if response.status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INSUFFICIENT_STORAGE):
        after = response.headers.get("Retry-After", "30")
        seconds = min(int(after), 3600) if after.isascii() and after.isdigit() else 30
        return PassingError(codes.PEER_BUSY, f"{response.status} {code}".strip(), seconds=seconds)
    return PeerRefusedError(response.status, code, size)


async def _from(path: Path, offset: int) -> AsyncIterator[bytes]:
    chunks = read_chunks(path, offset)
    while chunk := await asyncio.to_thread(next, chunks, b""):
        yield chunk
