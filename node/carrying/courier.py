"""The courier: carries pouches, lane by lane and peer by peer, so that no peer and no routine message holds up another.

    per peer:  urgent lane ─┐
               routine lane ┼─ bag → POST → answer → receipts          one at a time there, each as full as what is due
               evidence ────┘  parts that an answer wanted, resumed    one at a time
               prekeys: asked for when there is none, and every six hours

A pouch is built from what is due when the last one has come home: under load it fills itself, at rest it leaves at once. When what is
due fills the next routine one as well, that is packed while the last is on its way, and leaves when the answer comes, before it is taken:

    here    pack 2 ─┐     take 1, pack 3 ─┐     take 2, pack 4 ─┐
    there   judge 1 ┴──────── judge 2 ────┴──────── judge 3 ────┴──
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus

import structlog

from exchange import codes as exchange_codes
from exchange.bag import Bag
from exchange.exchange import Exchange
from node import codes
from node.carrying.breaker import MOST, Breaker
from node.carrying.evidencecourier import EvidenceCourier
from node.carrying.mailbox import Mailbox
from node.carrying.peerclient import PeerClient, PeerRefusedError
from node.clock import monotonic_ms
from protocol import codes as protocol_codes
from protocol import limits, pouch
from protocol.entries import Lane
from protocol.errors import LocalError, PassingError, ProtocolError, RogatoryError
from protocol.heads import HeadError

_PREKEYS_EVERY = 6 * limits.HOUR
_IDLE = 60.0  # seconds: look again although nobody woke us
_THERE = 0.015  # seconds after which the head of a pouch counts as confirmed by the peer, for what leaves in the other lane meanwhile
_MOMENT, _MOMENTS = 0.005, 10  # seconds, times: an answer that is linked from the other lane's answer may arrive before it
_LINKS = 10  # pouches in a row that leave for nothing, each linked anew
_URGENT_FIRST = 30.0  # seconds after a start that routine waits at most for what is urgent
_HASTEN_EVERY = 5 * limits.SECOND  # a peer that calls all the time and takes nothing is not tried more often
_log = structlog.get_logger("courier")


@dataclass
class Contacts:
    """What the courier last saw of a peer, for ``status`` and ``doctor``. Times in ms of the exchange's clock."""

    reached: int | None = None
    failed: int | None = None
    code: str = ""
    pouches: int = 0
    items: int = 0


@dataclass(frozen=True, slots=True)
class _Flight:
    """A pouch on its way, and what comes back: the answer, or why there is none."""

    bag: Bag
    answer: asyncio.Task[bytes | RogatoryError]
    left: int
    there: asyncio.TimerHandle


@dataclass
class _Lane:
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    rung: bool = False  # ``ring`` will be called, by the loop
    flight: _Flight | None = None  # left before the answer to the one before it was taken
    busy: bool = False  # a pouch is on its way, or its answer is being taken
    more: bool = False  # the last pouch that landed did not hold all that was due
    most: int = limits.POUCH_ITEMS  # items of the next pouch: fewer after relinks, for a smaller one is sooner there
    unlinked: int = 0  # pouches in a row whose head, or that of whose answer, was not linked from the right size

    def ring(self) -> None:
        """Wake who waits for something to be due."""
        self.rung = False
        self.wake.set()


class PeerCourier:
    """Carries everything for one peer. Run ``run`` in a task; wake it from any thread with ``wake``."""

    def __init__(
        self, exchange: Exchange, client: PeerClient | Mailbox, loop: asyncio.AbstractEventLoop, told: Callable[[str, int], None]
    ) -> None:
        self.peer = client.peer
        self.contacts = Contacts()
        self._exchange = exchange
        self._client = client
        self._loop = loop
        self._told = told
        self.breaker = Breaker()
        self._lanes = {lane: _Lane() for lane in Lane}
        self._evidence = EvidenceCourier(exchange, client, self._reached, self._note, self._lanes[Lane.ROUTINE].wake.set)
        self.sending = self._evidence.sending
        self._prekeys_at = -_PREKEYS_EVERY
        self._hastened = -_HASTEN_EVERY
        self._there = asyncio.Event()
        self._urgent_passed = asyncio.Event()
        self._asking = asyncio.Lock()

    @property
    def calls(self) -> bool:
        """Whether it calls the peer; else the peer collects."""
        return self._client.asks

    def wake(self, lane: Lane) -> None:
        """Something is due: it is committed. Safe from any thread."""
        state = self._lanes[lane]
        if not state.rung and not state.wake.is_set():  # else one looks what is due after this: no need to ring for each message
            state.rung = True
            self._loop.call_soon_threadsafe(state.ring)

    def there(self) -> None:
        """The peer has called while we thought it away: nothing waits any longer for its next attempt. From the loop's thread."""
        if self.contacts.code or self.breaker.waits:
            self._there.set()

    async def run(self) -> None:
        """Carry until cancelled. What waited for its next attempt when the node stopped is tried at once, what is urgent first."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for lane in Lane:
                    tasks.create_task(self._run_lane(lane, tasks))
                tasks.create_task(self._evidence.run())
                tasks.create_task(self._run_hasten())
        finally:
            await self._client.close()

    async def _run_hasten(self) -> None:
        await self._hasten()
        while True:
            await self._there.wait()
            await asyncio.sleep(max(0, self._hastened + _HASTEN_EVERY - monotonic_ms()) / 1000)
            self._there.clear()
            self._hastened = monotonic_ms()
            await self._hasten()

    async def _hasten(self) -> None:
        with contextlib.suppress(LocalError):  # nothing can be written: the lanes say so themselves
            await asyncio.to_thread(self._exchange.retries.hasten, self.peer)
        self.breaker.close()
        for state in self._lanes.values():
            state.wake.set()

    # -- pouches ------------------------------------------------------------------------------------------------------------

    async def _run_lane(self, lane: Lane, tasks: asyncio.TaskGroup) -> None:
        state = self._lanes[lane]
        gives_way = _URGENT_FIRST  # seconds that it waits at most for what is urgent
        while True:
            if lane is Lane.ROUTINE and gives_way:
                await self._nothing_urgent(gives_way)
            await self._client.ready(lane)
            state.wake.clear()
            carried = await self._attempt(lambda: self._carry(lane, tasks), lane)
            if state.flight is None and not (carried and (state.more or state.wake.is_set())):
                await self._rest(lane, state)
            gives_way = MOST[lane] if self.contacts.code == codes.PEER_UNREACHABLE.code else 0.0  # a thin line is the urgent one's

    async def _nothing_urgent(self, most: float) -> None:
        """Until nothing urgent is due for the peer, but for what it wants later; so many seconds at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(most):
                while True:
                    self._urgent_passed.clear()
                    due = await asyncio.to_thread(self._exchange.due.next, self.peer, Lane.URGENT)
                    if due is None or due - self._exchange.clock.now() > 1000 * MOST[Lane.URGENT]:
                        return
                    await self._urgent_passed.wait()

    async def _rest(self, lane: Lane, state: _Lane) -> None:
        """Until something new is queued, or what waits is due again."""
        due = await asyncio.to_thread(self._exchange.due.next, self.peer, lane)
        wait = _IDLE if due is None else min(_IDLE, max(0.0, (due - self._exchange.clock.now()) / 1000))
        until = self._loop.time() + wait
        while (now := self._loop.time()) < max(until, self.breaker.until(lane)):
            try:
                async with asyncio.timeout(max(until, self.breaker.until(lane)) - now):
                    await state.wake.wait()
            except TimeoutError:
                return
            until = now  # woken: as soon as it may
            state.wake.clear()

    async def _attempt(self, carry: Callable[[], Awaitable[bool]], lane: Lane) -> bool:
        """One pouch; every refusal is logged, remembered and waited out. True when something was carried."""
        try:
            carried = await carry()
        except RogatoryError as error:
            error.__traceback__ = None  # as in ``_land``
            self._note(error)
            self.breaker.failed(lane, self._loop.time(), error.seconds if isinstance(error, PassingError) else 0)
            return False
        if lane is Lane.URGENT:
            self._urgent_passed.set()
        if carried and self.breaker.passed(lane):  # an attempt that had nothing to carry says nothing about the peer
            self._there.set()  # the outage is over: what was put off meanwhile is due now
        return carried

    async def _carry(self, lane: Lane, tasks: asyncio.TaskGroup) -> bool:
        """Land the pouch that is on its way, or the next one. False when nothing is due."""
        state = self._lanes[lane]
        flight, state.flight = state.flight, None
        if flight is None:
            try:
                bag = await self._pack(lane, state.most)
            except (ProtocolError, PassingError) as error:
                await asyncio.to_thread(self._exchange.retries.unreached, self.peer, lane, error.code.code)
                raise
            if bag is None:
                return False
            flight = self._depart(bag, tasks)
        state.busy = True
        try:
            await self._land(flight, tasks)
        finally:
            state.busy = False
        state.most = min(2 * state.most, limits.POUCH_ITEMS)
        return True

    async def _pack(self, lane: Lane, most: int) -> Bag | None:
        """The next pouch, None when nothing is due. Asks for the peer's prekeys when they are old, or when there is none to use."""
        if self._client.asks and self._prekeys_old():
            await self._ask_prekeys()
        try:
            return await asyncio.to_thread(self._exchange.outbox.bag, self.peer, lane, most)
        except PassingError as error:
            if error.code is not exchange_codes.NO_PREKEY or not self._client.asks:
                raise
        self._prekeys_at = -_PREKEYS_EVERY
        await self._ask_prekeys()
        return await asyncio.to_thread(self._exchange.outbox.bag, self.peer, lane, most)

    def _depart(self, bag: Bag, tasks: asyncio.TaskGroup) -> _Flight:
        seconds = _THERE if self._client.asks else _IDLE  # nobody knows when a peer that collects comes for it
        there = self._loop.call_later(seconds, self._exchange.links.arrived, self.peer, bag.lane, bag.head.size)
        return _Flight(bag, tasks.create_task(self._call(bag)), monotonic_ms(), there)

    async def _call(self, bag: Bag) -> bytes | RogatoryError:
        try:
            answer = await self._client.pouch(bag.lane, bag.addressed)
            if bag.more:  # it may wait until the next one is packed
                await asyncio.to_thread(self._exchange.answers.confirm_early, bag, answer)
        except RogatoryError as error:
            return error  # raised where it is awaited: here it would end all lanes
        return answer

    async def _land(self, flight: _Flight, tasks: asyncio.TaskGroup) -> None:
        """Take the answer of one pouch. While the other lane is faster, its head is linked anew and it leaves again."""
        retries, state = self._exchange.retries, self._lanes[flight.bag.lane]
        while True:
            bag = flight.bag
            try:
                answer = await self._answer(flight, tasks)
                await self._take(bag, answer, tasks)
            except (ProtocolError, PassingError) as error:
                error.__traceback__ = None  # its frames hold the flight, which holds it: a pouch each, until cycles are looked for
                if not await self._relinks(error):
                    await asyncio.to_thread(retries.failed, bag, _said(error))
                    raise
            else:
                self._landed(flight, answer)
                state.unlinked = 0
                return
            state.unlinked += 1
            if state.unlinked == _LINKS:
                state.unlinked = 0
                await asyncio.to_thread(retries.failed, bag, protocol_codes.HEAD_UNLINKED.code)
                raise PassingError(protocol_codes.HEAD_UNLINKED, f"{_LINKS} times", seconds=5)
            if state.flight is not None or bag.head.origin != self._exchange.log.origin:
                return  # packed again after the one that has left meanwhile, or under the new log
            if state.unlinked > 1:
                bag = bag.shortened()
                state.most = len(bag.rows)
            flight = self._depart(await asyncio.to_thread(self._exchange.outbox.address, bag), tasks)

    async def _take(self, bag: Bag, answer: bytes, tasks: asyncio.TaskGroup) -> None:
        """Take an answer. What became urgent meanwhile leaves beside it."""
        state = self._lanes[bag.lane]
        beside = None
        if bag.lane is Lane.URGENT and self._client.asks and state.wake.is_set() and state.flight is None:
            beside = tasks.create_task(self._beside(bag, answer, tasks))
        try:
            for moment in itertools.count(1):
                try:
                    return await asyncio.to_thread(self._exchange.answers.take, bag, answer)
                except HeadError as error:
                    if moment > _MOMENTS or not self._is_early(bag.lane, answer, error):
                        raise
                await asyncio.sleep(_MOMENT)
        finally:
            if beside is not None:
                state.flight = await beside

    def _is_early(self, lane: Lane, answer: bytes, error: HeadError) -> bool:
        """Whether this answer is linked from one of the other lane, which was made before it and is not taken yet."""
        linked = pouch.parse_head(answer)[0].head.old_size
        return error.code is protocol_codes.HEAD_UNLINKED and linked > error.greatest and any(
            each.busy for other, each in self._lanes.items() if other is not lane
        )

    async def _beside(self, bag: Bag, answer: bytes, tasks: asyncio.TaskGroup) -> _Flight | None:
        try:
            following = await asyncio.to_thread(self._exchange.outbox.beside, bag)
        except RogatoryError:
            return None  # whatever it is, the next pouch meets it again
        return None if following is None else await self._follow(following, bag, answer, tasks)

    async def _relinks(self, error: RogatoryError) -> bool:
        """Whether this refusal only asks for a head linked from another size."""
        if isinstance(error, HeadError):  # another lane's answer was faster: ask again, and say what we have confirmed by now
            return error.code is protocol_codes.HEAD_UNLINKED
        if not isinstance(error, PeerRefusedError) or error.status != HTTPStatus.CONFLICT or error.size is None:
            return False
        if not self._exchange.links.hint(self.peer, error.size):
            await self._look_at_own_head()
        return True

    def _landed(self, flight: _Flight, answer: bytes) -> None:
        bag = flight.bag
        self._lanes[bag.lane].more = bag.more
        self._reached()
        self._told(self.peer, pouch.parse_head(answer)[0].directory_version)
        self.contacts.pouches += bool(bag.rows)
        self.contacts.items += len(bag.rows)
        for envelope_hash, wanted in bag.uploads.items():
            self._evidence.want(envelope_hash, wanted)
        _log.info("pouch.carried", peer=self.peer, lane=bag.lane.name.lower(), items=len(bag.rows), ms=monotonic_ms() - flight.left)

    async def _answer(self, flight: _Flight, tasks: asyncio.TaskGroup) -> bytes:
        """The answer to a pouch. The one after it is packed meanwhile, and has left when this returns."""
        bag = flight.bag
        async with asyncio.TaskGroup() as group:
            ahead = group.create_task(self._ahead(bag)) if bag.more else None
            answer = await flight.answer
        flight.there.cancel()
        self._exchange.links.landed(self.peer, bag.lane)
        if isinstance(answer, RogatoryError):
            raise answer
        following = None if ahead is None else ahead.result()
        if following is not None:
            self._lanes[bag.lane].flight = await self._follow(following, bag, answer, tasks)
        return answer

    async def _ahead(self, bag: Bag) -> Bag | None:
        if self._client.asks and self._prekeys_old():
            return None  # they are asked for first
        try:
            return await asyncio.to_thread(self._exchange.outbox.ahead, bag, self._lanes[bag.lane].most)
        except RogatoryError:
            return None  # whatever it is, the next pouch meets it again

    async def _follow(self, following: Bag, bag: Bag, answer: bytes, tasks: asyncio.TaskGroup) -> _Flight | None:
        """Send what was packed ahead, unless that has to wait: for the caller, for another log, or for an answer that is none."""
        if not self._client.asks or following.head.origin != self._exchange.log.origin:
            return None
        try:
            heard = await asyncio.to_thread(self._exchange.answers.hear, bag, answer)
            return self._depart(await asyncio.to_thread(self._exchange.outbox.address, following, heard), tasks)
        except RogatoryError:
            return None

    async def _look_at_own_head(self) -> None:
        """The peer claims a greater head of ours than we have: only one with our signatures stops us."""
        try:
            note = await self._client.checkpoint_of(self._exchange.log.origin)
        except (ProtocolError, PassingError):
            return  # it has nothing to show: its word alone stops nobody
        await asyncio.to_thread(self._exchange.contact.shown_own_head, note)

    # -- prekeys --------------------------------------------------------------------------------------------------------------

    def _prekeys_old(self) -> bool:
        return monotonic_ms() - self._prekeys_at >= _PREKEYS_EVERY

    async def _ask_prekeys(self) -> None:
        async with self._asking:
            if not self._prekeys_old():
                return
            yours = await asyncio.to_thread(self._exchange.peers.greatest, self.peer)
            frame = await self._client.prekeys(yours)
            version = await asyncio.to_thread(self._exchange.contact.take_prekeys, self.peer, frame)
            self._prekeys_at = monotonic_ms()
            self._reached()
            self._told(self.peer, version)

    # -- what was seen ----------------------------------------------------------------------------------------------------------

    def _reached(self) -> None:
        self.contacts.reached = self._exchange.clock.now()
        self.contacts.code = ""

    def _note(self, error: RogatoryError) -> None:
        self.contacts.failed = self._exchange.clock.now()
        self.contacts.code = error.code.code
        _log.warning("peer.trouble", peer=self.peer, code=error.code.code, detail=error.detail)


def _said(error: RogatoryError) -> str:
    """The code that a delivery keeps of a failure: the peer's own, where it gave one."""
    return error.peer_code if isinstance(error, PeerRefusedError) and error.peer_code else error.code.code
