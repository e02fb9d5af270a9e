"""A stored code in words: what it says, and who must act, seen from here."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Final

from exchange import codes as exchange_codes
from keys import codes as keys_codes
from keys.directory import codes as directory_codes
from node import codes as node_codes
from protocol import codes as protocol_codes
from protocol.errors import Actor, Code

_OURS: Final = frozenset({"NO-PREKEY", "HEAD-UNLINKED", "MESSAGE-ERASED", "MESSAGE-DAMAGED"})


def reason(code: str, recipient: str) -> dict[str, str]:
    """``says``, ``actor`` and ``todo`` of the last code of a delivery; empty texts without one. A peer may send a code unknown here."""
    if not code:
        return {"says": "", "actor": "", "todo": ""}
    known = _known().get(code)
    if known is None:
        return {"says": "a reason that only this authority knows", "actor": f"the operator of {recipient}", "todo": "ask them"}
    found, ours = known
    return {"says": found.says, "actor": _who(found, recipient, ours=ours or code in _OURS), "todo": found.todo}


def _who(code: Code, recipient: str, *, ours: bool) -> str:
    """A code that the peer gave means by "the other authority" us."""
    if code.actor is Actor.PEER:
        return f"the operator of {recipient}" if ours else "this node's operator"
    if code.actor is Actor.OPERATOR:
        return "this node's operator" if ours else f"the operator of {recipient}"
    return str(code.actor)


@cache
def _known() -> dict[str, tuple[Code, bool]]:
    """Every code, and whether this node finds it by itself: what it sees of a peer, and what it finds in answers (A0 to A7)."""
    found: dict[str, tuple[Code, bool]] = {}
    for module in (keys_codes, directory_codes, protocol_codes, exchange_codes, node_codes):
        for code in _codes(module):
            found[code.code] = code, module is node_codes or code.check.startswith("A")
    return found


def _codes(module: ModuleType) -> list[Code]:
    return [value for value in vars(module).values() if isinstance(value, Code)]
