"""What must hold among all members at once: names that people can tell apart, endpoints and keys of one owner, witnesses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from keys.directory import codes
from keys.directory.certificate import raw_ed25519
from keys.directory.endpoint import check_endpoint
from keys.directory.known import is_known
from keys.directory.rolekeys import digest
from keys.directory.view import Kind, LogState, Member
from protocol import limits
from protocol.errors import ProtocolError

WITNESSES: Final = 7

_ALIKE: Final = (("rn", "m"), ("vv", "w"), ("cl", "d"), ("0", "o"), ("1", "l"), ("i", "l"), (".", "-"), ("--", "-"))


def check_members(members: Mapping[str, Member], kind: Kind, ranges: tuple[str, ...], role_keys: Iterable[bytes]) -> None:
    """Check all members of one directory together. ``role_keys``: raw public keys of all TUF roles.

    Raises DIRECTORY-MEMBERS, DIRECTORY-NAME-ALIKE, DIRECTORY-ENDPOINT, DIRECTORY-ENDPOINT-TWICE, DIRECTORY-KEY-SHARED,
    DIRECTORY-KEY-KNOWN, DIRECTORY-WITNESSES.
    """
    if len(members) > limits.DIRECTORY_MEMBERS:
        raise ProtocolError(codes.DIRECTORY_MEMBERS, str(len(members)))
    check_names(members)
    _endpoints(members.values(), kind, ranges)
    _keys(members.values(), kind, list(role_keys))
    for member in members.values():
        _witnesses(member, members)


def check_names(names: Iterable[str]) -> None:
    """Refuse two names that a hurried reader takes for one: ``xa-ca`` and ``xa.ca``, ``ll1``, ``lll``. DIRECTORY-NAME-ALIKE."""
    seen: dict[str, str] = {}
    for name in names:
        shape = _shape(name)
        if shape in seen:
            raise ProtocolError(codes.DIRECTORY_NAME_ALIKE, f"{seen[shape]} and {name}")
        seen[shape] = name


def choose_witnesses(network: str, authority: str, others: Iterable[str]) -> tuple[tuple[str, ...], int]:
    """The witnesses and quorum for a log: seven and 5, four and 3, or all the others where there are fewer (SPEC.md section 3).

    The choice follows from the names alone, so nobody picks friends: the lowest SHA-256 of network, authority and candidate.
    """
    ranked = sorted(set(others) - {authority}, key=lambda name: digest(f"{network}\n{authority}\n{name}".encode()))
    if len(ranked) >= WITNESSES:
        return tuple(ranked[:WITNESSES]), 5
    if len(ranked) >= 4:
        return tuple(ranked[:4]), 3
    return tuple(ranked), len(ranked)


def _shape(name: str) -> str:
    for seen, meant in _ALIKE:
        name = name.replace(seen, meant)
    return name


def _endpoints(members: Iterable[Member], kind: Kind, ranges: tuple[str, ...]) -> None:
    owners: dict[tuple[str, int], str] = {}
    for member in members:
        if member.address is None or not member.active:
            continue
        check_endpoint(member.address, kind, ranges)
        if member.address in owners:
            raise ProtocolError(codes.DIRECTORY_ENDPOINT_TWICE, f"{owners[member.address]} and {member.authority}")
        owners[member.address] = member.authority


def _keys(members: Iterable[Member], kind: Kind, role_keys: list[bytes]) -> None:
    owners = {digest(raw): "a directory role" for raw in role_keys}
    for raw in role_keys:
        _refuse_known(raw, kind, "a directory role")
    for member in members:
        for raw in _raw_keys(member):
            _refuse_known(raw, kind, member.authority)
            other = owners.setdefault(digest(raw), member.authority)
            if other != member.authority:
                raise ProtocolError(codes.DIRECTORY_KEY_SHARED, f"{other} and {member.authority}")
        mine = list(_raw_keys(member))
        if len(set(mine)) != len(mine):
            raise ProtocolError(codes.DIRECTORY_KEY_SHARED, f"{member.authority} uses one key for two things")


def _refuse_known(raw: bytes, kind: Kind, whose: str) -> None:
    if kind is Kind.PRODUCTION and is_known(raw):
        raise ProtocolError(codes.DIRECTORY_KEY_KNOWN, whose)


def _raw_keys(member: Member) -> Iterator[bytes]:
    """Every public key of a member, raw where it is Ed25519 or ML-DSA, else the digest of its SPKI."""
    for log in member.logs:
        yield log.keys.ed25519
        yield log.keys.mldsa44
    yield member.witness.ed25519
    yield member.witness.mldsa44
    # a renewed certificate for the same key is one key, not two uses of it
    yield from {raw_ed25519(der) or spki: None for der, spki in zip(member.certificates, member.spki, strict=True)}


def _witnesses(member: Member, members: Mapping[str, Member]) -> None:
    for log in member.logs:
        if log.state is LogState.CLOSED:
            continue  # what it names is history: whoever left since does not make it void
        if member.authority in log.witnesses or any(w not in members for w in log.witnesses):
            raise ProtocolError(codes.DIRECTORY_WITNESSES, f"{log.origin} names itself or a stranger")
        if log.quorum > len(log.witnesses) or (2 * log.quorum <= len(log.witnesses) and log.witnesses) or log.quorum < 0:
            raise ProtocolError(codes.DIRECTORY_WITNESSES, f"{log.origin}: {log.quorum} of {len(log.witnesses)}")
