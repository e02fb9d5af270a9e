"""Founding and keeping a network: what founders, keepers and authorities sign, and in which order.

    found    founders and keepers      root, first targets, snapshot, timestamp
    admit    founders, then keepers    a request becomes a delegation
    publish  keepers                   an authority's new entry (``selfentry``) is taken into the snapshot
    rule     founders, then keepers    revoke, close a log at a point, allow a successor
    re_root  old and new founders      other keys or thresholds
    refresh  keepers                   every day

Each has the same shape: draft a ``Change``, let every holder ``sign`` it (elsewhere, with ``Change.dump`` on a stick), then
``install`` it. What is installed goes through ``trust.update``, the check that every node makes: keepers cannot publish what
nodes would refuse. The functions that take several ``Holder`` do all steps at once, for networks whose keys are in one place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from keys.directory import codes, strict, trust
from keys.directory.change import Change, sign
from keys.directory.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Role,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from keys.directory.rolekeys import Holder, HolderKeys, threshold
from keys.directory.rulings import Ruling, dump_rulings, parse_rulings
from keys.directory.selfentry import Bundle
from keys.directory.store import TIMESTAMP, Store
from keys.directory.view import Directory, Kind
from protocol.errors import LocalError

ROOT_DAYS: Final = 5 * 365
TARGETS_DAYS: Final = 400
SNAPSHOT_DAYS: Final = 8
TIMESTAMP_HOURS: Final = 24
_RESERVE: Final = 2**20


@dataclass(frozen=True, slots=True)
class Charter:
    """What a root says: the network, who holds its keys, and how many of them must sign (persons, each with a pair of keys)."""

    network: str
    kind: Kind
    address_ranges: tuple[str, ...]
    founders: tuple[HolderKeys, ...]
    founders_needed: int
    keepers: tuple[HolderKeys, ...]
    keepers_needed: int
    suite: int = 1


def found(folder: Path, charter: Charter, founders: Sequence[Holder], keepers: Sequence[Holder], now: int) -> bytes:
    """Found a network without members in an empty folder. Gives the root file: its SHA-256 is the network id.

    ``now`` in ms. Raises DIRECTORY-ANCHOR-OTHER, DIRECTORY-THRESHOLD-*, DIRECTORY-KEEPERS, DIRECTORY-RANGES, NAME-NETWORK.
    """
    change = sign(draft_root(charter, 1, now), *founders)
    root_file = change.files["1.root.json"]
    trust.anchor(folder, root_file, charter.kind)
    rulings = dump_rulings({})
    first = Targets(expires=_after(now, days=TARGETS_DAYS), targets={strict.RULINGS: _target_file(strict.RULINGS, rulings)})
    targets = Change({"1.targets.json": Metadata(first).to_bytes(), _target_name(strict.RULINGS, rulings): rulings})
    _finish(folder, sign(targets, *founders), keepers, now)
    return root_file


def admit(
    folder: Path, requests: Sequence[Bundle], founders: Sequence[Holder], keepers: Sequence[Holder], now: int
) -> Directory:
    """Take authorities in. People have compared the requests' fingerprints with the authorities, by voice, before this.

    Raises DIRECTORY-NAME-TAKEN, and all that nodes would refuse.
    """
    return _finish(folder, sign(draft_targets(folder, now, requests=requests), *founders), keepers, now)


def publish(folder: Path, bundle: Bundle, keepers: Sequence[Holder], now: int) -> Directory:
    """Take an authority's newly signed entry in. Raises all that nodes would refuse: a dropped log, a surprise successor."""
    return _finish(folder, Change(bundle.files()), keepers, now)


def rule(
    folder: Path, rulings: Mapping[str, Ruling], founders: Sequence[Holder], keepers: Sequence[Holder], now: int
) -> Directory:
    """Let the threshold rule on members; what stood before on others stays. Raises DIRECTORY-UNKNOWN-AUTHORITY."""
    return _finish(folder, sign(draft_targets(folder, now, rulings=rulings), *founders), keepers, now)


def revoke(folder: Path, authority: str, founders: Sequence[Holder], keepers: Sequence[Holder], now: int) -> Directory:
    """End a membership: no pins, no endpoint; its logs stay listed for ever. Raises DIRECTORY-UNKNOWN-AUTHORITY."""
    before = rulings_of(folder).get(authority, Ruling())
    return rule(folder, {authority: Ruling(active=False, logs=before.logs)}, founders, keepers, now)


def re_root(folder: Path, charter: Charter, founders: Sequence[Holder], keepers: Sequence[Holder], now: int) -> Directory:
    """Replace keys, thresholds or address ranges. ``founders``: enough of the old and of the new; ``keepers``: the new ones.

    Where keepers are replaced, nodes take any version: so a network recovers from stolen keys, whatever version was signed.
    """
    state = trust.load_state(Store(folder))
    change = sign(draft_root(charter, state.root.version + 1, now), *founders, root=state.root)
    root = Metadata[Root].from_bytes(change.files[f"{state.root.version + 1}.root.json"]).signed
    if set(root.roles["targets"].keyids) != set(state.root.roles["targets"].keyids):
        change = change.joined(sign(draft_targets(folder, now), *founders, root=root))
    return _finish(folder, change, keepers, now, root=root)


def refresh(folder: Path, keepers: Sequence[Holder], now: int) -> Directory:
    """Sign a new timestamp, and a new snapshot when it has passed half its life. Every keeper's machine does this daily."""
    return _finish(folder, Change({}), keepers, now)


def renew(folder: Path, founders: Sequence[Holder], keepers: Sequence[Holder], now: int) -> Directory:
    """Sign the offline role again, unchanged, before it expires: every year."""
    return _finish(folder, sign(draft_targets(folder, now), *founders), keepers, now)


def rulings_of(folder: Path) -> dict[str, Ruling]:
    """The rulings in force."""
    store = Store(folder)
    state = trust.load_state(store)
    sha256 = state.targets.targets[strict.RULINGS].hashes["sha256"]
    return parse_rulings(store.read(f"{sha256}.{strict.RULINGS}"), state.directory.network)


def rekey(folder: Path, bundle: Bundle, founders: Sequence[Holder], keepers: Sequence[Holder], now: int) -> Directory:
    """Give a member's entry to another pair of role keys: the old one is lost or stolen. Raises DIRECTORY-UNKNOWN-AUTHORITY."""
    return _finish(folder, sign(draft_targets(folder, now, rekeyed=[bundle]), *founders), keepers, now)


def draft_root(charter: Charter, version: int, now: int) -> Change:
    """An unsigned root. Raises DIRECTORY-THRESHOLD-*, DIRECTORY-KEEPERS."""
    if charter.kind is Kind.PRODUCTION and min(charter.founders_needed, charter.keepers_needed) < 2:
        raise LocalError(codes.DIRECTORY_KEEPERS, "in production two holders at least sign everything")
    founders = Role([k.keyid for f in charter.founders for k in f.both()], threshold(charter.founders_needed, charter.founders))
    keepers = Role([k.keyid for f in charter.keepers for k in f.both()], threshold(charter.keepers_needed, charter.keepers))
    root = Root(
        version=version,
        expires=_after(now, days=ROOT_DAYS),
        keys={k.keyid: k for f in (*charter.founders, *charter.keepers) for k in f.both()},
        roles={
            "root": Role(list(founders.keyids), founders.threshold),
            "targets": Role(list(founders.keyids), founders.threshold),
            "snapshot": Role(list(keepers.keyids), keepers.threshold),
            "timestamp": Role(list(keepers.keyids), keepers.threshold),
        },
        unrecognized_fields={
            strict.NETWORK: {
                "name": charter.network,
                "kind": charter.kind.value,
                "suite": charter.suite,
                "address_ranges": list(charter.address_ranges),
            }
        },
    )
    return Change({f"{version}.root.json": Metadata(root).to_bytes()})


def draft_targets(
    folder: Path,
    now: int,
    *,
    requests: Sequence[Bundle] = (),
    rekeyed: Sequence[Bundle] = (),
    rulings: Mapping[str, Ruling] | None = None,
) -> Change:
    """The next offline metadata, unsigned: with new members, members' new keys, rulings, or only a later expiry.

    Raises DIRECTORY-NAME-TAKEN, DIRECTORY-UNKNOWN-AUTHORITY.
    """
    state = trust.load_state(Store(folder))
    targets = state.targets
    files: dict[str, bytes] = {}
    for authority in rulings or {}:
        state.directory.member(authority)
    ruled = dump_rulings({**rulings_of(folder), **(rulings or {})})
    targets.targets = {strict.RULINGS: _target_file(strict.RULINGS, ruled)}
    files[_target_name(strict.RULINGS, ruled)] = ruled
    delegations = targets.delegations or Delegations({}, {})
    for request in requests:
        if request.authority in state.members:
            raise LocalError(codes.DIRECTORY_NAME_TAKEN, request.authority)
    for bundle in rekeyed:
        state.directory.member(bundle.authority)
    for request in (*requests, *rekeyed):
        delegate(delegations, request.authority, request.keys)
        files.update(request.files())
    if delegations.roles:
        targets.delegations = delegations
    targets.version += 1
    targets.expires = _after(now, days=TARGETS_DAYS)
    return Change({f"{targets.version}.targets.json": Metadata(targets).to_bytes(), **files})


def delegate(delegations: Delegations, authority: str, keys: HolderKeys) -> None:
    """Give an authority's entry to a pair of keys: both must sign. Replaces the pair it had."""
    role = strict.ROLE_PREFIX + authority
    roles = delegations.roles if delegations.roles is not None else {}
    if role in roles:
        for keyid in roles[role].keyids:
            del delegations.keys[keyid]
    delegations.keys.update({k.keyid: k for k in keys.both()})
    path = f"authorities/{authority}.json"
    roles[role] = DelegatedRole(role, [k.keyid for k in keys.both()], 2, terminating=True, paths=[path])
    delegations.roles = roles


def draft_snapshot(folder: Path, change: Change, now: int) -> Change:
    """``change`` with the snapshot that names its files. Unsigned. With nothing new the old one stays for half its life."""
    store = Store(folder)
    old = trust.load_state(store) if store.in_force() else None
    meta = dict(old.snapshot.meta) if old else {}
    new = {name: data for name, data in change.files.items() if _kind_of(name) == "targets"}
    rooted = any(_kind_of(name) == "root" for name in change.files)
    if old and not new and not rooted and old.snapshot.expires > _after(now, days=SNAPSHOT_DAYS // 2):
        return change
    for name, data in new.items():
        number, _, role = name.partition(".")
        meta[role] = _meta_file(int(number), data)
    version = _next(old.snapshot.version) if old else 1
    snapshot = Snapshot(version=version, expires=_after(now, days=SNAPSHOT_DAYS), meta=meta)
    return change.joined(Change({f"{version}.snapshot.json": Metadata(snapshot).to_bytes()}))


def draft_timestamp(folder: Path, change: Change, now: int) -> Change:
    """``change`` with the timestamp that names its snapshot. Unsigned; to be made when the snapshot has all its signatures."""
    store = Store(folder)
    old = trust.load_state(store) if store.in_force() else None
    named = [name for name in change.files if _kind_of(name) == "snapshot"]
    if named:
        line = _meta_file(int(named[0].partition(".")[0]), change.files[named[0]])
    elif old:
        line = old.timestamp.snapshot_meta
    else:
        raise LocalError(codes.DIRECTORY_EMPTY, "no snapshot to name")
    version = _next(old.timestamp.version) if old else 1
    timestamp = Timestamp(version=version, expires=_after(now, hours=TIMESTAMP_HOURS), snapshot_meta=line)
    return change.joined(Change({TIMESTAMP: Metadata(timestamp).to_bytes()}))


def install(folder: Path, change: Change, now: int) -> Directory:
    """Bring a whole and signed change into force, through the check that every node makes. Raises what a node would."""
    store = Store(folder)

    def fetch(name: str) -> bytes:
        if name in change.files:
            return change.files[name]
        if name != TIMESTAMP and store.has(name):
            return store.read(name)
        raise FileNotFoundError(name)

    return trust.update(folder, fetch, now)


def _finish(folder: Path, change: Change, keepers: Sequence[Holder], now: int, *, root: Root | None = None) -> Directory:
    root = root or _root_in_force(folder)
    change = sign(draft_snapshot(folder, change, now), *keepers, root=root)
    change = sign(draft_timestamp(folder, change, now), *keepers, root=root)
    return install(folder, change, now)


def _next(version: int) -> int:
    """The next version; from 1 again when a thief has used them up. Nodes take that only from replaced keepers' keys."""
    return version + 1 if version < strict.VERSION - _RESERVE else 1


def _root_in_force(folder: Path) -> Root:
    store = Store(folder)
    versions = store.in_force()
    return Metadata[Root].from_bytes(store.read(f"{versions[0]}.root.json") if versions else store.anchor()).signed


def _kind_of(name: str) -> str:
    role = name.removesuffix(".json").partition(".")[2]
    return "targets" if role == "targets" or role.startswith(strict.ROLE_PREFIX) else role


def _meta_file(version: int, data: bytes) -> MetaFile:
    return MetaFile(version, len(data), {"sha256": hashlib.sha256(data).hexdigest()})


def _target_file(path: str, data: bytes) -> TargetFile:
    return TargetFile(len(data), {"sha256": hashlib.sha256(data).hexdigest()}, path)


def _target_name(path: str, data: bytes) -> str:
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{hashlib.sha256(data).hexdigest()}.{name}"


def _after(now: int, *, days: int = 0, hours: int = 0) -> datetime:
    return datetime.fromtimestamp(now // 1000, UTC) + timedelta(days=days, hours=hours)
