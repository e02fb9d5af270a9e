"""A whole exercise network in one call, for the demo, the bench and tests: keys, certificates, logs, members, directory.

    keys = PublicKeys.of(log_pair, standby_pair, witness_pair, [certificate_der])
    world = found_exercise(folder, [Seat("xa-ca", "XA", "Authority XA", ("127.0.0.1", 8441), keys, offices), ...], now)
    trust.anchor(node_folder, world.root_file, Kind.EXERCISE)

All role keys are made here and given back in memory; so its kind is never production.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from keys.directory import codes, found, selfentry
from keys.directory.certificate import spki_sha256
from keys.directory.members import choose_witnesses
from keys.directory.rolekeys import Holder
from keys.directory.view import Directory, Kind, LogRecord, LogState, Member, OfficeRecord, WitnessKeys
from keys.logkeys import SigningPair
from protocol.checkpoint import LogKeys
from protocol.errors import LocalError
from protocol.names import Origin

LOOPBACK: Final = ("127.0.0.0/8", "::1/128")


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """The public keys of one authority, as its keystore gives them. Log keys: Ed25519 and ML-DSA-44; certificates in DER."""

    log: tuple[bytes, bytes]
    standby: tuple[bytes, bytes]
    witness: WitnessKeys
    certificates: tuple[bytes, ...]

    @classmethod
    def of(cls, log: SigningPair, standby: SigningPair, witness: SigningPair, certificates: Sequence[bytes]) -> PublicKeys:
        """From the pairs of a keystore."""
        return cls(
            (log.ed25519, log.mldsa44),
            (standby.ed25519, standby.mldsa44),
            WitnessKeys(witness.mldsa44, witness.ed25519),
            tuple(certificates),
        )


@dataclass(frozen=True, slots=True)
class Seat:
    """One authority of the exercise."""

    authority: str
    state: str
    name: str
    address: tuple[str, int] | None
    keys: PublicKeys
    offices: tuple[OfficeRecord, ...] = ()
    languages: tuple[str, ...] = ("en", "fr")
    preservation_default_days: int | None = 90


@dataclass(frozen=True, slots=True)
class Exercise:
    """What was founded, and the keys to go on with. ``role_keys``: each authority's key to its own entry."""

    root_file: bytes
    directory: Directory
    founders: tuple[Holder, ...]
    keepers: tuple[Holder, ...]
    role_keys: Mapping[str, Holder]


def found_exercise(
    folder: Path,
    seats: Sequence[Seat],
    now: int,
    *,
    network: str = "exercise.example",
    kind: Kind = Kind.EXERCISE,
    address_ranges: tuple[str, ...] = LOOPBACK,
) -> Exercise:
    """Found a network of these authorities, one log in force and one standby each. Raises DIRECTORY-KIND for production."""
    if kind is Kind.PRODUCTION:
        raise LocalError(codes.DIRECTORY_KIND, "an exercise network is never production")
    founders = tuple(Holder.generate(f"founder-{i}") for i in (1, 2, 3))
    keepers = (Holder.generate("keeper-1"),)
    charter = found.Charter(
        network, kind, address_ranges, tuple(f.public() for f in founders), 2, tuple(k.public() for k in keepers), 1
    )
    root_file = found.found(folder, charter, founders[:2], keepers, now)
    names = [seat.authority for seat in seats]
    role_keys = {seat.authority: Holder.generate(seat.authority) for seat in seats}
    requests = [selfentry.join_request(role_keys[s.authority], network, member_of(s, network, names)) for s in seats]
    directory = found.admit(folder, requests, founders[:2], keepers, now)
    return Exercise(root_file, directory, founders, keepers, role_keys)


def member_of(seat: Seat, network: str, names: Sequence[str]) -> Member:
    """The member that a seat becomes among these authorities: log 1 in force, log 2 standby."""
    witnesses, quorum = choose_witnesses(network, seat.authority, names)
    logs = []
    for n, keys, state in ((1, seat.keys.log, LogState.IN_FORCE), (2, seat.keys.standby, LogState.STANDBY)):
        origin = Origin(network, seat.authority, n)
        logs.append(LogRecord(LogKeys(str(origin), *keys), origin, state, witnesses, quorum))
    return Member(
        authority=seat.authority,
        state=seat.state,
        name=seat.name,
        address=seat.address,
        logs=tuple(logs),
        witness=seat.keys.witness,
        certificates=seat.keys.certificates,
        spki=tuple(spki_sha256(der) for der in seat.keys.certificates),
        offices=seat.offices,
        accepted_languages=seat.languages,
        preservation_default_days=seat.preservation_default_days,
    )
