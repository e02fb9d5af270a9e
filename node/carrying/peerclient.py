"""Calls to other authorities: the same five questions that ``peerserver`` answers, over connections of their own per lane.

A context trusts the certificates of the one authority that is called, so a handshake with anybody else fails before a byte is said;
the key that it showed is compared with the directory of now before each request. Redirects are errors; compression, cookies and
proxies are off.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import structlog
from aiohttp import hdrs

from exchange.evidence.spoolfile import read_piece
from keys.directory.endpoint import format_endpoint, may_dial
from keys.directory.view import Directory
from keys.transport import peer_authority
from node import codes
from node.carrying.peerconnector import FORBIDDEN, PeerConnector
from node.peerrequest import narrow
from protocol import addcheckpoint, limits
from protocol import codes as protocol_codes
from protocol.entries import Lane
from protocol.errors import LocalError, PassingError, ProtocolError, RogatoryError
from protocol.pouch import SLICE, Frame

_QUESTIONS = "QUESTIONS"  # the connections of what is short and of no lane
_PIECE = 1 << 20  # bytes of a part that are read and given to TLS at one go
_LARGE = 1 << 18  # bytes of a body that aiohttp would write in one piece
_ANSWER = limits.POUCH + limits.POUCH_HEAD
_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=10, sock_connect=5, sock_read=60)
_log = structlog.get_logger("peerclient")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait (seconds): for the whole of a call, and in an upload for the next piece to go, or the answer after the last.

    A recipient reads what it holds of a part before it takes more: 32 GiB need their minutes.
    """

    call: float = 300.0
    piece: float = 300.0


class PeerRefusedError(ProtocolError):
    """The peer answered with a status other than 200: its code, and the size it named (409)."""

    def __init__(self, status: int, code: str, size: int | None) -> None:
        super().__init__(codes.PEER_REFUSED, f"{status} {code}".strip())
        self.status = status
        self.peer_code = code
        self.size = size


class PeerClient:
    """Calls one authority. Lanes and evidence have connections of their own, so none waits behind another.

    Nor does a short question take a lane's: the next pouch would open one more, and a connection that has carried pouches holds megabytes.

    ``directory``, ``pins`` and ``context`` give what is in force now: a call looks at them each time.
    """

    asks = True  # prekeys; those of a peer that nobody can call come by themselves

    slice = 256 * limits.MiB  # bytes of a part in one call

    def __init__(
        self, peer: str, directory: Callable[[], Directory], pins: Callable[[], Mapping[bytes, str]],
        context: Callable[[], ssl.SSLContext], patience: Patience | None = None,
    ) -> None:  # fmt: skip
        self.peer = peer
        self._directory = directory
        self._pins = pins
        self._context = context
        self._patience = patience or Patience()
        self._sessions: dict[str, aiohttp.ClientSession] = {}
        self._closed = False

    async def close(self) -> None:
        """Close every connection; nothing is called any more."""
        self._closed = True
        for session in self._sessions.values():
            if isinstance(session.connector, PeerConnector):
                session.connector.abort()
            await session.close()

    async def pouch(self, lane: Lane, frame: bytes | Frame) -> bytes:
        """Hand over a pouch; the answer's frame. Raises PEER-REFUSED, PEER-UNREACHABLE."""
        return await self._call(lane.name, "POST", "/v1/pouch", data=frame)

    async def ready(self, lane: Lane) -> None:
        """A peer with an address can be called at any time."""

    async def collect(self, lane: Lane, call: bytes) -> bytes:
        """The next pouch that waits for us there, empty when there is none; ``call`` says what became of the last one. Raises PEER-*."""
        return await self._call(f"COLLECT {lane.name}", "POST", "/v1/collect", data=call)

    async def bring_prekeys(self, frame: bytes) -> None:
        """Bring our prekeys, where nobody can ask for them. Raises PEER-REFUSED (409 names the size to link from), PEER-UNREACHABLE."""
        await self._call(_QUESTIONS, "PUT", "/v1/prekeys", data=frame)

    async def part(self, envelope_hash: bytes, number: int, offset: int) -> AsyncIterator[bytes]:
        """A part that waits for us there, from this offset, as it comes. Raises PEER-REFUSED, PEER-UNREACHABLE."""
        target = f"/v1/parts/{envelope_hash.hex()}/{number}?offset={offset}"
        url = f"{format_endpoint(self._address())}{target}"
        with self._failures():
            async with self._session("EVIDENCE").get(url, allow_redirects=False, ssl=self._context()) as response:
                if response.status != HTTPStatus.OK:
                    raise _refusal(response, await _read(response, None))
                narrow(response.connection and response.connection.transport)
                async for chunk in response.content.iter_chunked(1 << 20):
                    yield chunk

    async def prekeys(self, yours: int) -> bytes:
        """The peer's current prekeys. ``yours``: the size of its log that we confirmed."""
        return await self._call(_QUESTIONS, "GET", f"/v1/prekeys?yours={yours}")

    async def checkpoint_of(self, origin: str) -> bytes:
        """The greatest head that the peer has of this log, its own or another's. Raises PEER-REFUSED."""
        return await self._call(_QUESTIONS, "GET", f"/{hashlib.sha256(origin.encode()).hexdigest()}/checkpoint")

    async def add_checkpoint(self, request: bytes) -> bytes:
        """Show the peer, as our witness, a head of ours; its lines. Raises PEER-REFUSED (409 names the size to link from)."""
        return await self._call("WITNESS", "POST", "/add-checkpoint", data=request)

    async def links(self, n: int, size: int, olds: Sequence[int]) -> bytes:
        """Full consistency paths of the peer's log ``n`` from these sizes to ``size``."""
        return await self._call("WITNESS", "GET", f"/v1/links?n={n}&size={size}&old={','.join(map(str, olds))}")

    async def fork(self, proof: bytes) -> None:
        """Tell the peer of a log that has signed two histories."""
        await self._call("WITNESS", "POST", "/v1/forks", data=proof)

    async def directory_file(self, name: str, take: Callable[[bytes], None]) -> None:
        """One file of the peer's mirror, given to ``take`` piece by piece. Raises FileNotFoundError when it has none."""
        try:
            await self._call("DIRECTORY", "GET", f"/v1/directory/{name}", take=take)
        except PeerRefusedError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                raise FileNotFoundError(name) from None
            raise

    async def upload(
        self, envelope_hash: bytes, number: int, path: Path, span: range, went: Callable[[int], None] = lambda at: None
    ) -> None:
        """Upload these bytes of a part; ``went`` is told how far it has come, each time the next piece may go.

        Raises PEER-REFUSED (409 names the bytes held), PEER-UNREACHABLE, FILE-ACCESS.
        """
        target = f"/v1/parts/{envelope_hash.hex()}/{number}?offset={span.start}"
        length = {hdrs.CONTENT_LENGTH: str(len(span))}
        await asyncio.to_thread(_read_at, path, span.start, 0)
        with self._failures():
            async with asyncio.timeout(self._patience.piece) as limit:

                def moved(at: int) -> None:
                    limit.reschedule(_in(self._patience.piece))
                    went(at)

                await self._exchange("EVIDENCE", "PUT", target, data=_pieces(path, span, moved), headers=length)

    async def held(self, envelope_hash: bytes, number: int) -> int:
        """How many bytes of a wanted part the peer holds. Raises PEER-REFUSED (404: not wanted), PEER-UNREACHABLE."""
        told: list[str] = []
        target = f"/v1/parts/{envelope_hash.hex()}/{number}"
        with self._failures():
            async with asyncio.timeout(self._patience.call):
                await self._exchange("EVIDENCE", "HEAD", target, headers_to=lambda found: told.append(found.get("Upload-Offset", "")))
        if not told or not told[0].isascii() or not told[0].isdigit() or len(told[0]) > 18:
            raise ProtocolError(codes.PEER_REFUSED, "no Upload-Offset")
        return int(told[0])

    async def _call(
        self, connection: str, method: str, target: str, data: bytes | Frame | None = None, take: Callable[[bytes], None] | None = None
    ) -> bytes:
        with self._failures():
            async with asyncio.timeout(self._patience.call):
                return await self._exchange(connection, method, target, take=take, **_body(data))

    async def _exchange(
        self, connection: str, method: str, target: str, *, take: Callable[[bytes], None] | None = None,
        headers_to: Callable[[Mapping[str, str]], None] = lambda headers: None, **request: Any,
    ) -> bytes:  # fmt: skip
        session = self._session(connection)
        url = f"{format_endpoint(self._address())}{target}"
        async with session.request(method, url, allow_redirects=False, ssl=self._context(), **request) as response:
            good = response.status in (HTTPStatus.OK, HTTPStatus.NO_CONTENT)
            body = await _read(response, take if good else None)
            if not good:
                raise _refusal(response, body)
            headers_to(response.headers)
            return body

    def _address(self) -> tuple[str, int]:
        member = self._directory().member(self.peer)
        if self._closed or not member.active or member.address is None:
            raise PassingError(codes.PEER_UNREACHABLE, "it cannot be called", seconds=300)
        return member.address

    def _check(self, connection: ssl.SSLObject | None) -> None:
        """The other side is the authority we call, by the directory of now. Raises TLS-AUTHORITY."""
        if peer_authority(connection, self._pins()) != self.peer:
            raise ProtocolError(protocol_codes.TLS_AUTHORITY)

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        """What the network does to a call, as a code. Raises PEER-UNREACHABLE, PEER-ADDRESS."""
        try:
            yield
        except (aiohttp.ClientError, TimeoutError, ssl.SSLError, OSError) as error:
            if isinstance(error, aiohttp.ClientConnectorError) and error.os_error.errno == FORBIDDEN:
                raise ProtocolError(codes.PEER_ADDRESS, str(error.os_error.strerror)) from None
            raise PassingError(codes.PEER_UNREACHABLE, type(error).__name__, seconds=5) from None
        except RogatoryError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a peer's bytes do to the library ends this call, and nothing else (POI-2)
            _log.exception("peer.fault", peer=self.peer)
            raise PassingError(codes.PEER_UNREACHABLE, type(error).__name__, seconds=5) from None

    def _session(self, connection: str) -> aiohttp.ClientSession:
        session = self._sessions.get(connection)
        if session is None:
            connector = PeerConnector(lambda ip: may_dial(ip, self._directory().address_ranges), self._check)
            session = self._sessions[connection] = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=_TIMEOUT, auto_decompress=False, trust_env=False,
                skip_auto_headers=("User-Agent", "Accept-Encoding"),
            )  # fmt: skip
        return session


def _body(data: bytes | Frame | None) -> dict[str, Any]:
    """What is large goes piece by piece, so that nothing else waits for it."""
    if data is None or (length := len(data)) < _LARGE:
        return {"data": data if data is None else bytes(data)}
    return {"data": _slices(data), "headers": {hdrs.CONTENT_LENGTH: str(length)}}


async def _slices(data: bytes | Frame) -> AsyncIterator[bytes]:
    slices = data.slices() if isinstance(data, Frame) else (data[at : at + SLICE] for at in range(0, len(data), SLICE))
    for each in slices:
        yield each
        await asyncio.sleep(0)


async def _read(response: aiohttp.ClientResponse, take: Callable[[bytes], None] | None) -> bytes:
    """The body, never more than an answer may have; with ``take`` given away piece by piece. Raises PEER-ANSWER-SIZE."""
    gathered, size = bytearray(), 0
    async for chunk in response.content.iter_chunked(1 << 18):
        size += len(chunk)
        if size > _ANSWER:
            raise ProtocolError(codes.PEER_ANSWER_SIZE, f"{response.status}")
        if take is None:
            gathered += chunk
        else:
            take(chunk)
    return bytes(gathered)


def _refusal(response: aiohttp.ClientResponse, body: bytes) -> ProtocolError | PassingError:
    code, size = "", None
    if response.status == HTTPStatus.CONFLICT and response.content_type == addcheckpoint.SIZE_TYPE:
        with contextlib.suppress(ProtocolError):
            size = addcheckpoint.parse_size(body)
    if response.content_type == "application/problem+json" and len(body) < 4096:
        try:
            told = json.loads(body)
            code = str(told.get("code", ""))[:64]
            size = told["size"] if type(told.get("size")) is int and 0 <= told["size"] < 2**63 else None
        except (ValueError, AttributeError, RecursionError):
            pass  # a status alone says enough
    if response.status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INSUFFICIENT_STORAGE):
        after = response.headers.get("Retry-After", "30")
        seconds = min(int(after), 3600) if after.isascii() and after.isdigit() else 30
        return PassingError(codes.PEER_BUSY, f"{response.status} {code}".strip(), seconds=seconds)
    return PeerRefusedError(response.status, code, size)


def _read_at(path: Path, at: int, size: int) -> bytes:
    """A piece of a file. It is opened each time, so that nobody must close it when a call ends in the middle. Raises FILE-ACCESS."""
    try:
        with path.open("rb", buffering=0) as file:
            return read_piece(file.fileno(), at, size)
    except OSError as error:
        raise LocalError(codes.FILE_ACCESS, f"{path.name}: {error.strerror}") from None


async def _pieces(path: Path, span: range, went: Callable[[int], None]) -> AsyncIterator[bytes]:
    """These bytes of a file; ``went`` is told before each piece how far it is."""
    at = span.start
    while at < span.stop and (piece := await asyncio.to_thread(_read_at, path, at, min(_PIECE, span.stop - at))):
        went(at)
        yield piece
        at += len(piece)
    went(at)


def _in(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds
