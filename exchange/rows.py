"""Rows to insert and to update, gathered and written by few statements.

With every statement the interpreter's lock is let go, and waited for again while other threads work: one for 64 rows costs a tenth.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial

Row = tuple[object, ...]
_MOST = 64  # rows of one statement; fewer are a power of two, so that a connection keeps all statements ready


class Rows:
    """By what is done with them, in the order of the first row of each."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, tuple[str, ...]], list[Row]] = {}

    def insert(self, into: str, row: Row) -> None:
        """One row for this table; ``into`` may name its columns: ``delivery (hash, due)``."""
        self._rows.setdefault((into, ()), []).append(row)

    def update(self, table: str, columns: tuple[str, ...], row: Row) -> None:
        """The id of a row of this table, and its new values in these columns."""
        self._rows.setdefault((table, columns), []).append(row)

    def mark(self) -> dict[tuple[str, tuple[str, ...]], int]:
        """What there is by now, for ``cut_off``."""
        return {where: len(rows) for where, rows in self._rows.items()}

    def cut_off(self, mark: dict[tuple[str, tuple[str, ...]], int]) -> Rows:
        """What was added after this mark, which is here no more."""
        after = Rows()
        for where, rows in self._rows.items():
            at = mark.get(where, 0)
            if at < len(rows):
                after._rows[where] = rows[at:]
                del rows[at:]
        return after

    def write(self, db: sqlite3.Connection) -> None:
        """Write everything and forget it. Raises sqlite3.Error."""
        gathered, self._rows = self._rows, {}
        for (table, columns), rows in gathered.items():
            _execute(db, partial(_update, table, columns) if columns else partial(_insert, table), rows)


def insert(db: sqlite3.Connection, into: str, rows: Sequence[Row]) -> None:
    """Insert rows of one width now. Raises sqlite3.Error."""
    _execute(db, partial(_insert, into), rows)


def _execute(db: sqlite3.Connection, statement: Callable[[int, int], str], rows: Sequence[Row]) -> None:
    at = 0
    for count in _counts(len(rows)):
        some = rows[at : at + count]
        db.execute(statement(len(some[0]), count), [value for row in some for value in row])
        at += count


def _counts(total: int) -> Iterator[int]:
    while total:
        count = min(_MOST, 1 << total.bit_length() - 1)
        yield count
        total -= count


@cache
def _insert(into: str, width: int, count: int) -> str:
    return f"INSERT INTO {into} {_values(width, count)}"


@cache
def _update(table: str, columns: tuple[str, ...], width: int, count: int) -> str:
    changes = ", ".join(f"{column}=new.column{number}" for number, column in enumerate(columns, 2))
    return f"UPDATE {table} SET {changes} FROM ({_values(width, count)}) AS new WHERE {table}.id=new.column1"  # noqa: S608 - as above


def _values(width: int, count: int) -> str:
    return "VALUES " + ",".join([f"({','.join('?' * width)})"] * count)
