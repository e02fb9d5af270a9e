"""Refusals: every one has a stable code, names the check that failed, who must act, and what to do next.

    RogatoryError
    ├── ProtocolError   what came in is wrong; sending the same bytes again changes nothing
    ├── PassingError    may pass by itself or once the named condition ends; try again later
    └── LocalError      our own side: settings, keys, disk, a mistaken command

A ``Code`` is a constant, declared once beside the check that uses it (``codes.py`` of each folder); the exception carries it.
Whose fault and whether to retry are the two questions the class answers; the code answers everything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Actor(StrEnum):
    """Who must act for the refusal to go away."""

    PEER = "the other authority"
    OPERATOR = "this node's operator"
    CALLER = "the person or system that made the call"
    FOUNDERS = "the founders of the network"
    HOLDER = "whoever made this bundle"
    NOBODY = "nobody: it passes by itself"


@dataclass(frozen=True, slots=True)
class Code:
    """One reason to refuse, stable for ever.

    ``code``: upper-case words joined by ``-``; ``check``: the number in SPEC.md ("7", "A3") or the name of the check;
    ``says``: one sentence without a full stop; ``actor``: who must act; ``todo``: what to do next.
    """

    code: str
    check: str
    says: str
    actor: Actor
    todo: str

    def __str__(self) -> str:
        return self.code


class RogatoryError(Exception):
    """A refusal with a stable code. ``detail`` may name sizes, indexes and public names, never content or secrets."""

    def __init__(self, code: Code, detail: str = "") -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail

    def __str__(self) -> str:
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.code.code}: {self.code.says}{detail}. {self.code.actor} must act: {self.code.todo}."

    def as_dict(self) -> dict[str, str]:
        """The same as a JSON object: code, check, says, detail, actor, todo."""
        c = self.code
        return {
            "code": c.code,
            "check": c.check,
            "says": c.says,
            "detail": self.detail,
            "actor": str(c.actor),
            "todo": c.todo,
        }


class ProtocolError(RogatoryError):
    """What came in is wrong. Final: the same bytes will be refused again."""


class PassingError(RogatoryError):
    """May pass: a later attempt with the same bytes can succeed. ``seconds`` is the shortest sensible wait."""

    def __init__(self, code: Code, detail: str = "", *, seconds: int = 60) -> None:
        super().__init__(code, detail)
        self.seconds = seconds


class LocalError(RogatoryError):
    """Our own side: settings, keys, storage or a mistaken command. Nothing was accepted and nothing was lost."""
