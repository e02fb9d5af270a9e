"""A node's copy of the directory: anchored in the first root file, verified whenever it is read, replaced only by a newer one.

    anchor(folder, root_file, kind)          once, with a root file received by a safe way
    update(folder, fetch, now)               whenever a peer shows a higher version, and every hour
    load(folder)                             at start

Whatever is refused, the directory that was in force stays in force. SPEC.md section 6; assurance DIR-1 to DIR-22.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias

from tuf.api.exceptions import LengthOrHashMismatchError

from keys.directory import chain as chains
from keys.directory import codes, progress, strict
from keys.directory.chain import Chain
from keys.directory.entry import parse_entry
from keys.directory.members import check_members, check_names
from keys.directory.metadata import Root, Snapshot, TargetFile, Targets, Timestamp
from keys.directory.rulings import Ruling, overrule, parse_rulings
from keys.directory.store import TIMESTAMP, Store
from keys.directory.succession import Named, Witnessed, check_succession, never_named, nothing_witnessed
from keys.directory.view import Directory, Kind, Member
from protocol import limits
from protocol.errors import LocalError, PassingError, ProtocolError

Fetch: TypeAlias = Callable[[str], bytes]
_Seen: TypeAlias = tuple[Named, Witnessed]
_NOTHING: Final[_Seen] = (never_named, nothing_witnessed)
"""The bytes of a file by its name (``mirror.read`` of a peer). Raises FileNotFoundError when there is none, else OSError."""

ROTATIONS: Final = 256  # new roots in one update
PAST: Final = 64  # versions of one entry that are looked back through to find when a log was standby


@dataclass(slots=True)
class State:
    """Everything verified of one directory. ``files``: what it stands on, by name, as far as it is not stored yet."""

    root: Root
    timestamp: Timestamp
    snapshot: Snapshot
    targets: Targets
    members: dict[str, Member]
    directory: Directory
    files: dict[str, bytes] = field(default_factory=dict)


def anchor(folder: Path, root_file: bytes, kind: Kind | None = None) -> bytes:
    """Trust a network: keep its first root in an empty folder. Gives the network id, SHA-256 of the file.

    ``kind``: what this node is set to. Raises DIRECTORY-KIND, DIRECTORY-ANCHOR-OTHER, and what is wrong with the root.
    """
    chain = Chain(root_file, chains.NEVER_LATE)
    chains.check_kind(chain.network, kind)
    store = Store(folder)
    if store.has("1.root.json"):
        if store.read("1.root.json") != root_file:
            raise LocalError(codes.DIRECTORY_ANCHOR_OTHER, str(folder))
    else:
        store.put("1.root.json", root_file)
    return hashlib.sha256(root_file).digest()


def load(folder: Path, kind: Kind | None = None) -> Directory:
    """The directory in force, verified again from the anchor. It may have expired meanwhile: see ``Directory.standing``.

    Raises DIRECTORY-NOT-ANCHORED, DIRECTORY-EMPTY, DIRECTORY-KIND, and what is wrong with altered files.
    """
    return load_state(Store(folder), kind).directory


def update(
    folder: Path, fetch: Fetch, now: int, *, kind: Kind | None = None, named: Named = never_named,
    witnessed: Witnessed = nothing_witnessed,
) -> Directory:  # fmt: skip
    """Fetch, verify and bring into force what a peer or keeper shows. Gives the directory in force afterwards.

    ``now`` in ms; ``named``: whether this node has proof that a log is named by the closing of the one before; ``witnessed``: how much of a
    log it has confirmed. Raises the DIRECTORY-* codes, PassingError DIRECTORY-UNREACHABLE when the peer does not answer; then nothing has
    changed, save evidence of a fork.
    """
    store = Store(folder)
    old = load_state(store, kind) if store.in_force() else None
    source = _Source(store, fetch)
    try:
        new = _verify(store, source, old, now, kind, (named, witnessed))
    except ProtocolError as error:
        if error.code in (codes.DIRECTORY_SAME_VERSION, codes.DIRECTORY_FORK):
            source.keep_evidence()
        raise
    if new is not old:
        store.commit(new.files, new.root.version, new.timestamp.version)
    return new.directory


def verify_files(root_file: bytes, files: Mapping[str, bytes]) -> Directory:
    """The directory that ``files`` make under a trust root, without any folder or clock: for the auditor of a bundle.

    ``files`` hold ``timestamp.json`` and whatever it leads to. Raises the DIRECTORY-* codes.
    """

    def fetch(name: str) -> bytes:
        if name not in files:
            raise FileNotFoundError(name)
        return files[name]

    source = _Source(None, fetch)
    chain = Chain(root_file, chains.NEVER_LATE)
    _roots(chain, source, 1)
    return _descend(chain, source, source.take(TIMESTAMP), hashlib.sha256(root_file).digest(), None, _NOTHING).directory


def load_state(store: Store, kind: Kind | None = None) -> State:
    """All that is verified in a folder, for ``found`` to build upon. Raises as ``load``."""
    root_file = store.anchor()
    chain = Chain(root_file, chains.NEVER_LATE)
    chains.check_kind(chain.network, kind)
    versions = store.in_force()
    if versions is None:
        raise LocalError(codes.DIRECTORY_EMPTY, str(store.folder))
    root, timestamp = versions
    for version in range(2, root + 1):
        chain.add_root(store.read(f"{version}.root.json"))
    source = _Source(store, store.read)
    return _descend(
        chain, source, store.read(f"{timestamp}.timestamp.json"), hashlib.sha256(root_file).digest(), None, _NOTHING
    )


class _Source:
    """Where files come from: the folder when it has the very bytes, else the peer. Remembers what it gave."""

    __slots__ = ("fetch", "files", "last", "store")

    def __init__(self, store: Store | None, fetch: Fetch) -> None:
        self.store = store
        self.fetch = fetch
        self.files: dict[str, bytes] = {}
        self.last = ""

    def take(self, name: str, sha256: str = "") -> bytes:
        """The file's bytes, not yet verified. Raises DIRECTORY-UNREACHABLE, DIRECTORY-TOO-LARGE."""
        if sha256 and self.store is not None and self.store.has(name):
            ours = self.store.read(name)
            if hashlib.sha256(ours).hexdigest() == sha256:
                return ours
        theirs = self.maybe(name)
        if theirs is None:
            raise PassingError(codes.DIRECTORY_UNREACHABLE, name)
        return theirs

    def maybe(self, name: str) -> bytes | None:
        """The peer's file, None when it has none."""
        try:
            data = self.fetch(name)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise PassingError(codes.DIRECTORY_UNREACHABLE, f"{name}: {error.strerror or type(error).__name__}") from None
        if len(data) > limits.DIRECTORY:
            raise ProtocolError(codes.DIRECTORY_TOO_LARGE, name)
        self.files[name] = data
        self.last = name
        return data

    def keep_evidence(self) -> None:
        """Keep the last file and, where we have one of that name, ours. Both are signed: each alone is worth nothing."""
        if self.store is None:
            return
        self.store.keep_evidence(self.last, self.files[self.last])
        if self.last != TIMESTAMP and self.store.has(self.last):
            self.store.keep_evidence(self.last, self.store.read(self.last))
        versions = self.store.in_force()
        if versions is not None:
            name = f"{versions[1]}.timestamp.json"
            self.store.keep_evidence(name, self.store.read(name))
        if TIMESTAMP in self.files:
            self.store.keep_evidence(TIMESTAMP, self.files[TIMESTAMP])


def _verify(store: Store, source: _Source, old: State | None, now: int, kind: Kind | None, seen: _Seen) -> State:
    root_file = store.anchor()
    chain = Chain(root_file, datetime.fromtimestamp(now / 1000, UTC))
    chains.check_kind(chain.network, kind)
    have = old.root.version if old else 1
    for version in range(2, have + 1):
        chain.add_root(store.read(f"{version}.root.json"))
    _roots(chain, source, have)
    timestamp = source.take(TIMESTAMP)
    return _descend(chain, source, timestamp, hashlib.sha256(root_file).digest(), old, seen)


def _roots(chain: Chain, source: _Source, have: int) -> None:
    for version in range(have + 1, have + ROTATIONS + 2):
        data = source.maybe(f"{version}.root.json")
        if data is None:
            return
        if version > have + ROTATIONS:
            raise ProtocolError(codes.DIRECTORY_ROOT_ROTATIONS, f"beyond version {version - 1}")
        chain.add_root(data)


def _descend(chain: Chain, source: _Source, stamp: bytes, network_id: bytes, old: State | None, seen: _Seen) -> State:
    """Timestamp, snapshot, targets, members: each verified and compared with the one in force before the next."""
    timestamp = chain.add_timestamp(stamp)
    if old:
        progress.check_timestamp(old.timestamp, timestamp, old.root, chain.root)
        if timestamp.version == old.timestamp.version and chain.root.version == old.root.version:
            return old
    line = timestamp.snapshot_meta
    snapshot = chain.add_snapshot(source.take(f"{line.version}.snapshot.json", _sha256(line.hashes)))
    if old:
        progress.check_snapshot((old.timestamp, old.root), (timestamp, chain.root))
    line = snapshot.meta["targets.json"]
    targets = chain.add_targets(source.take(f"{line.version}.targets.json", _sha256(line.hashes)))
    check_names(strict.authority_of(role) for role in chains.roles_of(targets))
    if old:
        progress.check_targets((old.snapshot, old.root), (snapshot, chain.root))
        progress.check_members_kept(old.snapshot, snapshot)
    rulings = parse_rulings(_target(targets, strict.RULINGS, source), chain.network.name)
    members = {}
    for role in chains.roles_of(targets):
        member = _member(chain, role, source, rulings, old, seen)
        members[member.authority] = member
    network = chain.network
    check_members(members, network.kind, network.address_ranges, chain.role_keys())
    source.files[f"{timestamp.version}.timestamp.json"] = stamp
    files = {name: data for name, data in source.files.items() if name != TIMESTAMP}
    directory = _directory(chain, network_id, members)
    return State(chain.root, timestamp, snapshot, targets, members, directory, files)


def _member(chain: Chain, role: str, source: _Source, rulings: Mapping[str, Ruling], old: State | None, seen: _Seen) -> Member:
    """One authority's entry under its ruling, compared with what it was."""
    snapshot, targets = chain.trusted.snapshot, chain.trusted.targets
    line = snapshot.meta[f"{role}.json"]
    signed = chain.add_role(role, source.take(f"{line.version}.{role}.json", _sha256(line.hashes)))
    if old:
        progress.check_role(role, (old.snapshot, old.targets), (snapshot, targets))
    authority = strict.authority_of(role)
    ruling = rulings.get(authority, Ruling())
    member = overrule(_entry(signed, authority, chain.network.name, source), ruling)
    if old and authority in old.members:
        ruled = frozenset(log.origin for log in ruling.logs)
        before = old.members[authority]
        try:
            check_succession(before, member, ruled, *seen)
        except ProtocolError as error:
            if error.code is not codes.DIRECTORY_LOG_SUCCESSION:
                raise
            first = old.snapshot.meta[f"{role}.json"].version + 1
            for past in _past(chain, role, range(first, line.version), source, ruling, error):
                check_succession(before, past, ruled, *seen)
                before = past
            check_succession(before, member, ruled, *seen)
    return member


def _past(chain: Chain, role: str, versions: range, source: _Source, ruling: Ruling, error: ProtocolError) -> list[Member]:
    """The versions of an entry between ours and the newest: a node that was away finds in them when a log was standby.

    Raises the refusal it was called for when there are none, or too many to look through.
    """
    if not 0 < len(versions) <= PAST:
        raise error
    authority = strict.authority_of(role)
    found = []
    for version in versions:
        data = source.maybe(f"{version}.{role}.json")
        if data is None:
            raise error
        entry = _entry(chain.past_role(role, version, data), authority, chain.network.name, source)
        found.append(overrule(entry, ruling))
    return found


def _entry(signed: Targets, authority: str, network: str, source: _Source) -> Member:
    return parse_entry(_target(signed, f"authorities/{authority}.json", source), network, authority)


def _target(signed: Targets, path: str, source: _Source) -> bytes:
    file: TargetFile = signed.targets[path]
    sha256 = _sha256(file.hashes)
    folder, slash, name = path.rpartition("/")
    data = source.take(f"{folder}{slash}{sha256}.{name}", sha256)
    try:
        file.verify_length_and_hashes(data)
    except LengthOrHashMismatchError:
        raise ProtocolError(codes.DIRECTORY_MIXED, path) from None
    return data


def _sha256(hashes: Mapping[str, str] | None) -> str:
    return (hashes or {}).get("sha256", "")


def _directory(chain: Chain, network_id: bytes, members: Mapping[str, Member]) -> Directory:
    trusted, network = chain.trusted, chain.network
    expires = min(part.expires for part in (trusted.root, trusted.timestamp, trusted.snapshot, trusted.targets))
    return Directory(
        network=network.name,
        network_id=network_id,
        kind=network.kind,
        address_ranges=network.address_ranges,
        suite=network.suite,
        version=trusted.snapshot.version,
        snapshot_sha256=bytes.fromhex(_sha256(trusted.timestamp.snapshot_meta.hashes)),
        expires=int(expires.timestamp() * 1000),
        members=members,
    )
