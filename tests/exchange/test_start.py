"""Start-up refusals: a node that could lose or contradict what it said does not start, and changes nothing."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from exchange import store as store_module
from exchange.guard import Guard, Guarded
from exchange.store import Store, migrations
from protocol.entries import Filler
from protocol.errors import LocalError, RogatoryError
from tests.world import World, make_world

ROOT = Path(store_module.__file__).parents[1]
Change = Callable[[sqlite3.Connection], object]


@pytest.fixture
def alone(tmp_path: Path) -> World:
    """xa-ca with 300 entries, so that it has a full tile, an edge and a level above them; closed."""
    world = make_world(tmp_path, ("xa-ca",))
    writer = world.exchanges["xa-ca"].writer
    for future in [writer.submit(lambda tx: tx.append(Filler)) for _ in range(297)]:
        future.result()
    assert world.exchanges["xa-ca"].log.size == 300
    world.close()
    return world


def _digests(world: World) -> dict[str, bytes]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).digest()
        for path in world.home("xa-ca").path.rglob("*") if path.is_file() and path.suffix not in {".sqlite-shm", ".sqlite-wal"}
    }  # fmt: skip


def _refuses(world: World, code: str) -> None:
    """It does not start, twice over, and leaves every file as it was."""
    before = _digests(world)
    for _ in range(2):
        with pytest.raises(RogatoryError) as caught:
            world.open("xa-ca")
        assert caught.value.code.code == code, str(caught.value)
        world.exchanges.clear()
    assert _digests(world) == before


def _database(world: World) -> Path:
    return world.home("xa-ca").data / "exchange.sqlite"


def _edit(world: World, change: Change) -> None:
    db = sqlite3.connect(_database(world))
    change(db)
    db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def _guard(world: World, *, size: int | None = None, origin: str | None = None, root: bytes | None = None) -> None:
    guard = Guard(world.home("xa-ca").guard)
    held = guard.value
    assert held is not None
    guard.swap(held, Guarded(origin or held.origin, held.size if size is None else size, root or held.root))
    guard.close()


def test_it_starts_again_when_nothing_is_wrong(alone: World) -> None:
    exchange = alone.open("xa-ca")
    assert exchange.log.size == 300  # the directory and the prekeys stand in the log already
    assert exchange.log.head().size == 300
    alone.close()


# -- store -------------------------------------------------------------------------------------------------------------------

_SECOND = """
import sys
from pathlib import Path
from exchange.store import Store
from exchange.guard import Guard
from protocol.errors import LocalError
try:
    (Store if sys.argv[1] == "store" else Guard)(Path(sys.argv[2]))
except LocalError as error:
    print(error.code.code)
    sys.exit(3)
"""


@pytest.mark.parametrize("what", ["store", "guard"])
def test_STORE_IN_USE_a_second_process(alone: World, what: str) -> None:
    alone.open("xa-ca")
    path = alone.home("xa-ca").data if what == "store" else alone.home("xa-ca").guard
    second = subprocess.run([sys.executable, "-c", _SECOND, what, str(path)], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert (second.returncode, second.stdout) == (3, "STORE-IN-USE\n"), second.stderr
    alone.exchanges["xa-ca"].writer.run(lambda tx: tx.append(Filler))  # the first one goes on
    alone.close()


def test_STORE_IN_USE_in_one_process(alone: World) -> None:
    first = alone.open("xa-ca")
    _refuses_beside(alone, "STORE-IN-USE")
    first.close()


def _refuses_beside(world: World, code: str) -> None:
    with pytest.raises(LocalError) as caught:
        world.open("xa-ca")
    assert caught.value.code.code == code


@pytest.mark.parametrize("pragma", ["synchronous=NORMAL", "synchronous=OFF", "journal_mode=DELETE"])
def test_STORE_UNSAFE(tmp_path: Path, pragma: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = store_module._connect

    def weak(path: Path) -> sqlite3.Connection:
        connection = real(path)
        connection.execute(f"PRAGMA {pragma}")
        return connection

    monkeypatch.setattr(store_module, "_connect", weak)
    with pytest.raises(LocalError) as caught:
        Store(tmp_path / "data")
    assert caught.value.code.code == "STORE-UNSAFE"
    monkeypatch.undo()
    Store(tmp_path / "data").close()  # the lock was let go


def test_STORE_NEWER(alone: World) -> None:
    _edit(alone, lambda db: db.execute("INSERT INTO migration VALUES (9999, x'00')"))
    _refuses(alone, "STORE-NEWER")


def test_STORE_ALTERED(alone: World) -> None:
    _edit(alone, lambda db: db.execute("UPDATE migration SET sha256=x'00' WHERE number=1"))
    _refuses(alone, "STORE-ALTERED")


def test_STORE_OPEN_no_database(alone: World) -> None:
    _database(alone).write_bytes(b"this is not a database, whatever its name says" * 100)
    _refuses(alone, "STORE-OPEN")


def test_STORE_OPEN_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LocalError) as caught:
        Store(tmp_path / "file" / "data")
    assert caught.value.code.code == "STORE-OPEN"


def test_migrations_are_numbered_and_kept_as_they_were(tmp_path: Path) -> None:
    known = migrations()
    numbers = [number for number, _, _ in known]
    assert numbers == sorted(set(numbers))
    store = Store(tmp_path / "data")
    stored = store.writer.execute("SELECT number, sha256 FROM migration ORDER BY number").fetchall()
    assert stored == [(number, digest) for number, _, digest in known]
    store.close()


def test_a_migration_that_fails_leaves_the_schema_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(tmp_path / "data").close()
    real = migrations()
    broken = "CREATE TABLE half (x);\nCREATE TABLE half (x);"
    number = real[-1][0] + 1
    monkeypatch.setattr(store_module, "migrations", lambda: [*real, (number, broken, hashlib.sha256(broken.encode()).digest())])
    with pytest.raises(LocalError) as caught:
        Store(tmp_path / "data")
    assert caught.value.code.code == "STORE-OPEN"
    monkeypatch.undo()
    store = Store(tmp_path / "data")
    assert store.writer.execute("SELECT count(*) FROM sqlite_master WHERE name='half'").fetchone() == (0,)
    store.close()


def test_readers_cannot_write(tmp_path: Path) -> None:
    store = Store(tmp_path / "data")
    with pytest.raises(sqlite3.OperationalError):
        store.reader().execute("DELETE FROM entry")
    store.close()


# -- guard -------------------------------------------------------------------------------------------------------------------


def test_GUARD_MISSING(alone: World) -> None:
    path = alone.home("xa-ca").guard
    kept = path.read_bytes()
    path.unlink()
    for _ in range(2):
        with pytest.raises(LocalError) as caught:
            alone.open("xa-ca")
        assert caught.value.code.code == "GUARD-MISSING"
        assert not path.read_bytes().strip(b"\0")
    path.write_bytes(kept)
    assert alone.open("xa-ca").log.head().size == 300
    alone.close()


def test_GUARD_AHEAD(alone: World) -> None:
    _guard(alone, size=301)
    _refuses(alone, "GUARD-AHEAD")


def test_GUARD_beside(alone: World) -> None:
    _guard(alone, root=bytes(32))
    _refuses(alone, "GUARD-AHEAD")


def test_GUARD_beside_at_a_smaller_size(alone: World) -> None:
    _guard(alone, size=200, root=bytes(32))
    _refuses(alone, "GUARD-AHEAD")


def test_GUARD_of_another_log(alone: World) -> None:
    _guard(alone, origin="exercise.example/xb-ca/log/1")
    _refuses(alone, "GUARD-AHEAD")


def test_GUARD_DAMAGED(alone: World) -> None:
    path = alone.home("xa-ca").guard
    raw = bytearray(path.read_bytes())
    raw[10] ^= 1
    raw[522] ^= 1
    path.write_bytes(raw)
    _refuses(alone, "GUARD-DAMAGED")


@pytest.mark.parametrize("slot", [0, 1])
def test_GUARD_one_torn_slot_leaves_the_other(alone: World, slot: int) -> None:
    path = alone.home("xa-ca").guard
    raw = bytearray(path.read_bytes())
    raw[512 * slot + 100] ^= 1
    path.write_bytes(raw)
    assert alone.open("xa-ca").log.head().size == 300
    alone.close()


def test_GUARD_behind_is_the_everyday_case_after_a_crash(alone: World) -> None:
    db = sqlite3.connect(_database(alone))
    size, root = db.execute("SELECT size, root FROM head WHERE size<300 ORDER BY size DESC LIMIT 1").fetchone()
    db.close()
    _guard(alone, size=size, root=root)
    assert alone.open("xa-ca").log.head().size == 300
    alone.close()


def test_GUARD_LOST_another_process_moved_it(alone: World) -> None:
    exchange = alone.open("xa-ca")
    path = alone.home("xa-ca").guard
    other = os.open(path, os.O_RDWR)
    raw = os.pread(other, 1024, 0)
    from exchange.guard import _format

    os.pwrite(other, _format(10_000, Guarded(exchange.log.origin, 400, bytes(32))), 0)
    os.close(other)
    assert raw
    with pytest.raises(LocalError) as caught:
        exchange.writer.run(lambda tx: tx.append(Filler))
    assert caught.value.code.code == "GUARD-LOST"
    assert [error.code.code for error in alone.fatal] == ["GUARD-LOST"]
    with pytest.raises(LocalError):
        exchange.writer.run(lambda tx: None)
    alone.close()
    _refuses(alone, "GUARD-AHEAD")


def test_GUARD_WRITE_no_folder(alone: World) -> None:
    blocked = alone.folder / "blocked"
    blocked.write_bytes(b"")
    with pytest.raises(LocalError) as caught:
        Guard(blocked / "guard")
    assert caught.value.code.code == "GUARD-WRITE"


# -- log ---------------------------------------------------------------------------------------------------------------------

DAMAGES: dict[str, tuple[Change, str]] = {
    "DB_4_last_entry_cut": (lambda db: db.execute("DELETE FROM entry WHERE idx=299"), "LOG-DAMAGED"),
    "DB_4_last_entries_cut": (lambda db: db.execute("DELETE FROM entry WHERE idx>=290"), "LOG-DAMAGED"),
    "all_entries_cut": (lambda db: db.execute("DELETE FROM entry"), "LOG-DAMAGED"),
    "entry_added": (lambda db: db.execute("INSERT INTO entry VALUES (1, 300, x'a0')"), "LOG-DAMAGED"),
    "head_root": (lambda db: db.execute("UPDATE head SET root=zeroblob(32) WHERE size=300"), "LOG-DAMAGED"),
    "DB_5_head_and_entries_cut": (
        lambda db: (db.execute("DELETE FROM head WHERE size>290"), db.execute("DELETE FROM entry WHERE idx>=(SELECT max(size) FROM head)")),
        "GUARD-AHEAD",
    ),
    "head_cut": (lambda db: db.execute("DELETE FROM head WHERE size=300"), "LOG-DAMAGED"),
    "all_heads_cut": (lambda db: db.execute("DELETE FROM head"), "LOG-DAMAGED"),
    "head_ahead": (lambda db: db.execute("INSERT INTO head VALUES (1, 301, zeroblob(32), 0)"), "LOG-DAMAGED"),
    "edge_tile_altered": (lambda db: _alter(db, 0, 1, 31), "LOG-DAMAGED"),
    "upper_tile_altered": (lambda db: _alter(db, 1, 0, 0), "LOG-DAMAGED"),
    "edge_tile_missing": (lambda db: db.execute("DELETE FROM tile WHERE level=0 AND idx=1"), "LOG-DAMAGED"),
    "upper_tile_missing": (lambda db: db.execute("DELETE FROM tile WHERE level=1"), "LOG-DAMAGED"),
    "edge_tile_cut": (lambda db: db.execute("UPDATE tile SET hashes=substr(hashes, 1, 320) WHERE level=0 AND idx=1"), "TILE-WIDTH"),
    "edge_tile_ragged": (lambda db: _set(db, b"x" * 1409), "TILE-WIDTH"),
    "edge_tile_text": (lambda db: db.execute("UPDATE tile SET hashes=hashes||x'00' WHERE level=0 AND idx=1"), "LOG-DAMAGED"),
}


def _set(db: sqlite3.Connection, hashes: bytes) -> None:
    db.execute("UPDATE tile SET hashes=? WHERE level=0 AND idx=1", (hashes,))


def _alter(db: sqlite3.Connection, level: int, index: int, at: int) -> None:
    raw = bytearray(db.execute("SELECT hashes FROM tile WHERE level=? AND idx=?", (level, index)).fetchone()[0])
    raw[at] ^= 1
    db.execute("UPDATE tile SET hashes=? WHERE level=? AND idx=?", (bytes(raw), level, index))


@pytest.mark.parametrize("name", DAMAGES)
def test_LOG_DAMAGED(alone: World, name: str) -> None:
    change, code = DAMAGES[name]
    _edit(alone, change)
    _refuses(alone, code)


def test_LOG_DAMAGED_pages_that_sqlite_cannot_read(alone: World) -> None:
    """Bit rot in the database file, page by page: refused with a code, or it starts on what it needs; the rest is for fsck."""
    path = _database(alone)
    whole = path.read_bytes()
    codes: dict[str, int] = {}
    for at in range(4096 + 30, len(whole), 8 * 4096):
        path.write_bytes(whole[:at] + bytes(200) + whole[at + 200 :])
        try:
            exchange = alone.open("xa-ca")
        except RogatoryError as error:
            codes[error.code.code] = codes.get(error.code.code, 0) + 1
            alone.exchanges.clear()
        else:
            assert exchange.log.head().size == 300
            codes["started"] = codes.get("started", 0) + 1
            alone.close()
        for extra in path.parent.glob("exchange.sqlite-*"):
            extra.unlink()
    assert set(codes) <= {"STORE-OPEN", "LOG-DAMAGED", "STORE-WRITE", "TILE-WIDTH", "started"}
    print(f"\npages: {codes}")


def test_DB_10_yesterdays_copy_is_refused_by_the_guard(alone: World) -> None:
    copy = _database(alone).read_bytes()
    exchange = alone.open("xa-ca")
    exchange.writer.run(lambda tx: tx.append(Filler))
    alone.close()
    for path in _database(alone).parent.glob("exchange.sqlite*"):
        path.unlink()
    _database(alone).write_bytes(copy)
    _refuses(alone, "GUARD-AHEAD")


def test_DB_11_the_data_of_another_node(tmp_path: Path) -> None:
    world = make_world(tmp_path, ("xa-ca", "xb-ca"))
    world.close()
    here, there = world.home("xa-ca").data, world.home("xb-ca").data
    here.rename(tmp_path / "aside")
    there.rename(here)
    with pytest.raises(LocalError) as caught:
        world.open("xa-ca")
    assert caught.value.code.code == "GUARD-AHEAD"
