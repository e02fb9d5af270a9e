"""How long data are preserved."""

from __future__ import annotations

import pytest

from protocol.forms.codelists import Instrument
from protocol.forms.durations import min_preservation_days, preserved_until


def test_worked_example_24_november_and_60_days() -> None:
    assert preserved_until("2026-11-24T09:41:00Z", 60, "Europe/Berlin") == "2027-01-23T22:59:59Z"


@pytest.mark.parametrize(
    ("start", "days", "zone", "end"),
    [
        ("2026-11-24T23:30:00Z", 60, "Europe/Berlin", "2027-01-24T22:59:59Z"),  # already the 25th there
        ("2026-11-24T23:30:00Z", 60, "America/New_York", "2027-01-24T04:59:59Z"),  # still the 24th there
        ("2027-03-01T12:00:00Z", 60, "Europe/Berlin", "2027-04-30T21:59:59Z"),  # summer time begins inside
        ("2028-01-15T12:00:00+01:00", 45, "Europe/Berlin", "2028-02-29T22:59:59Z"),  # ends on a leap day
        ("2026-01-01T00:00:00Z", 1, "UTC", "2026-01-02T23:59:59Z"),
        (
            "2018-10-01T12:00:00Z",
            33,
            "America/Sao_Paulo",
            "2018-11-04T02:59:59Z",
        ),  # clocks go forward at the midnight that ends it
        ("2018-01-17T12:00:00Z", 31, "America/Sao_Paulo", "2018-02-18T02:59:59Z"),  # clocks go back at that midnight: 25 hours
        ("2011-12-28T12:00:00-10:00", 1, "Pacific/Apia", "2011-12-30T09:59:59Z"),  # the 30th did not happen there
    ],
)
def test_end_of_day_n(start: str, days: int, zone: str, end: str) -> None:
    assert preserved_until(start, days, zone) == end


@pytest.mark.parametrize(
    ("start", "days", "zone"),
    [("2026-11-24T09:41:00", 60, "UTC"), ("2026-11-24T09:41:00Z", 0, "UTC"), ("2026-11-24T09:41:00Z", 60, "Europe/Atlantis")],
)
def test_nothing_is_computed_from_nonsense(start: str, days: int, zone: str) -> None:
    with pytest.raises(ValueError, match=r"zone|offset"):
        preserved_until(start, days, zone)


@pytest.mark.parametrize(
    ("instruments", "default", "days"),
    [
        ([Instrument.BUDAPEST_2001], 30, 60),
        ([Instrument.UNCYBER_2024], None, 60),
        ([Instrument.EU_2023_1543], None, 60),
        ([Instrument.UNTOC_2000], 30, 30),
        ([Instrument.UNTOC_2000], None, None),
        ([Instrument.BILATERAL], 90, 90),
        ([Instrument.UNTOC_2000, Instrument.BUDAPEST_2001], 30, 60),
        ([], 30, 30),
    ],
)
def test_minimum_is_a_function_of_the_legal_basis(instruments: list[Instrument], default: int | None, days: int | None) -> None:
    assert min_preservation_days(instruments, default) == days
