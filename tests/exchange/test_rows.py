"""Gathered rows: whatever their number, each is written once, in order."""

from __future__ import annotations

import sqlite3

import pytest

from exchange.rows import Rows, insert


@pytest.fixture
def db() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE thing (id INTEGER PRIMARY KEY, a TEXT, b BLOB)")
    return connection


@pytest.mark.parametrize("count", [0, 1, 2, 3, 63, 64, 65, 127, 200])
def test_every_row_is_inserted_once_and_updated_alone(db: sqlite3.Connection, count: int) -> None:
    insert(db, "thing", [(n, f"{n}", b"") for n in range(count)])
    insert(db, "thing (id, a)", [(-1, "left alone")])
    rows = Rows()
    for n in range(count):
        rows.update("thing", ("a", "b"), (n, f"new {n}", b"%d" % n))
    rows.write(db)
    rows.write(db)
    found = db.execute("SELECT id, a, b FROM thing ORDER BY id").fetchall()
    assert found == [(-1, "left alone", None), *((n, f"new {n}", b"%d" % n) for n in range(count))]


def test_what_was_added_after_a_mark_can_be_taken_away(db: sqlite3.Connection) -> None:
    rows = Rows()
    rows.insert("thing", (1, "a", b""))
    mark = rows.mark()
    rows.insert("thing", (2, "b", b""))
    rows.insert("thing (id, a)", (3, "c"))
    after = rows.cut_off(mark)
    rows.write(db)
    assert db.execute("SELECT id FROM thing").fetchall() == [(1,)]
    after.write(db)
    assert db.execute("SELECT id FROM thing ORDER BY id").fetchall() == [(1,), (2,), (3,)]
