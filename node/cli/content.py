"""The content of a form for the screen: one field a line, nested fields indented."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from node.cli.boundary import clean


def form_lines(form: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    """The fields in their order. Whatever stands in them cannot play with the terminal."""
    indent = "  " * depth
    for name, value in form.items():
        yield from _field(f"{indent}{clean(name)}", value, depth)


def _field(name: str, value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield name
        yield from form_lines(value, depth + 1)
    elif isinstance(value, list):
        for number, item in enumerate(value, 1):
            yield from _field(f"{name} {number}", item, depth)
    else:
        yield f"{name}: {_plain(value)}"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else clean(value)
