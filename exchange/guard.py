"""The guard: the last (origin, size, root) we were about to sign, outside the database and its backups.

Commit, guard, sign, speak. A head is signed only after the guard has moved from the last value to this one by compare-and-swap;
who loses the swap ends. So two processes, a lost lock, a restored copy or a lagging replica cannot sign two histories.
(SPEC.md section 5)

The file holds two slots written in turn, each with a sequence number and a SHA-256, so that a torn write leaves the other.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from exchange import codes
from protocol import cbor
from protocol.errors import LocalError, ProtocolError

_SLOT = 512


class Standing(StrEnum):
    """How a guard lies to the log that is stored."""

    NEW = "new"  # neither guard nor entries: a log that nobody has seen
    ON = "on"  # on this history, and not beyond it
    MISSING = "missing"  # entries, and no guard
    AHEAD = "ahead"  # it has seen a head that is not stored, or of another log
    BESIDE = "beside"  # it has seen another history


class Guarded(NamedTuple):
    """What the guard holds."""

    origin: str
    size: int
    root: bytes


class Guard:
    """One guard file, locked by this process while it is open. Raises GUARD-WRITE, STORE-IN-USE, GUARD-DAMAGED."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            _sync_folder(path.parent)
        except OSError as error:
            raise LocalError(codes.GUARD_WRITE, f"{path}: {error.strerror}") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise LocalError(codes.STORE_IN_USE, str(path)) from None
        self._sequence = 0
        try:
            self.value = self.read()
        except BaseException:
            os.close(self._file)
            raise

    def read(self) -> Guarded | None:
        """What the file holds now; None when it was never written. Raises GUARD-DAMAGED."""
        raw = os.pread(self._file, 2 * _SLOT, 0)
        if not raw.strip(b"\0"):
            return None
        self._sequence, value = _value(raw)
        return value

    def swap(self, old: Guarded | None, new: Guarded) -> None:
        """Move from ``old`` to ``new``, durably. Raises GUARD-LOST when the file holds anything but ``old``, GUARD-WRITE."""
        if self.read() != old:
            raise LocalError(codes.GUARD_LOST, f"size {new.size}")
        sequence = self._sequence + 1
        try:
            written = os.pwrite(self._file, _format(sequence, new), _SLOT * (sequence % 2))
            os.fdatasync(self._file)
        except OSError as error:
            raise LocalError(codes.GUARD_WRITE, f"{error.strerror}") from None
        if written != _SLOT:
            raise LocalError(codes.GUARD_WRITE, f"{written} of {_SLOT} bytes")
        self._sequence = sequence
        self.value = new

    def close(self) -> None:
        """Let the file go."""
        os.close(self._file)


def read_guard(path: Path) -> Guarded | None:
    """What a guard file holds, whoever works with it; None for none. Changes nothing. Raises GUARD-DAMAGED."""
    try:
        raw = path.read_bytes()
    except OSError:
        return None
    return _value(raw)[1] if raw.strip(b"\0") else None


def _value(raw: bytes) -> tuple[int, Guarded]:
    """The newer of two slots. Raises GUARD-DAMAGED."""
    slots = [slot for slot in (_parse(raw[:_SLOT]), _parse(raw[_SLOT : 2 * _SLOT])) if slot is not None]
    if not slots:
        raise LocalError(codes.GUARD_DAMAGED)
    return max(slots)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _format(sequence: int, value: Guarded) -> bytes:
    raw = cbor.encode([sequence, value.origin, value.size, value.root])
    return (len(raw).to_bytes(2, "big") + raw + hashlib.sha256(raw).digest()).ljust(_SLOT, b"\0")


def _parse(slot: bytes) -> tuple[int, Guarded] | None:
    length = int.from_bytes(slot[:2], "big")
    raw, digest = slot[2 : 2 + length], slot[2 + length : 34 + length]
    if hashlib.sha256(raw).digest() != digest:
        return None
    try:
        match cbor.decode(raw):
            case [int(sequence), str(origin), int(size), bytes(root)]:
                return sequence, Guarded(origin, size, root)
            case _:
                return None
    except ProtocolError:
        return None
