"""A secret in a file, sealed under a passphrase: Argon2id for the key, XSalsa20-Poly1305 (SecretBox) for the bytes.

    rogatory sealed file v1 moderate\n  salt(16)  nonce(24)  ciphertext and tag

The first line is read before the passphrase is used, so an unknown version or profile is refused without work. Salt and profile
are bound: another salt or profile gives another key, and the box does not open.
"""

from __future__ import annotations

import os
import tempfile
from enum import StrEnum
from pathlib import Path

from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id
from nacl.secret import SecretBox
from nacl.utils import random as os_random

from keys.keyfile import read_private
from protocol.errors import Actor, Code, LocalError

SEALED_FILE_FORM = Code(
    "SEALED-FILE-FORM", "start", "this is not a sealed key file", Actor.OPERATOR, "restore the file from its copy; nothing was changed"
)
SEALED_FILE_PASSPHRASE = Code(
    "SEALED-FILE-PASSPHRASE",
    "start",
    "the passphrase does not open this key file, or the file was altered",
    Actor.OPERATOR,
    "try the passphrase again; if it is right, restore the file from its copy",
)
SEALED_FILE_EXISTS = Code(
    "SEALED-FILE-EXISTS", "start", "there is a key file already", Actor.OPERATOR, "move it away first if it shall really be replaced"
)

_MAGIC = b"rogatory sealed file v1 "
_SALT = argon2id.SALTBYTES
_SMALLEST = _SALT + SecretBox.NONCE_SIZE + SecretBox.MACBYTES


class Profile(StrEnum):
    """How much work one try of a passphrase costs. Memory in RAM at once: 64 KiB, 64 MiB, 256 MiB, 1 GiB."""

    EXERCISE = "exercise"  # exercise and test networks only: a guess costs next to nothing
    INTERACTIVE = "interactive"
    MODERATE = "moderate"
    SENSITIVE = "sensitive"


_COST = {
    Profile.EXERCISE: (1, 64 * 1024),
    Profile.INTERACTIVE: (argon2id.OPSLIMIT_INTERACTIVE, argon2id.MEMLIMIT_INTERACTIVE),
    Profile.MODERATE: (argon2id.OPSLIMIT_MODERATE, argon2id.MEMLIMIT_MODERATE),
    Profile.SENSITIVE: (argon2id.OPSLIMIT_SENSITIVE, argon2id.MEMLIMIT_SENSITIVE),
}


def seal_file(path: Path, secret: bytes, passphrase: bytes, profile: Profile = Profile.MODERATE, *, replace: bool = False) -> None:
    """Write ``secret`` sealed to ``path``: mode 0600, whole or not at all. Raises SEALED-FILE-EXISTS unless ``replace``."""
    sealed = seal_bytes(secret, passphrase, profile)
    if path.exists() and not replace:
        raise LocalError(SEALED_FILE_EXISTS, path.name)
    write_atomically(path, sealed)


def open_file(path: Path, passphrase: bytes) -> bytes:
    """The secret in ``path``. Raises SEALED-FILE-FORM, -PASSPHRASE, KEY-FILE-MODE, KEY-FILE-READ; FileNotFoundError."""
    return open_bytes(read_private(path), passphrase, path.name)


def seal_bytes(secret: bytes, passphrase: bytes, profile: Profile = Profile.MODERATE) -> bytes:
    """The content of a sealed file."""
    return Seal.new(passphrase, profile).seal(secret)


def open_bytes(sealed: bytes, passphrase: bytes, name: str = "") -> bytes:
    """The secret of a sealed file's content. Raises SEALED-FILE-FORM, SEALED-FILE-PASSPHRASE; ``name`` goes into the message."""
    return Seal.open(sealed, passphrase, name)[1]


class Seal:
    """A passphrase's key, made once: a file that changes can be sealed again without keeping the passphrase itself."""

    __slots__ = ("_box", "_head")

    def __init__(self, passphrase: bytes, salt: bytes, profile: Profile) -> None:
        """``salt``: 16 bytes. Takes the time and memory of the profile."""
        operations, memory = _COST[profile]
        key = argon2id.kdf(SecretBox.KEY_SIZE, passphrase, salt, opslimit=operations, memlimit=memory)
        self._box = SecretBox(key)
        self._head = _MAGIC + profile.encode() + b"\n" + salt

    @classmethod
    def new(cls, passphrase: bytes, profile: Profile = Profile.MODERATE) -> Seal:
        """A seal with a salt of its own."""
        return cls(passphrase, os_random(_SALT), profile)

    @classmethod
    def open(cls, sealed: bytes, passphrase: bytes, name: str = "") -> tuple[Seal, bytes]:
        """The seal of a file's content, and the secret in it. Raises as ``open_bytes`` does."""
        line, newline, rest = sealed.partition(b"\n")
        word = line[len(_MAGIC) :].decode("ascii", "replace")
        if not newline or not line.startswith(_MAGIC) or word not in set(Profile) or len(rest) < _SMALLEST:
            raise LocalError(SEALED_FILE_FORM, name)
        seal = cls(passphrase, rest[:_SALT], Profile(word))
        try:
            return seal, seal._box.decrypt(rest[_SALT:])
        except CryptoError:
            raise LocalError(SEALED_FILE_PASSPHRASE, name) from None

    def seal(self, secret: bytes) -> bytes:
        """The content of a sealed file: same salt, fresh nonce."""
        return self._head + bytes(self._box.encrypt(secret))


def write_atomically(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a file so that after a crash it is either the old one or the new one, whole, and on disk."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
