"""One pass of verification, from the anchor down: roots, timestamp, snapshot, targets, then each authority's role.

python-tuf's ``TrustedMetadataSet`` verifies; before it, ``strict`` holds the shape, and every refusal gets its own code. The
current time is an argument: python-tuf's own reading of the clock is replaced at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from tuf.api.exceptions import (
    BadVersionNumberError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.ngclient._internal.trusted_metadata_set import TrustedMetadataSet
from tuf.ngclient.config import EnvelopeType

from keys.directory import codes, strict
from keys.directory.endpoint import check_ranges
from keys.directory.metadata import Metadata, Root, Snapshot, Targets, Timestamp
from keys.directory.rolekeys import check
from keys.directory.view import Kind
from protocol.errors import Code, LocalError, ProtocolError
from protocol.names import parse_network

NEVER_LATE: Final = datetime(1970, 1, 1, tzinfo=UTC)  # for reading back what was fresh when it was accepted
SUITES: Final = (1,)
PRODUCTION_HOLDERS: Final = 2  # in production nobody signs anything for the network alone


@dataclass(frozen=True, slots=True)
class Network:
    """What the signed root says about its network."""

    name: str
    kind: Kind
    suite: int
    address_ranges: tuple[str, ...]


class Chain:
    """Verified metadata as far as it was given. Each step raises and leaves the steps before it as they were."""

    __slots__ = ("network", "trusted")

    def __init__(self, anchor: bytes, reference: datetime) -> None:
        signed = strict.check_metadata(anchor, "root")
        if signed["version"] != 1:
            raise ProtocolError(codes.DIRECTORY_ROOT_SKIPPED, "the trust root is the first root")
        self.network = parse_network_field(signed)
        with _translated(codes.DIRECTORY_THRESHOLD):
            self.trusted = TrustedMetadataSet(anchor, EnvelopeType.METADATA)
        self.trusted.reference_time = reference

    @property
    def root(self) -> Root:
        """The newest root."""
        return self.trusted.root

    def add_root(self, data: bytes) -> None:
        """The next root, signed by the thresholds of the one before and of itself.

        Raises DIRECTORY-ROOT-SKIPPED, -ROOT-NOT-BY-OLD, -ROOT-NOT-BY-NEW, -THRESHOLD, -NETWORK-CHANGED and ``strict``'s.
        """
        signed = strict.check_metadata(data, "root")
        if signed["version"] != self.root.version + 1:
            raise ProtocolError(codes.DIRECTORY_ROOT_SKIPPED, f"version {signed['version']} after {self.root.version}")
        with _translated(codes.DIRECTORY_THRESHOLD):
            metadata = Metadata[Root].from_bytes(data)
        old, new = (
            r.get_verification_result("root", metadata.signed_bytes, metadata.signatures) for r in (self.root, metadata.signed)
        )
        if not old and not new:
            raise ProtocolError(codes.DIRECTORY_THRESHOLD, "root")
        if not old:
            raise ProtocolError(codes.DIRECTORY_ROOT_NOT_BY_OLD, f"version {signed['version']}")
        if not new:
            raise ProtocolError(codes.DIRECTORY_ROOT_NOT_BY_NEW, f"version {signed['version']}")
        network = parse_network_field(signed)
        if (network.name, network.kind, network.suite) != (self.network.name, self.network.kind, self.network.suite):
            raise ProtocolError(codes.DIRECTORY_NETWORK_CHANGED, f"version {signed['version']}")
        with _translated(codes.DIRECTORY_THRESHOLD):
            self.trusted.update_root(data)
        self.network = network

    def add_timestamp(self, data: bytes) -> Timestamp:
        """Raises DIRECTORY-THRESHOLD, DIRECTORY-EXPIRED and ``strict``'s."""
        strict.check_metadata(data, "timestamp")
        with _translated(codes.DIRECTORY_THRESHOLD):
            return self.trusted.update_timestamp(data)

    def add_snapshot(self, data: bytes) -> Snapshot:
        """Raises DIRECTORY-MIXED, DIRECTORY-THRESHOLD, DIRECTORY-EXPIRED and ``strict``'s."""
        # the digest first: whoever answers with another file gets the code for that, whatever is inside
        with _translated(codes.DIRECTORY_THRESHOLD):
            self.trusted.timestamp.snapshot_meta.verify_length_and_hashes(data)
        strict.check_metadata(data, "snapshot")
        with _translated(codes.DIRECTORY_THRESHOLD):
            return self.trusted.update_snapshot(data)

    def add_targets(self, data: bytes) -> Targets:
        """The offline role: rulings, and delegations with a snapshot line each. Raises as ``add_snapshot``; DIRECTORY-ROLE."""
        self._named("targets", data)
        signed = strict.check_metadata(data, "targets")
        if set(signed["targets"]) != {strict.RULINGS}:
            raise ProtocolError(codes.DIRECTORY_ROLE, "the offline role holds rulings.json and nothing else")
        with _translated(codes.DIRECTORY_THRESHOLD):
            targets = self.trusted.update_targets(data)
        listed = set(self.trusted.snapshot.meta) - {"targets.json"}
        delegated = {f"{role}.json" for role in roles_of(targets)}
        if listed - delegated:
            raise ProtocolError(codes.DIRECTORY_ROLE, f"{min(listed - delegated)} is delegated by nobody")
        if delegated - listed:
            raise ProtocolError(codes.DIRECTORY_MIXED, f"the snapshot lacks {min(delegated - listed)}")
        return targets

    def add_role(self, role: str, data: bytes) -> Targets:
        """An authority's role. Raises as ``add_snapshot``; DIRECTORY-EDGE unless signed under the delegation now in force."""
        self._named(role, data)
        check_entry_role(role, data)
        with _translated(codes.DIRECTORY_EDGE):
            return self.trusted.update_delegated_targets(data, role, "targets")

    def past_role(self, role: str, version: int, data: bytes) -> Targets:
        """An earlier version of a role, which the snapshot no longer names. Raises DIRECTORY-EDGE, DIRECTORY-MIXED."""
        check_entry_role(role, data)
        with _translated(codes.DIRECTORY_EDGE):
            metadata = Metadata[Targets].from_bytes(data)
            self.trusted.targets.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
        if metadata.signed.version != version:
            raise ProtocolError(codes.DIRECTORY_MIXED, f"{role} version {version}")
        return metadata.signed

    def role_keys(self) -> list[bytes]:
        """Raw public keys of every role, root's and delegated ones."""
        keys = [*self.root.keys.items()]
        if self.trusted.targets.delegations is not None:
            keys += self.trusted.targets.delegations.keys.items()
        return [check(keyid, key.to_dict())[1] for keyid, key in keys]

    def _named(self, role: str, data: bytes) -> None:
        with _translated(codes.DIRECTORY_THRESHOLD):
            line = self.trusted.snapshot.meta.get(f"{role}.json")
            if line is None:
                raise ProtocolError(codes.DIRECTORY_MIXED, f"the snapshot lacks {role}")
            line.verify_length_and_hashes(data)


def roles_of(targets: Targets) -> list[str]:
    """The delegated roles' names."""
    if targets.delegations is None or targets.delegations.roles is None:
        return []
    return list(targets.delegations.roles)


def check_entry_role(role: str, data: bytes) -> None:
    """An authority's role speaks of its own entry only and delegates to nobody. Raises DIRECTORY-EDGE and ``strict``'s."""
    signed = strict.check_metadata(data, "targets")
    path = f"authorities/{strict.authority_of(role)}.json"
    if "delegations" in signed or set(signed["targets"]) != {path}:
        raise ProtocolError(codes.DIRECTORY_EDGE, f"{role} reaches beyond its own entry")


def parse_network_field(signed: dict[str, Any]) -> Network:
    """What a root says about its network. Raises DIRECTORY-FORM, -FIELD, -SUITE, -RANGES, -KEEPERS, NAME-NETWORK."""
    value = strict.fields(signed[strict.NETWORK], {"name", "kind", "suite", "address_ranges"})
    if not isinstance(value["name"], str) or value["kind"] not in set(Kind):
        raise ProtocolError(codes.DIRECTORY_FORM, "a network has a name and a kind")
    if type(value["suite"]) is not int or value["suite"] not in SUITES:
        raise ProtocolError(codes.DIRECTORY_SUITE, str(value["suite"])[:20])
    kind = Kind(value["kind"])
    if kind is Kind.PRODUCTION and any(role["threshold"] < 2 * PRODUCTION_HOLDERS for role in signed["roles"].values()):
        raise ProtocolError(codes.DIRECTORY_KEEPERS, "in production two holders at least sign everything")
    return Network(parse_network(value["name"]), kind, value["suite"], check_ranges(value["address_ranges"], kind))


def check_kind(network: Network, expected: Kind | None) -> None:
    """Refuse a network of another kind than this node is set to. Raises DIRECTORY-KIND."""
    if expected is not None and network.kind is not expected:
        raise LocalError(codes.DIRECTORY_KIND, f"{network.kind} network {network.name}, node set to {expected}")


@contextmanager
def _translated(unsigned: Code) -> Iterator[None]:
    """python-tuf's refusals under our codes. What it raises for malformed input goes under DIRECTORY-FORM."""
    try:
        yield
    except UnsignedMetadataError as error:
        raise ProtocolError(unsigned, str(error)[:120]) from None
    except ExpiredMetadataError as error:
        raise ProtocolError(codes.DIRECTORY_EXPIRED, str(error)[:120]) from None
    except (LengthOrHashMismatchError, BadVersionNumberError) as error:
        raise ProtocolError(codes.DIRECTORY_MIXED, str(error)[:120]) from None
    except (RepositoryError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProtocolError(codes.DIRECTORY_FORM, type(error).__name__) from None
