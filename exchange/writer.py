"""The one writer: every state change is a function on a transaction, run on one thread, committed in groups.

    submit(f) ──> queue ──> BEGIN, f(tx), g(tx), …, entries, tiles, head, COMMIT ──> guard ──> sign ──> futures resolve

One fsync of the database, one of the guard and one pair of signatures serve the whole group; a group is whatever has queued up
while the last one was being written, so it fills itself under load and leaves at once when there is none. A function that
raises undoes itself alone. A commit that fails ends the writer: after a failed fsync nobody knows what the disk holds.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from exchange import codes
from exchange.log import Growth, Log, Tx
from exchange.ports import Clock
from protocol.errors import LocalError, RogatoryError

T = TypeVar("T")
_GROUP = 64  # functions per commit: bounds the time an urgent one waits behind others
_Job = tuple[Callable[[Tx], Any], "Future[Any]"]


class Writer:
    """Runs the functions. ``on_fatal`` is told once, from the writer's thread, when nothing more can be written."""

    def __init__(self, db: sqlite3.Connection, log: Log, clock: Clock, on_fatal: Callable[[LocalError], None]) -> None:
        self._db = db
        self._log = log
        self._clock = clock
        self._on_fatal = on_fatal
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._gate = threading.Lock()  # nothing may queue up behind the end
        self._dead: LocalError | None = None
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def submit(self, change: Callable[[Tx], T]) -> Future[T]:
        """Queue a state change. The future resolves after commit, guard and signature: then it may be spoken of."""
        future: Future[T] = Future()
        with self._gate:
            refused = self._dead or (LocalError(codes.STORE_STOPPED) if self._stopping else None)
            if refused is None:
                self._jobs.put((change, future))
        if refused is not None:
            future.set_exception(refused)
        return future

    def run(self, change: Callable[[Tx], T]) -> T:
        """Submit and wait."""
        return self.submit(change).result()

    def stop(self) -> None:
        """Finish what is queued, then end the thread."""
        with self._gate:
            self._stopping = True
            self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        stopping = False
        while not stopping:
            first = self._jobs.get()
            if first is None:
                break
            group = [first]
            while len(group) < _GROUP and not self._jobs.empty():
                job = self._jobs.get()
                if job is None:
                    stopping = True
                    break
                group.append(job)
            if self._dead is None:
                self._commit(group)
            else:
                _fail(group, self._dead)

    def _commit(self, group: list[_Job]) -> None:
        try:
            done, growth = self._transact(group)
        except sqlite3.Error as error:
            self._abandon(group, error)
            return
        except Exception as error:  # noqa: BLE001 - the log could not grow: whatever it was, nobody may wait for ever
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._end(error, group)
            return
        if growth is not None:
            try:
                self._log.advance(growth)
            except Exception as error:  # noqa: BLE001 - committed, but guard or signature failed: it may not be spoken of
                self._end(error, group)
                return
        for _, future, result in done:
            future.set_result(result)

    def _transact(self, group: list[_Job]) -> tuple[list[tuple[Callable[[Tx], Any], Future[Any], Any]], Growth | None]:
        db = self._db
        tx = Tx(db, self._log, max(self._clock.now(), self._log.time))
        done = []
        db.execute("BEGIN IMMEDIATE")
        for change, future in group:
            if not future.set_running_or_notify_cancel():
                continue
            mark = len(tx.entries)
            db.execute("SAVEPOINT change")
            try:
                result = change(tx)
            except sqlite3.OperationalError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it was belongs to this change alone and goes to its caller
                db.execute("ROLLBACK TO change")
                del tx.entries[mark:]
                future.set_exception(error)
            else:
                done.append((change, future, result))
            db.execute("RELEASE change")
        growth = self._log.write(tx)
        db.execute("COMMIT")
        return done, growth

    def _abandon(self, group: list[_Job], error: sqlite3.Error) -> None:
        """The disk refused. A refused write leaves the last commit standing; a refused commit leaves nothing certain."""
        refused = LocalError(codes.STORE_WRITE, str(error))
        certain = self._db.in_transaction
        try:
            if certain:
                self._db.execute("ROLLBACK")
        except sqlite3.Error:
            certain = False
        if certain and "disk I/O" not in str(error):
            _fail(group, refused)
        else:
            self._end(refused, group)

    def _end(self, error: Exception, group: list[_Job]) -> None:
        """Take nothing more. Raised by foreign code (a token that signs), an error gets a code of ours."""
        if isinstance(error, RogatoryError):
            dead = LocalError(error.code, error.detail)
        else:
            dead = LocalError(codes.LOG_SIGN, type(error).__name__)
        self._dead = dead
        _fail(group, dead)
        self._on_fatal(dead)


def _fail(group: list[_Job], error: Exception) -> None:
    for _, future in group:
        if not future.done():
            future.set_exception(error)
