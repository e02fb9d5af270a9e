"""The one writer: every state change is a function on a transaction, run on one thread, committed in groups.

    submit(f) ──> queue ──> BEGIN, f(tx), g(tx), …, entries, tiles, head, COMMIT ──> guard ──> sign ──> futures resolve

One fsync of the database, one of the guard and one pair of signatures serve the whole group; a group is whatever has queued up
while the last one was being written, so it fills itself under load and leaves at once when there is none. What is urgent goes
first, and no group grows once it holds something urgent. A function that raises undoes itself alone. A commit that fails ends
the writer: after a failed fsync nobody knows what the disk holds.

``step`` commits one group on the caller's thread: a simulator drives the writer by it, the thread calls nothing else.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

from exchange import codes
from exchange.log import Growth, Log, Tx
from exchange.ports import Clock
from protocol.errors import LocalError, RogatoryError

T = TypeVar("T")
_GROUP = 256  # functions per commit
_GROUP_MS = 50  # after so long a group takes nothing more that can wait: what bounds the time an urgent one waits behind it
_Job = tuple[Callable[[Tx], Any], "Future[Any]"]
_Done = tuple["Future[Any]", Any]


class Writer:
    """Runs the functions. ``on_fatal`` is told once, by whoever runs the step, when nothing more can be written.

    Without ``threaded`` nothing happens until somebody calls ``step``, or ``run``, which steps for itself.
    """

    def __init__(
        self, db: sqlite3.Connection, log: Log, clock: Clock, on_fatal: Callable[[LocalError], None], *, threaded: bool = True
    ) -> None:
        self._db = db
        self._log = log
        self._clock = clock
        self._on_fatal = on_fatal
        self._gate = threading.Condition()  # nothing may queue up behind the end
        self._urgent: deque[_Job] = deque()
        self._routine: deque[_Job] = deque()
        self._passed_over = False  # the last group was urgent alone while others waited: one of them goes along next time
        self._dead: LocalError | None = None
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True) if threaded else None
        if self._thread is not None:
            self._thread.start()

    def submit(self, change: Callable[[Tx], T], *, urgent: bool = False) -> Future[T]:
        """Queue a state change. The future resolves after commit, guard and signature: then it may be spoken of."""
        future: Future[T] = Future()
        with self._gate:
            refused = self._dead or (LocalError(codes.STORE_STOPPED) if self._stopping else None)
            if refused is None:
                (self._urgent if urgent else self._routine).append((change, future))
                self._gate.notify()
        if refused is not None:
            future.set_exception(refused)
        return future

    def run(self, change: Callable[[Tx], T], *, urgent: bool = False) -> T:
        """Submit and wait."""
        future = self.submit(change, urgent=urgent)
        while self._thread is None and not future.done():
            self.step()
        return future.result()

    def step(self) -> bool:
        """Commit one group of what is queued; whether anything was. Only ever by one thread at a time."""
        if not self._urgent and not self._routine:
            return False
        done: list[_Done] = []
        taken: list[_Job] = []
        try:
            growth = self._transact(taken, done)
        except sqlite3.Error as error:
            self._abandon(taken, error)
            return True
        except Exception as error:  # noqa: BLE001 - the log could not grow: whatever it was, nobody may wait for ever
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._end(error, taken)
            return True
        if growth is not None:
            try:
                self._log.advance(growth)
            except Exception as error:  # noqa: BLE001 - committed, but guard or signature failed: it may not be spoken of
                self._end(error, taken)
                return True
        for future, result in done:
            future.set_result(result)
        return True

    def stop(self) -> None:
        """Finish what is queued, then end the thread."""
        with self._gate:
            self._stopping = True
            self._gate.notify()
        if self._thread is not None:
            self._thread.join()
        while self.step():
            pass

    def _run(self) -> None:
        while True:
            with self._gate:
                self._gate.wait_for(lambda: self._urgent or self._routine or self._stopping)
                if not self._urgent and not self._routine:
                    return
            self.step()

    def _group(self, taken: list[_Job]) -> Iterator[_Job]:
        """What goes into one commit, taken from the queues while it is being written: what comes in urgently meanwhile goes along."""
        started, urgent, routine = self._clock.now(), 0, 0
        first = self._passed_over
        while True:
            if self._urgent and not (first and self._routine):
                job = self._urgent.popleft()
                urgent += 1
            elif self._routine and (first or (not urgent and routine < _GROUP and self._clock.now() - started < _GROUP_MS)):
                job = self._routine.popleft()
                routine += 1
            else:
                break
            first = False
            taken.append(job)
            yield job
        self._passed_over = bool(urgent and not routine and self._routine)

    def _transact(self, taken: list[_Job], done: list[_Done]) -> Growth | None:
        db = self._db
        tx = Tx(db, self._log, max(self._clock.now(), self._log.time))
        db.execute("BEGIN IMMEDIATE")
        for change, future in self._group(taken):
            if not future.set_running_or_notify_cancel():
                continue
            tx.time = max(tx.time, self._clock.now())  # it may have been made after the group began
            tx.begin()
            try:
                result = change(tx)
            except sqlite3.OperationalError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it was belongs to this change alone and goes to its caller
                tx.end(undo=True)
                future.set_exception(error)
            else:
                tx.end()
                done.append((future, result))
        growth = self._log.write(tx)
        db.execute("COMMIT")
        return growth

    def _abandon(self, group: list[_Job], error: sqlite3.Error) -> None:
        """The disk refused. A refused write leaves the last commit standing; a refused commit leaves nothing certain.

        Except on a full disk: SQLite has given up the group by itself then, and no frame that ends it was written.
        """
        broken = isinstance(error, sqlite3.IntegrityError)  # I2: the tables' keys; nothing of the group was kept
        refused = LocalError(codes.INVARIANT, f"I2: {error}") if broken else LocalError(codes.STORE_WRITE, str(error))
        certain = self._db.in_transaction or getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        try:
            if self._db.in_transaction:
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
        with self._gate:
            self._dead = dead
            waiting = [*self._urgent, *self._routine]
            self._urgent.clear()
            self._routine.clear()
        _fail([*group, *waiting], dead)
        self._on_fatal(dead)


def _fail(group: list[_Job], error: Exception) -> None:
    for _, future in group:
        if not future.done():
            future.set_exception(error)
