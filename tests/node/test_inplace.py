"""Bytes of TLS connections, read into one place."""

import asyncio
import random

import pytest
from aiohttp import web
from aiohttp.client_proto import ResponseHandler

from keys.transport import TransportKey, client_context, server_context
from node.carrying.peerconnector import PeerAnswers
from node.inplace import InPlace
from node.peerport.peerlistener import PeerConnection
from protocol import limits
from tests.world import NETWORK, START

RECORD = 1 << 14  # bytes at most (RFC 8446 section 5.1)


class Gathers(asyncio.Protocol, InPlace):
    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.ended = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.pieces.append(data)

    def eof_received(self) -> None:
        self.ended.set()


def key(name: str) -> TransportKey:
    made = TransportKey.generate()
    made.issue_certificate(name, NETWORK, 0, START + 36_500 * limits.DAY)
    return made


async def test_what_several_send_at_once_arrives_apart_and_in_few_pieces():
    ours, theirs = key("xa-ca"), key("xb-ca")
    came: list[Gathers] = []

    def gathers() -> Gathers:
        came.append(Gathers())
        return came[-1]

    loop = asyncio.get_running_loop()
    server = await loop.create_server(gathers, "127.0.0.1", 0, ssl=server_context(ours, [theirs.certificate]))
    port = server.sockets[0].getsockname()[1]
    sent = [random.Random(n).randbytes(2_000_003 + n) for n in range(3)]

    async def send(data: bytes) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_context(theirs, [ours.certificate]))
        for at in range(0, len(data), 100_000):
            writer.write(data[at : at + 100_000])
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with asyncio.timeout(20):
        await asyncio.gather(*map(send, sent))
        for each in came:
            await each.ended.wait()
    server.close()
    assert sorted(b"".join(each.pieces) for each in came) == sorted(sent)
    assert sum(len(each.pieces) for each in came) < sum(map(len, sent)) / RECORD / 2  # not one for each record


@pytest.mark.parametrize(("ours", "library"), [(PeerConnection, web.RequestHandler), (PeerAnswers, ResponseHandler)])
def test_the_ends_of_both_sides_are_read_in_place_and_end_as_the_library_says(ours, library):
    """``BufferedProtocol`` has an ``eof_received`` of its own, which does nothing."""
    assert issubclass(ours, asyncio.BufferedProtocol)
    assert ours.eof_received is library.eof_received
