"""What happens by itself: expiry, the work of the day, and where a newer directory is looked for."""

import asyncio
import contextlib

import pytest

from node import codes, housekeeping
from node.housekeeping import Chores, DirectoryWatch
from protocol import limits
from protocol.entries import Directory, Prekeys, Undelivered
from protocol.errors import PassingError
from tests.node.peers import until
from tests.world import make_world


class Household:
    """A node of whom housekeeping wants little."""

    def __init__(self, world, name="xa-ca", peers=("xb-ca", "xc-ca")):
        self.exchange, self.clock = world.exchanges[name], world.clock
        self.known, self.told = list(peers), None
        self.asked: list[str] = []
        self.refreshed = 0
        self.lapsed = self.watched = 0
        self.fails = False

    def peers(self):
        return self.known

    def newer_directory_at(self):
        told, self.told = self.told, None
        return told

    def lapse_drafts(self):
        self.lapsed += 1

    def watch(self):
        self.watched += 1

    async def refresh_directory(self):
        self.refreshed += 1

    async def update_directory(self, peer):
        self.asked.append(peer)
        if self.fails:
            raise PassingError(codes.PEER_UNREACHABLE)


@pytest.fixture
def world(tmp_path):
    made = make_world(tmp_path)
    yield made
    made.close()


def kinds(world, kind):
    return sum(isinstance(entry, kind) for entry in world.entries("xa-ca"))


async def test_expired_messages_are_logged(world):
    world.exchange_prekeys()
    for _ in range(300):
        world.send("xa-ca", "xb-ca", b"{}")
    chores = Chores(Household(world))
    await chores.do()
    assert kinds(world, Undelivered) == 0
    world.clock.advance(11 * limits.DAY)
    await chores.do()
    assert kinds(world, Undelivered) == 300


async def test_every_day_new_prekeys_and_the_directory(world):
    chores = Chores(Household(world))
    prekeys, directories = kinds(world, Prekeys), kinds(world, Directory)
    await chores.do()
    assert (kinds(world, Prekeys), kinds(world, Directory)) == (prekeys, directories)
    for day in range(1, 4):
        world.clock.advance(limits.DAY)
        await chores.do()
        await chores.do()
        assert (kinds(world, Prekeys), kinds(world, Directory)) == (prekeys + day, directories + day)


async def test_drafts_lapse_every_hour(world):
    node = Household(world)
    chores = Chores(node)
    for hour in range(4):
        await chores.do()
        await chores.do()
        assert node.lapsed == hour
        world.clock.advance(limits.HOUR)


async def test_ended_prekeys_are_destroyed(world):
    chores = Chores(Household(world))
    names = {file.name for file in world.home("xa-ca").prekeys.iterdir()}
    for _ in range(5):
        world.clock.advance(limits.DAY)
        await chores.do()
    assert not names & {file.name for file in world.home("xa-ca").prekeys.iterdir()}


async def test_the_directory_is_looked_for_every_hour_in_turn(world):
    node = Household(world)
    watch = DirectoryWatch(node)
    await watch.look()
    assert node.asked == []
    for hour in range(4):
        world.clock.advance(limits.HOUR)
        await watch.look()
        await watch.look()
        assert len(node.asked) == hour + 1
    assert node.asked == ["xb-ca", "xc-ca", "xb-ca", "xc-ca"]
    assert node.refreshed == 9


async def test_who_tells_of_a_newer_one_is_asked_at_once_and_not_more_than_every_minute(world):
    node = Household(world)
    watch = DirectoryWatch(node)
    for _ in range(5):
        node.told = "xc-ca"
        await watch.look()
    assert node.asked == ["xc-ca"]
    world.clock.advance(limits.MINUTE)
    await watch.look()
    assert node.asked == ["xc-ca", "xc-ca"]


async def test_a_peer_that_fails_is_followed_by_the_next(world):
    node = Household(world)
    node.fails = True
    watch = DirectoryWatch(node)
    for _ in range(2):
        world.clock.advance(limits.HOUR)
        with pytest.raises(PassingError):
            await watch.look()
    assert node.asked == ["xb-ca", "xc-ca"]


async def test_nobody_to_ask(world):
    node = Household(world, peers=())
    watch = DirectoryWatch(node)
    world.clock.advance(limits.DAY)
    await watch.look()
    assert node.asked == []


async def test_nothing_that_fails_ends_it(world, monkeypatch):
    """Neither a refusal nor a mistake of ours; and a directory that never comes does not hold up expiry."""
    world.exchange_prekeys()
    world.send("xa-ca", "xb-ca", b"{}")
    node = Household(world)
    stuck = asyncio.Event()

    async def never(peer):
        stuck.set()
        await asyncio.Event().wait()

    node.update_directory = never
    real, calls = node.exchange.deadletters.expire, []

    def expire():
        calls.append(1)
        if len(calls) == 1:
            raise PassingError(codes.PEER_UNREACHABLE)
        if len(calls) == 2:
            raise KeyError("a mistake")
        return real()

    monkeypatch.setattr(node.exchange.deadletters, "expire", expire)
    node.told = "xb-ca"
    task = asyncio.get_running_loop().create_task(housekeeping.run(node, tick=0.01))
    await stuck.wait()
    world.clock.advance(11 * limits.DAY)
    await until(lambda: kinds(world, Undelivered), "expiry")
    await until(lambda: node.watched, "a look around")
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await asyncio.get_running_loop().shutdown_default_executor()
