"""How long data are preserved: the minimum by legal basis, and the instant at which the last day ends (domain 2.2.3).

There is no constant: UNTOC has no preservation article, so between States that share only UNTOC the duration is whatever
the requested State's law gives, as its directory entry says (domain 0.3.1).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta

from protocol.forms.codelists import Instrument
from protocol.forms.scalars import zone_of

_MINIMUM_DAYS = {  # Budapest 29(7), UNCyber 42, EU 2023/1543 art. 6 and 11
    Instrument.BUDAPEST_2001: 60,
    Instrument.UNCYBER_2024: 60,
    Instrument.EU_2023_1543: 60,
}


def min_preservation_days(instruments: Iterable[Instrument], preservation_default_days: int | None) -> int | None:
    """Days that preservation must last at least, by the instruments relied on; the longest if several bind.

    Where none of them sets a minimum: ``preservation_default_days`` of the requested State's directory entry, None if unknown.
    """
    treaty = [_MINIMUM_DAYS[instrument] for instrument in instruments if instrument in _MINIMUM_DAYS]
    return max(treaty) if treaty else preservation_default_days


def preserved_until(preserved_from: str, days: int, zone: str) -> str:
    """The end of calendar day N in the requested State's zone, as an instant in UTC (domain 2.2.3).

    ``preserved_from``: the instant preservation took effect, not the request's; ``days``: N, from 1; ``zone``: IANA name.
    The end of a day is one second before the next begins, also where clocks change at midnight.
    Raises ValueError for a text that is no instant or no zone: check the form first.
    """
    place = zone_of(zone)
    if place is None or days < 1:
        raise ValueError("no such zone, or fewer days than one")
    first = datetime.fromisoformat(preserved_from)
    if first.tzinfo is None:
        raise ValueError("an instant without its offset")
    day_after = first.astimezone(place).date() + timedelta(days=days + 1)
    end = datetime.combine(day_after, time.min, place).astimezone(UTC) - timedelta(seconds=1)
    return end.strftime("%Y-%m-%dT%H:%M:%SZ")
