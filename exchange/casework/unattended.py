"""Written policies: the standing approval under which a system of the house may send without a second person.

    name = "court-preservation"                      offices = ["xa-ca/247"]         kinds = ["EE_PRESERVE"]
    accounts = ["5b0e..."]                           signed_by = "Director, 2026-11-20"
    text = '''Preservation requests that the prosecutor has signed in the case system leave without ...'''

One TOML file each, in the home's folder ``policies``. Which text was in force when a message left is on record: the act
commits to its SHA-256. A policy never covers an emergency: that needs a named senior officer. (Domain 1.3, 2.1.2)
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from exchange import codes
from protocol.errors import LocalError


@dataclass(frozen=True, slots=True)
class Policy:
    """One written policy. ``accounts``: ids of systems in hex; ``sha256`` of the file as it is."""

    name: str
    offices: tuple[str, ...]
    kinds: tuple[str, ...]
    accounts: tuple[str, ...]
    signed_by: str
    text: str
    sha256: bytes

    def covers(self, account: bytes, office: str, kind: str) -> bool:
        """Whether this account may send this kind for this office under it."""
        return account.hex() in self.accounts and office in self.offices and kind in self.kinds


def load_policies(folder: Path) -> tuple[Policy, ...]:
    """The policies in this folder, by file name; none when there is no folder. Raises POLICY-FILE."""
    found = tuple(parse_policy(path.name, path.read_bytes()) for path in sorted(folder.glob("*.toml")))
    if len({policy.name for policy in found}) != len(found):
        raise LocalError(codes.POLICY_FILE, "two policies have one name")
    return found


def parse_policy(file: str, raw: bytes) -> Policy:
    """The policy in these bytes; ``file`` names it in errors. Raises POLICY-FILE."""
    try:
        table = tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise LocalError(codes.POLICY_FILE, f"{file} is not TOML") from None
    wanted = {field.name for field in fields(Policy)} - {"sha256"}
    if set(table) != wanted:
        wrong = sorted(set(table) ^ wanted)
        raise LocalError(codes.POLICY_FILE, f"{file}: {', '.join(wrong)} missing or unknown")
    lists = {name: table.pop(name) for name in ("offices", "kinds", "accounts")}
    if not all(_texts(value) for value in lists.values()) or not _texts(list(table.values())):
        raise LocalError(codes.POLICY_FILE, f"{file}: lists of texts, and texts, none empty")
    return Policy(
        table["name"], tuple(lists["offices"]), tuple(lists["kinds"]), tuple(lists["accounts"]), table["signed_by"],
        table["text"], hashlib.sha256(raw).digest(),
    )  # fmt: skip


def covering(policies: Iterable[Policy], account: bytes, office: str, kind: str) -> Policy | None:
    """The first policy under which this may be sent."""
    return next((policy for policy in policies if policy.covers(account, office, kind)), None)


def _texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, str) and each for each in value)
