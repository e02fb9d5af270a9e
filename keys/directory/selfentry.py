"""What an authority signs about itself: its request to join, and every later version of its entry.

    join_request(holder, network, member)           to the founders, who compare its fingerprint with the authority by voice
    new_entry(folder, holder, member)               to the keepers: new certificate, address, office, standby log, closing

The member is made from the one in the directory with ``dataclasses.replace`` or the functions here; ``rotate`` is the one
command for a planned change, amnesia and theft.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from securesystemslib.exceptions import UnverifiedSignatureError
from tuf.api.exceptions import RepositoryError

from keys.directory import codes, strict, trust
from keys.directory.chain import check_entry_role
from keys.directory.entry import dump_entry, parse_entry
from keys.directory.metadata import Metadata, TargetFile, Targets
from keys.directory.rolekeys import Holder, HolderKeys
from keys.directory.store import Store
from keys.directory.view import LogRecord, LogState, Member
from protocol.errors import LocalError, ProtocolError

FORMAT: Final = "rogatory/entry/v1"
NO_EXPIRY: Final = datetime(9999, 12, 31, tzinfo=UTC)  # how fresh an entry is, the snapshot says; one tardy member stops nobody


@dataclass(frozen=True, slots=True)
class Bundle:
    """An entry, its signed role metadata and the role's keys: all that founders or keepers need."""

    authority: str
    keys: HolderKeys
    role: bytes
    entry: bytes
    version: int

    def files(self) -> dict[str, bytes]:
        """The two files by their names in the folder."""
        sha256 = hashlib.sha256(self.entry).hexdigest()
        return {
            f"{self.version}.{strict.ROLE_PREFIX}{self.authority}.json": self.role,
            f"authorities/{sha256}.{self.authority}.json": self.entry,
        }

    def dump(self) -> bytes:
        """As one file, to send."""
        value = {
            "format": FORMAT,
            "authority": self.authority,
            "keys": {k.keyid: k.to_dict() for k in self.keys.both()},
            "role": self.role.decode(),
            "entry": self.entry.decode(),
        }
        return json.dumps(value, indent=1).encode() + b"\n"

    def fingerprint(self) -> str:
        """What people read to each other: SHA-256 over role keys and entry, in groups of four."""
        keyids = "".join(k.keyid for k in self.keys.both())
        text = hashlib.sha256(keyids.encode() + self.entry).hexdigest()
        return " ".join(text[i : i + 4] for i in range(0, 64, 4))


def parse_bundle(data: bytes, network: str) -> tuple[Bundle, Member]:
    """A bundle and the member it speaks of; both keys signed it. Raises DIRECTORY-EDGE, and what is wrong with the entry."""
    value = strict.fields(strict.read_json(data), {"format", "authority", "keys", "role", "entry"})
    texts = (value["format"], value["authority"], value["role"], value["entry"])
    if not all(isinstance(t, str) for t in texts) or value["format"] != FORMAT or not isinstance(value["keys"], dict):
        raise ProtocolError(codes.DIRECTORY_FORM, "not a signed entry")
    authority, role, entry = value["authority"], value["role"].encode(), value["entry"].encode()
    strict.authority_of(strict.ROLE_PREFIX + authority)
    keys = HolderKeys.from_keys(authority, value["keys"])
    check_entry_role(strict.ROLE_PREFIX + authority, role)
    try:
        metadata = Metadata[Targets].from_bytes(role)
    except (RepositoryError, ValueError, KeyError, TypeError):
        raise ProtocolError(codes.DIRECTORY_FORM, "not role metadata") from None
    for key in keys.both():
        if key.keyid not in metadata.signatures or not _verifies(metadata, keys, key.keyid):
            raise ProtocolError(codes.DIRECTORY_EDGE, f"{authority} did not sign with both keys")
    named = metadata.signed.targets[f"authorities/{authority}.json"]
    if named.hashes != {"sha256": hashlib.sha256(entry).hexdigest()} or named.length != len(entry):
        raise ProtocolError(codes.DIRECTORY_MIXED, authority)
    member = parse_entry(entry, network, authority)
    return Bundle(authority, keys, role, entry, metadata.signed.version), member


def join_request(holder: Holder, network: str, member: Member) -> Bundle:
    """The first version of an entry. Raises what is wrong with the member, before anybody else sees it."""
    return _bundle(holder, network, member, 1)


def new_entry(folder: Path, holder: Holder, member: Member, *, rekeyed: bool = False) -> Bundle:
    """The next version of our entry, after the one in ``folder``. ``rekeyed``: with keys yet to be admitted (``found.rekey``).

    Raises DIRECTORY-UNKNOWN-AUTHORITY, DIRECTORY-EDGE for keys that are not the admitted ones.
    """
    state = trust.load_state(Store(folder))
    state.directory.member(member.authority)
    role = strict.ROLE_PREFIX + member.authority
    delegated = state.targets.get_delegated_role(role)
    if not rekeyed and {k.keyid for k in holder.public().both()} != set(delegated.keyids):
        raise LocalError(codes.DIRECTORY_EDGE, f"these are not the keys that the founders admitted for {member.authority}")
    return _bundle(holder, state.directory.network, member, state.snapshot.meta[f"{role}.json"].version + 1)


def rotate(member: Member, closing: tuple[int, bytes], standby: LogRecord | None = None) -> Member:
    """The log in force closes at (size, root), the first standby log comes into force, ``standby`` becomes the next one.

    Raises DIRECTORY-NO-LOG when there is no log in force or no standby.
    """
    waiting = [log for log in member.logs if log.state is LogState.STANDBY]
    speaking = [log for log in member.logs if log.state is LogState.IN_FORCE]
    if not waiting or not speaking:
        raise LocalError(codes.DIRECTORY_NO_LOG, f"{member.authority} needs one log in force and one standby")
    changed = {
        speaking[0].origin: replace(speaking[0], state=LogState.CLOSED, closing=closing),
        waiting[0].origin: replace(waiting[0], state=LogState.IN_FORCE),
    }
    logs = tuple(changed.get(log.origin, log) for log in member.logs)
    return replace(member, logs=logs if standby is None else (*logs, standby))


def leave(member: Member, closing: tuple[int, bytes]) -> Member:
    """Leave the network: the log in force closes, standby logs are withdrawn, nobody calls it. Its logs stay listed."""
    logs = tuple(
        replace(log, state=LogState.CLOSED, closing=closing if log.state is LogState.IN_FORCE else log.closing)
        for log in member.logs
    )
    return replace(member, logs=logs, active=False, address=None)


def _bundle(holder: Holder, network: str, member: Member, version: int) -> Bundle:
    entry = dump_entry(network, member)
    parse_entry(entry, network, member.authority)
    path = f"authorities/{member.authority}.json"
    target = TargetFile(len(entry), {"sha256": hashlib.sha256(entry).hexdigest()}, path)
    metadata = Metadata(Targets(version=version, expires=NO_EXPIRY, targets={path: target}))
    for signer in holder.signers():
        metadata.sign(signer, append=True)
    return Bundle(member.authority, holder.public(), metadata.to_bytes(), entry, version)


def _verifies(metadata: Metadata[Targets], keys: HolderKeys, keyid: str) -> bool:
    key = next(k for k in keys.both() if k.keyid == keyid)
    try:
        key.verify_signature(metadata.signatures[keyid], metadata.signed_bytes)
    except UnverifiedSignatureError:
        return False
    return True
