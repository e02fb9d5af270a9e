"""Instants as the local API writes them."""

from __future__ import annotations

from datetime import UTC, datetime


def instant(ms: int | None) -> str | None:
    """``2026-11-24T06:00:00.000Z``; None stays None."""
    if ms is None:
        return None
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
