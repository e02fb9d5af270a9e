"""Reading what was sent and received: lists without content, one letter with its content, one attachment as a stream.

Content is decrypted in memory for the one who reads it; that it was read is an ``accessed`` entry before the content is given.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from exchange import codes
from exchange.evidence.partfiles import PartFiles, read_chunks
from exchange.log import Log, Tx
from exchange.store import Store
from exchange.writer import Writer
from keys.storage import StorageKey
from protocol import arrival, body, parts
from protocol.entries import Accessed, HandedOver, Lane
from protocol.envelope import Envelope, parse_envelope
from protocol.errors import LocalError
from protocol.ports import Sealing

SENT, RECEIVED = "sent", "received"


@dataclass(frozen=True, slots=True)
class Delivery:
    """The delivery to one recipient, or our own keeping of what came."""

    authority: str
    state: str
    attempts: int
    last_code: str
    due: int | None


@dataclass(frozen=True, slots=True)
class Message:
    """One message without its content. ``time`` (ms): submitted or consigned; ``n``, ``index``: where, None while pending.

    ``sizes``: bytes of ciphertext of each part from 1 on.
    """

    direction: str
    hash: bytes
    message_id: bytes
    sender: str
    recipients: tuple[str, ...]
    lane: Lane
    time: int
    expires: int
    index: int | None
    conversation: bytes | None
    deliveries: tuple[Delivery, ...]
    n: int
    sizes: tuple[int, ...]


class Messages:
    """Everything stored, by message id (16 bytes) or envelope hash (32 bytes)."""

    def __init__(
        self, store: Store, writer: Writer, log: Log, files: PartFiles, storage: StorageKey, sealing: Sealing
    ) -> None:
        self._store, self._writer, self._log = store, writer, log
        self._files, self._storage, self._sealing = files, storage, sealing

    def inbox(self, limit: int = 50, before: int | None = None) -> list[Message]:
        """The newest messages that came, before this time (ms)."""
        query = "SELECT hash FROM incoming WHERE time<? ORDER BY time DESC, hash LIMIT ?"
        rows = self._store.reader().execute(query, (2**62 if before is None else before, limit)).fetchall()
        return [self.find(row[0]) for row in rows]

    def outbox(self, limit: int = 50, before: int | None = None) -> list[Message]:
        """The newest messages sent, before this time (ms)."""
        query = "SELECT hash FROM outgoing WHERE time<? ORDER BY time DESC, hash LIMIT ?"
        rows = self._store.reader().execute(query, (2**62 if before is None else before, limit)).fetchall()
        return [self.find(row[0]) for row in rows]

    def page(self, direction: str, limit: int, after: tuple[int, bytes] | None = None) -> list[Message]:
        """The newest messages of one direction, from behind this one (time in ms, hash) on."""
        table = "outgoing" if direction == SENT else "incoming"
        query = f"SELECT hash FROM {table} WHERE (time, hash) < (?, ?) ORDER BY time DESC, hash DESC LIMIT ?"  # noqa: S608
        time, envelope_hash = (2**62, b"") if after is None else after
        rows = self._store.reader().execute(query, (time, envelope_hash, limit)).fetchall()
        return [self.find(row[0]) for row in rows]

    def find(self, key: bytes) -> Message:
        """The message with this id or hash. Raises MESSAGE-UNKNOWN."""
        column = "hash" if len(key) == 32 else "message_id"
        db = self._store.reader()
        row = db.execute(
            f"SELECT hash, envelope, time, idx, conversation, n, id FROM outgoing WHERE {column}=?", (key,)  # noqa: S608 - a constant
        ).fetchone()
        if row is not None:
            query = "SELECT recipient, state, attempts, last_code, due FROM delivery WHERE message=? ORDER BY recipient"
            return _message(SENT, row, tuple(Delivery(*item) for item in db.execute(query, (row[6],))))
        query = f"SELECT hash, envelope, time, idx, conversation, n, state FROM incoming WHERE {column}=? AND state"  # noqa: S608
        for state in ("!='refused'", "='refused'"):  # by message id, each has an index of its own
            row = row or db.execute(query + state, (key,)).fetchone()
        if row is None:
            raise LocalError(codes.MESSAGE_UNKNOWN, key.hex())
        us = self._log.authority
        return _message(RECEIVED, row, (Delivery(us, row[6], 0, "", None),))

    def read(self, message: Message) -> body.Letter:
        """The letter itself. The caller logs the access first. Raises MESSAGE-ERASED."""
        envelope, secret = self._open(message)
        table = "outgoing" if message.direction == SENT else "incoming"
        row = self._store.reader().execute(f"SELECT body FROM {table} WHERE hash=?", (message.hash,)).fetchone()  # noqa: S608
        name = parts.PartName(envelope.network_id, envelope.message_id, 0)
        plaintext = parts.open_part(self._sealing, name, envelope.parts[0], secret, parts.BODY_MEDIA_TYPE, row[0])
        return arrival.check_13_letter(envelope, plaintext)

    def body(self, message: Message) -> bytes:
        """The plaintext of part 0 as sealed. Raises MESSAGE-ERASED."""
        letter = self.read(message)
        return body.encode_body(body.Addressing.of(self.envelope(message)), letter)

    def attachment(self, message: Message, number: int) -> Iterator[bytes]:
        """The plaintext of part ``number`` (from 1), chunk by chunk.

        Verified as a whole when the iterator ends, not before: a reader that stops at an exception keeps nothing. Raises
        MESSAGE-ERASED, MESSAGE-PENDING, PART-*.
        """
        envelope, secret = self._open(message)
        if not 1 <= number < len(envelope.parts):
            raise LocalError(codes.PART_NUMBER, f"{number} of {len(envelope.parts) - 1}")
        media_type = self.read(message).attachments[number - 1].media_type
        head = envelope.parts[number]
        path = self._files.outgoing(head.digest) if message.direction == SENT else self._files.incoming(message.hash, number)
        if not path.exists():
            raise LocalError(codes.MESSAGE_PENDING)
        name = parts.PartName(envelope.network_id, envelope.message_id, number)
        part = parts.OpeningPart(self._sealing, name, head, secret[:32], secret[32:], media_type)
        for chunk in read_chunks(path):
            yield part.update(chunk)
        yield part.finalize()

    def opening(self, message: Message, number: int) -> bytes:
        """r_i of a part: opens this part's commitment and no other. Raises MESSAGE-ERASED."""
        envelope, secret = self._open(message)
        if not 0 <= number < len(envelope.parts):
            raise LocalError(codes.PART_NUMBER, f"{number} of {len(envelope.parts) - 1}")
        return parts.PartName(envelope.network_id, envelope.message_id, number).opening(secret[32:])

    def envelope(self, message: Message) -> Envelope:
        """The envelope, as carried. Raises MESSAGE-DAMAGED when what is stored is not what its hash names."""
        table = "outgoing" if message.direction == SENT else "incoming"
        row = self._store.reader().execute(f"SELECT envelope FROM {table} WHERE hash=?", (message.hash,)).fetchone()  # noqa: S608
        if hashlib.sha256(row[0]).digest() != message.hash:
            raise LocalError(codes.MESSAGE_DAMAGED)
        return parse_envelope(row[0])

    def log_access(self, message: Message, pseudonym: bytes, purpose: str) -> int:
        """Log that this officer reads the content; the entry's index."""
        return self._writer.run(lambda tx: tx.append(Accessed, message.hash, message.message_id, pseudonym, purpose))

    def log_hand_over(self, message: Message, pseudonym: bytes, purpose: str) -> int:
        """Log that the content was given to this officer or system; the entry's index."""
        return self._writer.run(lambda tx: tx.append(HandedOver, message.hash, message.message_id, pseudonym, purpose))

    def erase(self, tx: Tx, message: Message) -> None:
        """Destroy the message's key in this transaction: nothing of its content can be read any more."""
        tx.db.execute("DELETE FROM secret WHERE message_id=? AND hash=?", (message.message_id, message.hash))

    def _open(self, message: Message) -> tuple[Envelope, bytes]:
        envelope = self.envelope(message)
        query = "SELECT wrapped FROM secret WHERE message_id=? AND hash=?"
        row = self._store.reader().execute(query, (message.message_id, message.hash)).fetchone()
        if row is None:
            raise LocalError(codes.MESSAGE_ERASED)
        return envelope, self._storage.unwrap(message.hash, row[0])


def _message(direction: str, row: tuple[bytes, bytes, int, int | None, bytes | None, int], deliveries: tuple[Delivery, ...]) -> Message:
    hash_, raw, time, index, conversation, n = row[:6]
    e = parse_envelope(raw)
    return Message(
        direction, hash_, e.message_id, e.sender, e.recipients, e.lane, time, e.expires, index, conversation, deliveries, n,
        tuple(part.length for part in e.parts[1:]),
    )  # fmt: skip
