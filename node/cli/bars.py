"""Bars on a terminal for what takes a while: one for each thing that moves, gone when it is over."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from node.cli.screen import size

Tell = Callable[[str, str, int, int | None], None]


@contextmanager
def bars(*, quiet: bool) -> Iterator[Tell]:
    """Gives ``tell(key, description, bytes done, bytes in all or None)``. Nothing is shown when quiet, or when nobody looks."""
    if quiet or not sys.stderr.isatty():
        yield lambda key, description, done, total: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[bytes]}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        tasks: dict[str, Any] = {}

        def tell(key: str, description: str, done: int, total: int | None) -> None:
            if key not in tasks:
                tasks[key] = shown.add_task(escape(description), total=None, bytes="")
            said = f"{size(done)} of {size(total)}" if total else ""
            shown.update(tasks[key], description=escape(description), completed=done, total=total, bytes=said)

        yield tell
