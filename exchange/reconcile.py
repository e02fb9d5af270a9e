"""After every start: is this data the newest that we ever signed for? Judged from the guard and what the witnesses show of our log.

    guard on our history, one witness answered and shows nothing beyond it     go on
    guard on our history, on other hardware than the data, none answered       go on
    guard on our history, beside the data, none answered                       alone: take in, store and ring, sign nothing
    guard missing, a quorum answered and shows nothing beyond our history      go on, with a new guard
    guard beyond or beside our history                                         hold: recover, or replace the log
    anybody shows a head of ours beyond or beside our history                  hold: the same, whatever the guard says

A head counts only with the log's two signatures: a witness's bare word stops nobody. ``judge`` is pure but for reading the log.
(SPEC.md section 5.7; docs/disaster.md)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from exchange import codes
from exchange.guard import Standing
from exchange.log import Log
from protocol.checkpoint import Head, LogKeys, verify_head
from protocol.entries import TreeHead
from protocol.errors import Code, ProtocolError
from protocol.ports import Verifier

_OF_GUARD: Final[Mapping[Standing, Code]] = {
    Standing.MISSING: codes.GUARD_MISSING, Standing.AHEAD: codes.GUARD_AHEAD, Standing.BESIDE: codes.GUARD_AHEAD,
}  # fmt: skip


class Verdict(StrEnum):
    """What a start may do."""

    GO = "go"
    ALONE = "alone"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found: the verdict, why it is not GO, and the greatest head of ours that anybody showed beyond our history."""

    verdict: Verdict
    code: Code | None = None
    detail: str = ""
    beyond: Head | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """Who was asked and what came back: ``shown`` has a line for everybody who answered, None for one who has no head of ours."""

    witnesses: int
    quorum: int
    shown: Mapping[str, Head | None]


def read_head(note: bytes | None, keys: LogKeys, verifier: Verifier) -> Head | None:
    """A head of our log from what a witness shows; None for nothing, and for what does not bear both our signatures."""
    if note is None:
        return None
    try:
        return verify_head(note, keys, verifier).value
    except ProtocolError:
        return None


def judge(log: Log, asked: Asked, *, elsewhere: bool) -> Finding:
    """Whether this log may go on. ``elsewhere``: the guard lies on other hardware than the data."""
    beyond = None
    for witness, head in sorted(asked.shown.items()):
        relation = Standing.ON if head is None else log.relation(TreeHead(head.size, head.root))
        if head is not None and relation is not Standing.ON and (beyond is None or head.size > beyond[1].size):
            beyond = (f"{witness} shows size {head.size}, which lies {relation} of our {log.size}", head)
    if beyond is not None:
        return Finding(Verdict.HOLD, codes.LOG_AMNESIA, *beyond)
    answered = f"{len(asked.shown)} of {asked.witnesses} witnesses answered"
    match log.standing:
        case Standing.ON if asked.shown or elsewhere or not asked.witnesses:
            return Finding(Verdict.GO)
        case Standing.NEW:
            return Finding(Verdict.GO)
        case Standing.ON:
            return Finding(Verdict.ALONE, codes.LOG_ALONE, answered)
        case Standing.MISSING if len(asked.shown) >= asked.quorum:
            return Finding(Verdict.GO)
    return Finding(Verdict.HOLD, _OF_GUARD[log.standing], f"{answered}, a quorum is {asked.quorum}")


def on_other_hardware(guard: Path, data: Path) -> bool:
    """Whether the two lie on different devices, so that what puts back the one leaves the other alone."""
    try:
        return guard.stat().st_dev != data.stat().st_dev
    except OSError:
        return False
