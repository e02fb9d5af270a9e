"""Parts that come in: only those wanted, each verified while it flows, resumed where it ended, consigned when the last is whole.

Ciphertext goes to disk, plaintext only through the hash of the commitment. What was held before a cut is read once more into the same
check, so there is one path for a first and for a resumed upload. (SPEC.md section 4.1, check 14)
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from typing import BinaryIO

from exchange import codes
from exchange.log import Tx
from exchange.notice import Notice, Told
from exchange.partfiles import PartFiles, read_chunks
from exchange.reserve import Reserve
from exchange.store import Store
from exchange.writer import Writer
from keys.storage import StorageKey
from protocol import body, parts
from protocol.arrival import check_13_letter
from protocol.codes import PART_DIGEST, PART_LENGTH
from protocol.delivery import State
from protocol.entries import Consigned, Lane, Place, Refused
from protocol.envelope import Envelope, parse_envelope
from protocol.errors import LocalError, PassingError, ProtocolError
from protocol.parts import OpeningPart, PartName, open_part
from protocol.ports import Sealing
from protocol.treehead import stated_checkpoint

_RESENT = frozenset({PART_DIGEST, PART_LENGTH})  # the upload's fault; anything else is the envelope's and final


class Upload:
    """One part on its way in. Feed it with ``write``; ``finish`` after the last byte; ``close`` always."""

    def __init__(self, partial: BinaryIO, check: OpeningPart, left: int, release: Callable[[], None]) -> None:
        self._file = partial
        self._check = check
        self.left = left
        self._release = release

    def write(self, chunk: bytes) -> None:
        """Take ciphertext. Raises PART-LENGTH beyond the announced length, STORE-WRITE."""
        self._check.update(chunk)
        try:
            self._file.write(chunk)
        except OSError as error:
            raise LocalError(codes.STORE_WRITE, f"{error.strerror}") from None
        self.left -= len(chunk)

    def finish(self) -> None:
        """After the last byte: everything is verified, or PART-* is raised."""
        self._check.finalize()

    def close(self) -> None:
        """Keep what was written and let the part go. Raises STORE-WRITE; the part is let go nevertheless."""
        try:
            with self._file:
                self._file.flush()
                os.fsync(self._file.fileno())
        except OSError as error:
            raise LocalError(codes.STORE_WRITE, f"{error.strerror}") from None
        finally:
            self._release()


class PartsIn:
    """The wanted parts of pending messages. ``on_consigned`` is told of each message that became whole."""

    def __init__(
        self, store: Store, writer: Writer, files: PartFiles, storage: StorageKey, sealing: Sealing,
        reserve: Reserve, on_consigned: Told,
    ) -> None:  # fmt: skip
        self._store, self._writer, self._files = store, writer, files
        self._storage, self._sealing, self._reserve, self._on_consigned = storage, sealing, reserve, on_consigned
        self._busy: set[tuple[bytes, int]] = set()
        self._lock = threading.Lock()

    def open(self, peer: str, envelope_hash: bytes, number: int, offset: int) -> Upload:
        """Begin or resume an upload.

        Raises PART-UNWANTED, PART-OFFSET (names the bytes held), PART-BUSY, MESSAGE-ERASED, DISK-RESERVE when it would not fit.
        """
        envelope, secret, media_type = self._pending(peer, envelope_hash, number)
        self._take(envelope_hash, number)
        try:
            held = self._files.held(envelope_hash, number)
            head = envelope.parts[number]
            if offset != held or held > head.length:
                raise ProtocolError(codes.PART_OFFSET, str(held))
            self._reserve.demand(Lane.ROUTINE, head.length - held)
            name = PartName(envelope.network_id, envelope.message_id, number)
            check = OpeningPart(self._sealing, name, head, secret[:32], secret[32:], media_type)
            partial = self._files.resume(envelope_hash, number)
            if held:
                for chunk in read_chunks(partial):
                    check.update(chunk)
            return Upload(partial.open("ab"), check, head.length - held, lambda: self._let_go(envelope_hash, number))
        except BaseException:
            self._let_go(envelope_hash, number)
            raise

    def held(self, peer: str, envelope_hash: bytes, number: int) -> int:
        """Bytes held of a wanted part. Raises PART-UNWANTED."""
        query = "SELECT 1 FROM incoming JOIN incoming_part p USING (hash) WHERE hash=? AND sender=? AND p.i=? AND p.done=0"
        if self._store.reader().execute(query, (envelope_hash, peer, number)).fetchone() is None:
            raise ProtocolError(codes.PART_UNWANTED, f"part {number}")
        return self._files.held(envelope_hash, number)

    def done(self, envelope_hash: bytes, number: int) -> int | None:
        """A part was verified and closed: keep it, and consign the message if it was the last; the entry's index then."""
        self._files.keep_incoming(envelope_hash, number)
        index = self._writer.run(lambda tx: self._store_done(tx, envelope_hash, number))
        if index is not None:
            query = "SELECT message_id, sender, lane, time FROM incoming WHERE hash=?"
            message_id, sender, lane, time = self._store.reader().execute(query, (envelope_hash,)).fetchone()
            self._on_consigned([Notice(envelope_hash, message_id, sender, Lane(lane), State.DELIVERED, time)])
        return index

    def failed(self, envelope_hash: bytes, number: int, error: ProtocolError) -> None:
        """A part failed verification: drop it. A wrong digest is sent again; wrong content refuses the message for good."""
        self._files.drop_partial(envelope_hash, number)
        if error.code not in _RESENT:
            self._writer.run(lambda tx: self._refuse(tx, envelope_hash, error))
            self._files.drop_message(envelope_hash)

    def _pending(self, peer: str, envelope_hash: bytes, number: int) -> tuple[Envelope, bytes, str]:
        query = (
            "SELECT envelope, body, wrapped FROM incoming JOIN incoming_part p USING (hash) LEFT JOIN secret USING (hash)"
            " WHERE hash=? AND sender=? AND state='pending' AND p.i=? AND p.done=0"
        )
        row = self._store.reader().execute(query, (envelope_hash, peer, number)).fetchone()
        if row is None:
            raise ProtocolError(codes.PART_UNWANTED, f"part {number}")
        if row[2] is None:
            raise ProtocolError(codes.MESSAGE_ERASED)
        if hashlib.sha256(row[0]).digest() != envelope_hash:
            raise LocalError(codes.MESSAGE_DAMAGED)
        envelope = parse_envelope(row[0])
        secret = self._storage.unwrap(envelope_hash, row[2])
        name = PartName(envelope.network_id, envelope.message_id, 0)
        plaintext = open_part(self._sealing, name, envelope.parts[0], secret, parts.BODY_MEDIA_TYPE, row[1])
        letter: body.Letter = check_13_letter(envelope, plaintext)
        return envelope, secret, letter.attachments[number - 1].media_type

    def _take(self, envelope_hash: bytes, number: int) -> None:
        with self._lock:
            if (envelope_hash, number) in self._busy:
                raise PassingError(codes.PART_BUSY, f"part {number}", seconds=5)
            self._busy.add((envelope_hash, number))

    def _let_go(self, envelope_hash: bytes, number: int) -> None:
        with self._lock:
            self._busy.discard((envelope_hash, number))

    def _store_done(self, tx: Tx, envelope_hash: bytes, number: int) -> int | None:
        tx.db.execute("UPDATE incoming_part SET done=1 WHERE hash=? AND i=?", (envelope_hash, number))
        if tx.db.execute("SELECT 1 FROM incoming_part WHERE hash=? AND done=0", (envelope_hash,)).fetchone() is not None:
            return None
        origin = self._origin(tx, envelope_hash)
        if origin is None:
            return None
        message_id, sender, place = origin
        index = tx.append(Consigned, envelope_hash, message_id, sender, place)
        tx.db.execute("UPDATE incoming SET state='consigned', time=?, n=?, idx=? WHERE hash=?", (tx.time, tx.n, index, envelope_hash))
        return index

    def _refuse(self, tx: Tx, envelope_hash: bytes, error: ProtocolError) -> None:
        origin = self._origin(tx, envelope_hash)
        if origin is None:  # another part of it failed at the same time
            return
        message_id, sender, place = origin
        index = tx.append(Refused, envelope_hash, message_id, sender, place, error.code.code, 14)
        tx.db.execute("UPDATE incoming SET state='refused', n=?, idx=? WHERE hash=?", (tx.n, index, envelope_hash))
        tx.db.execute("DELETE FROM secret WHERE hash=?", (envelope_hash,))

    def _origin(self, tx: Tx, envelope_hash: bytes) -> tuple[bytes, str, Place] | None:
        query = (
            "SELECT message_id, sender, origin_n, origin_index, note.note FROM incoming"
            " JOIN note ON note.id=origin_note WHERE hash=? AND state='pending'"
        )
        row = tx.db.execute(query, (envelope_hash,)).fetchone()
        if row is None:
            return None
        message_id, sender, n, index, note = row
        checkpoint = stated_checkpoint(note)
        return message_id, sender, Place(n, index, checkpoint.size, checkpoint.root)
