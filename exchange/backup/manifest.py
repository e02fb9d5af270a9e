"""The manifest: every file of a backup with its length and SHA-256, under a MAC whose key only this node's storage key opens.

    {"body": {"format": "rogatory/backup/v1", "authority": ..., "made": ms, "key": hex, "log": [origin, size, root hex],
              "files": {"exchange.sqlite": {"sha256": ..., "length": ..., "sealed": true}, ...}},
     "mac": HMAC-SHA-256 over the body as canonical JSON}

What may stand in it is a list of what is allowed: a name that is not on it (a prekey, the guard, a path that leads elsewhere) is refused by
whoever reads it, whoever wrote it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from exchange.backup import codes
from keys.storage import StorageKey
from protocol.errors import LocalError

FORMAT: Final = "rogatory/backup/v1"
DATABASE, PEOPLE, WRAPS, KEYSTORE = "exchange.sqlite", "people.sqlite", "wraps", "keystore"
PLAIN: Final = re.compile(r"keystore|parts/.*")  # sealed by themselves, so not sealed again

_ALLOWED: Final = re.compile(
    r"keystore|node\.toml|api-keys|entry\.toml|people\.sqlite|exchange\.sqlite|wraps"
    r"|policies/[A-Za-z0-9_-][A-Za-z0-9._-]{0,80}\.toml"
    r"|directory/(?:authorities/)?[A-Za-z0-9_-][A-Za-z0-9._-]{0,150}"
    r"|parts/out/[0-9a-f]{64}|parts/in/[0-9a-f]{64}-[1-9][0-9]{0,2}"
)
_HEX: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Line:
    """One file as it lies on the medium: SHA-256 (hex) and length of its stored bytes, and whether they are sealed."""

    sha256: str
    length: int
    sealed: bool


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is in a backup. ``made``: ms; ``log``: origin, size and root (hex) of the head it holds; ``key``: wrapped, hex."""

    authority: str
    made: int
    key: str
    log: tuple[str, int, str]
    files: Mapping[str, Line]

    def dump(self, key: bytes) -> bytes:
        """The file's bytes. ``key``: the backup's key, unwrapped."""
        body = self._body()
        return json.dumps({"body": body, "mac": _mac(key, body)}, indent=1, sort_keys=True).encode() + b"\n"

    def _body(self) -> dict[str, Any]:
        files = {name: {"sha256": f.sha256, "length": f.length, "sealed": f.sealed} for name, f in self.files.items()}
        return {
            "format": FORMAT, "authority": self.authority, "made": self.made, "key": self.key, "log": list(self.log), "files": files,
        }  # fmt: skip

    def unwrap(self, storage: StorageKey) -> bytes:
        """The backup's key. Raises BACKUP-OTHER when it is not under this node's storage key."""
        try:
            return storage.unwrap(_object_id(self.authority), bytes.fromhex(self.key), "backup")
        except LocalError:
            raise LocalError(codes.BACKUP_OTHER, self.authority) from None

    def check(self, raw: bytes, key: bytes) -> None:
        """These are the bytes that the holder of the key wrote. Raises BACKUP-ALTERED."""
        told = json.loads(raw)["mac"]
        if not isinstance(told, str) or not hmac.compare_digest(_mac(key, self._body()), told) or self.dump(key) != raw:
            raise LocalError(codes.BACKUP_ALTERED, "manifest")


def wrap_key(authority: str, key: bytes, storage: StorageKey) -> str:
    """A backup's key, wrapped for its manifest."""
    return storage.wrap(_object_id(authority), key, "backup").hex()


def check_name(name: str) -> str:
    """A name that may stand in a backup. Raises BACKUP-NAME."""
    if not _ALLOWED.fullmatch(name) or ".." in name:
        raise LocalError(codes.BACKUP_NAME, name.encode("unicode_escape").decode()[:80])
    return name


def parse_manifest(raw: bytes) -> Manifest:
    """A manifest; nothing in it is trusted before ``check``. Raises BACKUP-FORM, BACKUP-NAME."""
    try:
        body = json.loads(raw)["body"]
        if body["format"] != FORMAT:
            raise ValueError(FORMAT)
        files = {check_name(name): _line(value) for name, value in body["files"].items()}
        origin, size, root = body["log"]
        found = Manifest(_is(body["authority"], str), _is(body["made"], int), _is(body["key"], str),
                         (_is(origin, str), _is(size, int), _is(root, str)), files)  # fmt: skip
        bytes.fromhex(found.key)
    except (ValueError, LookupError, TypeError, AttributeError):
        raise LocalError(codes.BACKUP_FORM) from None
    if {KEYSTORE, DATABASE} - files.keys():
        raise LocalError(codes.BACKUP_FORM, "no keystore or no database")
    return found


def _line(value: Any) -> Line:
    line = Line(_is(value["sha256"], str), _is(value["length"], int), _is(value["sealed"], bool))
    if not _HEX.fullmatch(line.sha256) or line.length < 0:
        raise ValueError("a line")
    return line


def _is(value: Any, kind: type[Any]) -> Any:
    if type(value) is not kind:
        raise TypeError(kind.__name__)
    return value


def _mac(key: bytes, body: Mapping[str, Any]) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    return hmac.new(key, b"rogatory/backup/manifest/v1\0" + text, hashlib.sha256).hexdigest()


def _object_id(authority: str) -> bytes:
    return hashlib.sha256(b"rogatory/backup/v1\0" + authority.encode()).digest()
