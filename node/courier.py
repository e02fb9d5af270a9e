"""The courier: carries pouches, lane by lane and peer by peer, so that no peer and no routine message holds up another.

    per peer:  urgent lane ─┐
               routine lane ┼─ bag → POST → answer → receipts          one at a time, each as full as what is due
               evidence ────┘  parts that an answer wanted, resumed    one at a time
               prekeys: asked for when there is none, and every six hours

A pouch is built from what is due when the last one has come home: under load it fills itself, at rest it leaves at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus

import structlog

from exchange import codes as exchange_codes
from exchange.exchange import Exchange
from exchange.outbox import Bag
from node.clock import monotonic_ms
from node.peerclient import PeerClient, PeerRefusedError
from node.sending import Sending
from protocol import codes as protocol_codes
from protocol import limits, pouch
from protocol.entries import Lane
from protocol.errors import LocalError, PassingError, ProtocolError, RogatoryError
from protocol.heads import HeadError

_PREKEYS_EVERY = 6 * limits.HOUR
_IDLE = 60.0  # seconds: look again although nobody woke us
_RELINKS = 10  # heads sent again within one attempt
_PAUSE_MOST = 60.0  # seconds between two attempts of a lane; each delivery has its own, longer ones
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


@dataclass
class _Lane:
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    not_before: float = 0.0
    failures: int = 0

    def pause(self, now: float, seconds: float) -> None:
        """Wait at least as long as asked for, and twice as long after each failure, up to a minute beyond that."""
        self.not_before = now + max(seconds, min(2.0**self.failures, _PAUSE_MOST))
        self.failures = min(self.failures + 1, 16)


class PeerCourier:
    """Carries everything for one peer. Run ``run`` in a task; wake it from any thread with ``wake``."""

    def __init__(
        self, exchange: Exchange, client: PeerClient, loop: asyncio.AbstractEventLoop, told: Callable[[str, int], None]
    ) -> None:
        self.peer = client.peer
        self.contacts = Contacts()
        self.sending = Sending()
        self._exchange = exchange
        self._client = client
        self._loop = loop
        self._told = told
        self._lanes = {lane: _Lane() for lane in Lane}
        self._uploads: asyncio.Queue[tuple[bytes, tuple[tuple[int, int], ...]]] = asyncio.Queue(maxsize=1024)
        self._uploading: set[bytes] = set()
        self._standing: dict[bytes, tuple[int, int]] = {}  # of messages whose upload failed: parts and bytes held when it began
        self._prekeys_at = -_PREKEYS_EVERY
        self._hastened = -_HASTEN_EVERY
        self._there = asyncio.Event()
        self._asking = asyncio.Lock()

    def wake(self, lane: Lane) -> None:
        """Something is due. Safe from any thread."""
        self._loop.call_soon_threadsafe(self._lanes[lane].wake.set)

    def there(self) -> None:
        """The peer has called while we thought it away: nothing waits any longer for its next attempt. From the loop's thread."""
        if self.contacts.code and monotonic_ms() - self._hastened >= _HASTEN_EVERY:
            self._hastened = monotonic_ms()
            self._there.set()

    async def run(self) -> None:
        """Carry until cancelled. What waited for its next attempt when the node stopped is tried at once."""
        self._there.set()
        try:
            async with asyncio.TaskGroup() as tasks:
                for lane in Lane:
                    tasks.create_task(self._run_lane(lane))
                tasks.create_task(self._run_uploads())
                tasks.create_task(self._run_hasten())
        finally:
            await self._client.close()

    async def _run_hasten(self) -> None:
        while True:
            await self._there.wait()
            self._there.clear()
            with contextlib.suppress(LocalError):  # nothing can be written: the lanes say so themselves
                await asyncio.to_thread(self._exchange.outbox.hasten, self.peer)
            for state in self._lanes.values():
                state.not_before = 0.0
                state.failures = 0
                state.wake.set()

    # -- pouches ------------------------------------------------------------------------------------------------------------

    async def _run_lane(self, lane: Lane) -> None:
        state = self._lanes[lane]
        while True:
            state.wake.clear()
            more = await self._attempt(lambda: self._carry(lane), lane)
            if not more:
                await self._rest(lane, state)

    async def _rest(self, lane: Lane, state: _Lane) -> None:
        """Until something new is queued, or what waits is due again."""
        due = await asyncio.to_thread(self._exchange.outbox.next_due, self.peer, lane)
        wait = _IDLE if due is None else min(_IDLE, max(0.0, (due - self._exchange.clock.now()) / 1000))
        until = self._loop.time() + wait
        while (now := self._loop.time()) < max(until, state.not_before):
            try:
                async with asyncio.timeout(max(until, state.not_before) - now):
                    await state.wake.wait()
            except TimeoutError:
                return
            until = now  # woken: as soon as it may
            state.wake.clear()

    async def _attempt(self, carry: Callable[[], Awaitable[bool]], lane: Lane) -> bool:
        """One pouch; every refusal is logged, remembered and waited out. True when more may be due at once."""
        state = self._lanes[lane]
        try:
            more = await carry()
        except RogatoryError as error:
            self._note(error)
            asked = min(error.seconds, 300) if isinstance(error, PassingError) else 0
            state.pause(self._loop.time(), asked)
            return False
        state.failures = 0
        return more

    async def _carry(self, lane: Lane) -> bool:
        outbox = self._exchange.outbox
        for _ in range(_RELINKS):
            try:
                bag = await self._pack(lane)
            except (ProtocolError, PassingError) as error:
                await asyncio.to_thread(outbox.unreached, self.peer, lane, error.code.code)
                raise
            if bag is None:
                return False
            if await self._hand_over(bag):
                return True
        await asyncio.to_thread(outbox.unreached, self.peer, lane, protocol_codes.HEAD_UNLINKED.code)
        raise PassingError(protocol_codes.HEAD_UNLINKED, f"{_RELINKS} times", seconds=5)

    async def _pack(self, lane: Lane) -> Bag | None:
        """The next pouch, None when nothing is due. Asks for the peer's prekeys when they are old, or when there is none to use."""
        if self._prekeys_old():
            await self._ask_prekeys()
        try:
            return await asyncio.to_thread(self._exchange.outbox.bag, self.peer, lane)
        except PassingError as error:
            if error.code is not exchange_codes.NO_PREKEY:
                raise
        self._prekeys_at = -_PREKEYS_EVERY
        await self._ask_prekeys()
        return await asyncio.to_thread(self._exchange.outbox.bag, self.peer, lane)

    async def _hand_over(self, bag: Bag) -> bool:
        """Carry one pouch and take its answer. False when its head must be linked from another size first."""
        outbox, started = self._exchange.outbox, monotonic_ms()
        try:
            answer = await self._beside(self._client.pouch(bag.lane, bag.frame), bag)
            await asyncio.to_thread(outbox.take_answer, bag, answer)
        except PeerRefusedError as error:
            if error.status == HTTPStatus.CONFLICT and error.size is not None:
                if not outbox.hint(self.peer, error.size):
                    await self._look_at_own_head()
                return False
            await asyncio.to_thread(outbox.failed, bag, error.peer_code or error.code.code)
            raise
        except HeadError as error:
            if error.code is protocol_codes.HEAD_UNLINKED:
                return False  # another lane's answer was faster: ask again, and say what we have confirmed by now
            await asyncio.to_thread(outbox.failed, bag, error.code.code)
            raise
        except LocalError:
            raise
        except (ProtocolError, PassingError) as error:
            await asyncio.to_thread(outbox.failed, bag, error.code.code)
            raise
        self._reached()
        self._told(self.peer, pouch.parse_head(answer)[0].directory_version)
        self.contacts.pouches += 1
        self.contacts.items += len(bag.rows)
        for envelope_hash, wanted in bag.uploads.items():
            self._want(envelope_hash, wanted)
        _log.info("pouch.carried", peer=self.peer, lane=bag.lane.name.lower(), items=len(bag.rows), ms=monotonic_ms() - started)
        return True

    async def _beside(self, call: Awaitable[bytes], bag: Bag) -> bytes:
        """The answer to a call, while a worker thread prepares the pouch after it."""
        failure: RogatoryError | None = None
        answer = b""
        async with asyncio.TaskGroup() as tasks:
            if bag.more:
                tasks.create_task(self._prepare(bag))
            try:
                answer = await call
            except RogatoryError as error:
                failure = error  # raised outside: a task group would wrap it
        if failure is not None:
            raise failure
        return answer

    async def _prepare(self, bag: Bag) -> None:
        with contextlib.suppress(RogatoryError):  # whatever it is, the next pouch meets it again
            await asyncio.to_thread(self._exchange.outbox.prepare, bag)

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

    # -- evidence -------------------------------------------------------------------------------------------------------------

    def _want(self, envelope_hash: bytes, wanted: tuple[tuple[int, int], ...]) -> None:
        if envelope_hash not in self._uploading and not self._uploads.full():
            self._uploading.add(envelope_hash)
            self.sending.begin(envelope_hash, wanted)
            self._uploads.put_nowait((envelope_hash, wanted))

    async def _run_uploads(self) -> None:
        while True:
            envelope_hash, wanted = await self._uploads.get()
            hurry = True
            try:
                for number, held in wanted:
                    await self._upload(envelope_hash, number, held)
                self._standing.pop(envelope_hash, None)
            except RogatoryError as error:
                self._note(error)
                hurry = self._has_moved(envelope_hash, wanted)
                await asyncio.sleep(1)
            finally:
                self._uploading.discard(envelope_hash)
            if hurry:  # else it is asked again a minute later, and others have their turn
                with contextlib.suppress(LocalError):
                    await asyncio.to_thread(self._exchange.outbox.uploaded, envelope_hash, self.peer)
                self._lanes[Lane.ROUTINE].wake.set()

    def _has_moved(self, envelope_hash: bytes, wanted: tuple[tuple[int, int], ...]) -> bool:
        """Whether the peer held more when this upload began than when the last one did."""
        before = self._standing.get(envelope_hash)
        now = self._standing[envelope_hash] = (-len(wanted), sum(held for _, held in wanted))
        return before is None or now > before

    async def _upload(self, envelope_hash: bytes, number: int, held: int) -> None:
        started = monotonic_ms()
        message = await asyncio.to_thread(self._exchange.messages.find, envelope_hash)
        envelope = await asyncio.to_thread(self._exchange.messages.envelope, message)
        part = envelope.parts[number]
        path = self._exchange.files.outgoing(part.digest)
        try:
            await self._client.upload(envelope_hash, number, path, held, lambda at: self.sending.went(envelope_hash, number, at))
        except PeerRefusedError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return  # no longer wanted: it was whole already, or the message was refused
            raise
        self._reached()
        _log.info("part.carried", peer=self.peer, number=number, bytes=part.length - held, ms=monotonic_ms() - started)

    # -- what was seen ----------------------------------------------------------------------------------------------------------

    def _reached(self) -> None:
        self.contacts.reached = self._exchange.clock.now()
        self.contacts.code = ""

    def _note(self, error: RogatoryError) -> None:
        self.contacts.failed = self._exchange.clock.now()
        self.contacts.code = error.code.code
        _log.warning("peer.trouble", peer=self.peer, code=error.code.code, detail=error.detail)
