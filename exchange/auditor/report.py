"""What an examination found: one verdict per numbered check, and one for all of them.

    refuted       something in the bundle is not true
    not anchored  consistent with itself, but no trust root from elsewhere was given
    pending       nothing is wrong; a recipient has not answered yet
    proven        everything that the bundle claims is shown

The gravest verdict of a check is that of the whole. Exit codes: 0 proven, 1 refuted, 2 usage, 3 not anchored, 4 pending.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
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
_MARKS: Final = {
    Verdict.PROVEN: "ok",
    Verdict.PENDING: "PENDING",
    Verdict.NOT_ANCHORED: "SELF ONLY",
    Verdict.REFUTED: "REFUTED",
    Verdict.SKIPPED: "skipped",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One numbered check. ``about``: the authority, part or file it is about, if there are several; ``says``: a sentence."""

    number: int
    name: str
    about: str
    verdict: Verdict
    code: str
    says: str


@dataclass(frozen=True, slots=True)
class Report:
    """All checks, and the facts that they support (times in ms, bytes in hex)."""

    subject: str
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

    def as_dict(self) -> dict[str, Any]:
        """The report as a JSON object."""
        checks = [
            {"number": c.number, "name": c.name, "about": c.about, "verdict": str(c.verdict), "code": c.code, "says": c.says}
            for c in self.checks
        ]
        verdict = str(self.verdict)
        return {"subject": self.subject, "verdict": verdict, "exit_code": self.exit_code, "checks": checks, "facts": self.facts}

    def text(self) -> str:
        """The report for people: one line per check, then the verdict."""
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

    def run(self, number: int, name: str, check: Callable[[], tuple[T, str]], about: str = "") -> T | None:
        """What the check found, or None when it refused; its second value is the sentence for the report."""
        try:
            found, says = check()
        except RogatoryError as error:
            detail = f" ({error.detail})" if error.detail else ""
            self.add(number, name, Verdict.REFUTED, error.code.code, f"{error.code.says}{detail}", about)
            return None
        self.add(number, name, Verdict.PROVEN, codes.PROVEN, says, about)
        return found

    def skip(self, number: int, name: str, needs: str, about: str = "") -> None:
        """Say that a check could not be made, and what it needs."""
        self.add(number, name, Verdict.SKIPPED, codes.SKIPPED, f"needs {needs}", about)

    def report(self, subject: str) -> Report:
        """All that was written down."""
        return Report(subject, tuple(self.checks), self.facts)


def _sentence(verdict: Verdict) -> str:
    return {
        Verdict.PROVEN: "PROVEN",
        Verdict.PENDING: "PENDING: nothing is wrong, but not every recipient has answered",
        Verdict.NOT_ANCHORED: "NOT ANCHORED: consistent with itself only; give a trust root that you received from elsewhere",
        Verdict.REFUTED: "REFUTED",
    }[verdict]
