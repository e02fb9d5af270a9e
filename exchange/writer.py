"""The one writer: every state change is a function on a transaction, run on one thread, committed in groups.

    submit(f) ──> queue ──> BEGIN, f(tx), g(tx), …, entries, tiles, head, COMMIT ──> guard ──> sign ──> futures resolve
                                                                               └──> those of changes that nothing is spoken of

One fsync of the database, one of the guard and one pair of signatures serve the whole group; a group is whatever has queued up
while the last one was being written, so it fills itself under load and leaves at once when there is none. What is urgent goes
first, and no group grows once it holds something urgent; what is not hurried makes no group of its own before ``_PATIENCE``. Nor is
a head hurried that nothing is spoken of: the group after it signs for both, or the writer when it has rested so long. A function that
raises undoes itself alone. A commit or a guard that fails ends the writer: after a failed fsync nobody knows what the disk holds.

``step`` commits one group on the caller's thread: a simulator drives the writer by it, the thread calls nothing else.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

from exchange import codes
from exchange.log import Growth, Log, Tx
from exchange.ports import Clock
from exchange.store import CARRY_OVER
from protocol.errors import LocalError, RogatoryError

TOGETHER = 64  # items of a pouch or an answer that are stored by one change: what is urgent waits for no more of them
T = TypeVar("T")
_GROUP = 256  # functions per commit
_GROUP_MS = 50  # after so long a group takes nothing more that can wait: what bounds the time an urgent one waits behind it
_GROUP_BESIDE, _GROUP_BESIDE_MS = 32, 5  # the same while urgent ones come
_BESIDE_MS = 1000  # since the last urgent one
_CARRY_BESIDE = CARRY_OVER // 4  # pages of the WAL, while urgent ones come: they wait for no more of it
_UNCERTAIN = frozenset({codes.GUARD_WRITE, codes.GUARD_LOST})  # after them nobody knows what the guard holds: it is read again at a start
_PATIENCE = 0.02  # seconds that what is not hurried waits for a group to go along with


class _Job(NamedTuple):
    change: Callable[[Tx], Any]
    future: Future[Any]
    spoken: bool
    urgent: bool = False


_Done = tuple[_Job, Any]


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
        self._unhurried: deque[_Job] = deque()
        self._urgent_at = -_BESIDE_MS
        self._carries = CARRY_OVER
        self._passed_over = False  # the last group was urgent alone while others waited: next time some go along
        self._unsigned = False  # the log has grown by what nothing is spoken of
        self._dead: LocalError | None = None
        self._stopping = False
        self.threaded = threaded
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True) if threaded else None
        if self._thread is not None:
            self._thread.start()

    def submit(self, change: Callable[[Tx], T], *, urgent: bool = False, spoken: bool = True) -> Future[T]:
        """Queue a state change. The future resolves after commit, guard and signature: then it may be spoken of.

        Not ``spoken``: after the commit, for what no peer is told under the head that comes of it.
        """
        return self._queue(self._urgent if urgent else self._routine, _Job(change, Future(), spoken, urgent))

    def run_first(self, change: Callable[[Tx], T]) -> T:
        """Do before all else what is short and holds nothing urgent: no group need be small because it came."""
        future: Future[T] = self._queue(self._urgent, _Job(change, Future(), spoken=True))
        return self.result(future)

    def submit_unhurried(self, change: Callable[[Tx], T]) -> Future[T]:
        """Queue a state change that nobody waits for: it goes along with the next group, within hundredths of a second."""
        return self._queue(self._unhurried, _Job(change, Future(), spoken=False))

    def _queue(self, queue: deque[_Job], job: _Job) -> Future[Any]:
        with self._gate:
            refused = self._dead or (LocalError(codes.STORE_STOPPED) if self._stopping else None)
            if refused is None:
                queue.append(job)
                self._gate.notify()
        if refused is not None:
            job.future.set_exception(refused)
        return job.future

    def run(self, change: Callable[[Tx], T], *, urgent: bool = False, spoken: bool = True) -> T:
        """Submit and wait."""
        return self.result(self.submit(change, urgent=urgent, spoken=spoken))

    def result(self, future: Future[T]) -> T:
        """Wait for something submitted; without a thread, by stepping."""
        while self._thread is None and not future.done():
            if not self.step():  # whoever took it has died
                raise LocalError(codes.STORE_STOPPED)
        try:
            return future.result()
        finally:
            del future  # what it raises would hold this frame, and the frame the future that holds what it raises

    def step(self) -> bool:
        """Commit one group of what is queued, or sign what the last one left; whether there was anything. One thread at a time."""
        done: list[_Done] = []
        taken: list[_Job] = []
        growth, behind = None, self._unsigned
        if self._urgent or self._routine or self._unhurried:
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
        elif not behind:
            return False
        _tell(done, spoken=False)
        try:
            if growth is not None:
                self._log.advance(growth)
                self._unsigned = True
            if self._unsigned and (behind or any(job.spoken for job, _ in done)):
                self._log.sign_newest()
                self._unsigned = False
        except Exception as error:  # noqa: BLE001 - committed, but guard or signature failed: it may not be spoken of
            self._end(error, taken)
            return True
        _tell(done, spoken=True)
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
                self._gate.wait_for(lambda: self._urgent or self._routine or self._unhurried or self._unsigned or self._stopping)
                if self._gate.wait_for(lambda: self._urgent or self._routine or self._stopping, _PATIENCE) and self._stopping:
                    return  # ``stop`` does what is left
            self.step()

    def _group(self, taken: list[_Job]) -> Iterator[_Job]:
        """What goes into one commit, taken from the queues while it is being written: what comes in urgently meanwhile goes along."""
        started, urgent, routine = self._clock.now(), 0, 0
        most, longest = (_GROUP_BESIDE, _GROUP_BESIDE_MS) if self._beside(started) else (_GROUP, _GROUP_MS)
        passed = first = self._passed_over
        while True:
            if self._urgent and not (first and self._routine):
                job = self._urgent.popleft()
                urgent += 1
                if job.urgent:
                    self._urgent_at = started
            elif self._routine and (first or (not urgent and routine < most and self._clock.now() - started < longest)):
                job = self._routine.popleft()
                routine += 1
            elif self._unhurried and (passed or not urgent):
                job = self._unhurried.popleft()
            else:
                break
            first = False
            taken.append(job)
            yield job
        self._passed_over = bool(urgent and not routine and (self._routine or self._unhurried))

    def _transact(self, taken: list[_Job], done: list[_Done]) -> Growth | None:
        db = self._db
        tx = Tx(db, self._log, max(self._clock.now(), self._log.time))
        db.execute("BEGIN IMMEDIATE")
        for job in self._group(taken):
            if not job.future.set_running_or_notify_cancel():
                continue
            tx.time = max(tx.time, self._clock.now())  # it may have been made after the group began
            tx.begin()
            try:
                result = job.change(tx)
            except sqlite3.OperationalError:
                raise
            except Exception as error:  # whatever it was belongs to this change alone and goes to its caller
                if isinstance(error, LocalError) and error.code in _UNCERTAIN:
                    raise
                tx.end(undo=True)
                if isinstance(error, RogatoryError):  # its frames would hold the whole group, and themselves, until cycles are looked for
                    error = error.with_traceback(None)
                job.future.set_exception(error)
            else:
                tx.end()
                done.append((job, result))
        growth = self._log.write(tx)
        self._bound_checkpoint(taken)
        db.execute("COMMIT")
        return growth

    def _beside(self, now: int) -> bool:
        """Whether urgent ones come these days."""
        return 0 <= now - self._urgent_at < _BESIDE_MS

    def _bound_checkpoint(self, group: list[_Job]) -> None:
        """How much of the WAL the commit of this group may carry over: often a little beside urgent ones, but not in a group of theirs."""
        often = self._beside(self._clock.now()) and not any(job.urgent for job in group)
        pages = _CARRY_BESIDE if often else CARRY_OVER
        if pages != self._carries:
            self._carries = pages
            self._db.execute(f"PRAGMA wal_autocheckpoint={pages}")

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
            self._dead, self._unsigned = dead, False
            queues = self._urgent, self._routine, self._unhurried
            waiting = [job for queue in queues for job in queue]
            for queue in queues:
                queue.clear()
        _fail([*group, *waiting], dead)
        self._on_fatal(dead)


def settle(waits: Iterable[Callable[[], object]]) -> None:
    """Wait for each of several changes, whatever becomes of the others. Raises the first error; later ones of ours are its consequences."""
    waiting = deque(waits)
    try:
        while waiting:
            waiting.popleft()()
    finally:
        while waiting:
            with suppress(RogatoryError, sqlite3.Error):
                waiting.popleft()()


def _tell(done: list[_Done], *, spoken: bool) -> None:
    for job, result in done:
        if job.spoken is spoken:
            job.future.set_result(result)


def _fail(group: list[_Job], error: Exception) -> None:
    for job in group:
        if not job.future.done():
            job.future.set_exception(error)
