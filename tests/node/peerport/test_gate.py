"""The gate of a lane: what a peer gets, what it is answered beyond that, and who goes first."""

import asyncio
import contextlib

import pytest

from exchange import codes
from node.peerport import gate as gates
from node.peerport.gate import Gate, Questions, Share
from protocol import limits
from protocol.errors import PassingError

SHARE = Share(rate=100_000, burst=200_000, working=2, working_per_peer=1)


@pytest.fixture
def clock(monkeypatch):
    """The gate's clock, in ms: ``clock[0]``."""
    now = [1_000_000]
    monkeypatch.setattr(gates, "monotonic_ms", lambda: now[0])
    return now


class Pouch:
    """One pouch on its way through the gate; ``end`` lets it go."""

    def __init__(self, gate, peer, length=1):
        self.working, self._over = asyncio.Event(), asyncio.Event()
        self.task = asyncio.get_running_loop().create_task(self._run(gate, peer, length))

    async def _run(self, gate, peer, length):
        async with gate.admit(peer, length), gate.work(peer):
            self.working.set()
            await self._over.wait()

    async def end(self):
        self._over.set()
        await self.task


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


async def refused(gate, peer, length=1) -> PassingError:
    with pytest.raises(PassingError) as caught:
        async with gate.admit(peer, length):
            pass
    assert caught.value.code is codes.PEER_QUOTA
    return caught.value


async def test_one_peer_gets_all_that_nobody_else_wants(clock):
    gate = Gate(SHARE, lambda: False)
    for _ in range(100):  # fifty times what it may take at once
        async with gate.admit("xa-ca", 100_000), gate.work("xa-ca"):
            pass


async def test_the_pouches_of_one_peer_are_bounded(clock):
    gate = Gate(SHARE, lambda: False)
    pouches = [Pouch(gate, "xa-ca") for _ in range(limits.POUCHES_PER_PEER)]
    await settle()
    assert [each.working.is_set() for each in pouches] == [True, False, False, False]
    assert (await refused(gate, "xa-ca")).seconds == 1
    async with gate.admit("xb-ca", 1), gate.work("xb-ca"):  # the other place is somebody else's
        pass
    for each in pouches:
        await each.end()
    async with gate.admit("xa-ca", 1):
        pass


async def test_all_bodies_are_bounded(clock):
    gate = Gate(SHARE, lambda: False)
    async with contextlib.AsyncExitStack() as stack:
        for number in range(limits.BODIES // limits.POUCH):
            await stack.enter_async_context(gate.admit(f"x{number}-ca", limits.POUCH))
        await refused(gate, "xz-ca")
    async with gate.admit("xz-ca", 1):
        pass


async def test_DOS_6_who_floods_waits_behind_who_does_not(clock):
    gate = Gate(SHARE, lambda: False)
    flood = [Pouch(gate, "xa-ca", 150_000) for _ in range(4)]
    other = Pouch(gate, "xb-ca")
    await settle()
    assert other.working.is_set()
    late = [Pouch(gate, "xc-ca"), Pouch(gate, "xd-ca")]
    await settle()
    assert not any(each.working.is_set() for each in late)
    await flood[0].end()  # its place goes to who is within its rate, although the flood's next came first
    assert late[0].working.is_set()
    assert not flood[1].working.is_set()
    await other.end()
    assert late[1].working.is_set()
    for each in (*late, *flood):
        await each.end()


async def test_DOS_6_who_is_in_debt_is_sent_away_while_others_wait(clock):
    gate = Gate(SHARE, lambda: False)
    async with gate.admit("xa-ca", 300_000):
        pass
    pouches = [Pouch(gate, "xb-ca"), Pouch(gate, "xb-ca"), Pouch(gate, "xc-ca"), Pouch(gate, "xc-ca")]
    await settle()
    assert (await refused(gate, "xa-ca")).seconds == 1
    clock[0] += 3000  # its debt is paid
    async with gate.admit("xa-ca", 1):
        pass
    for each in pouches:
        await each.end()


async def test_DOS_6_a_disk_that_fills_is_shared(clock):
    tight = [False]
    gate = Gate(SHARE, lambda: tight[0])
    async with gate.admit("xa-ca", 300_000):
        pass
    async with gate.admit("xa-ca", 300_000):
        pass
    tight[0] = True
    assert (await refused(gate, "xa-ca")).seconds == 2  # the debt has a bottom: what it may take at once
    async with gate.admit("xb-ca", 1):
        pass
    clock[0] += 2001
    async with gate.admit("xa-ca", 1):
        pass


async def test_who_gives_up_waiting_leaves_nothing_behind(clock):
    gate = Gate(SHARE, lambda: False)
    at_work, waits = Pouch(gate, "xa-ca"), Pouch(gate, "xa-ca")
    await settle()
    waits.task.cancel()
    await settle()
    await at_work.end()
    async with gate.admit("xa-ca", 1), gate.work("xa-ca"):
        pass


async def test_who_gives_up_at_the_moment_of_its_turn_gives_the_place_on(clock):
    gate = Gate(SHARE, lambda: False)
    at_work, second, third = (Pouch(gate, "xa-ca") for _ in range(3))
    await settle()
    at_work._over.set()
    await asyncio.sleep(0)  # the bell of the second rings, and it has not heard it yet
    second.task.cancel()
    await settle()
    assert third.working.is_set()
    await third.end()


async def test_buckets_that_are_full_are_forgotten(clock, monkeypatch):
    monkeypatch.setattr(gates, "_KEPT", 3)
    gate = Gate(SHARE, lambda: False)
    for number in range(10):
        async with gate.admit(f"x{number}-ca", 1000):
            pass
        clock[0] += 10_000
    assert len(gate._buckets) <= 3


def test_questions_have_a_rate(clock):
    questions = Questions()
    for _ in range(limits.QUESTIONS_BURST):
        questions.demand("xa-ca")
    with pytest.raises(PassingError):
        questions.demand("xa-ca")
    questions.demand("xb-ca")
    clock[0] += 1000
    questions.demand("xa-ca")
