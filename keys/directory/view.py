"""The directory as the rest of the program sees it: who is in the network, where, with which keys and logs.

A ``Directory`` is made by ``keys.directory.trust`` from verified metadata only, and never changes: an update makes a new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from keys.directory import codes
from protocol import limits
from protocol.checkpoint import LogKeys
from protocol.errors import ProtocolError
from protocol.names import Office, Origin


class Kind(StrEnum):
    """What a network is for. The signed root says it; everything of the latter two is marked wherever it shows."""

    PRODUCTION = "production"
    EXERCISE = "exercise"
    TEST = "test"


class LogState(StrEnum):
    """Where a log stands. It only ever moves downwards in this list."""

    STANDBY = "standby"
    IN_FORCE = "in_force"
    CLOSED = "closed"


class Standing(StrEnum):
    """How far a directory may be relied on at a given time (SPEC.md section 6)."""

    FRESH = "fresh"
    GRACE = "grace"  # expired: known peers go on, under alarm
    URGENT_ONLY = "urgent_only"  # expired for more than limits.DIRECTORY_GRACE


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One log that an authority has, had or will have next. ``closing``: (size, root) of its closing head.

    A log that was withdrawn before it was ever opened is closed with no closing head.
    """

    keys: LogKeys
    origin: Origin
    state: LogState
    witnesses: tuple[str, ...] = ()
    quorum: int = 0
    closing: tuple[int, bytes] | None = None


@dataclass(frozen=True, slots=True)
class OfficeRecord:
    """A mailbox of an authority. ``functions``: kinds of form it takes; ``zone``: IANA time zone; phones are members-only."""

    office: Office
    name: str
    functions: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    zone: str = "UTC"
    phone: str = ""
    phone_24h: str = ""


@dataclass(frozen=True, slots=True)
class WitnessKeys:
    """The keys with which an authority cosigns others' heads: of their own, never the log's. 1,312 and 32 bytes."""

    mldsa44: bytes
    ed25519: bytes


@dataclass(frozen=True, slots=True)
class Member:
    """One authority.

    ``address``: (host, port) of its peer port, None when nobody can call it; ``certificates``: DER, this and the next;
    ``spki``: SHA-256 of their SubjectPublicKeyInfo, in the same order; ``active``: false once it left or was revoked.
    """

    authority: str
    state: str
    name: str
    address: tuple[str, int] | None
    logs: tuple[LogRecord, ...]
    witness: WitnessKeys
    certificates: tuple[bytes, ...]
    spki: tuple[bytes, ...]
    offices: tuple[OfficeRecord, ...] = ()
    accepted_languages: tuple[str, ...] = ()
    preservation_default_days: int | None = None
    dual_criminality_reservation: bool = False
    contact: str = ""
    active: bool = True

    def office(self, office: Office) -> OfficeRecord:
        """The record of one of its offices. Raises DIRECTORY-UNKNOWN-OFFICE."""
        for record in self.offices:
            if record.office == office:
                return record
        raise ProtocolError(codes.DIRECTORY_UNKNOWN_OFFICE, str(office))


@dataclass(frozen=True, slots=True)
class Directory:
    """One verified version of a network's directory.

    ``network_id``: SHA-256 of the first root file; ``address_ranges``: CIDR ranges that may be dialled although they are not
    public (none in production); ``version`` and ``snapshot_sha256``: of the snapshot; ``expires``: ms, the earliest end of
    timestamp, snapshot, targets and root.
    """

    network: str
    network_id: bytes
    kind: Kind
    address_ranges: tuple[str, ...]
    suite: int
    version: int
    snapshot_sha256: bytes
    expires: int
    members: Mapping[str, Member] = field(default_factory=dict)

    def member(self, authority: str) -> Member:
        """The member of this name, active or not. Raises DIRECTORY-UNKNOWN-AUTHORITY."""
        found = self.members.get(authority)
        if found is None:
            raise ProtocolError(codes.DIRECTORY_UNKNOWN_AUTHORITY, repr(authority[:80]))
        return found

    def log_in_force(self, authority: str) -> LogRecord:
        """The log under which an authority speaks now. Raises DIRECTORY-UNKNOWN-AUTHORITY, DIRECTORY-NO-LOG."""
        for record in self.member(authority).logs:
            if record.state is LogState.IN_FORCE:
                return record
        raise ProtocolError(codes.DIRECTORY_NO_LOG, authority)

    def log(self, origin: str) -> LogRecord:
        """The record of any log that ever was. Raises NAME-ORIGIN, DIRECTORY-UNKNOWN-AUTHORITY, DIRECTORY-UNKNOWN-LOG."""
        parsed = Origin.parse(origin)
        for record in self.member(parsed.authority).logs:
            if record.origin == parsed:
                return record
        raise ProtocolError(codes.DIRECTORY_UNKNOWN_LOG, origin)

    def pins(self) -> Mapping[bytes, str]:
        """SHA-256 of a transport key's SPKI -> authority, of active members only. Build it once per directory and keep it."""
        return {pin: m.authority for m in self.members.values() if m.active for pin in m.spki}

    def standing(self, now: int) -> Standing:
        """Whether to rely on this directory at ``now`` (ms): fresh, expired within the seven days of grace, or urgent only."""
        if now < self.expires:
            return Standing.FRESH
        return Standing.GRACE if now < self.expires + limits.DIRECTORY_GRACE else Standing.URGENT_ONLY
