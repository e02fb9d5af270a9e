"""The watch: looks for what a human must know of before anybody complains, and raises an alarm for it once a day while it lasts.

    RECEIPT-LOGGED        a receipt is not witnessed after a day           LOG-UNLINKED        a log does not match its witnesses
    HEAD-FORKED           a peer's log has signed two histories        LOG-STOPPED         somebody signed a head of ours
    DIRECTORY-EXPIRED     the directory is not fresh                   PREKEYS-AHEAD       ours end soon, none are published
    PEER-UNREACHABLE      for an hour, while messages wait for it      DISK-RESERVE        routine messages wait for space
    URGENT-QUOTA          a peer calls more urgent than may ring       DELIVERY-HELD       a peer calls our messages bad
    ANSWER-WORTHLESS      a peer's answers prove nothing               ITEM-QUARANTINED    judging a message fails by our fault
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from exchange import codes as exchange_codes
from exchange.exchange import Exchange
from exchange.oddities import ITEM, recent_oddities
from keys.directory import codes as directory_codes
from keys.directory.view import Directory, Standing
from keys.prekeys import read_published
from node import codes
from protocol import codes as protocol_codes
from protocol import limits
from protocol.errors import Code

AWAY: Final = 1 * limits.HOUR
AGAIN: Final = 1 * limits.DAY

Finding: TypeAlias = tuple[Code, str]


class Seen(Protocol):
    """What a courier last saw of its peer."""

    @property
    def reached(self) -> int | None:
        """When (ms) it last answered."""
        ...

    @property
    def code(self) -> str:
        """Why it does not answer; empty while it does."""
        ...


class Carrier(Protocol):
    """A courier."""

    @property
    def contacts(self) -> Seen:
        """What it last saw."""
        ...


class Watch:
    """``look`` from one thread at a time, now and then. ``prekeys``: our folder of them; ``alarm`` is told code and detail."""

    def __init__(
        self, exchange: Exchange, directory: Callable[[], Directory], couriers: Mapping[str, Carrier], prekeys: Path,
        alarm: Callable[[str, str], None],
    ) -> None:  # fmt: skip
        self._exchange, self._directory, self._couriers = exchange, directory, couriers
        self._prekeys, self._alarm = prekeys, alarm
        self._away: dict[str, int] = {}
        self._raised: dict[Finding, int] = {}

    def look(self) -> None:
        """Raise an alarm for each thing found that was not there before, or was raised a day ago."""
        now = self._exchange.clock.now()
        found = set(self._findings(now))
        self._raised = {finding: at for finding, at in self._raised.items() if finding in found}
        for code, detail in sorted(found, key=lambda finding: (finding[0].code, finding[1])):
            if now - self._raised.get((code, detail), -AGAIN) >= AGAIN:
                self._raised[code, detail] = now
                self._alarm(code.code, detail)

    def _findings(self, now: int) -> Iterator[Finding]:
        db = self._exchange.store.reader()
        yield from self._proofs(now)
        if self._exchange.log.stopped:
            yield exchange_codes.LOG_STOPPED, self._exchange.log.origin
        standing = self._directory().standing(now)
        if standing is not Standing.FRESH:
            yield directory_codes.DIRECTORY_EXPIRED, standing
        if max((key.until for key in read_published(self._prekeys)), default=0) - now <= limits.PREKEY_LIFE:
            yield codes.PREKEYS_AHEAD, ""
        held = "SELECT DISTINCT d.recipient FROM bad_answer CROSS JOIN delivery d ON d.id=delivery WHERE d.state='held'"
        for (peer,) in db.execute(held).fetchall():
            yield exchange_codes.DELIVERY_HELD, peer
        for what, code, peer in recent_oddities(self._exchange.store, now):
            if what == ITEM:
                yield exchange_codes.ITEM_QUARANTINED, peer
            else:
                yield exchange_codes.ANSWER_WORTHLESS, f"{peer}: {code}"
        for peer in self._exchange.urgent_quota.beyond(now):
            yield exchange_codes.URGENT_QUOTA, peer
        if self._exchange.reserve.low:
            yield exchange_codes.DISK_RESERVE, ""
        yield from self._unreachable(now)

    def _proofs(self, now: int) -> Iterator[Finding]:
        for origin in self._exchange.peers.forks():
            yield protocol_codes.HEAD_FORKED, origin
        for origin in self._exchange.forks.unlinked():
            yield exchange_codes.LOG_UNLINKED, origin
        for peer, _ in self._exchange.holdings.waiting(now - limits.DAY):
            yield exchange_codes.RECEIPT_LOGGED, peer

    def _unreachable(self, now: int) -> Iterator[Finding]:
        query = "SELECT 1 FROM delivery WHERE recipient=? AND state IN ('queued','wanted') LIMIT 1"
        for peer, courier in list(self._couriers.items()):
            seen = courier.contacts
            if not seen.code:
                self._away.pop(peer, None)
                continue
            since = self._away.setdefault(peer, now if seen.reached is None else seen.reached)
            if now - since >= AWAY and self._exchange.store.reader().execute(query, (peer,)).fetchone() is not None:
                yield codes.PEER_UNREACHABLE, peer
