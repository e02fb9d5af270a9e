"""A founded network, a node that trusts it, and a forger's tools: any file changed, signed by anybody, served to the node.

The forger signs plain JSON, past python-tuf's own checks, so that what is refused is refused by the code under test.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.formats import encode_canonical

from keys.directory import exercise, found, mirror, selfentry, trust
from keys.directory.rolekeys import Holder
from keys.directory.store import Store
from keys.directory.view import Directory, Kind, LogRecord, LogState, Member, OfficeRecord
from keys.logkeys import LogKeyPair, WitnessKeyPair
from keys.transport import TransportKey
from protocol import limits
from protocol.checkpoint import LogKeys
from protocol.errors import Code, RogatoryError
from protocol.names import Office, Origin

NOW = 1_800_000_000_000
NETWORK = "exercise.example"
NAMES = ("xa-ca", "xb-ca", "xc-ca")
ROOT = bytes(range(32))

Json = dict[str, Any]
Files = dict[str, bytes]


def seat(authority: str, port: int) -> exercise.Seat:
    """An authority with fresh keys on a loopback port."""
    transport = TransportKey.generate()
    certificate = transport.issue_certificate(authority, NETWORK, NOW, NOW + 400 * limits.DAY)
    keys = exercise.PublicKeys.of(LogKeyPair.generate(), LogKeyPair.generate(), WitnessKeyPair.generate(), [certificate])
    office = OfficeRecord(Office(authority, "247"), "24/7 point", ("EE_PRESERVE",), ("en",), "Europe/Vienna", "+99 1", "+99 2")
    return exercise.Seat(authority, authority[:2].upper(), f"Authority {authority}", ("127.0.0.1", port), keys, (office,))


def log_record(authority: str, n: int, state: LogState = LogState.STANDBY, like: LogRecord | None = None) -> LogRecord:
    """A log with fresh keys, with the witnesses of ``like``."""
    origin = Origin(NETWORK, authority, n)
    keys = LogKeyPair.generate().log_keys(str(origin))
    return LogRecord(keys, origin, state, like.witnesses if like else (), like.quorum if like else 0)


class World:
    """``repo``: the founders' and keepers' folder; ``node``: a node's; ``served``: a liar's files, instead of the repo's."""

    def __init__(self, folder: Path, made: exercise.Exercise) -> None:
        self.repo, self.node = folder / "repo", folder / "node"
        self.made = made
        self.founders, self.keepers = made.founders, made.keepers
        self.served: Files = {}
        self.asked: list[str] = []

    @classmethod
    def create(cls, folder: Path) -> World:
        """Found the network in ``folder``/repo and let a node take it into ``folder``/node."""
        seats = [seat(name, 8441 + i) for i, name in enumerate(NAMES)]
        world = cls(folder, exercise.found_exercise(folder / "repo", seats, NOW))
        trust.anchor(world.node, world.made.root_file)
        world.update()
        return world

    def fetch(self, name: str) -> bytes:
        """What the node's peer answers."""
        self.asked.append(name)
        data = self.served.get(name) or mirror.read(self.repo, name)
        if data is None:
            raise FileNotFoundError(name)
        return data

    def update(self, now: int = NOW + limits.MINUTE, **options: Any) -> Directory:
        """One update of the node."""
        return trust.update(self.node, self.fetch, now, **options)

    def load(self) -> Directory:
        """The node's directory in force."""
        return trust.load(self.node)

    def refused(self, code: Code, now: int = NOW + limits.MINUTE, **options: Any) -> RogatoryError:
        """The update is refused with exactly this code, and the directory before stays in force, byte for byte."""
        before, pointer = self.load(), (self.node / "in-force").read_bytes()
        with pytest.raises(RogatoryError) as caught:
            self.update(now, **options)
        assert caught.value.code is code, caught.value
        assert (self.node / "in-force").read_bytes() == pointer
        assert self.load() == before
        return caught.value

    def member(self, authority: str = "xb-ca") -> Member:
        """The member as the founders' folder has it."""
        return trust.load(self.repo).member(authority)

    def publish(self, member: Member, now: int = NOW) -> Directory:
        """The honest way of a new entry."""
        bundle = selfentry.new_entry(self.repo, self.made.role_keys[member.authority], member)
        return found.publish(self.repo, bundle, self.keepers, now)

    def charter(self, **changes: Any) -> found.Charter:
        """The charter in force, changed."""
        charter = found.Charter(
            NETWORK,
            Kind.EXERCISE,
            exercise.LOOPBACK,
            tuple(f.public() for f in self.founders),
            2,
            tuple(k.public() for k in self.keepers),
            1,
        )
        return replace(charter, **changes)

    def root(self) -> Json:
        """The ``signed`` object of the newest root in the founders' folder."""
        return signed_of(mirror.read(self.repo, f"{trust.load_state(Store(self.repo)).root.version}.root.json"))

    def next_root(self, change: Callable[[Json], None], signers: Sequence[Holder]) -> bytes:
        """The next root, changed and signed by these."""
        root = self.root()
        root["version"] += 1
        change(root)
        return signed_file(root, *signers)

    def forge(self, files: Files, **options: Any) -> None:
        """Serve these metadata files (``3.targets.json``…) under a snapshot and timestamp that the keepers' keys sign."""
        self.served.update(files)
        self.served.update(self.chain(files, **options))

    def chain(
        self, files: Files, *, snapshot: int | None = None, timestamp: int | None = None, more: Json | None = None
    ) -> Files:
        """A snapshot and a timestamp over these files, with the given or the next versions."""
        state = trust.load_state(Store(self.repo))
        meta = {name: line.to_dict() for name, line in state.snapshot.meta.items()}
        for name, data in files.items():
            number, _, role = name.partition(".")
            if role.startswith(("targets", "authority-")) and "/" not in name:
                meta[role] = line_of(int(number), data)
        meta |= more or {}
        version = snapshot or state.snapshot.version + 1
        body = signed_file(common("snapshot", version, {"meta": meta}), *self.keepers)
        stamp = {"meta": {"snapshot.json": line_of(version, body)}}
        top = signed_file(common("timestamp", timestamp or state.timestamp.version + 1, stamp), *self.keepers)
        return {f"{version}.snapshot.json": body, "timestamp.json": top}

    def targets(self, change: Callable[[Json], None], signers: Sequence[Holder] | None = None) -> Files:
        """The next targets file, changed and signed."""
        state = trust.load_state(Store(self.repo))
        signed = signed_of(mirror.read(self.repo, f"{state.targets.version}.targets.json"))
        signed["version"] += 1
        change(signed)
        return {f"{signed['version']}.targets.json": signed_file(signed, *(signers or self.founders))}

    def role(self, authority: str, entry: bytes, *, version: int = 2, signer: Holder | None = None) -> Files:
        """An authority's role over an entry of any bytes, with that entry."""
        sha256 = hashlib.sha256(entry).hexdigest()
        path = f"authorities/{authority}.json"
        body: Json = {"targets": {path: {"length": len(entry), "hashes": {"sha256": sha256}}}}
        data = signed_file(common("targets", version, body), signer or self.made.role_keys[authority])
        return {f"{version}.authority-{authority}.json": data, f"authorities/{sha256}.{authority}.json": entry}

    def entry(self, authority: str) -> Json:
        """An authority's entry as JSON."""
        sha256 = next(n for n in mirror.names(self.repo) if n.startswith("authorities/") and n.endswith(f"{authority}.json"))
        return json_of(mirror.read(self.repo, sha256))

    def forge_entry(self, authority: str, change: Callable[[Json], None]) -> None:
        """Serve an entry changed at will, signed by the authority itself and taken in by careless keepers."""
        value = self.entry(authority)
        change(value)
        self.forge(self.role(authority, json.dumps(value).encode()))


def common(kind: str, version: int, body: Json) -> Json:
    """The fields that all metadata has, valid for a day."""
    expires = datetime.fromtimestamp((NOW + limits.DAY) // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"_type": kind, "spec_version": "1.0.31", "version": version, "expires": expires, **body}


def signed_file(signed: Json, *holders: Holder) -> bytes:
    """Metadata signed by both keys of each holder."""
    payload = str(encode_canonical(signed)).encode()
    signatures = [signer.sign(payload).to_dict() for holder in holders for signer in holder.signers()]
    return json.dumps({"signatures": signatures, "signed": signed}).encode()


def line_of(version: int, data: bytes) -> Json:
    """A line of a snapshot or timestamp."""
    return {"version": version, "length": len(data), "hashes": {"sha256": hashlib.sha256(data).hexdigest()}}


def json_of(data: bytes | None) -> Json:
    """The JSON object in these bytes."""
    assert data is not None
    value = json.loads(data)
    assert isinstance(value, dict)
    return value


def signed_of(data: bytes | None) -> Json:
    """The ``signed`` object of a metadata file."""
    signed = json_of(data)["signed"]
    assert isinstance(signed, dict)
    return signed


def keys_of(pair: LogKeyPair, origin: str) -> LogKeys:
    """A pair's public halves under an origin."""
    return pair.log_keys(origin)
