"""Sealing a letter: draw the secrets, encrypt every part in one pass, build envelope and body. Nothing is stored here but ciphertext files.

The order is fixed by what commits to what: attachments first (the body lists their digests), then the body, then the envelope.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from exchange import codes
from exchange.evidence.partfiles import PartFiles
from exchange.evidence.spoolfile import SpoolFile
from exchange.outgoing.readahead import ahead
from exchange.ports import Random
from protocol import body, envelope, limits, names, parts
from protocol import codes as protocol_codes
from protocol.entries import Lane
from protocol.errors import LocalError, ProtocolError
from protocol.ports import Sealing

_BLOCK = 1 << 20
_TICK = 4  # bits of a time in ms that a message id does not tell: 16 ms
_TICKS = 3  # bytes of it


class Reader(Protocol):
    """One pass over plaintext."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Attachment:
    """A plaintext file to send as a part: where it lies, what it is called, its media type and role in the form.

    ``source``: opens the plaintext when it is no file by itself (an upload, encrypted on disk); gives reader and length.
    """

    path: Path
    filename: str
    media_type: str
    role: str
    source: Callable[[], AbstractContextManager[tuple[Reader, int]]] | None = None

    @contextmanager
    def opened(self) -> Iterator[tuple[Reader, int]]:
        """Its plaintext and how long it is. Raises OSError."""
        if self.source is not None:
            with self.source() as opened:
                yield opened
            return
        with self.path.open("rb") as file:
            yield file, os.fstat(file.fileno()).st_size


@dataclass(frozen=True, slots=True)
class Draft:
    """A letter before it is sealed. ``expires`` in ms; ``conversation`` None begins one; ``answers``: the message id answered."""

    from_office: str
    to: tuple[names.Office, ...]
    kind: str
    form: bytes
    expires: int
    lane: Lane = Lane.ROUTINE
    attachments: tuple[Attachment, ...] = ()
    conversation: bytes | None = None
    sequence: int = 1
    answers: bytes | None = None


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed message, ready to be submitted: secret is CEK || r."""

    envelope: envelope.Envelope
    secret: bytes
    body: bytes
    conversation: bytes
    sequence: int


class Sealer:
    """Seals for one authority in one network."""

    def __init__(self, network_id: bytes, us: str, sealing: Sealing, files: PartFiles, random: Random) -> None:
        self._network_id = network_id
        self._us = us
        self._sealing = sealing
        self._files = files
        self._random = random

    def seal(self, draft: Draft, now: int) -> Sealed:
        """Seal a letter at ``now`` (ms). Raises RECIPIENT-SELF, ATTACHMENT-READ, and what envelope and body refuse."""
        recipients = tuple(sorted({office.authority for office in draft.to}))
        if self._us in recipients:
            raise LocalError(codes.RECIPIENT_SELF, self._us)
        if draft.lane is Lane.URGENT and draft.attachments:
            raise ProtocolError(protocol_codes.URGENT_SIZE, f"{len(draft.attachments)} attachments")
        message_id, secret = self._message_id(now), self._random(envelope.SECRET)
        listed, heads = [], []
        try:
            for number, attachment in enumerate(draft.attachments, 1):
                name = parts.PartName(self._network_id, message_id, number)
                about, head = self._seal_file(name, secret, attachment)
                listed.append(about)
                heads.append(head)
            return self._seal_letter(draft, now, recipients, (message_id, secret), listed, heads)
        except BaseException:
            for head in heads:
                self._files.drop_outgoing(head.digest)
            raise

    def _message_id(self, now: int) -> bytes:
        """Three bytes that count 16 ms, so that what is made together lies together in the store; 104 random bits.

        No more of the time than that: people name a message by its first eight digits. It begins anew after three days.
        """
        ticks = (now >> _TICK) % (1 << 8 * _TICKS)
        return ticks.to_bytes(_TICKS, "big") + self._random(16 - _TICKS)

    def _seal_letter(
        self, draft: Draft, now: int, recipients: tuple[str, ...], drawn: tuple[bytes, bytes], listed: list[body.Attachment],
        heads: list[parts.PartHead],
    ) -> Sealed:  # fmt: skip
        message_id, secret = drawn
        addressing = body.Addressing(
            self._network_id, message_id, self._us, recipients, now, draft.expires, int(draft.lane)
        )  # fmt: skip
        conversation = draft.conversation or message_id
        letter = body.Letter(
            draft.from_office, draft.to, draft.kind, draft.form, tuple(listed), conversation, draft.sequence, draft.answers
        )
        plaintext = body.encode_body(addressing, letter)
        name = parts.PartName(self._network_id, message_id, 0)
        sealed, head = parts.seal_part(self._sealing, name, secret[:32], secret[32:], parts.BODY_MEDIA_TYPE, plaintext)
        built = envelope.build_envelope(
            network_id=self._network_id, message_id=message_id, sender=self._us, recipients=recipients, created=now,
            expires=draft.expires, lane=draft.lane, part_heads=(head, *heads),
        )  # fmt: skip
        return Sealed(built, secret, sealed, conversation, draft.sequence)

    def _seal_file(
        self, name: parts.PartName, secret: bytes, attachment: Attachment
    ) -> tuple[body.Attachment, parts.PartHead]:
        try:
            with attachment.opened() as (source, length):
                if length > limits.PART:
                    raise ProtocolError(protocol_codes.ENVELOPE_PARTS, f"{attachment.filename!r}: {length} bytes")
                part = parts.SealingPart(self._sealing, name, secret[:32], secret[32:], attachment.media_type, length)
                digest, head = self._stream(name, source, part)
        except OSError as error:
            raise LocalError(codes.ATTACHMENT_READ, f"{attachment.path}: {error.strerror}") from None
        return body.Attachment(attachment.media_type, attachment.filename, length, digest, attachment.role), head

    def _stream(self, name: parts.PartName, source: Reader, part: parts.SealingPart) -> tuple[bytes, parts.PartHead]:
        try:
            target = self._files.new_outgoing(name.index, name.message_id)
            try:
                with closing(target):
                    plain, head = self._pass(source, part, target)
                    self._files.keep_outgoing(target, head.digest)
            except BaseException:
                target.path.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise LocalError(codes.STORE_WRITE, f"{error.strerror}") from None
        return plain, head

    def _pass(self, source: Reader, part: parts.SealingPart, target: SpoolFile) -> tuple[bytes, parts.PartHead]:
        """Seal from source to target in one pass; SHA-256 of the plaintext, and what the envelope says of the part.

        Two threads share the work: one reads, hashes and commits, the other encrypts, hashes the ciphertext and writes.
        """
        plain = hashlib.sha256()

        def read() -> Iterator[bytes]:
            while block := _read(source):
                plain.update(block)
                try:
                    part.commit(block)
                except ProtocolError:
                    raise LocalError(codes.ATTACHMENT_READ, "it grew while it was sealed") from None
                yield block

        with closing(ahead(read())) as blocks:
            for block in blocks:
                target.write(part.encrypt(block))
        try:
            for padding in part.pad():
                target.write(padding)
            rest, head = part.finalize()
        except ProtocolError:
            raise LocalError(codes.ATTACHMENT_READ, "it shrank while it was sealed") from None
        target.write(rest)
        return plain.digest(), head


def _read(source: Reader) -> bytes:
    try:
        return source.read(_BLOCK)
    except OSError as error:
        raise LocalError(codes.ATTACHMENT_READ, f"{error.strerror}") from None
