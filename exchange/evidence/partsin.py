"""Parts that come in: only those wanted, each verified while it flows, resumed where it ended, consigned when the last is whole.

Ciphertext goes to disk, plaintext only through the hash of the commitment. An upload that was cut goes on with the check that it had,
while that is kept; else what is held is read once more into a new one. (SPEC.md section 4.1, check 14; docs/evidence.md)
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable

from exchange import codes
from exchange.evidence.partfiles import PartFiles, read_chunks
from exchange.evidence.paused import Key, Paused
from exchange.evidence.spool import Spool
from exchange.evidence.spoolfile import SpoolFile, standing
from exchange.log import Tx
from exchange.notice import Notice, Told
from exchange.ports import Clock
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

    def __init__(self, file: SpoolFile, check: OpeningPart, length: int, release: Callable[[Upload], None]) -> None:
        self.file = file
        self.check = check
        self.left = length - file.size
        self.sound = True  # the check has seen exactly the bytes of the file
        self._release = release

    def write(self, *pieces: bytes) -> None:
        """Take ciphertext, in this order. Raises PART-LENGTH beyond the announced length, STORE-WRITE."""
        sound, self.sound = self.sound, False
        for piece in pieces:
            self.check.update(piece)
        try:
            self.file.write(*pieces)
        except OSError as error:
            raise LocalError(codes.STORE_WRITE, f"{error.strerror}") from None
        self.left -= sum(map(len, pieces))
        self.sound = sound

    def finish(self) -> None:
        """After the last byte: everything is verified, or PART-* is raised."""
        self.sound = False
        self.check.finalize()

    def close(self) -> None:
        """Keep what was written and let the part go. What is not whole yet becomes durable when it is: until then it can be sent again."""
        self._release(self)


class PartsIn:
    """The wanted parts of pending messages. ``on_consigned`` is told of each message that became whole."""

    def __init__(
        self, store: Store, writer: Writer, files: PartFiles, storage: StorageKey, sealing: Sealing,
        reserve: Reserve, spool: Spool, clock: Clock, on_consigned: Told,
    ) -> None:  # fmt: skip
        self._store, self._writer, self._files = store, writer, files
        self._storage, self._sealing, self._reserve, self._on_consigned = storage, sealing, reserve, on_consigned
        self._busy: set[Key] = set()
        self._paused, self._spool = Paused(clock), spool
        self._lock = threading.Lock()

    def open(self, peer: str, envelope_hash: bytes, number: int, offset: int) -> Upload:
        """Begin or resume an upload.

        Raises PART-UNWANTED, PART-OFFSET (names the bytes held), PART-BUSY, MESSAGE-ERASED; DISK-RESERVE, PART-SPOOL when it would
        not fit.
        """
        envelope, secret, media_type = self._pending(peer, envelope_hash, number)
        key = envelope_hash, number
        self._take(key)
        try:
            held = self._files.held(envelope_hash, number)
            head = envelope.parts[number]
            if offset != held or held > head.length:
                raise ProtocolError(codes.PART_OFFSET, str(held))
            self._reserve.demand(Lane.ROUTINE, head.length - held)
            self._spool.begin(peer, key, head.length)
            partial = self._files.resume(envelope_hash, number)
            check = self._paused.take(key, standing(partial))
            if check is None:
                name = PartName(envelope.network_id, envelope.message_id, number)
                check = OpeningPart(self._sealing, name, head, secret[:32], secret[32:], media_type)
                if held:
                    for chunk in read_chunks(partial):
                        check.update(chunk)
            return Upload(SpoolFile(partial, fresh=not held), check, head.length, lambda upload: self._close(peer, key, upload))
        except BaseException:
            self._let_go(key)
            raise

    def wanted_of(self, peer: str) -> list[tuple[bytes, int]]:
        """(envelope hash, number) of every part that is still wanted of this peer, oldest message first."""
        query = (
            "SELECT hash, p.i FROM incoming JOIN incoming_part p USING (hash) WHERE sender=? AND state='pending' AND p.done=0"
            " ORDER BY time, hash, p.i LIMIT 1024"
        )
        return [(bytes(hash_), int(i)) for hash_, i in self._store.reader().execute(query, (peer,)).fetchall()]

    def held(self, peer: str, envelope_hash: bytes, number: int) -> int:
        """Bytes held of a wanted part. Raises PART-UNWANTED."""
        query = "SELECT 1 FROM incoming JOIN incoming_part p USING (hash) WHERE hash=? AND sender=? AND p.i=? AND p.done=0"
        if self._store.reader().execute(query, (envelope_hash, peer, number)).fetchone() is None:
            raise ProtocolError(codes.PART_UNWANTED, f"part {number}")
        return self._files.held(envelope_hash, number)

    def done(self, envelope_hash: bytes, number: int) -> int | None:
        """A part was verified and closed: keep it, and consign the message if it was the last; the entry's index then."""
        self._files.keep_incoming(envelope_hash, number)
        self._spool.end((envelope_hash, number))
        index = self._writer.run(lambda tx: self._store_done(tx, envelope_hash, number))
        if index is not None:
            query = "SELECT message_id, sender, lane, time FROM incoming WHERE hash=?"
            message_id, sender, lane, time = self._store.reader().execute(query, (envelope_hash,)).fetchone()
            self._on_consigned([Notice(envelope_hash, message_id, sender, Lane(lane), State.DELIVERED, time)])
        return index

    def failed(self, envelope_hash: bytes, number: int, error: ProtocolError) -> None:
        """A part failed verification: drop it. A wrong digest is sent again; wrong content refuses the message for good."""
        self._files.drop_partial(envelope_hash, number)
        self._spool.end((envelope_hash, number))
        if error.code not in _RESENT:
            self._writer.run(lambda tx: self._refuse(tx, envelope_hash, error))
            self._files.drop_message(envelope_hash)
            self._paused.forget(envelope_hash)
            self._spool.end_message(envelope_hash)

    def _pending(self, peer: str, envelope_hash: bytes, number: int) -> tuple[Envelope, bytes, str]:
        query = (
            "SELECT envelope, body, wrapped FROM incoming JOIN incoming_part p USING (hash)"
            " LEFT JOIN secret USING (message_id, hash)"
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

    def _close(self, peer: str, key: Key, upload: Upload) -> None:
        try:
            if upload.sound:
                self._paused.keep(peer, key, upload.check, upload.file.standing())
        finally:
            upload.file.close()
            self._let_go(key)

    def _take(self, key: Key) -> None:
        with self._lock:
            if key in self._busy:
                raise PassingError(codes.PART_BUSY, f"part {key[1]}", seconds=1)
            self._busy.add(key)

    def _let_go(self, key: Key) -> None:
        with self._lock:
            self._busy.discard(key)

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
        tx.db.execute("DELETE FROM secret WHERE message_id=? AND hash=?", (message_id, envelope_hash))

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
