"""Gathers from the store what a message's bundle needs: its envelope, the proofs of both sides, and the parts to be disclosed.

A message we sent: our ``submitted`` under our head of now, and each recipient's receipt as it was stored. A message that came: the sender's
``submitted`` as it was stored, and our own ``consigned`` or ``refused`` under our head of now.
What stands in an earlier log of ours is proven under its closing head.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from exchange.export.bundle import Disclosure, Evidence, Materials, metadata_of, write_bundle
from exchange.export.holdings import Holdings
from exchange.export.logexport import write_beside, write_messages
from exchange.export.tilefolder import write_file, write_log
from exchange.log import Log
from exchange.messages import SENT, Message, Messages
from exchange.store import Store
from protocol import cbor, parts
from protocol.checkpoint import parse_checkpoint
from protocol.entries import Consigned, Place, Refused, parse_entry
from protocol.note import parse_note
from protocol.policy import format_policy, policy_for
from protocol.pouch import Path as Hashes
from protocol.pouch import Proven
from protocol.treehead import stated_checkpoint

_Proofs: TypeAlias = tuple[Evidence, Mapping[str, Evidence], tuple[Evidence, ...]]


class Exporter:
    """Writes bundles. ``directory``: the node's folder of verified directory metadata."""

    def __init__(self, store: Store, log: Log, messages: Messages, holdings: Holdings, directory: Path) -> None:
        self._store, self._log, self._messages, self._holdings, self._directory = store, log, messages, holdings, directory

    def export(self, message: Message, folder: Path, disclose: Sequence[int] = ()) -> dict[str, str]:
        """Write the bundle of a message into a new or empty folder; SHA-256 (hex) of every file by name.

        ``disclose``: numbers of parts to show in plaintext, each with its own opening. The caller logs the hand-over of those first.
        Raises EXPORT-*, MESSAGE-ERASED, MESSAGE-PENDING, DIRECTORY-*.
        """
        directory, metadata = metadata_of(self._directory)
        origin, receipts, earlier = self._sent(message) if message.direction == SENT else self._received(message)
        envelope = self._messages.envelope(message).raw
        with self._disclosures(message, disclose, folder.absolute().parent) as shown:
            before, links = self._before(origin, receipts), self._links(message, origin, receipts)
            materials = Materials(envelope, origin, receipts, directory, metadata, shown, earlier, before, links)
            return write_bundle(materials, folder)

    def export_log(self, folder: Path, n: int | None = None, *, messages: bool = False) -> int:
        """Write our whole log ``n`` as C2SP tiles into a new or empty folder, with ``policy.txt`` beside; the head's size.

        With its head of now; an earlier log than the one in force (None) with its closing head. ``messages``: with every envelope and the
        other side's proofs too. Raises EXPORT-FOLDER, LOG-RANGE, DIRECTORY-*.
        """
        log = self._log.numbered(self._log.n if n is None else n)
        directory, metadata = metadata_of(self._directory)
        note = self._log.head().note if log is self._log else log.closing_note()
        size = parse_checkpoint(parse_note(note).text).size
        step = 4096
        entries = (entry for at in range(0, size, step) for entry in log.entries(at, min(at + step, size)))
        write_log(entries, note, folder)
        policy = format_policy(policy_for(directory.log(log.origin).keys, (), 0))
        if messages:
            write_messages(self._store, log, size, folder)
            write_beside(folder, policy, metadata)
        else:
            write_file(folder, "policy.txt", policy)
        return size

    def _sent(self, message: Message) -> _Proofs:
        receipts = {}
        query = (
            "SELECT recipient, receipt, receipt_index, receipt_path, receipt_note FROM delivery"
            " WHERE message=(SELECT id FROM outgoing WHERE hash=?) AND receipt_note IS NOT NULL ORDER BY recipient"
        )
        for recipient, entry, index, path, note in self._store.reader().execute(query, (message.hash,)).fetchall():
            receipts[recipient] = Evidence(*self._holdings.lengthened(_proven(entry, index, path), note))
        places = [entry.place for r in receipts.values() if isinstance(entry := parse_entry(r.proven.entry), Consigned | Refused)]
        before = {place.n: place.index for place in places if place.n < message.n}
        earlier = tuple(self._ours(n, index) for n, index in sorted(before.items()))
        cited = max((place.size for place in places if place.n == message.n), default=0)
        origin = self._witnessed(message, cited) or self._cited(message, places) or self._ours(message.n, message.index or 0)
        return origin, receipts, earlier

    def _witnessed(self, message: Message, cited: int) -> Evidence | None:
        """Our ``submitted`` under a witnessed head, not smaller than those that receipts cite."""
        if message.n != self._log.n or message.index is None:
            return None
        best = self._holdings.prove_ours(message.index, max(cited, message.index + 1))
        return None if best is None else Evidence(*best)

    def _links(self, message: Message, origin: Evidence, receipts: Mapping[str, Evidence]) -> dict[str, tuple[int, Hashes]]:
        """By authority, what links the head that its receipt cites to the head of the sender's proof."""
        links: dict[str, tuple[int, Hashes]] = {}
        if message.direction != SENT:
            note = self._store.reader().execute("SELECT origin_note FROM incoming WHERE hash=?", (message.hash,)).fetchone()[0]
            stored = self._holdings.stored_link(note)
            return {} if stored is None else dict.fromkeys(receipts, stored)
        for authority, receipt in receipts.items():
            entry = parse_entry(receipt.proven.entry)
            if isinstance(entry, Consigned | Refused):
                path = self._holdings.link(entry.place, origin.note)
                if path is not None:
                    links[authority] = entry.place.size, path
        return links

    def _before(self, origin: Evidence, receipts: Mapping[str, Evidence]) -> dict[str, bytes]:
        """For the lower end of each bracket."""
        found = {}
        for name, evidence in {**receipts, "origin": origin}.items():
            said = stated_checkpoint(evidence.note)
            note = self._holdings.before(said.origin, evidence.proven.index)
            if note is not None:
                found[name] = note
        return found

    def _cited(self, message: Message, places: Sequence[Place]) -> Evidence | None:
        """Our ``submitted`` under the head that the first receipt cites, so that the two are bound to each other."""
        for place in places:
            if place.n == message.n == self._log.n:
                query = "SELECT note FROM note WHERE origin=? AND size=?"
                row = self._store.reader().execute(query, (self._log.origin, place.size)).fetchone()
                if row is not None and message.index is not None:
                    path = self._log.path(message.index, place.size)
                    return Evidence(Proven(self._log.entry(message.index), message.index, path), bytes(row[0]))
        return None

    def _received(self, message: Message) -> _Proofs:
        query = (
            "SELECT origin_entry, origin_index, origin_path, origin_note FROM incoming WHERE hash=?"
        )
        entry, index, path, note = self._store.reader().execute(query, (message.hash,)).fetchone()
        us = self._log.authority
        ours = None if message.index is None else self._witnessed(message, 0) or self._ours(message.n, message.index)
        receipts = {} if ours is None else {us: ours}
        return Evidence(*self._holdings.lengthened(_proven(entry, index, path), note)), receipts, ()

    def _ours(self, n: int, index: int) -> Evidence:
        """An entry of ours under our head of now, or of an earlier log under its closing head."""
        if n != self._log.n:
            return Evidence(*self._log.numbered(n).prove_remembered(index))
        head = self._log.head()
        return Evidence(self._log.prove(index, head), head.note)

    @contextmanager
    def _disclosures(self, message: Message, numbers: Sequence[int], beside: Path) -> Iterator[tuple[Disclosure, ...]]:
        """The parts to show: the body in memory, evidence through a file beside the export, so that 32 GiB fit."""
        beside.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".disclosing-", dir=beside) as folder:
            shown = []
            for number in sorted(set(numbers)):
                opening = self._messages.opening(message, number)
                if number == 0:
                    shown.append(Disclosure(0, parts.BODY_MEDIA_TYPE, opening, self._messages.body(message)))
                    continue
                path = Path(folder) / str(number)
                with path.open("wb") as file:
                    file.writelines(self._messages.attachment(message, number))
                media_type = self._messages.read(message).attachments[number - 1].media_type
                shown.append(Disclosure(number, media_type, opening, path))
            yield tuple(shown)


def _proven(entry: bytes, index: int, path: bytes) -> Proven:
    return Proven(entry, index, tuple(cbor.decode(path)))  # type: ignore[arg-type]
