"""The keystore: one file, sealed under a passphrase, with the secrets a node needs to run.

    rogatory keystore v1\n  SHA-256 of the rest (32)  sealed file (sealedfile.py)

The sum tells an altered file from a wrong passphrase; it guards against accidents. Whoever alters on purpose and mends the
sum still meets the box. Inside is deterministic CBOR:

    {0: [[n, log pair (64)]...], 1: witness pair (64), 2: [[transport key (32), its certificate]...],
     3: [[id, storage key (32)]...], 4: prekey key (32)}

Not in it: the standby log's pair (standby.py, offline) and the prekeys (prekeys.py, files that can be destroyed one by one).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

from keys import codes
from keys.keyfile import read_private
from keys.logkeys import SECRET, LogKeyPair, WitnessKeyPair
from keys.sealedfile import SEALED_FILE_PASSPHRASE, Profile, Seal, write_atomically
from keys.storage import StorageKey
from keys.transport import TransportKey
from protocol import cbor
from protocol.errors import LocalError, ProtocolError

ARGON2_MODERATE: Final = Profile.MODERATE
ARGON2_TEST: Final = Profile.EXERCISE  # Only for testing and exercises: a guess of the passphrase costs next to nothing

_MAGIC: Final = b"rogatory keystore v1\n"
_SUM: Final = 32
_KEY: Final = 32


class Keystore:
    """The secrets of one node. Change the fields through the methods, then ``save``.

    ``logs``: log pairs by n, of logs in force or not yet closed; ``transport``: this and the next key, in order of making,
    each with its certificate once one was issued;
    ``prekey_key``: 32 bytes, under which prekey files are wrapped.
    """

    def __init__(self, path: Path, seal: Seal, fields: cbor.Value) -> None:
        """Use ``create`` or ``open``. Raises KEYSTORE-FORM when the fields are not a keystore's."""
        self.path = path
        self._seal = seal
        self._on_disk: bytes | None = None
        try:
            self._read(fields)
        except (LookupError, TypeError, ValueError):
            raise LocalError(codes.KEYSTORE_FORM, path.name) from None

    @classmethod
    def create(
        cls, path: Path, passphrase: bytes, profile: Profile = ARGON2_MODERATE, rand: Callable[[int], bytes] = os.urandom
    ) -> Keystore:
        """A new keystore on disk: pair of log 1, witness pair, one transport key, one storage key. Raises KEYSTORE-EXISTS."""
        if path.exists():
            raise LocalError(codes.KEYSTORE_EXISTS, str(path))
        fields: cbor.Value = {
            0: [[1, rand(SECRET)]],
            1: rand(SECRET),
            2: [[TransportKey.generate(rand).secret, b""]],
            3: [[1, rand(_KEY)]],
            4: rand(_KEY),
        }
        keystore = cls(path, Seal.new(passphrase, profile), fields)
        keystore.save()
        return keystore

    @classmethod
    def open(cls, path: Path, passphrase: bytes) -> Keystore:
        """The keystore in this file.

        Raises KEYSTORE-MISSING, KEY-FILE-MODE, KEY-FILE-READ, KEYSTORE-FORM, KEYSTORE-DAMAGED, KEYSTORE-PASSPHRASE.
        """
        try:
            raw = read_private(path)
        except FileNotFoundError:
            raise LocalError(codes.KEYSTORE_MISSING, str(path)) from None
        sealed = _checked(raw, path)
        try:
            seal, plain = Seal.open(sealed, passphrase)
            keystore = cls(path, seal, cbor.decode(plain))
        except ProtocolError:
            raise LocalError(codes.KEYSTORE_FORM, path.name) from None
        except LocalError as error:
            wrong = error.code is SEALED_FILE_PASSPHRASE
            raise LocalError(codes.KEYSTORE_PASSPHRASE if wrong else codes.KEYSTORE_FORM, path.name) from None
        keystore._on_disk = raw
        return keystore

    def save(self) -> None:
        """Write it: whole or not at all, mode 0600, on disk when this returns. Raises KEYSTORE-CHANGED, KEYSTORE-EXISTS."""
        found = self.path.read_bytes() if self.path.exists() else None
        if found != self._on_disk:
            code = codes.KEYSTORE_EXISTS if self._on_disk is None else codes.KEYSTORE_CHANGED
            raise LocalError(code, str(self.path))
        sealed = self._seal.seal(cbor.encode(self._fields()))
        raw = _MAGIC + hashlib.sha256(sealed).digest() + sealed
        write_atomically(self.path, raw)
        self._on_disk = raw

    def change_passphrase(self, passphrase: bytes, profile: Profile = ARGON2_MODERATE) -> None:
        """Seal from the next ``save`` on under another passphrase. Copies of the old file still open with the old one."""
        self._seal = Seal.new(passphrase, profile)

    def log(self, n: int) -> LogKeyPair:
        """The pair of log n. Raises KEYSTORE-KEY."""
        if n not in self.logs:
            raise LocalError(codes.KEYSTORE_KEY, f"no pair of log {n}")
        return self.logs[n]

    def add_log(self, n: int, pair: LogKeyPair) -> None:
        """Take in the pair of a log that comes into force. Raises KEYSTORE-KEY when another pair of log n is here."""
        if n < 1 or (n in self.logs and self.logs[n].secret != pair.secret):
            raise LocalError(codes.KEYSTORE_KEY, f"another pair of log {n} is here")
        self.logs[n] = pair

    def drop_log(self, n: int) -> None:
        """Forget the pair of a closed log: its keys end with it. Raises KEYSTORE-KEY."""
        self.log(n)
        del self.logs[n]

    def add_transport_key(self, rand: Callable[[int], bytes] = os.urandom) -> TransportKey:
        """Make the next transport key, to be published beside the present one. Raises KEYSTORE-KEY when there are two."""
        if len(self.transport) > 1:
            raise LocalError(codes.KEYSTORE_KEY, "this and the next transport key are here")
        key = TransportKey.generate(rand)
        self.transport.append(key)
        return key

    def drop_transport_key(self) -> None:
        """Forget the older of two transport keys. Raises KEYSTORE-KEY when there is only one."""
        if len(self.transport) < 2:
            raise LocalError(codes.KEYSTORE_KEY, "there is only one transport key")
        del self.transport[0]

    def add_storage_key(self, rand: Callable[[int], bytes] = os.urandom) -> StorageKey:
        """Make a new storage key for what is wrapped from now on; the older ones still open what they wrapped."""
        new = max(self._storage) + 1
        if new > 255:
            raise LocalError(codes.KEYSTORE_KEY, "255 storage keys are here")
        self._storage[new] = rand(_KEY)
        return self.storage_key()

    def storage_key(self) -> StorageKey:
        """What wraps the keys of messages: the newest storage key, with the older ones for opening."""
        return StorageKey(self._storage, max(self._storage))

    def storage_ids(self) -> list[int]:
        """The ids of the storage keys here, the newest last."""
        return sorted(self._storage)

    def _fields(self) -> cbor.Value:
        return {
            0: [[n, pair.secret] for n, pair in sorted(self.logs.items())],
            1: self.witness.secret,
            2: [[key.secret, key.certificate] for key in self.transport],
            3: [[number, key] for number, key in sorted(self._storage.items())],
            4: self.prekey_key,
        }

    def _read(self, fields: cbor.Value) -> None:
        """Fill the fields. LookupError, TypeError or ValueError for anything that ``_fields`` would not have written."""
        table = cast("dict[int, list[list[object]]]", fields)
        logs, witness, transport, storage, prekey_key = (table[key] for key in range(5))
        self.logs = {int(cast("int", n)): LogKeyPair(cast("bytes", secret)) for n, secret in logs}
        self.witness = WitnessKeyPair(cast("bytes", witness))
        self.transport = [TransportKey(cast("bytes", secret), cast("bytes", certificate)) for secret, certificate in transport]
        self._storage = {int(cast("int", number)): cast("bytes", key) for number, key in storage}
        self.prekey_key = cast("bytes", prekey_key)
        StorageKey(self._storage, max(self._storage))
        if len(self.prekey_key) != _KEY or not self.transport or self._fields() != fields:
            raise ValueError("not the fields of a keystore")


def _checked(raw: bytes, path: Path) -> bytes:
    """The sealed part of a keystore's bytes. Raises KEYSTORE-FORM, KEYSTORE-DAMAGED."""
    if not raw.startswith(_MAGIC):
        raise LocalError(codes.KEYSTORE_FORM, path.name)
    rest = raw[len(_MAGIC) :]
    if hashlib.sha256(rest[_SUM:]).digest() != rest[:_SUM]:
        raise LocalError(codes.KEYSTORE_DAMAGED, path.name)
    return rest[_SUM:]
