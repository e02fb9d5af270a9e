"""Our prekeys: one a day, published ahead, each secret in a file of its own that is destroyed a day after the key's end.

    <id as hex>.prekey    CBOR [from, until, public key (1,216), wrapped seed]        times in ms
    <name>.destroyed      a file on its way out: overwritten, then removed

The seed is wrapped under the keystore's prekey key, bound to id and times. The folder is never part of a backup: what is
destroyed here must be gone. What that means on flash disks and journalling file systems is said in docs: a block that was
overwritten may live on inside the device, wrapped; who has that and the keystore's secrets can open old wraps.

Every step is durable before the next one, so a crash between any two leaves a folder that the next start puts right.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from keys import codes
from keys.keyfile import read_private
from keys.sealedfile import write_atomically
from keys.storage import StorageKey
from keys.suite import PREKEY_PUBLIC, PREKEY_SEED, PrekeySecret, prekey_id
from protocol import cbor, limits
from protocol import codes as protocol_codes
from protocol.errors import LocalError, PassingError, RogatoryError

_SUFFIX: Final = ".prekey"
_GONE: Final = ".destroyed"
_WRAP_KEY: Final = 1  # the one id used: a new prekey key means new prekeys


@dataclass(frozen=True, slots=True)
class Prekey:
    """The public half of one prekey. Wraps may be made to it from ``from_`` until ``until`` (ms)."""

    id: bytes
    from_: int
    until: int
    public: bytes


class PrekeyStore:
    """The folder, and its live secrets in memory: ``ports.Prekeys``.

    ``damaged``: names of files that could not be read; their keys count as lost, senders wrap again to the current ones.
    """

    def __init__(self, folder: Path, key: bytes, rand: Callable[[int], bytes] = os.urandom) -> None:
        """Open the folder, making it when there is none; finish what a crash interrupted. ``key``: the keystore's prekey key.

        Raises PREKEY-FOLDER.
        """
        self._folder = folder
        self._wrapping = StorageKey({_WRAP_KEY: key}, _WRAP_KEY, rand)
        self._rand = rand
        self._live: dict[bytes, tuple[Prekey, PrekeySecret]] = {}
        self.damaged: tuple[str, ...] = ()
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            self._load()
        except OSError as error:
            raise LocalError(codes.PREKEY_FOLDER, f"{folder}: {error.strerror}") from None

    def current_set(self, now: int) -> tuple[Prekey, ...]:
        """The keys to publish at ``now`` (ms): today's and those ahead, as far as they were made, in order of time.

        The sequence of a published set is the log's: it stands in the entry, and survives the loss of this folder.
        """
        return tuple(key for day in _days(now) if (key := self._key_from(day)) is not None)

    def rotate(self, now: int) -> tuple[Prekey, ...]:
        """Make what is missing of today's key and those ahead, durably; returns ``current_set(now)``. Raises PREKEY-FOLDER."""
        try:
            return tuple(self._key_from(day) or self._make(day) for day in _days(now))
        except OSError as error:
            raise LocalError(codes.PREKEY_FOLDER, f"{self._folder}: {error.strerror}") from None

    def open(self, prekey_id: bytes, info: bytes, wrap: bytes) -> bytes | None:
        """The plaintext of a wrap, or None when it does not open. Raises PREKEY-UNKNOWN (passing) without such a secret."""
        found = self._live.get(prekey_id)
        if found is None:
            raise PassingError(protocol_codes.PREKEY_UNKNOWN)
        return found[1].open(info, wrap)

    def destroy_ended(self, now: int) -> tuple[bytes, ...]:
        """Destroy every secret whose key ended a day (``limits.PREKEY_GRACE``) before ``now``. Returns their ids.

        Gone from memory first, so that a wrap no longer opens even if the disk then fails. Raises PREKEY-FOLDER.
        """
        ended = [key.id for key, _ in self._live.values() if key.until + limits.PREKEY_GRACE <= now]
        for key_id in ended:
            del self._live[key_id]
        try:
            for key_id in ended:
                self._destroy(self._path(key_id))
        except OSError as error:
            raise LocalError(codes.PREKEY_FOLDER, f"{self._folder}: {error.strerror}") from None
        return tuple(ended)

    def _path(self, key_id: bytes) -> Path:
        return self._folder / f"{key_id.hex()}{_SUFFIX}"

    def _key_from(self, day: int) -> Prekey | None:
        """The key that begins on this day; of several, always the same one."""
        return min((key for key, _ in self._live.values() if key.from_ == day), key=lambda key: key.id, default=None)

    def _make(self, day: int) -> Prekey:
        seed = self._rand(PREKEY_SEED)
        secret = PrekeySecret(seed)
        key = Prekey(prekey_id(secret.public), day, day + limits.PREKEY_LIFE, secret.public)
        wrapped = self._wrapping.wrap(_bound(key), seed, "prekey")
        write_atomically(self._path(key.id), cbor.encode([key.from_, key.until, key.public, wrapped]))
        self._live[key.id] = (key, secret)
        return key

    def _load(self) -> None:
        """Read the folder. What is half written or half destroyed goes; a file that cannot be read is left and named."""
        damaged = []
        for path in sorted(self._folder.iterdir()):
            if path.suffix == _GONE or path.name.startswith(".new-"):
                self._destroy(path)
            elif path.suffix == _SUFFIX:
                try:
                    key, secret = self._read(path)
                    self._live[key.id] = (key, secret)
                except (RogatoryError, ValueError):
                    damaged.append(path.name)
        self.damaged = tuple(damaged)

    def _read(self, path: Path) -> tuple[Prekey, PrekeySecret]:
        row = cbor.decode(read_private(path))
        match row:
            case [int() as from_, int() as until, bytes() as public, bytes() as wrapped] if len(public) == PREKEY_PUBLIC:
                key = Prekey(prekey_id(public), from_, until, public)
            case _:
                raise ValueError("not a prekey")
        secret = PrekeySecret(self._wrapping.unwrap(_bound(key), wrapped, "prekey"))
        if secret.public != public or path != self._path(key.id):
            raise ValueError("a file of another prekey")
        return key, secret

    def _destroy(self, path: Path) -> None:
        """Out of the way under another name, overwritten, removed: each step on disk before the next."""
        gone = path if path.suffix == _GONE else path.with_name(path.name + _GONE)
        if gone != path:
            path.rename(gone)
            _sync_folder(self._folder)
        with gone.open("r+b") as file:
            file.write(self._rand(os.fstat(file.fileno()).st_size))
            file.flush()
            os.fsync(file.fileno())
        gone.unlink()
        _sync_folder(self._folder)


def read_published(folder: Path) -> tuple[Prekey, ...]:
    """The public halves in a folder of prekeys, in order of time, without opening or changing anything: also while a node runs.

    Raises PREKEY-FOLDER. Files that cannot be read are left out: ``PrekeyStore`` names them.
    """
    found = []
    try:
        for path in sorted(folder.glob(f"*{_SUFFIX}")):
            try:
                row = cbor.decode(read_private(path))
            except (RogatoryError, FileNotFoundError):
                continue
            match row:
                case [int() as from_, int() as until, bytes() as public, bytes()] if len(public) == PREKEY_PUBLIC:
                    found.append(Prekey(prekey_id(public), from_, until, public))
    except OSError as error:
        raise LocalError(codes.PREKEY_FOLDER, f"{folder}: {error.strerror}") from None
    return tuple(sorted(found, key=lambda key: key.from_))


def _days(now: int) -> list[int]:
    """When today's key and those ahead begin (ms): days of UTC, so that a key's place in time needs no memory."""
    today = now - now % limits.PREKEY_LIFE
    return [today + ahead * limits.PREKEY_LIFE for ahead in range(limits.PREKEY_AHEAD + 1)]


def _bound(key: Prekey) -> bytes:
    return cbor.encode([key.id, key.from_, key.until])


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
