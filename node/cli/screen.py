"""What a terminal shows: marks of exercises, times with their zone and UTC, ids, tables; or one JSON object.

Nothing of a network that is not in production is shown without saying so.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from node.cli.boundary import clean

SHORT: Final = 12  # characters of an id that tell thousands of messages apart
_NETWORK: Final = "x-rogatory-network"  # as keys/directory/strict.py names it; read here without importing cryptography


def show(value: Any, text: Callable[[], Iterable[str]], *, as_json: bool, home: Path | None = None, mark: str = "") -> None:
    """Print ``value`` as JSON, or the lines of ``text`` under ``mark``, or under that of the home's network."""
    if as_json:
        click.echo(json.dumps(value, indent=1 if sys.stdout.isatty() else None))
        return
    mark = mark or (mark_of(home) if home is not None else "")
    if mark:
        click.echo(paint(mark, bold=True))
    for line in text():
        click.echo(line)


def mark_of(home: Path) -> str:
    """``*** EXERCISE ...`` for the home of an exercise or test network, empty for production and while no network is known."""
    try:
        network = json.loads((home / "directory" / "1.root.json").read_bytes())["signed"][_NETWORK]
        kind, name = str(network["kind"]), str(network["name"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""
    return mark_for(kind, name)


def mark_for(kind: str, network: str) -> str:
    """The mark of a network of this kind, empty for production."""
    return "" if kind == "production" else clean(f"*** {kind.upper()} network {network}: nothing here is real ***")


def paint(text: str, **style: Any) -> str:
    """Styled text on a terminal; plain where NO_COLOR is set or nobody would see it."""
    plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb" or not sys.stdout.isatty()
    return text if plain else click.style(text, **style)


def at(value: Any) -> str:
    """A time (RFC 3339 or ms) in the zone of this machine and in UTC: ``2026-11-24 10:41:07 CET (09:41:07 UTC)``."""
    if value in (None, ""):
        return "-"
    try:
        moment = datetime.fromtimestamp(value / 1000, UTC) if isinstance(value, int | float) else datetime.fromisoformat(value)
    except (ValueError, TypeError, OverflowError):
        return clean(value)
    utc, here = moment.astimezone(UTC), moment.astimezone()
    if here.utcoffset() == utc.utcoffset():
        return f"{utc:%Y-%m-%d %H:%M:%S} UTC"
    form = "%H:%M:%S" if here.date() == utc.date() else "%Y-%m-%d %H:%M:%S"
    return f"{here:%Y-%m-%d %H:%M:%S %Z} ({utc.strftime(form)} UTC)"


def short(value: Any) -> str:
    """The beginning of an id, enough to name it in the next command."""
    return clean(value)[:SHORT]


def table(rows: Sequence[Sequence[Any]], head: Sequence[str], empty: str) -> list[str]:
    """Aligned columns under their names, or the sentence ``empty``. What a narrow terminal cannot hold goes below its row."""
    if not rows:
        return [empty]
    cells = [[clean(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in [list(head), *cells]) for column in range(len(head))]
    fit = _fit(widths, shutil.get_terminal_size().columns) if sys.stdout.isatty() else len(widths)
    lines = [_aligned([name.upper() for name in head][:fit], widths)]
    for row in cells:
        lines.append(_aligned(row[:fit], widths))
        lines += [f"      {cell}" for cell in row[fit:] if cell not in ("", "-")]
    return lines


def _fit(widths: Sequence[int], columns: int) -> int:
    """How many leading columns fit side by side, one at least."""
    used = -2
    for number, width in enumerate(widths):
        used += width + 2
        if used > columns:
            return max(1, number)
    return len(widths)


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=False)).rstrip()


def pairs(facts: Mapping[str, Any]) -> list[str]:
    """One fact a line, names aligned; facts that are None are left out."""
    known = {name: value for name, value in facts.items() if value is not None}
    width = max((len(name) for name in known), default=0)
    return [f"{name.ljust(width)}  {clean(value)}" for name, value in known.items()]


def size(count: int) -> str:
    """Bytes for people: ``312 B``, ``200.0 MiB``."""
    if count < 1024:
        return f"{count} B"
    value = float(count)
    for unit in ("KiB", "MiB", "GiB"):
        value /= 1024
        if value < 1024 or unit == "GiB":
            break
    return f"{value:.1f} {unit}"
