"""Rules that more than one form uses: order of instants, ids used once, markings, refusal grounds, conditions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from protocol.forms.codelists_evidence import DATED_CONDITIONS, FORBIDDEN_SOLE_GROUNDS, Ground
from protocol.forms.problems import Problem, Wrong
from protocol.forms.scalars import instant_ms
from protocol.forms.tree import Node


def span(node: Node) -> Iterator[Problem]:
    """``from`` is not after ``to``."""
    yield from not_after(node["from"], node["to"])


def not_after(first: Node, second: Node) -> Iterator[Problem]:
    """The second instant is not before the first. Says nothing when either is absent or malformed."""
    a, b = instant_ms(first.text), instant_ms(second.text)
    if a is not None and b is not None and a > b:
        yield second.wrong(Wrong.ORDER, f"is before {first.loc.rpartition('/')[2]}")


def used_once(nodes: Iterable[Node]) -> Iterator[Problem]:
    """No value stands twice."""
    seen: set[object] = set()
    for node in nodes:
        if isinstance(node.value, (str, int)):
            if node.value in seen:
                yield node.wrong(Wrong.DUPLICATE, "stands twice; it must be used once")
            seen.add(node.value)


def marking(node: Node) -> Iterator[Problem]:
    """A marking says something: a classification or a TLP label (domain 7.3)."""
    if isinstance(node.value, dict) and not node["classification"].here and not node["tlp"].here:
        yield node.wrong(Wrong.MARKING_EMPTY, "needs a classification or a TLP label")


def attachments(node: Node) -> Iterator[Problem]:
    """Attachment ids are used once; markings of attachments say something (domain 1.6)."""
    yield from used_once(item["attachment_id"] for item in node.each())
    for item in node.each():
        yield from marking(item["marking"])


def conditions(node: Node) -> Iterator[Problem]:
    """Conditions that name an instant have one (domain 2.1.4)."""
    dated = {kind.value for kind in DATED_CONDITIONS}
    for item in node.each():
        if item["condition"].text in dated and not item["until"].here:
            yield item["until"].wrong(Wrong.CONDITION_UNTIL, "is required for this condition")


def refusal(node: Node, refused: bool, allowed: frozenset[Ground] | None = None) -> Iterator[Problem]:
    """A refusal has grounds and reasons (UNTOC 18(23)); no forbidden ground stands alone; a closed list stays closed.

    ``node`` holds ``grounds`` and ``reasons``; ``allowed`` is the closed list of this kind, None when it is open.
    """
    grounds, reasons = node["grounds"], node["reasons"]
    if not refused:
        if grounds.here:
            yield grounds.wrong(Wrong.GROUNDS_UNUSED, "stands without a refusal")
        return
    if not grounds.here:
        yield grounds.wrong(Wrong.GROUNDS_MISSING, "is required: a refusal names at least one ground")
    if not reasons.here:
        yield reasons.wrong(Wrong.REASONS_MISSING, "is required: reasons are given for any refusal (UNTOC 18(23))")
    known = {ground.value for ground in Ground}
    given = {node.text for node in grounds.each()}
    sole = bool(given) and given <= {ground.value for ground in FORBIDDEN_SOLE_GROUNDS}
    for ground in grounds.each():
        if sole:
            yield ground.wrong(Wrong.GROUND_FORBIDDEN, "is no ground of refusal (UNTOC 18(8), 18(22))")
        elif allowed is not None and ground.text in known - {kind.value for kind in allowed}:
            yield ground.wrong(Wrong.GROUND_CLOSED_LIST, "is not on the closed list for this kind of request")
