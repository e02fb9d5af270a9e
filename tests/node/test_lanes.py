"""The urgent lane gets through: over a link that is hardly there, and while another peer floods."""

import asyncio
import contextlib
import dataclasses
import ssl

from node.exercise import free_ports
from protocol.entries import Lane
from protocol.pouch import HeadOffer, PouchHead, encode_pouch
from tests.node.peers import peers, until
from tests.node.proxy import proxy
from tests.node.wire import context_of, request, wire


async def test_a_link_of_64_kbit_that_is_up_a_tenth_of_the_time_delivers_the_urgent(tmp_path):
    """8,000 bytes a second each way for all connections, two seconds up in twenty; more routine than it can carry waits beside it."""
    async with peers(tmp_path, carry=False) as net:
        net.world.exchange_prekeys()
        place = net["xb-ca"]
        (port,) = free_ports(1)
        member = net.world.directory.member("xb-ca")
        net.world.directory.members["xb-ca"] = dataclasses.replace(member, address=("127.0.0.1", port))
        async with proxy(port, place.port) as link:
            link.rate = 8_000
            weather = asyncio.get_running_loop().create_task(_weather(link))
            try:
                routine = [net.world.send("xa-ca", "xb-ca", b'{"text":"%s"}' % (b"x" * 60_000)) for _ in range(20)]
                sent = net.world.send("xa-ca", "xb-ca", b"{}", lane=Lane.URGENT)
                net["xa-ca"].carry_to("xb-ca")
                await until(lambda: net.state(sent.hash) == "delivered", "the urgent one", limit=600)  # chance decides in which of the two seconds an attempt falls
                assert any(net.state(each.hash) == "queued" for each in routine)  # the link could not carry them all
            finally:
                weather.cancel()


async def test_routine_gives_way_while_a_peer_cannot_be_reached_and_something_urgent_waits(tmp_path, monkeypatch):
    """A line that is hardly there is the urgent lane's: a pouch of routine would fill it for minutes."""
    monkeypatch.setattr("node.carrying.courier._URGENT_FIRST", 0.2)
    async with peers(tmp_path, carry=False) as net:
        net.world.exchange_prekeys()
        (nobody,) = free_ports(1)
        member = net.world.directory.member("xb-ca")
        net.world.directory.members["xb-ca"] = dataclasses.replace(member, address=("127.0.0.1", nobody))
        routine = net.world.send("xa-ca", "xb-ca", b"{}")
        urgent = net.world.send("xa-ca", "xb-ca", b"{}", lane=Lane.URGENT)
        net["xa-ca"].carry_to("xb-ca")
        await until(lambda: _attempts(net, urgent) >= 4, "attempts", limit=60)
        assert _attempts(net, routine) == 1
        net.world.directory.members["xb-ca"] = dataclasses.replace(member, address=("127.0.0.1", net["xb-ca"].port))
        await until(lambda: net.state(routine.hash) == "delivered", "both", limit=60)
        assert net.state(urgent.hash) == "delivered"


def _attempts(net, sent):
    query = "SELECT attempts FROM delivery WHERE hash=?"
    return net.world.exchanges["xa-ca"].store.reader().execute(query, (sent.hash,)).fetchone()[0]


async def _weather(link):
    """Up for a tenth of the time."""
    while True:
        link.up.set()
        await asyncio.sleep(2.0)
        link.up.clear()
        await asyncio.sleep(18.0)


async def test_DOS_8_a_flood_of_signatures_that_do_not_verify(tmp_path):
    """One peer sends pouches whose head must be checked and fails, as fast as it can; the urgent ones of another arrive in time."""
    async with peers(tmp_path, "xa-ca", "xb-ca", "xc-ca", carry=False) as net:
        net.world.exchange_prekeys()
        net["xa-ca"].carry_to("xb-ca")
        head = net.world.exchanges["xc-ca"].log.head()
        frames = []
        for n in range(50):
            note = head.note[:-6] + bytes([65 + n % 26, 65 + n // 26]) + head.note[-4:]
            about = PouchHead(Lane.ROUTINE, HeadOffer(0, (), note), 0, 1)
            frames.append(request("POST", "/v1/pouch", encode_pouch(about, [])))
        context = context_of(net["xb-ca"], net.world.holdings["xc-ca"].transport)
        refused = [0]
        floods = [asyncio.get_running_loop().create_task(_flood(net["xb-ca"], context, frames, refused)) for _ in range(6)]
        try:
            await until(lambda: refused[0] > 20, "the flood")
            loop, took = asyncio.get_running_loop(), []
            for _ in range(15):
                began = loop.time()
                sent = net.world.send("xa-ca", "xb-ca", b"{}", lane=Lane.URGENT)
                await net.settled(sent.hash)
                took.append(loop.time() - began)
            assert max(took) < 2
            assert refused[0] > 100
        finally:
            for flood in floods:
                flood.cancel()
            await asyncio.gather(*floods, return_exceptions=True)


async def _flood(place, context: ssl.SSLContext, frames: list[bytes], refused: list[int]) -> None:
    while True:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            async with wire(place, context=context) as line:
                for frame in frames:
                    await line.say(frame)
                    status, _, _ = await line.answer()
                    assert status in (400, 422, 429), status
                    refused[0] += 1
