"""The mailbox of a peer that nobody can call: what a courier would hand over waits here until the peer collects it.

    courier ── ready, pouch ──> mailbox <── collect ── peer            its answer comes with its next collect

To a courier it is what ``PeerClient`` is for others, so retries, head rule and checks of answers are the same. All from the loop's thread.
(SPEC.md section 3.10)
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Final

from node import codes
from node.carrying.peerclient import PeerRefusedError
from protocol import limits
from protocol.collect import Collect, Refusal, pouch_id
from protocol.entries import Lane
from protocol.errors import PassingError, ProtocolError
from protocol.pouch import Frame

_COLLECTED: Final = 30.0  # seconds that a pouch waits to be collected: it was made for somebody who stood there
_ANSWERED: Final = 300.0  # seconds until its answer must have come, as for a call
_FETCHED: Final = 300.0  # seconds between two pieces of a part, as for an upload
_VERIFIED: Final = 1.0  # seconds until it is asked again about what it has fetched whole and not confirmed yet
_GIVEN: Final = 4096  # parts remembered as fetched whole
_BUSY: Final = (429, 503, 507)


class _Box:
    """One lane. ``waits``: somebody stands there; ``offered``: the pouch for it; ``owed``: what was collected, until its answer."""

    def __init__(self) -> None:
        self.waits = asyncio.Event()
        self.caller = 0
        self.bell = asyncio.Event()
        self.offered: bytes | None = None
        self.owed: tuple[bytes, asyncio.Future[bytes]] | None = None
        self.answer: asyncio.Future[bytes] | None = None


class Mailbox:
    """One peer's. ``PeerCourier`` uses it as its client; ``collect`` is the peer's side."""

    asks = False  # prekeys: the peer brings them
    slice = limits.MESSAGE  # a part is fetched whole

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self._boxes = {lane: _Box() for lane in Lane}
        self._fetched: OrderedDict[tuple[bytes, int], int] = OrderedDict()
        self._fetching: dict[tuple[bytes, int], tuple[asyncio.Event, Callable[[int], None]]] = {}

    # -- the courier's side -------------------------------------------------------------------------------------------------------

    async def ready(self, lane: Lane) -> None:
        """Until the peer waits for something of this lane: what is packed then is of now."""
        await self._boxes[lane].waits.wait()

    async def pouch(self, lane: Lane, addressed: bytes | Frame) -> bytes:
        """Let the peer collect a pouch; its answer's frame. Raises PEER-UNREACHABLE, PEER-BUSY, PEER-REFUSED."""
        box, frame = self._boxes[lane], bytes(addressed)
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        box.offered, box.answer = frame, answer
        box.bell.set()
        try:
            async with asyncio.timeout(_COLLECTED) as limit:
                while box.offered is frame:
                    await _changed(box.bell, answer)
                limit.reschedule(asyncio.get_running_loop().time() + _ANSWERED)
                return await answer
        except TimeoutError:
            raise PassingError(codes.PEER_UNREACHABLE, "it does not collect", seconds=1) from None
        finally:
            if box.offered is frame:
                box.offered = None
            if box.owed is not None and box.owed[1] is answer:
                box.owed = None

    async def prekeys(self, yours: int) -> bytes:
        """The peer brings them by itself. Raises PEER-UNREACHABLE."""
        raise PassingError(codes.PEER_UNREACHABLE, f"it has no address, and brings its prekeys ({yours})", seconds=5)

    async def checkpoint_of(self, origin: str) -> bytes:
        """Nobody can ask it. Raises PEER-UNREACHABLE."""
        raise PassingError(codes.PEER_UNREACHABLE, f"it has no address ({origin})", seconds=5)

    async def upload(
        self, envelope_hash: bytes, number: int, path: Path, span: range, went: Callable[[int], None] = lambda at: None
    ) -> None:
        """Wait until the peer has fetched this part; ``went`` is told how much has gone. Raises PEER-UNREACHABLE when it stops."""
        key = (envelope_hash, number)
        if key in self._fetched:
            went(self._fetched[key])
            await asyncio.sleep(_VERIFIED)
            return
        moved = asyncio.Event()
        self._fetching[key] = moved, went
        try:
            while key not in self._fetched:
                moved.clear()
                async with asyncio.timeout(_FETCHED):
                    await moved.wait()
        except TimeoutError:
            raise PassingError(codes.PEER_UNREACHABLE, f"{path.name[:8]} is not fetched from {span.start}", seconds=60) from None
        finally:
            del self._fetching[key]

    async def held(self, envelope_hash: bytes, number: int) -> int:
        """Nobody can ask it. Raises PEER-UNREACHABLE."""
        raise PassingError(codes.PEER_UNREACHABLE, f"it has no address (part {number} of {envelope_hash.hex()[:8]})", seconds=5)

    async def close(self) -> None:
        """Whoever waits is told that there is nothing."""
        for box in self._boxes.values():
            box.caller += 1
            box.bell.set()

    # -- the peer's side ----------------------------------------------------------------------------------------------------------

    async def collect(self, call: Collect) -> bytes | None:
        """Take the answer that came with a call, then wait for the next pouch; None when there is none in its time."""
        box = self._boxes[call.lane]
        _settle(box, call)
        box.caller += 1
        me = box.caller
        box.waits.set()
        box.bell.set()  # whoever waited before has nothing to wait for any more
        try:
            async with asyncio.timeout(call.wait):
                while box.caller == me:
                    if box.offered is not None and box.answer is not None:
                        frame, box.offered = box.offered, None
                        box.owed = pouch_id(frame), box.answer
                        box.bell.set()
                        return frame
                    await _changed(box.bell)
        except TimeoutError:
            pass
        finally:
            if box.caller == me:
                box.waits.clear()
        return None

    def fetched(self, envelope_hash: bytes, number: int, at: int, *, whole: bool) -> None:
        """The peer has fetched a part up to here."""
        key = (envelope_hash, number)
        moved, went = self._fetching.get(key, (None, None))
        if went is not None:
            went(at)
        if whole:
            self._fetched[key] = at
            while len(self._fetched) > _GIVEN:
                self._fetched.popitem(last=False)
        if moved is not None:
            moved.set()

    def wants_again(self, envelope_hash: bytes, number: int) -> None:
        """The peer fetches from the beginning again: what it had was not good."""
        self._fetched.pop((envelope_hash, number), None)


class Mailboxes:
    """By peer, made when first asked for."""

    def __init__(self) -> None:
        self._boxes: dict[str, Mailbox] = {}

    def of(self, peer: str) -> Mailbox:
        """This peer's."""
        return self._boxes.setdefault(peer, Mailbox(peer))


def _settle(box: _Box, call: Collect) -> None:
    """What is owed is answered, refused, or lost on the way."""
    if box.owed is None:
        return
    (pouch, answer), box.owed = box.owed, None
    if answer.done():
        return
    if call.pouch != pouch:
        answer.set_exception(PassingError(codes.PEER_UNREACHABLE, "a pouch was lost on its way", seconds=0))
    elif call.refusal is not None:
        answer.set_exception(_error(call.refusal))
    else:
        answer.set_result(call.answer)


def _error(refusal: Refusal) -> ProtocolError | PassingError:
    """What a caller would have raised at this status."""
    if refusal.status in _BUSY:
        seconds = refusal.seconds or 30
        return PassingError(codes.PEER_BUSY, f"{refusal.status} {refusal.code}", seconds=min(seconds, limits.COLLECT_LATER))
    return PeerRefusedError(refusal.status, refusal.code, refusal.size)


async def _changed(bell: asyncio.Event, also: asyncio.Future[bytes] | None = None) -> None:
    """Until the bell rings. ``also``: raises what it has failed with."""
    bell.clear()
    await bell.wait()
    if also is not None and also.done():
        also.result()
