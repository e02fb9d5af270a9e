"""Entries: everything an authority says, each a deterministic CBOR map of at most 512 bytes in its own log.

    {0: 2, 1: 1795500000000, 2: h'salt', 3: h'envelope hash', 4: h'message id', 5: 1, 6: 1798092000000, 7: 1}
     kind  time (ms)         16 random   submitted: hash, message id, lane, expires, number of recipients

Keys 0 kind, 1 time and 2 salt are in every entry; the salt keeps a neighbour in the tree from guessing a leaf. The speaker is
the authority of the log's origin, never a field. No personal data in clear. (SPEC.md section 3.4)

One frozen class per kind; ``parse_entry`` and ``Entry.encode`` are inverse to each other, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import ClassVar, NamedTuple, TypeAlias

from protocol import cbor, codes, limits, names
from protocol.errors import ProtocolError

SALT = 16


class Kind(IntEnum):
    """What an entry says; the names of ETSI EN 319 522-1 events are in SPEC.md's table."""

    OPENED = 1
    SUBMITTED = 2
    CONSIGNED = 3
    REFUSED = 4
    RECEIPTED = 5
    UNDELIVERED = 6
    HANDED_OVER = 7
    ACCESSED = 8
    PREKEYS = 9
    ACT = 10
    ERASED = 11
    ANCHORED = 12
    DIRECTORY = 13
    FORKED = 14
    FILLER = 15
    CLOSED = 16


class Lane(IntEnum):
    """Urgent and routine have separate connections, queues, quotas and reserves."""

    ROUTINE = 0
    URGENT = 1


class Place(NamedTuple):
    """Where an entry of the other side was proven: log number, index, and the head (size, root) it was proven under."""

    n: int
    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs here
    size: int
    root: bytes


class TreeHead(NamedTuple):
    """A size and the root at it."""

    size: int
    root: bytes


class PublishedKey(NamedTuple):
    """One prekey of a set: SHA-256 of the public key, and the times (ms) from which and until which wraps may be made to it."""

    id: bytes
    from_: int
    until: int


@dataclass(frozen=True, slots=True)
class Entry:
    """What all kinds share. ``time`` in ms, never decreasing along a log; ``salt`` 16 random bytes."""

    kind: ClassVar[Kind]
    checks: ClassVar[tuple[_Check, ...]]

    time: int
    salt: bytes

    def encode(self) -> bytes:
        """The entry's bytes. Raises ENTRY-SIZE beyond 512."""
        table: dict[int, cbor.Value] = {0: int(self.kind), 1: self.time, 2: self.salt}
        for key, name in enumerate(_NAMES[self.kind], 3):
            value = getattr(self, name)
            if value is not None:
                table[key] = value
        raw = cbor.encode(table)
        if len(raw) > limits.ENTRY:
            raise ProtocolError(codes.ENTRY_SIZE, f"{len(raw)} bytes")
        return raw


_Check: TypeAlias = Callable[[cbor.Value], object]


class _WrongFieldError(Exception):
    """Inside this module: a value that does not fit its field."""


def _uint(value: cbor.Value) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise _WrongFieldError
    return value


def _sized(size: int) -> _Check:
    def check(value: cbor.Value) -> bytes:
        if type(value) is not bytes or len(value) != size:
            raise _WrongFieldError
        return value

    return check


_hash = _sized(32)
_id = _sized(16)


def _text(value: cbor.Value) -> str:
    if type(value) is not str or not 0 < len(value) <= 64 or not value.isprintable():
        raise _WrongFieldError
    return value


def _text_or_empty(value: cbor.Value) -> str:
    return "" if value == "" else _text(value)


def _authority(value: cbor.Value) -> str:
    return names.parse_authority(_text(value))


def _origin(value: cbor.Value) -> str:
    if type(value) is not str:
        raise _WrongFieldError
    return str(names.Origin.parse(value))


def _message_id(value: cbor.Value) -> bytes:
    if type(value) is not bytes or len(value) != 16 or value == bytes(16):
        raise _WrongFieldError
    return value


def _lane(value: cbor.Value) -> Lane:
    if type(value) is not int or value not in (0, 1):
        raise _WrongFieldError
    return Lane(value)


def _row(value: cbor.Value, *checks: _Check) -> list[object]:
    if type(value) is not list or len(value) != len(checks):
        raise _WrongFieldError
    return [check(item) for check, item in zip(checks, value, strict=True)]


def _place(value: cbor.Value) -> Place:
    place = Place(*_row(value, _uint, _uint, _uint, _hash))  # type: ignore[arg-type]
    if place.n == 0 or place.index >= place.size:
        raise _WrongFieldError
    return place


def _tree_head(value: cbor.Value) -> TreeHead:
    return TreeHead(*_row(value, _uint, _hash))  # type: ignore[arg-type]


def _range(value: cbor.Value) -> tuple[int, int]:
    low, high = _row(value, _uint, _uint)
    return low, high  # type: ignore[return-value]


def _keys(value: cbor.Value) -> tuple[PublishedKey, ...]:
    if type(value) is not list or not 1 <= len(value) <= limits.PREKEY_SET:
        raise _WrongFieldError
    keys = tuple(PublishedKey(*_row(row, _hash, _uint, _uint)) for row in value)  # type: ignore[arg-type]
    if len({key.id for key in keys}) != len(keys) or any(key.from_ >= key.until for key in keys):
        raise _WrongFieldError
    return keys


@dataclass(frozen=True, slots=True)
class Opened(Entry):
    """The first entry of a log. ``reason``: first, planned, amnesia, compromise. ``lost``: [from, to) of the predecessor."""

    kind = Kind.OPENED
    checks = (_hash, _authority, _uint, _tree_head, _text, _range)

    network_id: bytes
    authority: str
    n: int
    predecessor: TreeHead | None
    reason: str
    lost: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Submitted(Entry):
    """SubmissionAcceptance: this envelope was sealed and queued here. ``expires`` in ms."""

    kind = Kind.SUBMITTED
    checks = (_hash, _message_id, _lane, _uint, _uint)

    envelope_hash: bytes
    message_id: bytes
    lane: Lane
    expires: int
    recipients: int


@dataclass(frozen=True, slots=True)
class Consigned(Entry):
    """ContentConsignment: all parts durable here, opened, equal to their commitments."""

    kind = Kind.CONSIGNED
    checks = (_hash, _message_id, _authority, _place)

    envelope_hash: bytes
    message_id: bytes
    sender: str
    place: Place


@dataclass(frozen=True, slots=True)
class Refused(Entry):
    """RelayRejection: final for this envelope. ``reason`` is a code of this program's table, ``check`` the number in SPEC.md."""

    kind = Kind.REFUSED
    checks = (_hash, _message_id, _authority, _place, _text, _uint)

    envelope_hash: bytes
    message_id: bytes
    sender: str
    place: Place
    reason: str
    check: int


@dataclass(frozen=True, slots=True)
class Receipted(Entry):
    """The sender holds this recipient's receipt: where it stands in the recipient's log, and the SHA-256 of its bytes."""

    kind = Kind.RECEIPTED
    checks = (_hash, _message_id, _authority, _place, _hash)

    envelope_hash: bytes
    message_id: bytes
    recipient: str
    place: Place
    entry_hash: bytes


@dataclass(frozen=True, slots=True)
class Undelivered(Entry):
    """RelayFailure: what the sender saw until the deadline, not what the recipient did."""

    kind = Kind.UNDELIVERED
    checks = (_hash, _message_id, _authority, _text, _uint, _text_or_empty)

    envelope_hash: bytes
    message_id: bytes
    recipient: str
    reason: str
    attempts: int
    last_code: str


@dataclass(frozen=True, slots=True)
class HandedOver(Entry):
    """ContentHandover: content was given to this officer or system, for this purpose."""

    kind = Kind.HANDED_OVER
    checks = (_hash, _message_id, _id, _text)

    envelope_hash: bytes
    message_id: bytes
    pseudonym: bytes
    purpose: str


@dataclass(frozen=True, slots=True)
class Accessed(Entry):
    """ContentAccessTracking: content was read by this officer, for this purpose."""

    kind = Kind.ACCESSED
    checks = (_hash, _message_id, _id, _text)

    envelope_hash: bytes
    message_id: bytes
    pseudonym: bytes
    purpose: str


@dataclass(frozen=True, slots=True)
class Prekeys(Entry):
    """The whole current set of encryption keys; the keys themselves travel beside the entry."""

    kind = Kind.PREKEYS
    checks = (_uint, _keys)

    sequence: int
    keys: tuple[PublishedKey, ...]


@dataclass(frozen=True, slots=True)
class Act(Entry):
    """What a person or policy of this authority did, by pseudonym, with a salted commitment to the object."""

    kind = Kind.ACT
    checks = (_id, _text, _hash)

    actor: bytes
    action: str
    commitment: bytes


@dataclass(frozen=True, slots=True)
class Erased(Entry):
    """An object's key was destroyed; ``last_day`` (ms) is the last on which a backup can still hold it."""

    kind = Kind.ERASED
    checks = (_hash, _text, _uint)

    object_id: bytes
    reason: str
    last_day: int


@dataclass(frozen=True, slots=True)
class Anchored(Entry):
    """A token of an outside time-stamp or seal over a head of this log."""

    kind = Kind.ANCHORED
    checks = (_tree_head, _text, _hash)

    head: TreeHead
    anchor: str
    token_hash: bytes


@dataclass(frozen=True, slots=True)
class Directory(Entry):
    """The directory now in force here: version and SHA-256 of its snapshot."""

    kind = Kind.DIRECTORY
    checks = (_uint, _hash)

    version: int
    snapshot_hash: bytes


@dataclass(frozen=True, slots=True)
class Forked(Entry):
    """A fork proof of another log is kept here."""

    kind = Kind.FORKED
    checks = (_origin, _hash)

    origin: str
    proof_hash: bytes


@dataclass(frozen=True, slots=True)
class Filler(Entry):
    """Says nothing; hides when and how much a log grew."""

    kind = Kind.FILLER
    checks = ()


@dataclass(frozen=True, slots=True)
class Closed(Entry):
    """The last entry of its log, naming the next one."""

    kind = Kind.CLOSED
    checks = (_uint, _text)

    next_n: int
    reason: str


_CLASSES: Mapping[int, type[Entry]] = {
    int(cls.kind): cls
    for cls in (
        Opened, Submitted, Consigned, Refused, Receipted, Undelivered, HandedOver, Accessed,
        Prekeys, Act, Erased, Anchored, Directory, Forked, Filler, Closed,
    )
}  # fmt: skip
_NAMES: Mapping[Kind, tuple[str, ...]] = {
    cls.kind: tuple(field.name for field in fields(cls)[2:]) for cls in _CLASSES.values()
}
_OPTIONAL: Mapping[Kind, frozenset[int]] = {Kind.OPENED: frozenset({6, 8})}
_NONE: frozenset[int] = frozenset()


def parse_entry(raw: bytes) -> Entry:
    """The entry that these bytes are. Raises ENTRY-SIZE, CBOR-FORM or ENTRY-FORM."""
    if len(raw) > limits.ENTRY:
        raise ProtocolError(codes.ENTRY_SIZE, f"{len(raw)} bytes")
    table = cbor.decode(raw)
    if type(table) is not dict or type(table.get(0)) is not int or table[0] not in _CLASSES:
        raise ProtocolError(codes.ENTRY_FORM, "no known kind")
    cls = _CLASSES[table[0]]
    optional = _OPTIONAL.get(cls.kind, _NONE)
    wanted = 3 + len(cls.checks)
    if not all(key in table or key in optional for key in range(wanted)) or max(table) >= wanted:
        raise ProtocolError(codes.ENTRY_FORM, f"fields of kind {cls.kind.name.lower()}")
    try:
        values = [
            None if key in optional and key not in table else check(table[key]) for key, check in enumerate(cls.checks, 3)
        ]
        return cls(_uint(table[1]), _id(table[2]), *values)  # type: ignore[arg-type]
    except (_WrongFieldError, ProtocolError):
        raise ProtocolError(codes.ENTRY_FORM, f"a field of kind {cls.kind.name.lower()}") from None
