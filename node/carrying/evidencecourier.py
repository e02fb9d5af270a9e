"""Evidence on its way to one peer: the parts that its answers wanted, over connections of their own, resumed where they ended.

    wanted parts ─> turns ─┬─ a slice of one message's part ─> PUT ─┐    four messages at once;
                           └─────────── back to the end <───────────┘    a slice each, so that a small one is not behind a large one

A slice that fails asks the peer how much it holds and goes on there. (docs/evidence.md)
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

import structlog

from exchange import codes as exchange_codes
from exchange.evidence.partfiles import is_sound
from exchange.exchange import Exchange
from node import codes
from node.carrying.mailbox import Mailbox
from node.carrying.peerclient import PeerClient, PeerRefusedError
from node.carrying.sending import Sending
from node.clock import monotonic_ms
from protocol import codes as protocol_codes
from protocol.delivery import Event, State
from protocol.errors import LocalError, PassingError, ProtocolError, RogatoryError
from protocol.parts import PartHead

_AT_ONCE: Final = 4  # messages; half of what a peer takes at once
_TRIES: Final = 6  # failures in a row without a byte more; then the peer is asked by a pouch again, a minute later
_FIRST, _MOST = 0.25, 15.0  # seconds between two of them, doubled each time, with jitter
_log = structlog.get_logger("courier")


@dataclass
class _Turn:
    """A message whose parts are wanted: (number, bytes held), in order. ``failures``: since it last moved."""

    hash: bytes
    parts: deque[tuple[int, int]]
    failures: int = 0


class EvidenceCourier:
    """Uploads to one peer. ``reached``: told when the peer took one; ``trouble``: told what went wrong; ``ask``: asks for receipts now."""

    def __init__(
        self, exchange: Exchange, client: PeerClient | Mailbox, reached: Callable[[], None], trouble: Callable[[RogatoryError], None],
        ask: Callable[[], None],
    ) -> None:  # fmt: skip
        self.sending = Sending()
        self._exchange, self._client = exchange, client
        self._reached, self._trouble, self._ask = reached, trouble, ask
        self._turns: asyncio.Queue[_Turn] = asyncio.Queue(maxsize=1024)
        self._uploading: set[bytes] = set()

    def want(self, envelope_hash: bytes, wanted: tuple[tuple[int, int], ...]) -> None:
        """The peer's answer wants these parts (number, bytes held). From the loop's thread."""
        if envelope_hash not in self._uploading and len(self._uploading) < self._turns.maxsize:
            self._uploading.add(envelope_hash)
            self.sending.begin(envelope_hash, wanted)
            self._turns.put_nowait(_Turn(envelope_hash, deque(wanted)))

    async def run(self) -> None:
        """Carry until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_AT_ONCE):
                tasks.create_task(self._carry())

    async def _carry(self) -> None:
        while True:
            turn = await self._turns.get()
            try:
                more = await self._take(turn)
            except BaseException:
                self._uploading.discard(turn.hash)
                raise
            if more:
                self._turns.put_nowait(turn)  # there is room: nobody else may fill what is counted in ``_uploading``
            else:
                self._uploading.discard(turn.hash)

    async def _take(self, turn: _Turn) -> bool:
        """One slice of one message. False when it has no more turn: all is there, it is not wanted any more, or nothing moves."""
        try:
            if not turn.parts or not await asyncio.to_thread(self._is_wanted, turn.hash):
                await self._done(turn)
                return False
            await self._slice(turn)
            turn.failures = 0
        except RogatoryError as error:
            return await self._failed(turn, error)
        return True

    async def _slice(self, turn: _Turn) -> None:
        number, held = turn.parts[0]
        part, path = await asyncio.to_thread(self._part, turn.hash, number)
        span = range(held, min(part.length, held + self._client.slice))
        started = monotonic_ms()
        try:
            await self._client.upload(turn.hash, number, path, span, lambda at: self.sending.went(turn.hash, number, at))
        except PeerRefusedError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                turn.parts.popleft()  # no longer wanted: it was whole already, or the message was refused
                return
            raise
        if span.stop == part.length:
            turn.parts.popleft()
        else:
            turn.parts[0] = number, span.stop
        self._reached()
        _log.info("part.carried", peer=self._client.peer, number=number, bytes=len(span), ms=monotonic_ms() - started)

    async def _failed(self, turn: _Turn, error: RogatoryError) -> bool:
        """Wait, and find out where to go on. Whether this message has another turn."""
        self._trouble(error)
        if isinstance(error, PeerRefusedError) and error.peer_code == protocol_codes.PART_DIGEST.code:
            await self._look_at_own(turn)
        number, before = turn.parts[0]
        turn.failures += 1
        if turn.failures > _TRIES or isinstance(error, LocalError):
            return False
        pause = min(_FIRST * 2 ** (turn.failures - 1), _MOST) * (0.5 + turn.hash[turn.failures] / 512)  # each message its own
        if isinstance(error, PassingError) and error.code is not codes.PEER_UNREACHABLE:
            pause = max(pause, min(error.seconds, 60))
        await asyncio.sleep(pause)
        try:
            held = await self._client.held(turn.hash, number)
        except PeerRefusedError as refused:
            if refused.status == HTTPStatus.NOT_FOUND:
                turn.parts.popleft()
            return True
        except RogatoryError:
            return True  # the next turn meets it again, and counts it
        if held > before:
            turn.failures = 0
        turn.parts[0] = number, held
        return True

    async def _look_at_own(self, turn: _Turn) -> None:
        """The peer got other bytes than the envelope names: when they are ours that have changed, a human must know."""
        number, _ = turn.parts[0]
        part, path = await asyncio.to_thread(self._part, turn.hash, number)
        if not await asyncio.to_thread(is_sound, path, part.digest):
            self._trouble(LocalError(exchange_codes.PART_DAMAGED, path.name))
            with contextlib.suppress(LocalError):
                await asyncio.to_thread(self._exchange.deadletters.settle, turn.hash, self._client.peer, Event.HOLD)

    async def _done(self, turn: _Turn) -> None:
        """Nothing is left to send: the receipt is asked for at once."""
        with contextlib.suppress(LocalError):
            await asyncio.to_thread(self._exchange.retries.uploaded, turn.hash, self._client.peer)
        self._ask()

    def _part(self, envelope_hash: bytes, number: int) -> tuple[PartHead, Path]:
        messages = self._exchange.messages
        parts = messages.envelope(messages.find(envelope_hash)).parts
        if not 1 <= number < len(parts):  # a peer may want anything
            raise ProtocolError(protocol_codes.ANSWER_FORM, f"part {number} of {len(parts) - 1}")
        part = parts[number]
        return part, self._exchange.files.outgoing(part.digest)

    def _is_wanted(self, envelope_hash: bytes) -> bool:
        """Whether it still waits for its parts: neither settled nor held meanwhile."""
        deliveries = self._exchange.messages.find(envelope_hash).deliveries
        return any(each.authority == self._client.peer and each.state == State.WANTED for each in deliveries)
