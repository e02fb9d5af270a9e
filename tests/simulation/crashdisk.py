"""A disk in memory that loses power: what was not synced is dropped, torn and reordered, sector by sector, as a seed draws it.

    write ──> pending ──sync──> durable          power cut: durable, and of what was pending any sectors, in any order

``Disk`` is an apsw VFS under the real SQLite, ``GuardOs`` the operating system of the guard's file on the same disk. WAL needs no shared
memory because the writer's connection locks the file exclusively; readers of the store share that connection.
"""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable
from typing import Any

import apsw

from tests.simulation.loop import Killed

SECTOR = 512


class File:
    """One file: ``durable`` survives, ``pending`` may."""

    def __init__(self, content: bytes = b"") -> None:
        self.durable = bytes(content)
        self.current = bytearray(content)
        self.pending: list[tuple[int, bytes]] = []

    def write(self, data: bytes, at: int) -> None:
        if len(self.current) < at:
            self.current.extend(bytes(at - len(self.current)))
        self.current[at : at + len(data)] = data
        self.pending += [(at + i, data[i : i + SECTOR]) for i in range(0, len(data), SECTOR)]

    def truncate(self, size: int) -> None:
        del self.current[size:]
        self.pending.append((size, b""))  # a cut; nothing to tear

    def sync(self) -> None:
        self.durable = bytes(self.current)
        self.pending.clear()

    def after_power_cut(self, rng: random.Random) -> bytes:
        """What the platters hold: any of the pending sectors, in any order."""
        content = bytearray(self.durable)
        pending = list(self.pending)
        rng.shuffle(pending)
        kept = rng.random()
        for at, data in pending:
            if rng.random() < kept:
                if not data:
                    del content[at:]
                    continue
                if len(content) < at:
                    content.extend(bytes(at - len(content)))
                content[at : at + len(data)] = data
        return bytes(content)


class Disk(apsw.VFS):
    """``cut_at``: the number of the write or sync at which power fails; None: never. ``lies``: syncs do nothing."""

    _number = 0

    def __init__(self, files: dict[str, bytes], cut_at: int | None = None, *, lies: bool = False) -> None:
        Disk._number += 1
        self.name = f"crashdisk-{Disk._number}"
        self.files = {name: File(content) for name, content in files.items()}
        self.cut_at, self.lies = cut_at, lies
        self.operations = 0
        self.cosigned: Callable[..., None] = lambda *row: None  # is told of each witness's line that is to be stored here
        self.dead = self.buried = False
        super().__init__(self.name, base="")

    def count(self) -> None:
        """One more operation; perhaps the last."""
        if self.buried:  # what SQLite does when its connection is thrown away
            return
        if self.dead:
            raise apsw.IOError("no power")
        self.operations += 1
        if self.cut_at is not None and self.operations >= self.cut_at:
            self.dead = True
            raise apsw.IOError("no power")

    def after_power_cut(self, rng: random.Random) -> dict[str, bytes]:
        """The files as they are found when power is back."""
        return {name: file.after_power_cut(rng) for name, file in sorted(self.files.items())}

    def image(self) -> dict[str, bytes]:
        """The files as they are."""
        return {name: bytes(file.current) for name, file in self.files.items()}

    # -- the VFS ---------------------------------------------------------------------------------------------------------------

    def xOpen(self, name: Any, flags: list[int]) -> Any:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name or f"temporary-{len(self.files)}"
        self.files.setdefault(os.path.basename(path), File())
        flags[1] = flags[0]
        return _Handle(self, self.files[os.path.basename(path)])

    def xDelete(self, name: str, sync_folder: bool) -> None:
        self.count()
        self.files.pop(os.path.basename(name), None)

    def xAccess(self, name: str, flags: int) -> bool:
        return os.path.basename(name) in self.files

    def xFullPathname(self, name: str) -> str:
        return name


class _Handle:
    """An open file, as SQLite sees it."""

    def __init__(self, disk: Disk, file: File) -> None:
        self._disk, self._file = disk, file

    def xRead(self, amount: int, offset: int) -> bytes:
        return bytes(self._file.current[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:
        self._disk.count()
        self._file.write(bytes(data), offset)

    def xTruncate(self, size: int) -> None:
        self._disk.count()
        self._file.truncate(size)

    def xSync(self, flags: int) -> None:
        self._disk.count()
        if not self._disk.lies:
            self._file.sync()

    def xFileSize(self) -> int:
        return len(self._file.current)

    def xLock(self, level: int) -> None:
        """Nobody else is there."""

    def xUnlock(self, level: int) -> None:
        """Nobody else is there."""

    def xCheckReservedLock(self) -> bool:
        return False

    def xClose(self) -> None:
        """Nothing is kept open."""

    def xFileControl(self, op: int, pointer: int) -> bool:
        return False

    def xSectorSize(self) -> int:
        return SECTOR

    def xDeviceCharacteristics(self) -> int:
        return 0


class Rows:
    """A cursor of apsw with the few words of sqlite3's that the store uses."""

    def __init__(self, cursor: apsw.Cursor, changed: int) -> None:
        self._cursor, self.rowcount = cursor, changed

    def fetchone(self) -> Any:
        return next(self._cursor, None)

    def fetchall(self) -> list[Any]:
        return list(self._cursor)

    def __iter__(self) -> Any:
        return iter(self._cursor)


class Connected:
    """A connection of apsw that looks like sqlite3's, as far as the store uses it."""

    def __init__(self, disk: Disk, path: str, pragma: Callable[[str], str]) -> None:
        self._disk, self._pragma = disk, pragma
        try:
            self._db = apsw.Connection(path, vfs=disk.name)
        except apsw.Error:
            self._failed(None)
        self.execute("PRAGMA locking_mode=EXCLUSIVE")

    @property
    def in_transaction(self) -> bool:
        return bool(self._db.in_transaction)

    def execute(self, sql: str, parameters: Any = ()) -> Rows:
        if self._disk.dead:
            raise Killed
        if "INTO cosigned " in sql:
            self._disk.cosigned(*parameters)
        try:
            before = self._db.total_changes()
            cursor = self._db.execute(self._pragma(sql), parameters)
            return Rows(cursor, self._db.total_changes() - before)
        except (apsw.Error, OSError) as error:
            return self._failed(error)

    def executemany(self, sql: str, rows: Any) -> Rows:
        for row in rows:
            last = self.execute(sql, row)
        return last

    def executescript(self, sql: str) -> Rows:
        return self.execute(sql)

    def close(self) -> None:
        if not self._disk.dead:
            self._db.close()

    def _failed(self, error: Exception | None) -> Any:
        if self._disk.dead:
            raise Killed from None
        if isinstance(error, apsw.ConstraintError):
            raise sqlite3.IntegrityError(str(error)) from None
        raise sqlite3.OperationalError(str(error)) from None


class Reading:
    """What the store gives to readers: the same connection, for there is no other."""

    def __init__(self, db: Connected) -> None:
        self._db = db

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        return None if sql.startswith("PRAGMA query_only") else self._db.execute(sql, parameters)

    def close(self) -> None:
        """The writer's connection is closed by the writer."""


class GuardOs:
    """The module ``os`` for the guard: its file lies on the disk that loses power."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._file = disk.files.setdefault("guard", File())

    def pread(self, handle: int, size: int, at: int) -> bytes:
        return bytes(self._file.current[at : at + size])

    def pwrite(self, handle: int, data: bytes, at: int) -> int:
        self._count()
        self._file.write(data, at)
        return len(data)

    def fdatasync(self, handle: int) -> None:
        self._count()
        if not self._disk.lies:
            self._file.sync()

    def _count(self) -> None:
        try:
            self._disk.count()
        except apsw.IOError:
            raise Killed from None

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)
