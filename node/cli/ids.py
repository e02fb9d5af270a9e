"""Ids as people type them: the beginning is enough as long as only one id begins like it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from node import codes
from node.cli.client import NodeClient
from protocol.errors import LocalError

_WHOLE: Final = 32  # hex digits of an id
_LEAST: Final = 4


def message_id(node: NodeClient, text: str) -> str:
    """The whole id of a message sent or received. Raises ID-UNKNOWN, ID-AMBIGUOUS."""
    if len(text) >= _WHOLE:
        return text
    found = (
        item["message_id"] for direction in ("in", "out") for item in node.items("/v1/messages", direction=direction, limit=100)
    )
    return only(found, text)


def person_id(node: NodeClient, text: str) -> str:
    """The whole id of a person. Raises ID-UNKNOWN, ID-AMBIGUOUS."""
    return text if len(text) >= _WHOLE else only((item["id"] for item in node.items("/v1/people")), text)


def draft_id(node: NodeClient, text: str) -> str:
    """The whole id of a draft. Raises ID-UNKNOWN, ID-AMBIGUOUS."""
    return text if len(text) >= _WHOLE else only((item["draft_id"] for item in node.items("/v1/drafts")), text)


def only(ids: Iterable[Any], text: str) -> str:
    """The one id that is ``text`` or begins with it."""
    if len(text) < _LEAST:
        raise LocalError(codes.ID_AMBIGUOUS, f"{len(text)} characters; {_LEAST} at least")
    found = {str(each) for each in ids if str(each).startswith(text.lower())}
    if text in found:
        return text
    if len(found) > 1:
        raise LocalError(codes.ID_AMBIGUOUS, f"{len(found)} begin with it")
    if not found:
        raise LocalError(codes.ID_UNKNOWN, text[:_WHOLE])
    return found.pop()
