"""A change on its way: files of the next directory, gathering signatures from machine to machine.

A holder looks at ``Change.summary`` on the machine that has the key, and signs what its keys may sign, nothing else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from keys.directory import codes, strict
from keys.directory.metadata import Metadata, Root, Signed
from keys.directory.rolekeys import Holder
from keys.directory.store import TIMESTAMP, check_name
from protocol import limits
from protocol.errors import ProtocolError

FORMAT: Final = "rogatory/directory-change/v1"


@dataclass(frozen=True, slots=True)
class Change:
    """Files by name, as they will stand in the folder. Metadata among them may still lack signatures."""

    files: Mapping[str, bytes]

    def joined(self, other: Change) -> Change:
        """Both changes in one."""
        return Change({**self.files, **other.files})

    def dump(self) -> bytes:
        """As one file, to carry."""
        files = {name: data.decode() for name, data in self.files.items()}
        return json.dumps({"format": FORMAT, "files": files}, indent=1, sort_keys=True).encode() + b"\n"

    @classmethod
    def parse(cls, data: bytes) -> Change:
        """From ``dump``. Raises DIRECTORY-FORM, DIRECTORY-FIELD, DIRECTORY-FILE-NAME; nothing in it is trusted by this."""
        value = strict.fields(strict.read_json(data, 16 * limits.MiB), {"format", "files"})
        files = value["files"]
        if value["format"] != FORMAT or not isinstance(files, dict) or not all(isinstance(f, str) for f in files.values()):
            raise ProtocolError(codes.DIRECTORY_FORM, "not a directory change")
        return cls({name if name == TIMESTAMP else check_name(name): text.encode() for name, text in files.items()})

    def summary(self) -> list[str]:
        """One line per file for the people who sign: name, SHA-256, signatures so far."""
        lines = []
        for name, data in sorted(self.files.items()):
            signatures = f"{len(_metadata(data).signatures)} signatures" if _is_metadata(name) else "content"
            lines.append(f"{name}  {hashlib.sha256(data).hexdigest()}  {signatures}")
        return lines


def sign(change: Change, *holders: Holder, root: Root | None = None) -> Change:
    """The change with these holders' signatures on all that their keys may sign.

    ``root``: the root in force, for a new root that needs its signatures too. An authority's role is signed by itself alone, in
    ``selfentry``. A snapshot names digests of what it holds, a timestamp the snapshot's: what is named already is not touched.
    """
    files = dict(change.files)
    for name, data in change.files.items():
        if not _is_metadata(name) or _role(name) not in _open_roles(change):
            continue
        metadata = _metadata(data)
        for holder in holders:
            for signer in holder.signers():
                if _may(signer.public_key.keyid, _role(name), metadata.signed, root):
                    metadata.sign(signer, append=True)
        files[name] = metadata.to_bytes()
    return Change(files)


def _open_roles(change: Change) -> frozenset[str]:
    roles = {_role(name) for name in change.files if _is_metadata(name)}
    for last in ("timestamp", "snapshot"):
        if last in roles:
            return frozenset({last})
    return frozenset({"root", "targets"})


def _may(keyid: str, role: str, signed: Signed, root: Root | None) -> bool:
    """A root is signed by its own keys and those of the root before; without a root to look at, every holder given may sign."""
    roots = [r for r in (root, signed if isinstance(signed, Root) else None) if r is not None]
    return not roots or any(keyid in r.roles[role].keyids for r in roots)


def _metadata(data: bytes) -> Metadata[Any]:
    return Metadata[Any].from_bytes(data)


def _is_metadata(name: str) -> bool:
    return "/" not in name and not name.endswith(f".{strict.RULINGS}")


def _role(name: str) -> str:
    return "timestamp" if name == TIMESTAMP else name.removesuffix(".json").partition(".")[2]
