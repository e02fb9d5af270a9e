"""One vector of our own formats, and the values that all of them share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType

from protocol import cbor

NETWORK = sha256(b"the network of the vectors").digest()
MESSAGE = bytes(range(1, 17))
SENDER, RECIPIENT, THIRD = "xa-ca", "xb-ca", "xc-ca"
CREATED, EXPIRES = 1_795_500_000_000, 1_796_364_000_000  # ms
SALT = b"s" * 16
HASH = b"h" * 32
NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Case:
    """One vector: path without ending, expected code or ok, the clause, what it is, its bytes, further header lines."""

    name: str
    expect: str
    spec: str
    note: str
    data: bytes
    more: Mapping[str, str] = field(default_factory=lambda: NONE)

    @property
    def path(self) -> str:
        return f"{self.name}.{'ok' if self.expect == 'ok' else 'fail'}"

    def file(self) -> bytes:
        lines = {"expect": self.expect, "spec": self.spec, "note": self.note, **self.more}
        return "".join(f"{key}: {value}\n" for key, value in lines.items()).encode() + b"\n" + self.data


def changed(row: Mapping[int, cbor.Value], key: int, value: cbor.Value) -> bytes:
    """The encoding of a map with one value changed."""
    return cbor.encode({**row, key: value})


def without(row: Mapping[int, cbor.Value], *keys: int) -> bytes:
    """The encoding of a map with keys left out."""
    return cbor.encode({key: value for key, value in row.items() if key not in keys})


def swap(data: bytes, old: bytes, new: bytes) -> bytes:
    """Put ``new`` in the place of ``old``, which must stand there exactly once."""
    assert data.count(old) == 1, (old, data.count(old))
    return data.replace(old, new)
