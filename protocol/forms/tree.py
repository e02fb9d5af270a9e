"""Strict JSON in and out, and a way to walk the tree that never fails.

In: UTF-8, one object, at most 1 MiB, 16 levels and 65,536 values, no name twice, whole numbers only, every text NFC and
free of control characters. Out: names sorted, no spaces, UTF-8. The rules of the forms read the tree through ``Node``, so
that a rule still speaks when another field of the form is wrong.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from protocol import codes, limits
from protocol.forms.problems import FormError, Problem, Wrong

_INT: Final = 2**53 - 1  # I-JSON (RFC 7493): what every reader holds exactly
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)  # possessive: one pass, whatever comes
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Node:
    """A place in the tree: the value there (None when there is none) and its JSON Pointer."""

    value: object
    loc: str = ""

    def __getitem__(self, name: str) -> Node:
        value = self.value.get(name) if isinstance(self.value, dict) else None
        return Node(value, f"{self.loc}/{_escape(name)}")

    def each(self) -> Iterator[Node]:
        """The elements of an array; nothing for anything else."""
        if isinstance(self.value, list):
            for index, value in enumerate(self.value):
                yield Node(value, f"{self.loc}/{index}")

    @property
    def here(self) -> bool:
        """Whether something stands here: neither absent, null, nor an empty array."""
        return self.value is not None and self.value != []

    @property
    def text(self) -> str:
        """The text here, or an empty one."""
        return self.value if isinstance(self.value, str) else ""

    @property
    def number(self) -> int | None:
        """The whole number here, if there is one."""
        return self.value if isinstance(self.value, int) and not isinstance(self.value, bool) else None

    def wrong(self, code: Wrong, msg: str) -> Problem:
        """A problem at this place."""
        return Problem(self.loc, code, msg)


def read(raw: bytes) -> dict[str, object]:
    """The JSON object of these bytes. Raises FORM-JSON when they are not strict JSON; texts are checked by ``texts``."""
    if len(raw) > limits.BODY:
        _refuse(f"{len(raw)} bytes, more than {limits.BODY}")
    _check_extent(raw)
    try:
        value = json.loads(
            raw.decode(), object_pairs_hook=_object, parse_int=_integer, parse_float=_fraction, parse_constant=_fraction
        )
    except UnicodeDecodeError as error:
        _refuse(f"not UTF-8 at byte {error.start}")
    except json.JSONDecodeError as error:
        _refuse(f"{error.msg} at character {error.pos}")
    if not isinstance(value, dict):
        _refuse("not an object")
    return value


def write(value: object) -> bytes:
    """The canonical bytes of a tree: names sorted by code point, no spaces, UTF-8.

    A lone surrogate, which is no text and which ``texts`` refuses, becomes a question mark.
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")).encode(
        "utf-8", "replace"
    )


def texts(node: Node) -> Iterator[Problem]:
    """Wrong texts anywhere in the tree: NOT-NFC, CONTROL-CHARACTER. Tab and line feed are allowed."""
    if isinstance(node.value, str):
        if _CONTROL.search(node.value):
            yield node.wrong(Wrong.CONTROL_CHARACTER, "contains a control character; only tab and line feed are allowed")
        elif not unicodedata.is_normalized("NFC", node.value):
            yield node.wrong(Wrong.NOT_NFC, "is not in Unicode normalisation form C")
    elif isinstance(node.value, dict):
        for name in node.value:
            yield from texts(node[name])
    else:
        for child in node.each():
            yield from texts(child)


def pointer(steps: tuple[int | str, ...]) -> str:
    """The JSON Pointer of a path of names and indexes."""
    return "".join(f"/{_escape(str(step))}" for step in steps)


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _refuse(detail: str) -> NoReturn:
    raise FormError(codes.FORM_JSON, detail)


def _check_extent(raw: bytes) -> None:
    """Count brackets and commas outside texts before anything builds a tree: a megabyte must not become a gigabyte."""
    depth = values = 0
    for token in _TOKEN.finditer(raw):
        mark = token.group()
        if mark in (b"]", b"}"):
            depth -= 1
        elif mark in (b"[", b"{", b","):
            values += 1
            depth += mark != b","
            if depth > limits.FORM_DEPTH:
                _refuse(f"nested deeper than {limits.FORM_DEPTH} at byte {token.start()}")
            if values > limits.FORM_VALUES:
                _refuse(f"more than {limits.FORM_VALUES} values at byte {token.start()}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        _refuse("a name twice in one object")
    return value


def _integer(digits: str) -> int:
    if len(digits) > 17 or abs(int(digits)) > _INT:
        _refuse("a number beyond 2^53 - 1")
    return int(digits)


def _fraction(_: str) -> NoReturn:
    _refuse("a number that is not whole: amounts are texts, and NaN is nothing")
