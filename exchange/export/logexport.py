"""Writes a whole log with its messages: what an auditor needs to check every envelope and every proof of it, offline.

    checkpoint, tile/...   the log, as C2SP tlog-tiles           policy.txt    its keys
    messages/<N>           per message: envelope, and what the other side's log says of it (protocol/dossier.py)
    directory/             metadata that leads from the trust root to everybody's keys
    SHA256SUMS             digests of directory/ and policy.txt

No content and no key is in it. Messages that are erased stay: their envelopes say who asked whom, and no more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from exchange.export.tilefolder import write_file
from exchange.store import Store
from exchange.storedlog import StoredLog
from protocol import cbor
from protocol.dossier import MESSAGES, Cited, Shown, dossier_path, encode_row
from protocol.entries import Consigned, Receipted, Refused, Submitted, parse_entry

_STEP = 4096  # entries read at once
_SENT = (
    "SELECT outgoing.envelope, recipient, receipt, receipt_index, receipt_path, receipt_note FROM outgoing LEFT JOIN delivery"
    " ON delivery.message=outgoing.id AND receipt IS NOT NULL WHERE outgoing.hash=? AND n=? AND idx=? ORDER BY recipient"
)
_CAME = "SELECT envelope, origin_entry, origin_index, origin_path, origin_note FROM incoming WHERE hash=? AND n=? AND idx=?"


def write_messages(store: Store, log: StoredLog, size: int, folder: Path) -> int:
    """Write the messages of the first ``size`` entries of a log into ``messages/``; how many. Raises EXPORT-FOLDER."""
    written = 0
    dossier = _Dossier(store, folder)
    for shown, notes in _Shown(store, log, size).messages():
        dossier.add(shown, notes)
        written += 1
    dossier.finish()
    return written


def write_beside(folder: Path, policy: bytes, metadata: Mapping[str, bytes]) -> None:
    """Write policy and directory, and the digests of both."""
    files = {"policy.txt": policy, **{f"directory/{name}": data for name, data in metadata.items()}}
    for name, data in files.items():
        write_file(folder, name, data)
    sums = "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    write_file(folder, "SHA256SUMS", sums.encode())


class _Shown:
    """The messages of a log, in the order of its entries, each with the ids of the notes that its proofs are under."""

    def __init__(self, store: Store, log: StoredLog, size: int) -> None:
        self._db = store.reader()
        self._log = log
        self._size = size
        self._later_from = size
        self._later: set[tuple[bytes, str]] = set()

    def messages(self) -> Iterator[tuple[Shown, list[int]]]:
        for start in range(0, self._size, _STEP):
            for index, raw in enumerate(self._log.entries(start, min(start + _STEP, self._size)), start):
                entry = parse_entry(raw)
                if isinstance(entry, Submitted):
                    found = self._sent(index, entry.envelope_hash)
                elif isinstance(entry, Consigned | Refused):
                    found = self._came(index, entry.envelope_hash)
                else:
                    continue
                if found is not None:
                    yield found

    def _sent(self, index: int, envelope_hash: bytes) -> tuple[Shown, list[int]] | None:
        rows = self._db.execute(_SENT, (envelope_hash, self._log.n, index)).fetchall()
        if not rows:
            return None  # submitted again in a later log of ours, and shown there
        self._look_later()
        kept = [row for row in rows if row[1] is not None and (envelope_hash, row[1]) not in self._later]
        proofs = tuple(_cited(number, *row[2:5]) for number, row in enumerate(kept))
        return Shown(index, rows[0][0], proofs), [row[5] for row in kept]

    def _came(self, index: int, envelope_hash: bytes) -> tuple[Shown, list[int]] | None:
        row = self._db.execute(_CAME, (envelope_hash, self._log.n, index)).fetchone()
        return None if row is None else (Shown(index, row[0], (_cited(0, *row[1:4]),)), [row[4]])

    def _look_later(self) -> None:
        """Receipts that came since the head of this export was signed are not in it: their ``receipted`` lies beyond."""
        while late := self._log.entries(self._later_from, self._later_from + _STEP):
            self._later_from += len(late)
            for entry in map(parse_entry, late):
                if isinstance(entry, Receipted):
                    self._later.add((entry.envelope_hash, entry.recipient))


class _Dossier:
    """The file that is being written: messages, and each note before the first message that cites it."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._db = store.reader()
        self._folder = folder
        self._number = 0
        self._begin()

    def _begin(self) -> None:
        self._data = bytearray()
        self._messages = 0
        self._places: dict[int, int] = {}

    def add(self, shown: Shown, notes: list[int]) -> None:
        """One message; ``notes``: the row of the note of each of its proofs."""
        for note in notes:
            if note not in self._places:
                self._places[note] = len(self._places)
                row = self._db.execute("SELECT note FROM note WHERE id=?", (note,)).fetchone()
                self._data += encode_row(bytes(row[0]))
        proofs = tuple(cited._replace(note=self._places[note]) for cited, note in zip(shown.proofs, notes, strict=True))
        self._data += encode_row(shown._replace(proofs=proofs))
        self._messages += 1
        if self._messages == MESSAGES:
            self.finish()

    def finish(self) -> None:
        """Write the file, if it holds anything, and begin the next."""
        if self._messages:
            write_file(self._folder, dossier_path(self._number), bytes(self._data))
            self._number += 1
        self._begin()


def _cited(note: int, entry: bytes, index: int, path: bytes) -> Cited:
    return Cited(note, entry, index, b"".join(cbor.decode(path)))  # type: ignore[arg-type]
