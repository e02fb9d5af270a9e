"""Strict JSON: one object, each name once, UTF-8, no NaN. Two readers can then never see two different calls in the same bytes."""

from __future__ import annotations

import json
from typing import Any

from node import codes
from protocol.errors import LocalError


def parse_object(raw: bytes) -> dict[str, Any]:
    """The object in these bytes. Raises CALL-JSON."""
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        where = f"line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else _why(error)
        raise LocalError(codes.CALL_JSON, where) from None
    if not isinstance(value, dict):
        raise LocalError(codes.CALL_JSON, "not an object")
    return value


class _RefusedError(ValueError):
    """Inside this module: a sentence of ours, without anything of the caller's."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise _RefusedError("a name stands twice in one object")
    return table


def _no_constant(name: str) -> Any:
    raise _RefusedError(f"{name} is no number of JSON")


def _why(error: Exception) -> str:
    if isinstance(error, _RefusedError):
        return str(error)
    return "not UTF-8" if isinstance(error, UnicodeDecodeError) else "too deep or too long a number"
