"""The rules of the tables over a whole log: what may follow what (SPEC.md sections 3 and 5).

``opened`` first and once; times never decrease; nothing after ``closed``. Per envelope at most one ``submitted``, one of
``consigned`` and ``refused``, per recipient one ``receipted`` and one ``undelivered``, which may come before ``receipted``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from protocol.entries import (
    Accessed,
    Anchored,
    Closed,
    Consigned,
    Directory,
    Entry,
    HandedOver,
    Opened,
    Prekeys,
    Receipted,
    Refused,
    Submitted,
    TreeHead,
    Undelivered,
)
from protocol.names import Origin


class Rules:
    """Reads a log's entries in order and says which rule each one breaks. Keeps a line per envelope, nothing per entry."""

    def __init__(self, origin: Origin, root_at: Callable[[int], bytes | None]) -> None:
        """``root_at``: the root of the first so many leaves, or None when it cannot be told."""
        self._origin = origin
        self._root_at = root_at
        self._time = 0
        self._closed = False
        self._sequence = -1
        self._directory = -1
        self._submitted: dict[bytes, Submitted] = {}
        self._ids: set[bytes] = set()
        self._answered: set[bytes] = set()
        self._receipted: set[tuple[bytes, str]] = set()
        self._undelivered: set[tuple[bytes, str]] = set()

    def broken_by(self, index: int, entry: Entry) -> Iterator[str]:
        """What this entry breaks, one sentence each."""
        if (index == 0) != isinstance(entry, Opened):
            yield "`opened` is the first entry and no other"
        if self._closed:
            yield "nothing follows `closed`"
        if entry.time < self._time:
            yield f"its time lies {self._time - entry.time} ms before the entry above"
        self._time = max(self._time, entry.time)
        yield from self._of_kind(index, entry)

    def _of_kind(self, index: int, entry: Entry) -> Iterator[str]:
        match entry:
            case Opened():
                return self._opened(entry)
            case Closed():
                return self._close(entry)
            case Submitted():
                return self._submit(entry)
            case Consigned() | Refused():
                return self._answer(entry)
            case Receipted() | Undelivered():
                return self._outcome(entry)
            case HandedOver() | Accessed():
                return self._read(entry)
            case Prekeys() | Directory():
                return self._version(entry)
            case Anchored():
                return self._anchored(index, entry.head)
            case _:
                return iter(())

    def _opened(self, entry: Opened) -> Iterator[str]:
        if (entry.authority, entry.n) != (self._origin.authority, self._origin.n):
            yield f"`opened` speaks of log {entry.n} of {entry.authority}"
        if (entry.n == 1) != (entry.reason == "first"):
            yield "log 1, and no other, is opened for the reason `first`"
        if entry.lost is not None and entry.lost[0] > entry.lost[1]:
            yield "`opened` names a range lost that ends before it begins"

    def _close(self, entry: Closed) -> Iterator[str]:
        self._closed = True
        if entry.next_n != self._origin.n + 1:
            yield f"`closed` names log {entry.next_n} as the next"

    def _version(self, entry: Prekeys | Directory) -> Iterator[str]:
        """A prekey set is always newer than the one before; a directory may be the same on another day."""
        if isinstance(entry, Directory):
            if entry.version < self._directory:
                yield f"directory version {entry.version} after {self._directory}"
            self._directory = max(self._directory, entry.version)
            return
        if entry.sequence <= self._sequence:
            yield f"prekey set {entry.sequence} after {self._sequence}"
        self._sequence = max(self._sequence, entry.sequence)

    def _submit(self, entry: Submitted) -> Iterator[str]:
        if entry.envelope_hash in self._submitted:
            yield "this envelope was submitted before"
        elif entry.message_id in self._ids:
            yield "another envelope under this message id was submitted before"
        self._submitted[entry.envelope_hash] = entry
        self._ids.add(entry.message_id)

    def _answer(self, entry: Consigned | Refused) -> Iterator[str]:
        if entry.envelope_hash in self._answered:
            yield "this envelope was answered before"
        self._answered.add(entry.envelope_hash)

    def _outcome(self, entry: Receipted | Undelivered) -> Iterator[str]:
        key = entry.envelope_hash, entry.recipient
        submitted = self._submitted.get(entry.envelope_hash)
        if submitted is None or submitted.message_id != entry.message_id:
            yield "no such envelope was submitted in this log"
        if key in self._receipted:
            yield f"{entry.recipient}'s receipt for this envelope was logged before"
        if isinstance(entry, Receipted):
            self._receipted.add(key)
            return
        if key in self._undelivered:
            yield f"this envelope was given up for {entry.recipient} before"
        self._undelivered.add(key)

    def _read(self, entry: HandedOver | Accessed) -> Iterator[str]:
        # a successor's officers read what an earlier log took in
        if self._origin.n == 1 and entry.envelope_hash not in self._answered and entry.envelope_hash not in self._submitted:
            yield "no such envelope was taken in or submitted before"

    def _anchored(self, index: int, head: TreeHead) -> Iterator[str]:
        if not 0 < head.size <= index:
            yield f"it anchors size {head.size}, which lies beyond it"
            return
        root = self._root_at(head.size)
        if root is not None and root != head.root:
            yield f"it anchors another root at size {head.size}"
