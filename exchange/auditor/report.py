"""What an examination found: one verdict per numbered check, and one for all of them.

    refuted       something in the bundle is not true
    not anchored  consistent with itself, but no trust root from elsewhere was given
    pending       nothing is wrong; a recipient has not answered yet
    proven        everything that the bundle claims is shown

The gravest verdict of a check is that of the whole. Exit codes: 0 proven, 1 refuted, 2 usage, 3 not anchored, 4 pending.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, TypeVar

from exchange.auditor import codes
from protocol.errors import RogatoryError

T = TypeVar("T")
EXIT_USAGE: Final = 2


class Verdict(StrEnum):
    """What a check came to."""

    PROVEN = "proven"
    PENDING = "pending"
    NOT_ANCHORED = "not anchored"
    REFUTED = "refuted"
    SKIPPED = "skipped"


_EXIT: Final = {Verdict.PROVEN: 0, Verdict.REFUTED: 1, Verdict.NOT_ANCHORED: 3, Verdict.PENDING: 4}
_GRAVEST_FIRST: Final = (Verdict.REFUTED, Verdict.NOT_ANCHORED, Verdict.PENDING)
_WEIGHT: Final = (*_GRAVEST_FIRST, Verdict.SKIPPED, Verdict.PROVEN)
_MARKS: Final = {
    Verdict.PROVEN: "ok",
    Verdict.PENDING: "PENDING",
    Verdict.NOT_ANCHORED: "SELF ONLY",
    Verdict.REFUTED: "REFUTED",
    Verdict.SKIPPED: "skipped",
}


@dataclass(frozen=True, slots=True)
class Check:
    """What one check came to. ``about``: which authority, part or file, where a number has several; ``says``: a sentence."""

    number: int
    name: str
    about: str
    verdict: Verdict
    code: str
    says: str

    def as_dict(self) -> dict[str, Any]:
        """As a JSON object."""
        d: dict[str, Any] = {"number": self.number, "name": self.name, "about": self.about}
        return d | {"verdict": str(self.verdict), "code": self.code, "says": self.says}


@dataclass(frozen=True, slots=True)
class Report:
    """All checks made, the titles of all numbers, and the facts that the checks support (times in ms, bytes in hex)."""

    subject: str
    titles: tuple[str, ...]
    checks: tuple[Check, ...]
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """The gravest verdict of all checks. Nothing checked, or nothing but skipped checks, proves nothing: refuted."""
        seen = {check.verdict for check in self.checks}
        for verdict in _GRAVEST_FIRST:
            if verdict in seen:
                return verdict
        return Verdict.PROVEN if Verdict.PROVEN in seen else Verdict.REFUTED

    @property
    def exit_code(self) -> int:
        """0 proven, 1 refuted, 3 not anchored, 4 pending."""
        return _EXIT[self.verdict]

    def numbered(self) -> list[Check]:
        """One verdict for every number: the gravest of what was checked under it, *skipped* where there was nothing."""
        result = []
        for number, title in enumerate(self.titles, 1):
            of_number = [check for check in self.checks if check.number == number]
            nothing = Check(number, title, "", Verdict.SKIPPED, codes.NOTHING, "there is nothing of this kind here")
            gravest = min(of_number, key=lambda check: _WEIGHT.index(check.verdict), default=nothing)
            result.append(replace(gravest, name=title))
        return result

    def as_dict(self) -> dict[str, Any]:
        """The report as a JSON object: ``checks`` holds one verdict per number, each with its ``parts``."""
        checks = []
        for check in self.numbered():
            parts = [part.as_dict() for part in self.checks if part.number == check.number]
            checks.append(check.as_dict() | {"parts": parts})
        verdict = str(self.verdict)
        return {"subject": self.subject, "verdict": verdict, "exit_code": self.exit_code, "checks": checks, "facts": self.facts}

    def text(self) -> str:
        """The report for people: a line per check, then the verdict."""
        lines = []
        for check in self.checks:
            about = f" {check.about}" if check.about else ""
            code = "" if check.verdict is Verdict.PROVEN else f" [{check.code}]"
            lines.append(f"{check.number:>2}  {_MARKS[check.verdict]:<9}  {check.name}{about}: {check.says}{code}")
        return "\n".join([*lines, "", f"{self.subject}: {_sentence(self.verdict)}"]) + "\n"


class Docket:
    """Runs checks in order and writes each one's verdict down; a refusal of one never ends the others."""

    __slots__ = ("checks", "facts")

    def __init__(self) -> None:
        self.checks: list[Check] = []
        self.facts: dict[str, Any] = {}

    def add(self, number: int, name: str, verdict: Verdict, code: str, says: str, about: str = "") -> None:
        """Write one verdict down."""
        self.checks.append(Check(number, name, about, verdict, code, says))

    def run(self, number: int, name: str, about: str, check: Callable[..., tuple[T, str]], *given: object) -> T | None:
        """What the check found, or None. It returns its find and a sentence; a refusal it raises is the verdict *refuted*.

        A check that was given None, the outcome of a check that refused, is *skipped*.
        """
        if any(value is None for value in given):
            self.add(number, name, Verdict.SKIPPED, codes.SKIPPED, "needs what a check above refused", about)
            return None
        try:
            found, says = check(*given)
        except RogatoryError as error:
            detail = f" ({error.detail})" if error.detail else ""
            self.add(number, name, Verdict.REFUTED, error.code.code, f"{error.code.says}{detail}", about)
            return None
        except OSError as error:  # a disk that fails, a folder that changes under our eyes
            says = f"{codes.BUNDLE_READ.says} ({error.strerror})"
            self.add(number, name, Verdict.REFUTED, codes.BUNDLE_READ.code, says, about)
            return None
        self.add(number, name, Verdict.PROVEN, codes.PROVEN, says, about)
        return found

    def report(self, subject: str, titles: tuple[str, ...]) -> Report:
        """All that was written down; ``titles``: those of the numbers from 1 on."""
        return Report(subject, titles, tuple(sorted(self.checks, key=lambda check: check.number)), self.facts)


def _sentence(verdict: Verdict) -> str:
    return {
        Verdict.PROVEN: "PROVEN",
        Verdict.PENDING: "PENDING: nothing is wrong, but not every recipient has answered",
        Verdict.NOT_ANCHORED: "NOT ANCHORED: consistent with itself only; give a trust root that you received from elsewhere",
        Verdict.REFUTED: "REFUTED",
    }[verdict]
