"""Tampering by an administrator: every kind is found, named by its first index, and where the log itself is touched nothing is signed."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exchange.casework.acts import Acts
from exchange.casework.nametable import NameTable
from exchange.casework.people import People, PersonKind, PersonRole
from exchange.guard import read_guard
from exchange.inspection.found import Notes, Scene
from exchange.inspection.inspect import inspect, one_moment
from exchange.outgoing.sealing import Attachment
from keys.suite import SUITE
from protocol import merkle, tiles
from protocol.entries import Consigned, Filler, Receipted, Submitted, parse_entry
from protocol.errors import LocalError
from protocol.names import Office
from tests.world import World, make_world

A, B = "xa-ca", "xb-ca"
Tamper = Callable[[sqlite3.Connection], object]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Messages both ways with parts, one queued, one given up; people with roles; everything closed."""
    folder = tmp_path_factory.mktemp("made")
    world = make_world(folder, (A, B))
    world.exchange_prekeys()
    a = world.exchanges[A]
    names = NameTable(world.home(A).people, world.holdings[A].storage, os.urandom)
    acts = Acts(a.store, world.holdings[A].storage, os.urandom, names.pseudonym)
    people = People(a.store, a.writer, acts, names, world.clock, os.urandom, lambda: [Office(A, "247")])
    officer = people.add("N. N.", PersonKind.OFFICER, people.operator)
    people.grant(officer.id, f"{A}/247", PersonRole.DUTY, people.operator)
    people.grant(officer.id, f"{A}/247", PersonRole.OFFICER, people.operator)
    people.revoke(officer.id, f"{A}/247", PersonRole.OFFICER, people.operator)
    people.deactivate(people.add("M. M.", PersonKind.OFFICER, people.operator).id, people.operator)
    evidence = folder / "evidence"
    evidence.write_bytes(bytes(100_000))
    attached = [Attachment(evidence, "e.bin", "application/octet-stream", "annex")]
    for number in range(3):
        world.send(A, B, b'{"m": "out"}', attachments=attached if number == 1 else ())
        world.deliver(A, B)
        world.send(B, A, b'{"m": "in"}', attachments=attached if number == 1 else ())
        world.deliver(B, A)
    world.send(A, B, b'{"m": "queued"}')
    names.close()
    world.close()
    for name in (A, B):
        db = sqlite3.connect(world.home(name).data / "exchange.sqlite")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()
    return world


@pytest.fixture
def world(made: World, tmp_path: Path) -> World:
    """A fresh copy of it."""
    copy = tmp_path / "world"
    shutil.copytree(made.folder, copy)
    return World(copy, made.clock, made.holdings, made.directory)


def _inspect(world: World, name: str = A) -> Notes:
    home = world.home(name)
    keys = {log.origin.n: log.keys for log in world.directory.member(name).logs}
    with one_moment(home.data) as db:
        return inspect(
            Scene(db, name, world.directory.network, world.directory, read_guard(home.guard), keys, world.holdings[name].storage, SUITE, home.data)
        )


def _tamper(world: World, change: Tamper) -> None:
    db = sqlite3.connect(world.home(A).data / "exchange.sqlite")
    change(db)
    db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def _first(world: World) -> tuple[str, int]:
    """Where the first contradiction is, when there is one."""
    notes = _inspect(world)
    assert notes.wrong
    wrong = notes.first()
    assert wrong is not None
    assert str(wrong)
    return wrong.place, wrong.index


def _index(world: World, kind: type, which: int = 0) -> int:
    db = sqlite3.connect(world.home(A).data / "exchange.sqlite")
    rows = db.execute("SELECT idx, bytes FROM entry WHERE n=1 ORDER BY idx").fetchall()
    db.close()
    return [row[0] for row in rows if isinstance(parse_entry(bytes(row[1])), kind)][which]


def _does_not_sign(world: World) -> None:
    with pytest.raises(LocalError) as caught:
        world.open(A)
    assert caught.value.code.code in ("LOG-DAMAGED", "GUARD-AHEAD")
    world.exchanges.clear()


def _sql(text: str, *values: object) -> Tamper:
    return lambda db: db.execute(text, values)


def test_nothing_is_wrong(world: World) -> None:
    for name in (A, B):
        notes = _inspect(world, name)
        assert notes.wrong == []
        assert notes.entries > 10
        assert notes.bodies >= 6
        assert notes.signatures > 3


@pytest.mark.parametrize("table, kind", [("outgoing", Submitted), ("incoming", Consigned)])
def test_DB_1_a_message_body_is_edited(world: World, table: str, kind: type) -> None:
    index = _index(world, kind)
    _tamper(world, _sql(f"UPDATE {table} SET body=CAST(substr(body, 1, length(body)-1) || x'00' AS BLOB) WHERE idx=?", index))
    assert _first(world) == (table, index)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE outgoing SET lane=1 WHERE idx={s}", "UPDATE outgoing SET expires=expires+1 WHERE idx={s}",
        "UPDATE outgoing SET conversation=zeroblob(16) WHERE idx={s}", "UPDATE outgoing SET sequence=7 WHERE idx={s}",
        "UPDATE outgoing SET message_id=zeroblob(16) WHERE idx={s}", "UPDATE outgoing SET envelope=zeroblob(200) WHERE idx={s}",
        "UPDATE incoming SET sender='xc-ca' WHERE idx={c}", "UPDATE incoming SET lane=1 WHERE idx={c}",
        "UPDATE incoming SET sequence=7 WHERE idx={c}", "UPDATE incoming SET answers=zeroblob(16) WHERE idx={c}",
        "UPDATE incoming SET origin_index=origin_index+1 WHERE idx={c}", "UPDATE incoming SET idx=0 WHERE idx={c}",
        "UPDATE delivery SET recipient='xc-ca' WHERE id=1", "UPDATE delivery SET message=0 WHERE id=1", "UPDATE incoming_part SET length=length+1",
        "UPDATE incoming_part SET digest=zeroblob(32)",
    ],
)  # fmt: skip
def test_DB_2_metadata_is_edited(world: World, change: str) -> None:
    places = {"s": _index(world, Submitted), "c": _index(world, Consigned)}
    _tamper(world, _sql(change.format(**places)))
    place, index = _first(world)
    assert place == change.split()[1]
    assert index in (*places.values(), _index(world, Receipted), -1, 0)


@pytest.mark.parametrize("change", ["UPDATE incoming SET body='text'", "UPDATE delivery SET receipt='text'", "UPDATE entry SET bytes='text' WHERE idx=3"])
def test_DB_2_a_column_of_another_kind(world: World, change: str) -> None:
    _tamper(world, _sql(change))
    assert _inspect(world).wrong


@pytest.mark.parametrize("table, kind", [("outgoing", Submitted), ("incoming", Consigned)])
def test_DB_3_a_message_is_deleted(world: World, table: str, kind: type) -> None:
    index = _index(world, kind, 1)
    _tamper(world, _sql(f"DELETE FROM {table} WHERE idx=?", index))
    assert _first(world) == (table, index)


def test_DB_3_a_delivery_is_deleted(world: World) -> None:
    _tamper(world, _sql("DELETE FROM delivery WHERE id=1"))
    assert _first(world) == ("delivery", _index(world, Submitted))


@pytest.mark.parametrize("index", [0, 7])
def test_DB_4_a_leaf_is_deleted(world: World, index: int) -> None:
    _tamper(world, _sql("DELETE FROM entry WHERE idx=?", index))
    assert _first(world) == ("entry", index)
    _does_not_sign(world)


def test_DB_5_the_last_leaves_and_their_heads(world: World) -> None:
    """Entries, tiles and heads agree with each other: only the guard knows better (and the witnesses: test_reconcile)."""
    db = sqlite3.connect(world.home(A).data / "exchange.sqlite")
    size = db.execute("SELECT size FROM head ORDER BY size DESC LIMIT 1 OFFSET 2").fetchone()[0]
    db.close()

    def cut(db: sqlite3.Connection) -> None:
        db.execute("DELETE FROM entry WHERE idx>=?", (size,))
        db.execute("DELETE FROM head WHERE size>?", (size,))
        db.execute("UPDATE tile SET hashes=substr(hashes, 1, ?)", (32 * size,))

    _tamper(world, cut)
    assert any((wrong.place, wrong.index) == ("guard", size) for wrong in _inspect(world).wrong)
    _does_not_sign(world)
    world.home(A).guard.unlink()
    assert any(wrong.place == "guard" for wrong in _inspect(world).wrong)


def test_DB_6_two_leaves_change_places(world: World) -> None:
    def swap(db: sqlite3.Connection) -> None:
        third, fifth = (db.execute("SELECT bytes FROM entry WHERE idx=?", (i,)).fetchone()[0] for i in (3, 5))
        db.execute("UPDATE entry SET bytes=? WHERE idx=3", (fifth,))
        db.execute("UPDATE entry SET bytes=? WHERE idx=5", (third,))

    _tamper(world, swap)
    assert _first(world) == ("entry", 3)
    _does_not_sign(world)


def _rebuild(db: sqlite3.Connection) -> None:
    """The careful administrator: tiles and head rows follow from the entries again."""
    leaves = [merkle.leaf_hash(bytes(row[0])) for row in db.execute("SELECT bytes FROM entry WHERE n=1 ORDER BY idx")]
    assert len(leaves) < tiles.WIDTH
    db.execute("UPDATE tile SET hashes=? WHERE level=0", (b"".join(leaves),))
    heads = [row[0] for row in db.execute("SELECT size FROM head")]
    frontier = merkle.Frontier()
    for leaf in leaves:
        frontier.append(leaf)
        if frontier.size in heads:
            db.execute("UPDATE head SET root=? WHERE size=?", (frontier.root(), frontier.size))


@pytest.mark.parametrize("careful", [False, True])
def test_DB_7_a_leaf_is_inserted_in_the_middle(world: World, careful: bool) -> None:
    forged = Filler(world.clock.now(), os.urandom(16)).encode()

    def insert(db: sqlite3.Connection) -> None:
        rows = db.execute("SELECT idx, bytes FROM entry WHERE idx>=6 ORDER BY idx DESC").fetchall()
        for index, raw in rows:
            db.execute("DELETE FROM entry WHERE idx=?", (index,))
            db.execute("INSERT INTO entry VALUES (1,?,?)", (index + 1, raw))
        db.execute("INSERT INTO entry VALUES (1,6,?)", (forged,))
        if careful:
            size = rows[0][0] + 2
            db.execute("INSERT INTO head VALUES (1,?,?,(SELECT max(time) FROM head))", (size, bytes(32)))
            _rebuild(db)

    _tamper(world, insert)
    assert _first(world)[1] in ((6, 7) if careful else (6,))
    _does_not_sign(world)


@pytest.mark.parametrize("column", ["receipt=CAST(receipt || x'00' AS BLOB)", "receipt_index=receipt_index+1", "receipt_note=(SELECT min(id) FROM note)"])
def test_DB_8_a_stored_receipt_is_changed(world: World, column: str) -> None:
    _tamper(world, _sql(f"UPDATE delivery SET {column} WHERE id=2"))
    assert _first(world)[0] == "delivery"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE delivery SET state='queued' WHERE id=1", "UPDATE delivery SET state='refused' WHERE id=1",
        "UPDATE delivery SET state='undelivered' WHERE id=1", "UPDATE delivery SET state='delivered' WHERE state='queued'",
        "UPDATE delivery SET state='rejected' WHERE state='queued'", "UPDATE incoming SET state='refused' WHERE state='consigned'",
        "UPDATE incoming SET state='pending' WHERE state='consigned'",
    ],
)  # fmt: skip
def test_DB_9_a_state_is_flipped(world: World, change: str) -> None:
    _tamper(world, _sql(change))
    assert _first(world)[0] == change.split()[1]


def test_DB_10_yesterdays_copy(world: World, tmp_path: Path) -> None:
    """By itself it is in order: only the guard shows that it is old (and the witnesses: test_reconcile)."""
    shutil.copytree(world.home(A).data, tmp_path / "copy")
    world.open(A).writer.run(lambda tx: tx.append(Filler))
    world.close()
    shutil.rmtree(world.home(A).data)
    shutil.copytree(tmp_path / "copy", world.home(A).data)
    assert {wrong.place for wrong in _inspect(world).wrong} == {"guard"}
    _does_not_sign(world)


def test_DB_11_the_data_of_another_node(world: World) -> None:
    mine, theirs = world.home(A).data / "exchange.sqlite", world.home(B).data / "exchange.sqlite"
    other = theirs.read_bytes()
    theirs.write_bytes(mine.read_bytes())
    mine.write_bytes(other)
    assert _first(world) == ("entry", 0)
    _does_not_sign(world)


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO role SELECT id, 'xa-ca/247', 'approver' FROM person WHERE kind='officer' AND active=1",
        "DELETE FROM role", "UPDATE role SET office='xa-ca/mla'", "UPDATE person SET active=1", "DELETE FROM person WHERE active=0",
        "INSERT INTO person VALUES (zeroblob(16), 'officer', 1, 0)", "UPDATE act SET commitment=zeroblob(32) WHERE idx=(SELECT min(idx) FROM act)",
    ],
)  # fmt: skip
def test_DB_12_people_and_roles(world: World, change: str) -> None:
    _tamper(world, _sql(change))
    assert _first(world)[0] in ("role", "person", "act")


def test_DB_13_the_journal_is_truncated(world: World) -> None:
    """What was committed into the journal only is gone: the guard has seen it."""
    exchange = world.open(A)
    exchange.store.writer.execute("PRAGMA wal_autocheckpoint=0")
    for _ in range(3):
        exchange.writer.run(lambda tx: tx.append(Filler))
    database, journal = (world.home(A).data / name for name in ("exchange.sqlite", "exchange.sqlite-wal"))
    kept = database.read_bytes()
    assert journal.stat().st_size
    world.close()
    database.write_bytes(kept)
    journal.unlink(missing_ok=True)
    assert any(wrong.place == "guard" for wrong in _inspect(world).wrong)
    _does_not_sign(world)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE outgoing SET time=time-86400000 WHERE idx={s}", "UPDATE incoming SET time=time-86400000 WHERE idx={c}",
        "UPDATE delivery SET expires=expires+86400000 WHERE id=1", "UPDATE person SET since=since-1 WHERE kind='officer'",
    ],
)  # fmt: skip
def test_DB_14_times_are_edited(world: World, change: str) -> None:
    _tamper(world, _sql(change.format(s=_index(world, Submitted), c=_index(world, Consigned))))
    assert _first(world)[0] == change.split()[1]


def test_a_guard_beside_and_a_note_beside(world: World) -> None:
    """The whole log rewritten with care: what we signed before contradicts it."""

    def rewrite(db: sqlite3.Connection) -> None:
        raw = db.execute("SELECT bytes FROM entry WHERE idx=2").fetchone()[0]
        entry = parse_entry(bytes(raw))
        db.execute("UPDATE entry SET bytes=? WHERE idx=2", (Filler(entry.time, os.urandom(16)).encode(),))
        _rebuild(db)

    _tamper(world, rewrite)
    places = {wrong.place for wrong in _inspect(world).wrong}
    assert {"note", "guard"} <= places
    _does_not_sign(world)


def test_100_000_leaves_within_a_minute(tmp_path: Path) -> None:
    world = make_world(tmp_path, (A, B))
    writer = world.exchanges[A].writer
    for _ in range(100):
        writer.run(lambda tx: [tx.append(Filler) for _ in range(1000)])
    world.close()
    started = time.monotonic()
    notes = _inspect(world)
    assert notes.wrong == []
    assert notes.entries > 100_000
    assert time.monotonic() - started < 60
    _tamper(world, _sql("UPDATE entry SET bytes=(SELECT bytes FROM entry WHERE idx=9) WHERE idx=54321"))
    assert _first(world) == ("entry", 54321)


@pytest.mark.parametrize("folder", ["in", "out"])
@pytest.mark.parametrize("missing", [False, True], ids=["altered", "missing"])
def test_the_files_of_evidence_are_read(world: World, folder: str, missing: bool) -> None:
    assert _inspect(world).parts == 2
    [path] = (world.home(A).data / "parts" / folder).iterdir()
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    if missing:
        path.unlink()
    found = [str(each) for each in _inspect(world).wrong]
    expected = [] if missing and folder == "out" else [f"parts/{folder}: the file of a part is missing or altered: {path.name[:16]}"]
    assert found == expected  # what was sent and receipted need not be kept
