"""A running node follows the directory: newer versions, rotated certificates, members that come and go; liars change nothing."""

import asyncio
import contextlib
import dataclasses

import pytest

from keys.directory import codes as directory_codes
from keys.directory import found, mirror, selfentry, trust
from keys.transport import TransportKey
from node import codes
from node.carrying.couriers import Couriers
from node.carrying.mailbox import Mailboxes
from node.carrying.mirrorclient import MirrorClient
from node.carrying.network import Network
from node.carrying.peerclient import Patience
from node.collector import Collectors
from node.peerport.peerlistener import PeerListener
from node.peerport.peerserver import PeerServer
from protocol import limits
from protocol.errors import LocalError, PassingError, ProtocolError
from tests.node.impostor import drops, endless, impostor, never, ok
from tests.node.peers import peers, until
from tests.world import NETWORK, make_world


class Follower:
    """Listener and couriers of one authority as the node has them: around a ``Network``."""

    def __init__(self, net, name):
        world = net.world
        self.world, self.name = world, name
        self.home = world.home(name)
        self.keys = [world.holdings[name].transport]
        self.on_disk = self.keys
        self.network = Network(self.home.directory, name, self.keys, world.clock.now, lambda: self.on_disk)
        self.exchange = world.exchanges[name]
        self.mailboxes = Mailboxes()
        self.couriers = Couriers(self.exchange, self.network, self.mailboxes)
        self.collectors = Collectors(self.exchange, self._collected, self.network.client)

    async def __aenter__(self):
        server = PeerServer(self.exchange, self.home, self.network.pins, self.couriers.seen, mailboxes=self.mailboxes)
        self.listener = PeerListener(server.app(), self.network.server_context)
        await self.listener.start("127.0.0.1", self.world.directory.member(self.name).address[1])
        self.task = asyncio.get_running_loop().create_task(self._run())
        return self

    async def _run(self):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.couriers.run())
            tasks.create_task(self.collectors.run())

    def _collected(self):
        """As in ``Node``."""
        return [] if self.network.callable else self.network.callable_peers()

    def follow(self):
        """As ``Node._follow``."""
        self.couriers.follow()
        self.collectors.follow()

    async def __aexit__(self, *_):
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task
        await self.listener.close()

    async def update(self, peer):
        """As ``Node.update_directory``."""
        if await self.network.update(peer):
            self.follow()
            return True
        return False

    async def refresh(self):
        """As ``Node.refresh_directory``."""
        if await self.network.refresh():
            self.follow()
            return True
        return False


@pytest.fixture
async def pair(tmp_path):
    """xa-ca and xb-ca follow a founded directory. Gives the net and both."""
    async with peers(tmp_path, carry=False, founded=True) as net:
        for place in net.places.values():
            await place.stop_listening()
        async with Follower(net, "xa-ca") as xa, Follower(net, "xb-ca") as xb:
            yield net, xa, xb


def publish(net, name, change, at="xb-ca"):
    """A new entry of this authority comes into force at one node, as from a keeper."""
    folder, made = net.world.folder / "founders", net.world.founded
    member = trust.load(folder).member(name)
    bundle = selfentry.new_entry(folder, made.role_keys[name], change(member))
    found.publish(folder, bundle, made.keepers, net.world.clock.now())

    def fetch(path):
        data = mirror.read(folder, path)
        if data is None:
            raise FileNotFoundError(path)
        return data

    return trust.update(net.world.home(at).directory, fetch, net.world.clock.now())


def renamed(member):
    return dataclasses.replace(member, name="Another name")


@contextlib.asynccontextmanager
async def closing(client):
    try:
        yield client
    finally:
        await client.close()


async def delivered(net, sender, recipient):
    net.world.directory = trust.load(net.world.home(sender).directory)
    sent = net.world.send(sender, recipient, b"{}")
    await until(lambda: net.state(sent.hash, recipient, sender) == "delivered", "delivered")


async def test_a_newer_directory_is_told_fetched_and_taken(pair):
    net, xa, xb = pair
    newer = publish(net, "xb-ca", renamed)
    assert await xb.refresh()
    net.world.directory = newer  # what xb-ca says of itself with every answer
    sent = net.world.send("xa-ca", "xb-ca", b"{}")
    await until(lambda: net.state(sent.hash) == "delivered", "delivered")
    # the receipt is stored a moment before the courier passes the version on; prekeys and pouch may both tell of it
    assert await until(xa.network.newer_at, "told") == "xb-ca"
    await until(lambda: xa.network.newer_at() is None, "told once")
    assert await xa.update("xb-ca")
    assert xa.network.directory.version == newer.version
    assert trust.load(xa.home.directory).member("xb-ca").name == "Another name"
    assert not await xa.update("xb-ca")


async def test_a_certificate_is_rotated_without_a_restart(pair):
    """xb-ca publishes a second certificate, later drops the first: both nodes run on, in both directions, at every step."""
    net, xa, xb = pair
    await delivered(net, "xa-ca", "xb-ca")
    old, new = xb.keys[0], TransportKey.generate()
    new.issue_certificate("xb-ca", NETWORK, 0, net.world.clock.now() + 400 * limits.DAY)
    xb.on_disk = [old, new]  # `rogatory keys rotate-transport`, beside the running node

    def certificates(*keys):
        return lambda member: dataclasses.replace(member, certificates=tuple(key.certificate for key in keys))

    publish(net, "xb-ca", certificates(old, new))
    assert await xb.refresh()
    assert xb.network.transport.certificate == old.certificate  # known to everybody, as long as it is listed and valid
    assert await xa.update("xb-ca")
    assert xa.network.directory.member("xb-ca").certificates == (old.certificate, new.certificate)
    await delivered(net, "xb-ca", "xa-ca")
    publish(net, "xb-ca", certificates(new))
    assert await xb.refresh()
    assert xb.network.transport.certificate == new.certificate
    await delivered(net, "xb-ca", "xa-ca")  # the other side has not heard of it yet
    assert await xa.update("xb-ca")
    assert xa.network.directory.member("xb-ca").certificates == (new.certificate,)
    await delivered(net, "xa-ca", "xb-ca")
    await delivered(net, "xb-ca", "xa-ca")


async def test_a_member_that_gives_up_its_address_collects_and_one_that_gets_it_back_is_called(pair):
    """Both follow the directory while they run: a mailbox takes the place of calls, and calls take its place again."""
    net, xa, xb = pair
    await delivered(net, "xb-ca", "xa-ca")
    address = xa.network.directory.member("xa-ca").address
    for where, calls in ((None, False), (address, True)):
        publish(net, "xa-ca", lambda member, where=where: dataclasses.replace(member, address=where))
        assert await xb.refresh()
        assert await xa.update("xb-ca")
        await until(lambda calls=calls: "xa-ca" in xb.couriers and xb.couriers["xa-ca"].calls is calls, "another courier")
        await until(lambda calls=calls: bool(xa.collectors.peers) is not calls, "collectors")
        await delivered(net, "xb-ca", "xa-ca")
        await delivered(net, "xa-ca", "xb-ca")


async def test_without_our_own_certificate_the_others_are_taken_all_the_same(pair):
    net, xa, _xb = pair
    stranger = TransportKey.generate()
    stranger.issue_certificate("xa-ca", NETWORK, 0, net.world.clock.now() + 400 * limits.DAY)
    newer = publish(net, "xa-ca", lambda m: dataclasses.replace(m, certificates=(stranger.certificate,)))
    assert await xa.update("xb-ca")
    assert xa.network.directory.version == newer.version
    assert xa.network.transport.certificate == xa.keys[0].certificate


async def test_who_has_left_is_neither_called_nor_heard(pair):
    net, xa, xb = pair
    await delivered(net, "xa-ca", "xb-ca")
    assert set(xa.couriers) == {"xb-ca"}
    log = net.world.exchanges["xb-ca"].log
    publish(net, "xb-ca", lambda m: selfentry.leave(m, (log.size, log.root)))
    assert await xa.update("xb-ca")
    await until(lambda: not xa.couriers, "its courier to end")
    assert xa.network.callable_peers() == []
    with pytest.raises((PassingError, ProtocolError)) as caught:
        async with closing(xb.network.client("xa-ca")) as client:
            await client.prekeys(0)
    assert caught.value.code in (codes.PEER_REFUSED, codes.PEER_UNREACHABLE)


def test_a_node_that_the_directory_does_not_list(tmp_path):
    world = make_world(tmp_path, ("xa-ca", "xb-ca"), founded=True)
    try:
        for keys, name in (([world.holdings["xa-ca"].transport], "xz-ca"), ([TransportKey.generate()], "xa-ca")):
            with pytest.raises(LocalError) as caught:
                Network(world.home("xa-ca").directory, name, keys, world.clock.now)
            assert caught.value.code is codes.NOT_IN_DIRECTORY
    finally:
        world.close()


# -- liars ------------------------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def lying(tmp_path, answers):
    """xa-ca asks xb-ca, which is an impostor with its key. Gives xa-ca's network."""
    async with peers(tmp_path, carry=False, founded=True) as net:
        for place in net.places.values():
            await place.stop_listening()
        network = Network(net.world.home("xa-ca").directory, "xa-ca", [net.world.holdings["xa-ca"].transport], net.world.clock.now)
        trusted = [net.world.holdings["xa-ca"].transport.certificate]
        async with impostor(net["xb-ca"].port, net.world.holdings["xb-ca"].transport, trusted, answers) as one:
            yield network, one, net


NOT_FOUND = ok(b"", status="404 Not Found")


@pytest.mark.parametrize(
    "stamp, code",
    [
        (endless, directory_codes.DIRECTORY_TOO_LARGE),
        (ok(bytes(limits.DIRECTORY_ENTRY + 1)), directory_codes.DIRECTORY_TOO_LARGE),
        (ok(b"garbage"), directory_codes.DIRECTORY_FORM),
        (ok(b""), directory_codes.DIRECTORY_FORM),
        (NOT_FOUND, directory_codes.DIRECTORY_UNREACHABLE),
        (ok(b"", status="500 Oops"), codes.PEER_REFUSED),
        (ok(b"", status="302 Found", Location="https://127.0.0.1/"), codes.PEER_REFUSED),
    ],
    ids=["endless", "long", "garbage", "empty", "none", "500", "302"],
)
async def test_DIR_13_a_mirror_that_lies(tmp_path, stamp, code):
    async with lying(tmp_path, {"/v1/directory/timestamp.json": stamp, "/": NOT_FOUND}) as (network, _, net):
        before = network.directory
        with pytest.raises((ProtocolError, PassingError)) as caught:
            await network.update("xb-ca")
        assert caught.value.code is code
        assert network.directory is before
        assert trust.load(net.world.home("xa-ca").directory).version == before.version


async def test_DIR_13_an_endless_root(tmp_path):
    async with lying(tmp_path, {"/v1/directory/2.root.json": endless, "/": NOT_FOUND}) as (network, _, _net):
        with pytest.raises(ProtocolError) as caught:
            await network.update("xb-ca")
        assert caught.value.code is directory_codes.DIRECTORY_TOO_LARGE


async def test_DIR_14_drop_by_drop(tmp_path):
    """A byte now and then: after thirty seconds (of a clock that runs fast here) it is given up."""
    seconds = iter(range(0, 10**9, 1000))
    async with lying(tmp_path, {"/": drops}) as (network, _one, _):
        client = network.client("xb-ca")
        source = MirrorClient(client, asyncio.get_running_loop(), lambda: next(seconds))
        with pytest.raises(PassingError) as caught:
            await asyncio.to_thread(source.fetch, "timestamp.json")
        assert caught.value.code is directory_codes.DIRECTORY_TOO_SLOW
        await client.close()


async def test_DIR_14_nothing_at_all(tmp_path):
    async with lying(tmp_path, {"/": never}) as (network, _, _net):
        client = network.client("xb-ca")
        client._patience = Patience(call=0.3)
        source = MirrorClient(client, asyncio.get_running_loop())
        with pytest.raises(PassingError) as caught:
            await asyncio.to_thread(source.fetch, "timestamp.json")
        assert caught.value.code is codes.PEER_UNREACHABLE
        await client.close()


async def test_a_node_that_stops_does_not_wait_for_a_slow_mirror(tmp_path):
    async with lying(tmp_path, {"/": never}) as (network, one, _):
        task = asyncio.get_running_loop().create_task(network.update("xb-ca"))
        await until(lambda: one.asked, "asked")
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        async with asyncio.timeout(5):
            await asyncio.get_running_loop().shutdown_default_executor()  # the worker thread has ended too


async def test_DIR_1_an_older_directory_is_not_taken(pair):
    net, xa, _xb = pair
    publish(net, "xb-ca", renamed, at="xa-ca")
    newer = trust.load(xa.home.directory)
    xa.network = Network(xa.home.directory, "xa-ca", xa.keys, net.world.clock.now)
    with pytest.raises(ProtocolError) as caught:
        await xa.network.update("xb-ca")
    assert caught.value.code is directory_codes.DIRECTORY_ROLLBACK
    assert trust.load(xa.home.directory).version == newer.version
