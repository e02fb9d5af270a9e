"""Backup and restore of a home: what goes in, under which key, and how it comes back as a home that signs nothing yet.

    in        settings, policies, API keys (hashes), directory, keystore (sealed), database without the keys of messages, those keys
              apart, table of names, ciphertext of parts
    not in    prekeys (what they opened must not open again), guard (it must not go back in time), socket, uploads, logs

(docs/backup.md)
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from exchange.backup import codes, snapshot
from exchange.backup.manifest import (
    DATABASE,
    KEYSTORE,
    PEOPLE,
    PLAIN,
    WRAPS,
    Line,
    Manifest,
    check_name,
    parse_manifest,
    wrap_key,
)
from exchange.backup.medium import Medium
from keys.keystore import Keystore
from keys.storage import StorageKey
from keys.suite import SUITE
from node.home import Home
from protocol import cbor, limits
from protocol.errors import LocalError, ProtocolError

WRAPS_KEPT: Final = 30 * limits.DAY
_CHUNK: Final = 1 << 20
_SINGLE: Final = ("node.toml", "api-keys", "entry.toml")
_KEY: Final = 32


@dataclass(frozen=True, slots=True)
class Made:
    """What a backup holds. ``copied``: bytes written now; ``damaged``: parts on our disk that are not what they should be, left out."""

    files: int
    copied: int
    size: int
    damaged: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back: the head of the log in it, when it was made (ms), and how many messages can still be read."""

    authority: str
    made: int
    log: tuple[str, int, str]
    wraps: int
    wraps_too_old: bool


def make_backup(home: Home, authority: str, network: str, storage: StorageKey, folder: Path, now: int) -> Made:
    """Back up a home into this folder, while its node runs or stands still. ``now``: ms.

    Whole or not at all: until the new manifest stands, the backup before it counts. Raises BACKUP-WRITE, BACKUP-OTHER, BACKUP-ALTERED.
    """
    medium = Medium(folder)
    medium.prepare()
    key, before = _key(medium, authority, storage)
    clean_up(home)
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=home.data) as temporary:
        writer = _Writer(medium, key, before)
        copy = Path(temporary) / DATABASE
        snapshot.copy_database(home.data / DATABASE, copy)
        head, digests = snapshot.newest_head(copy), snapshot.incoming_digests(copy)
        writer.seal(WRAPS, snapshot.take_wraps(copy))
        writer.seal(DATABASE, _chunks(copy))
        if home.people.exists():
            names = Path(temporary) / PEOPLE
            snapshot.copy_database(home.people, names)
            writer.seal(PEOPLE, _chunks(names))
    for name, path in _small(home):
        if name == KEYSTORE:
            writer.store(name, path, "")
        else:
            writer.seal(name, _chunks(path))
    for path in sorted((home.data / "parts" / "out").glob("*")):
        if len(path.name) == 64:
            writer.store(f"parts/out/{path.name}", path, path.name)
    for place, digest in sorted(digests.items()):
        writer.store(f"parts/in/{place}", home.data / "parts" / "in" / place, digest)
    origin = f"{network}/{authority}/log/{head.n}"
    manifest = Manifest(authority, now, wrap_key(authority, key, storage), (origin, head.size, head.root.hex()), writer.files)
    medium.finish(manifest.dump(key), [(name, line.sha256) for name, line in writer.files.items()])
    return Made(len(writer.files), writer.copied, head.size, tuple(writer.damaged))


def verify_backup(folder: Path, authority: str, passphrase: bytes) -> Manifest:
    """Read every byte of a backup, and open what is sealed. Raises BACKUP-*, KEYSTORE-*."""
    with tempfile.TemporaryDirectory(prefix="rogatory-verify-") as temporary:
        manifest, key = _opened(Medium(folder), authority, passphrase, Path(temporary) / KEYSTORE)
        for name in manifest.files:
            for _ in _plain(Medium(folder), manifest, name, key):
                pass
    return manifest


def restore_backup(folder: Path, home: Home, authority: str, passphrase: bytes, now: int) -> Restored:
    """Make a home of a backup; whole or not at all. It has no guard and no prekeys, so its node signs nothing before it is reconciled.

    Raises RESTORE-HOME when there is something already, BACKUP-*, KEYSTORE-*.
    """
    medium = Medium(folder)
    place = home.path.absolute()
    if place.is_symlink() or (place.exists() and (not place.is_dir() or any(place.iterdir()))):
        raise LocalError(codes.RESTORE_HOME, str(home.path))
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".restore-", dir=place.parent))
    try:
        manifest, key = _opened(medium, authority, passphrase, temporary / KEYSTORE)
        for name in manifest.files:
            if name not in (KEYSTORE, WRAPS):
                _put(temporary / _place(name), _plain(medium, manifest, name, key))
        too_old = now - manifest.made > WRAPS_KEPT
        wraps = 0
        if WRAPS in manifest.files and not too_old:
            wraps = snapshot.put_wraps(temporary / "data" / DATABASE, _plain(medium, manifest, WRAPS, key))
        _settle(temporary / "data" / DATABASE)
        temporary.rename(place)  # replaces an empty folder, refuses any other
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise LocalError(codes.BACKUP_WRITE, f"{home.path.name}: {error.strerror}") from None
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return Restored(authority, manifest.made, manifest.log, wraps, too_old)


def clean_up(home: Home) -> None:
    """Remove what a backup that was cut off has left in the home."""
    for left in home.data.glob(".backup-*"):
        shutil.rmtree(left, ignore_errors=True)


class _Writer:
    """Puts files onto the medium and gathers the lines of the manifest. Parts that are there already are not copied again."""

    def __init__(self, medium: Medium, key: bytes, before: Manifest | None) -> None:
        self._medium, self._key = medium, key
        self._before = {} if before is None else before.files
        self.files: dict[str, Line] = {}
        self.damaged: list[str] = []
        self.copied = 0

    def seal(self, name: str, chunks: Iterator[bytes]) -> None:
        """A file that is sealed under the backup's key."""
        self.files[check_name(name)] = line = self._medium.put(name, _sealed(self._key, name, chunks), sealed=True)
        self.copied += line.length

    def store(self, name: str, path: Path, digest: str) -> None:
        """A file that is sealed by itself. ``digest``: what it must be, where that is known."""
        known = self._before.get(name)
        length = path.stat().st_size if path.is_file() else -1
        if digest and known is not None and known.sha256 == digest and self._medium.has(name, digest, length):
            self.files[name] = known
            return
        if length < 0 and not digest:
            raise LocalError(codes.BACKUP_WRITE, f"{name} is missing")
        if length < 0:
            self.damaged.append(name)
            return
        line = self._medium.put(check_name(name), _chunks(path), sealed=False)
        if digest and line.sha256 != digest:
            self.damaged.append(name)
            return
        self.files[name] = line
        self.copied += line.length


def _small(home: Home) -> Iterator[tuple[str, Path]]:
    """Keystore, settings, policies and the directory's files."""
    yield KEYSTORE, home.keystore
    for name in _SINGLE:
        if (home.path / name).is_file():
            yield name, home.path / name
    for path in sorted(home.policies.glob("*.toml")) if home.policies.is_dir() else ():
        yield f"policies/{path.name}", path
    for path in sorted(home.directory.rglob("*")):
        name = path.relative_to(home.directory).as_posix()
        if path.is_file() and not name.startswith("evidence/"):
            yield f"directory/{name}", path


def _key(medium: Medium, authority: str, storage: StorageKey) -> tuple[bytes, Manifest | None]:
    """The key of the backup that is there, or a new one. Raises BACKUP-OTHER, BACKUP-ALTERED."""
    raw = medium.manifest()
    if raw is None:
        return os.urandom(_KEY), None
    manifest = parse_manifest(raw)
    if manifest.authority != authority:
        raise LocalError(codes.BACKUP_OTHER, f"{manifest.authority}, not {authority}")
    key = manifest.unwrap(storage)
    manifest.check(raw, key)
    return key, manifest


def _opened(medium: Medium, authority: str, passphrase: bytes, keystore: Path) -> tuple[Manifest, bytes]:
    """The verified manifest and its key; the keystore of the backup is left at this path."""
    raw = medium.manifest()
    if raw is None:
        raise LocalError(codes.BACKUP_MISSING, str(medium.folder))
    manifest = parse_manifest(raw)
    if manifest.authority != authority:
        raise LocalError(codes.BACKUP_OTHER, f"{manifest.authority}, not {authority}")
    _put(keystore, medium.read(KEYSTORE, manifest.files[KEYSTORE]))
    key = manifest.unwrap(Keystore.open(keystore, passphrase).storage_key())
    manifest.check(raw, key)
    return manifest, key


def _plain(medium: Medium, manifest: Manifest, name: str, key: bytes) -> Iterator[bytes]:
    """The bytes of a file as they were in the home. Raises BACKUP-ALTERED."""
    line = manifest.files[name]
    if line.sealed == bool(PLAIN.fullmatch(name)):
        raise LocalError(codes.BACKUP_ALTERED, name)
    if not line.sealed:
        yield from medium.read(name, line)
        return
    opening = SUITE.decryptor(key, _context(name))
    try:
        for chunk in medium.read(name, line):
            yield opening.update(chunk)
        yield opening.finalize()
    except ProtocolError:
        raise LocalError(codes.BACKUP_ALTERED, name) from None


def _sealed(key: bytes, name: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
    sealing = SUITE.encryptor(key, _context(name))
    for chunk in chunks:
        yield sealing.update(chunk)
    yield sealing.finalize()


def _context(name: str) -> bytes:
    return cbor.encode(["rogatory/backup/v1", name])


def _place(name: str) -> str:
    """Where a file of a backup lies in a home. The name was checked when the manifest was read."""
    return f"data/{name}" if name == DATABASE or name.startswith("parts/") else name


def _put(path: Path, chunks: Iterator[bytes]) -> None:
    """One file, private from its first moment, on disk when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as out:
        out.writelines(chunks)
        out.flush()
        os.fsync(out.fileno())


def _settle(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
