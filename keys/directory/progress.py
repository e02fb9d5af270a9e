"""A newer directory against the one in force: no version goes back, and no version has two contents.

Versions start anew only where the keys behind them were replaced: that is how a network recovers from a thief who signed
version 4,294,967,295 (DIR-12). What members' logs say is compared all the same (``succession``).
"""

from __future__ import annotations

from keys.directory import codes
from keys.directory.metadata import MetaFile, Root, Snapshot, Targets, Timestamp
from protocol.errors import Code, ProtocolError


def same_keys(old: Root | Targets, new: Root | Targets, role: str) -> bool:
    """Whether a role has the same keys and threshold under both delegators; false when either does not know it."""
    try:
        before, after = old.get_delegated_role(role), new.get_delegated_role(role)
    except ValueError:
        return False
    return set(before.keyids) == set(after.keyids) and before.threshold == after.threshold


def check_timestamp(old: Timestamp, new: Timestamp, old_root: Root, new_root: Root) -> None:
    """Raises DIRECTORY-ROLLBACK, DIRECTORY-SAME-VERSION."""
    if not _keepers_same(old_root, new_root):
        return
    if new.version < old.version or new.snapshot_meta.version < old.snapshot_meta.version:
        raise ProtocolError(codes.DIRECTORY_ROLLBACK, f"timestamp {new.version}, in force {old.version}")
    if new.version == old.version and new.to_dict() != old.to_dict():
        raise ProtocolError(codes.DIRECTORY_SAME_VERSION, f"timestamp {new.version}")


def check_snapshot(old: tuple[Timestamp, Root], new: tuple[Timestamp, Root]) -> None:
    """Same snapshot version, same snapshot bytes. Raises DIRECTORY-SAME-VERSION."""
    if _keepers_same(old[1], new[1]):
        _same_bytes(old[0].snapshot_meta, new[0].snapshot_meta, "snapshot", codes.DIRECTORY_SAME_VERSION)


def check_targets(old: tuple[Snapshot, Root], new: tuple[Snapshot, Root]) -> None:
    """Raises DIRECTORY-ROLLBACK, DIRECTORY-SAME-VERSION."""
    if same_keys(old[1], new[1], "targets"):
        _line("targets.json", old[0], new[0], codes.DIRECTORY_SAME_VERSION)


def check_members_kept(old: Snapshot, new: Snapshot) -> None:
    """Members are revoked, never removed. Raises DIRECTORY-MEMBER-DROPPED."""
    missing = set(old.meta) - set(new.meta)
    if missing:
        raise ProtocolError(codes.DIRECTORY_MEMBER_DROPPED, min(missing).removesuffix(".json"))


def check_role(role: str, old: tuple[Snapshot, Targets], new: tuple[Snapshot, Targets]) -> None:
    """Raises DIRECTORY-ROLLBACK, DIRECTORY-FORK."""
    if same_keys(old[1], new[1], role):
        _line(f"{role}.json", old[0], new[0], codes.DIRECTORY_FORK)


def _keepers_same(old: Root, new: Root) -> bool:
    return same_keys(old, new, "timestamp") and same_keys(old, new, "snapshot")


def _line(name: str, old: Snapshot, new: Snapshot, other: Code) -> None:
    before, after = old.meta.get(name), new.meta.get(name)
    if before is None or after is None:
        return
    if after.version < before.version:
        raise ProtocolError(codes.DIRECTORY_ROLLBACK, f"{name} version {after.version}, in force {before.version}")
    _same_bytes(before, after, name, other)


def _same_bytes(before: MetaFile, after: MetaFile, name: str, other: Code) -> None:
    if before.version == after.version and before.hashes != after.hashes:
        raise ProtocolError(other, f"{name} version {after.version}")
