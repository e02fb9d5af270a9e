"""A whole exported log, examined: C2SP tlog-tiles files, from the checkpoint down to every entry (LOG-18), and its messages.

checkpoint                       the head: a note
tile/<L>/<N>[.p/<W>]             hashes
tile/entries/<N>[.p/<W>]         entries
messages/<N>                     messages with the other side's proofs (protocol/dossier.py), where they were exported too
directory/  SHA256SUMS           then also the directory's metadata, and the digests of what no signature here covers whole

1  head      the checkpoint is signed as the policy, or the directory, asks
2  tiles     entries and tiles rebuild its root; what does not is named by tile and index
3  entries   every entry is one of ours
4  rules     they follow each other as the tables allow
5  heads     heads known from elsewhere are heads of this log
6  trust     the directory follows from the trust root; the files beside are the ones exported
7  messages  every envelope belongs to its entry here, and to what the other side's log says under a head with both signatures
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from exchange.auditor import codes
from exchange.auditor.anchor import Trust, check_trust
from exchange.auditor.correspondence import Correspondence, Files
from exchange.auditor.folder import Folder, read_chunks, read_file
from exchange.auditor.proofs import judge_head
from exchange.auditor.report import Docket, Report, Verdict
from exchange.auditor.rules import Rules
from exchange.auditor.sums import check_sums, count_files
from exchange.auditor.tilecheck import NAMED, Fetch, Trees, faults, read_leaves
from keys.directory.view import Directory
from keys.suite import SUITE
from protocol import limits, merkle
from protocol.checkpoint import Checkpoint, parse_checkpoint
from protocol.dossier import MESSAGES, ROW, Row, dossier_path, read_rows
from protocol.entries import TreeHead, parse_entry
from protocol.errors import Code, LocalError, ProtocolError
from protocol.merkle import Frontier
from protocol.names import Origin
from protocol.note import parse_note
from protocol.policy import parse_policy
from protocol.tiles import ENTRIES, WIDTH, TileReader, tile_path

Told: TypeAlias = Callable[[int], None]

TITLES: Final = ("head", "tiles", "entries", "rules", "heads", "trust", "messages")
CHECKPOINT: Final = "checkpoint"
_DOSSIER: Final = MESSAGES * limits.RECIPIENTS * ROW  # bytes of a file of messages; it is read row by row
_BUNDLE: Final = WIDTH * (2 + limits.ENTRY)  # bytes of a full bundle of our entries


def quiet(entries: int) -> None:
    """Tell nobody how many entries were read."""


def is_log(folder: Path) -> bool:
    """Whether this folder looks like an exported log rather than a bundle."""
    return (folder / CHECKPOINT).is_file()


def audit_log(
    folder: Path, policy: bytes | None, heads: Iterable[TreeHead] = (), trust: Trust | None = None, told: Told = quiet
) -> Report:
    """Examine every byte of a log. ``policy``: a C2SP policy from elsewhere; ``heads``: other heads, as receipts cite them.

    ``trust``: the network's first root, which stands for a policy when messages were exported with their directory. ``told``: how many
    entries were read so far. Raises AUDIT-EMPTY when there is no log, AUDIT-TRUST for a policy that is none; nothing for what is in the
    log.
    """
    if not is_log(folder):
        raise LocalError(codes.AUDIT_EMPTY, folder.name)
    docket = Docket()
    shows = (folder / "directory").exists() or (folder / "messages").exists()
    directory = _trust(docket, folder, trust or Trust(None, 0)) if shows else None
    anchored = policy is not None or (directory is not None and trust is not None and trust.root is not None)
    head = docket.run(1, "head", "", _head, folder, policy if policy is not None else b"", directory or b"")
    if head is not None and not anchored:
        docket.checks.pop()
        says = f"consistent with itself only: no policy for {head.origin} was given"
        docket.add(1, "head", Verdict.NOT_ANCHORED, codes.UNANCHORED, says)
    if head is None:
        for number, name in ((2, "tiles"), (3, "entries"), (4, "rules"), (5, "heads")):
            docket.run(number, name, "", _nothing, None)
    else:
        docket.facts["log"] = {"origin": head.origin, "size": head.size, "root": head.root.hex()}
        _body(docket, head, folder, directory, tuple(heads), told)
    if shows and (head is None or directory is None):
        docket.run(7, "messages", "", _nothing, None)
    docket.checks.sort(key=lambda check: check.number)
    return docket.report("log", TITLES if shows else TITLES[:5])


def _head(folder: Path, policy: bytes, directory: Directory | bytes) -> tuple[Checkpoint, str]:
    data = read_file(folder / CHECKPOINT, limits.NOTE)
    note = parse_note(data)
    head = parse_checkpoint(note.text)
    Origin.parse(head.origin)
    signed = ""
    if isinstance(directory, Directory):
        signed = f", {judge_head(data, directory)[2]}: signed with both keys of the log"
    if policy:
        seen = parse_policy(policy).check(note, SUITE)
        signed = f", signed by its log and by {', '.join(sorted(seen)) or 'no witness'}"
    return head, f"size {head.size} of {head.origin}{signed}"


def _trust(docket: Docket, folder: Path, trust: Trust) -> Directory | None:
    """Check 6: the directory, and the digests of the files that no signature covers to the last byte."""
    docket.run(6, "trust", "files", check_sums, folder)
    listed = docket.run(6, "trust", "listing", _listing, folder)
    directory = docket.run(6, "trust", "", check_trust, listed, trust)
    if directory is not None and trust.root is None:
        docket.checks.pop()
        says = f"consistent with itself only: no trust root of {directory.network} was given"
        docket.add(6, "trust", Verdict.NOT_ANCHORED, codes.UNANCHORED, says)
    return directory


def _listing(folder: Path) -> tuple[Folder, str]:
    found = Folder.open(folder, "directory")
    return found, f"{len(found.sizes)} plain files of metadata"


def _body(
    docket: Docket, head: Checkpoint, folder: Path, directory: Directory | None, heads: tuple[TreeHead, ...], told: Told
) -> None:
    """Checks 2 to 5 and 7 in one pass over the entries."""
    fetch = _fetch(folder)
    reader = TileReader(fetch, head.size)
    origin = Origin.parse(head.origin)
    shown = Correspondence(origin, directory, _messages(folder)) if directory is not None else None
    found = _Findings(Rules(origin, lambda size: _root(reader, size)), shown, told)
    trees = read_leaves(head.size, fetch, found)
    _tiles(docket, trees, head, fetch)
    _named(docket, 3, "entries", codes.LOG_ENTRY, found.unread, f"{trees.from_entries.size} entries, each one of ours")
    _named(docket, 4, "rules", codes.LOG_RULE, found.broken, "each entry follows as the tables allow")
    wrong = [f"size {known.size}" for known in heads if known.size > head.size or _root(reader, known.size) != known.root]
    _named(docket, 5, "heads", codes.LOG_ROOT, wrong, f"{len(heads)} other heads are heads of this log")
    docket.facts["entries"] = trees.from_entries.size
    if shown is not None:
        shown.end()
        if (files := count_files(folder / "messages")) != shown.counted.files:
            shown.wrong.append(f"{files} files, {shown.counted.files} of them numbered from 000 on")
        _named(docket, 7, "messages", codes.LOG_MESSAGE, shown.wrong, shown.says())
        docket.facts["messages"] = shown.facts()


class _Findings:
    """What the pass over the entries saw: entries that do not parse, and rules that are broken, by index."""

    __slots__ = ("_rules", "_shown", "_told", "broken", "unread")

    def __init__(self, rules: Rules, shown: Correspondence | None, told: Told) -> None:
        self._rules = rules
        self._shown = shown
        self._told = told
        self.unread: list[str] = []
        self.broken: list[str] = []

    def see(self, index: int, raw: bytes) -> None:
        try:
            entry = parse_entry(raw)
        except ProtocolError as error:
            self.unread.append(f"index {index}: {error.code} {error.detail}")
            return
        for says in self._rules.broken_by(index, entry):
            self.broken.append(f"index {index}: {says}")
        if self._shown is not None:
            self._shown.see(index, entry)

    def end_tile(self, before: Frontier, leaves: Sequence[bytes]) -> None:
        self._told(before.size + len(leaves))
        if self._shown is not None:
            self._shown.end_tile(before, leaves)


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


def _messages(folder: Path) -> Files:
    def rows(number: int) -> Iterator[Row] | None:
        path = folder / dossier_path(number)
        return read_rows(read_chunks(path, path.name, _DOSSIER)) if os.path.lexists(path) else None

    return rows


def _root(reader: TileReader, size: int) -> bytes | None:
    try:
        return merkle.root(size, reader)
    except ProtocolError:
        return None  # the tile it needs is damaged: check 2 says which


def _nothing(_: None) -> tuple[None, str]:
    return None, ""
