"""A whole exported log, examined: C2SP tlog-tiles files, from the checkpoint down to every entry (LOG-18).

checkpoint                       the head: a note
tile/<L>/<N>[.p/<W>]             hashes
tile/entries/<N>[.p/<W>]         entries

1  head      the checkpoint is signed as the policy asks
2  tiles     entries and tiles rebuild its root; what does not is named by tile and index
3  entries   every entry is one of ours
4  rules     they follow each other as the tables allow
5  heads     heads known from elsewhere are heads of this log
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from exchange.auditor import codes
from exchange.auditor.folder import read_file
from exchange.auditor.report import Docket, Report, Verdict
from exchange.auditor.rules import Rules
from exchange.auditor.tilecheck import NAMED, Fetch, Trees, faults, read_leaves
from keys.suite import SUITE
from protocol import limits, merkle
from protocol.checkpoint import Checkpoint, parse_checkpoint
from protocol.entries import TreeHead, parse_entry
from protocol.errors import Code, LocalError, ProtocolError
from protocol.names import Origin
from protocol.note import parse_note
from protocol.policy import parse_policy
from protocol.tiles import ENTRIES, WIDTH, TileReader, tile_path

TITLES: Final = ("head", "tiles", "entries", "rules", "heads")
CHECKPOINT: Final = "checkpoint"
_BUNDLE: Final = WIDTH * (2 + limits.ENTRY)  # bytes of a full bundle of our entries


def is_log(folder: Path) -> bool:
    """Whether this folder looks like an exported log rather than a bundle."""
    return (folder / CHECKPOINT).is_file()


def audit_log(folder: Path, policy: bytes | None, heads: Iterable[TreeHead] = ()) -> Report:
    """Examine every byte of a log. ``policy``: a C2SP policy from elsewhere; ``heads``: other heads, as receipts cite them.

    Raises AUDIT-EMPTY when there is no log, AUDIT-TRUST for a policy that is none; nothing for what is in the log.
    """
    if not is_log(folder):
        raise LocalError(codes.AUDIT_EMPTY, folder.name)
    docket = Docket()
    head = docket.run(1, "head", "", _head, folder, policy if policy is not None else b"")
    if head is not None and policy is None:
        docket.checks.pop()
        says = f"consistent with itself only: no policy for {head.origin} was given"
        docket.add(1, "head", Verdict.NOT_ANCHORED, codes.UNANCHORED, says)
    if head is None:
        for number, name in ((2, "tiles"), (3, "entries"), (4, "rules"), (5, "heads")):
            docket.run(number, name, "", _nothing, None)
        return docket.report("log", TITLES)
    docket.facts["log"] = {"origin": head.origin, "size": head.size, "root": head.root.hex()}
    _body(docket, head, _fetch(folder), tuple(heads))
    return docket.report("log", TITLES)


def _head(folder: Path, policy: bytes) -> tuple[Checkpoint, str]:
    note = parse_note(read_file(folder / CHECKPOINT, limits.NOTE))
    head = parse_checkpoint(note.text)
    Origin.parse(head.origin)
    if not policy:
        return head, f"size {head.size} of {head.origin}"
    seen = parse_policy(policy).check(note, SUITE)
    return head, f"size {head.size} of {head.origin}, signed by its log and by {', '.join(sorted(seen)) or 'no witness'}"


def _body(docket: Docket, head: Checkpoint, fetch: Fetch, heads: tuple[TreeHead, ...]) -> None:
    """Checks 2 to 5 in one pass over the entries."""
    reader = TileReader(fetch, head.size)
    found = _Findings(Rules(Origin.parse(head.origin), lambda size: _root(reader, size)))
    trees = read_leaves(head.size, fetch, found.see)
    _tiles(docket, trees, head, fetch)
    _named(docket, 3, "entries", codes.LOG_ENTRY, found.unread, f"{trees.from_entries.size} entries, each one of ours")
    _named(docket, 4, "rules", codes.LOG_RULE, found.broken, "each entry follows as the tables allow")
    wrong = [f"size {known.size}" for known in heads if known.size > head.size or _root(reader, known.size) != known.root]
    _named(docket, 5, "heads", codes.LOG_ROOT, wrong, f"{len(heads)} other heads are heads of this log")


class _Findings:
    """What the pass over the entries saw: entries that do not parse, and rules that are broken, by index."""

    __slots__ = ("_rules", "broken", "unread")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.unread: list[str] = []
        self.broken: list[str] = []

    def see(self, index: int, raw: bytes) -> None:
        try:
            entry = parse_entry(raw)
        except ProtocolError as error:
            self.unread.append(f"index {index}: {error.code} {error.detail}")
            return
        self.broken += [f"index {index}: {says}" for says in self._rules.broken_by(index, entry)]


def _tiles(docket: Docket, trees: Trees, head: Checkpoint, fetch: Fetch) -> None:
    count = 0
    for fault in faults(trees, head.root, fetch):
        count += 1
        if count <= NAMED:
            docket.add(2, "tiles", Verdict.REFUTED, fault.code.code, f"{fault.code.says}: {fault}", fault.tile)
    if count > NAMED:
        docket.add(2, "tiles", Verdict.REFUTED, codes.LOG_ROOT.code, f"and {count - NAMED} more places")
    if not count:
        docket.add(2, "tiles", Verdict.PROVEN, codes.PROVEN, f"entries and tiles rebuild the root of size {head.size}")


def _named(docket: Docket, number: int, name: str, code: Code, wrong: list[str], good: str) -> None:
    for says in wrong[:NAMED]:
        docket.add(number, name, Verdict.REFUTED, code.code, f"{code.says} ({says})")
    if len(wrong) > NAMED:
        docket.add(number, name, Verdict.REFUTED, code.code, f"and {len(wrong) - NAMED} more")
    if not wrong:
        docket.add(number, name, Verdict.PROVEN, codes.PROVEN, good)


def _fetch(folder: Path) -> Fetch:
    def fetch(level: int, index: int, width: int) -> bytes:
        limit = _BUNDLE if level == ENTRIES else WIDTH * merkle.HASH
        return read_file(folder / tile_path(level, index, width), limit)

    return fetch


def _root(reader: TileReader, size: int) -> bytes | None:
    try:
        return merkle.root(size, reader)
    except ProtocolError:
        return None  # the tile it needs is damaged: check 2 says which


def _nothing(_: None) -> tuple[None, str]:
    return None, ""
