"""The courier: carries pouches, lane by lane and peer by peer, so that no peer and no routine message holds up another.

    per peer:  urgent lane ─┐
               routine lane ┼─ bag → POST → answer → receipts          one at a time, each as full as what is due
               evidence ────┘  parts that an answer wanted, resumed    one at a time
               prekeys: asked for when there is none, and every six hours

A pouch is built from what is due when the last one has come home: under load it fills itself, at rest it leaves at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus

import structlog

from exchange import codes as exchange_codes
from exchange.exchange import Exchange
from exchange.outbox import Bag
from node.clock import monotonic_ms
from node.peerclient import PeerClient, PeerRefusedError
from protocol import limits
from protocol.entries import Lane
from protocol.errors import LocalError, PassingError, ProtocolError, RogatoryError

_PREKEYS_EVERY = 6 * limits.HOUR
_IDLE = 60.0  # seconds: look again although nobody woke us
_RELINKS = 3  # heads sent again within one attempt
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


class PeerCourier:
    """Carries everything for one peer. Run ``run`` in a task; wake it from any thread with ``wake``."""

    def __init__(
        self, exchange: Exchange, client: PeerClient, loop: asyncio.AbstractEventLoop, told: Callable[[str, int], None]
    ) -> None:
        self.peer = client.peer
        self.contacts = Contacts()
        self._exchange = exchange
        self._client = client
        self._loop = loop
        self._told = told
        self._lanes = {lane: _Lane() for lane in Lane}
        self._uploads: asyncio.Queue[tuple[bytes, tuple[tuple[int, int], ...]]] = asyncio.Queue(maxsize=1024)
        self._uploading: set[bytes] = set()
        self._prekeys_at = -_PREKEYS_EVERY
        self._asking = asyncio.Lock()

    def wake(self, lane: Lane) -> None:
        """Something is due. Safe from any thread."""
        self._loop.call_soon_threadsafe(self._lanes[lane].wake.set)

    def there(self) -> None:
        """The peer has called: it is up again, so nothing waits any longer for its next attempt."""
        self.contacts.code = ""
        for state in self._lanes.values():
            state.not_before = 0.0
            state.wake.set()

    async def run(self) -> None:
        """Carry until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for lane in Lane:
                    tasks.create_task(self._run_lane(lane))
                tasks.create_task(self._run_uploads())
        finally:
            await self._client.close()

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
        wait = max(wait, state.not_before - self._loop.time())
        try:
            async with asyncio.timeout(wait):
                await state.wake.wait()
        except TimeoutError:
            return
        held = state.not_before - self._loop.time()
        if held > 0:
            await asyncio.sleep(held)

    async def _attempt(self, carry: Callable[[], Awaitable[bool]], lane: Lane) -> bool:
        """One pouch; every refusal is logged, remembered and waited out. True when more may be due at once."""
        state = self._lanes[lane]
        try:
            more = await carry()
        except PassingError as error:
            self._note(error)
            state.not_before = self._loop.time() + min(error.seconds, 300)
            return False
        except RogatoryError as error:
            self._note(error)
            state.not_before = self._loop.time() + 1
            return False
        return more

    async def _carry(self, lane: Lane) -> bool:
        outbox = self._exchange.outbox
        if self._prekeys_old():
            await self._ask_prekeys()
        for _ in range(_RELINKS):
            try:
                bag = await asyncio.to_thread(outbox.bag, self.peer, lane)
            except PassingError as error:
                if error.code is not exchange_codes.NO_PREKEY:
                    raise
                self._prekeys_at = -_PREKEYS_EVERY
                await self._ask_prekeys()
                bag = await asyncio.to_thread(outbox.bag, self.peer, lane)
            if bag is None:
                return False
            if await self._hand_over(bag):
                return True
        raise PassingError(exchange_codes.PEER_QUOTA, "the head could not be linked", seconds=5)

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
        except LocalError:
            raise
        except (ProtocolError, PassingError) as error:
            await asyncio.to_thread(outbox.failed, bag, error.code.code)
            raise
        self._reached()
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
                tasks.create_task(asyncio.to_thread(self._exchange.outbox.prepare, bag))
            try:
                answer = await call
            except RogatoryError as error:
                failure = error  # raised outside: a task group would wrap it
        if failure is not None:
            raise failure
        return answer

    async def _look_at_own_head(self) -> None:
        """The peer claims a greater head of ours than we have: only one with our signatures stops us."""
        note = await self._client.checkpoint_of(self._exchange.log.origin)
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
            self._uploads.put_nowait((envelope_hash, wanted))

    async def _run_uploads(self) -> None:
        while True:
            envelope_hash, wanted = await self._uploads.get()
            try:
                for number, held in wanted:
                    await self._upload(envelope_hash, number, held)
            except RogatoryError as error:
                self._note(error)
                await asyncio.sleep(1)
            finally:
                self._uploading.discard(envelope_hash)
            await asyncio.to_thread(self._exchange.outbox.uploaded, envelope_hash, self.peer)
            self._lanes[Lane.ROUTINE].wake.set()

    async def _upload(self, envelope_hash: bytes, number: int, held: int) -> None:
        started = monotonic_ms()
        message = await asyncio.to_thread(self._exchange.messages.find, envelope_hash)
        envelope = await asyncio.to_thread(self._exchange.messages.envelope, message)
        part = envelope.parts[number]
        path = self._exchange.files.outgoing(part.digest)
        try:
            await self._client.upload(envelope_hash, number, path, held)
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
