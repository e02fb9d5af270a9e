"""API keys: made once, shown once, kept as hashes. Each is for one system account and a set of offices.

    rog_<id: 8 hex digits>_<43 characters of base64url>          256 random bits need no slow hash: SHA-256 is kept

The prefix lets scanners of source code and chats find a key that was left there. Making and ending one is an act in the log.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from exchange import codes as exchange_codes
from exchange.casework.acts import Acts
from exchange.casework.people import People, PersonKind, parse_office
from exchange.ports import Random
from exchange.writer import Writer
from keys.keyfile import read_private
from keys.sealedfile import write_atomically
from node import codes
from protocol.errors import LocalError

PREFIX: Final = "rog_"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key, without its secret. ``offices``: those it may speak for; ``made``: ms."""

    id: str
    account: bytes
    offices: frozenset[str]
    made: int
    sha256: bytes


class ApiKeys:
    """The keys of one node, in a file of mode 0600. Raises API-KEY-FILE when it cannot be read."""

    def __init__(self, path: Path, people: People, acts: Acts, writer: Writer, random: Random, now: Callable[[], int]) -> None:
        self._path, self._people, self._acts, self._writer, self._random, self._now = path, people, acts, writer, random, now
        self._lock = threading.Lock()
        self._keys: Mapping[str, ApiKey] = _read(path)

    def list(self) -> list[ApiKey]:
        """Every key, oldest first."""
        return sorted(self._keys.values(), key=lambda key: (key.made, key.id))

    def make(self, account: bytes, offices: frozenset[str], by: bytes) -> tuple[ApiKey, str]:
        """A new key for a system account, and its text: shown once, kept nowhere. Raises PERSON-*."""
        person = self._people.actor(account)
        if person.kind is not PersonKind.SYSTEM:
            raise LocalError(exchange_codes.PERSON_ROLE, "API keys are for systems")
        offices = frozenset(parse_office(office) for office in offices)
        number = self._random(4).hex()
        text = f"{PREFIX}{number}_{base64.urlsafe_b64encode(self._random(32)).rstrip(b'=').decode()}"
        key = ApiKey(number, person.id, offices, self._now(), hashlib.sha256(text.encode()).digest())
        about = {"api_key": number, "person": person.id.hex(), "offices": " ".join(sorted(offices))}
        with self._lock:
            self._writer.run(lambda tx: self._acts.append(tx, by, "api_key.made", about))
            self._write({**self._keys, number: key})
        return key, text

    def end(self, number: str, by: bytes) -> None:
        """End a key; calls with it are refused from now on. Raises API-KEY-UNKNOWN."""
        with self._lock:
            if number not in self._keys:
                raise LocalError(codes.API_KEY_UNKNOWN, number[:16])
            self._write({each: key for each, key in self._keys.items() if each != number})
            self._writer.run(lambda tx: self._acts.append(tx, by, "api_key.ended", {"api_key": number}))

    def check(self, text: str) -> ApiKey:
        """The key that this text is. Raises CALL-KEY, also when its account has ended."""
        number, _, _ = text.removeprefix(PREFIX).partition("_")
        key = self._keys.get(number)
        digest = hashlib.sha256(text.encode()).digest()
        if key is None or not text.startswith(PREFIX) or not hmac.compare_digest(digest, key.sha256):
            raise LocalError(codes.CALL_KEY)
        if not self._people.get(key.account).active:
            raise LocalError(codes.CALL_KEY, "its account has ended")
        return key

    def _write(self, keys: Mapping[str, ApiKey]) -> None:
        rows = [
            {"id": k.id, "account": k.account.hex(), "offices": sorted(k.offices), "made": k.made, "sha256": k.sha256.hex()}
            for k in keys.values()
        ]
        write_atomically(self._path, json.dumps({"keys": rows}, indent=1).encode())
        self._keys = keys


def _read(path: Path) -> dict[str, ApiKey]:
    try:
        rows = json.loads(read_private(path))["keys"]
        keys = [
            ApiKey(r["id"], bytes.fromhex(r["account"]), frozenset(r["offices"]), r["made"], bytes.fromhex(r["sha256"])) for r in rows
        ]
    except FileNotFoundError:
        return {}
    except (ValueError, LookupError, TypeError):
        raise LocalError(codes.API_KEY_FILE, path.name) from None
    return {key.id: key for key in keys}
