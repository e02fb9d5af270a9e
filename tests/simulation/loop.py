"""An event loop with virtual time whose next step is drawn by a seed: no sockets, no waiting, no thread that runs beside another.

    ready handles    one is drawn at random; nothing else decides who is next
    timers           when nothing is ready, time jumps to the next one
    to_thread        runs inline, or on a worker thread that holds the baton until it ends or waits for a future; never two at once

So a seed decides everything, and the same seed does it again. Python runs hashes of texts by a secret of the process: whoever wants
the same run in another process sets PYTHONHASHSEED (``python -m tests.simulation`` does).
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from concurrent.futures import Future
from heapq import heappop, heappush
from itertools import count
from typing import Any


class Killed(BaseException):
    """The process died here. Nothing of ours catches it; what unwinds works on files that nobody looks at any more."""


class Stuck(Exception):  # noqa: N818 - what a run ends with
    """Nobody will ever be woken again."""


class Numbered(asyncio.Task):  # type: ignore[type-arg]
    """A task whose place in a set is its number, not its address: sets of tasks have the same order in every process."""

    def __hash__(self) -> int:
        return self.number

    number = 0


class VirtualLoop(asyncio.BaseEventLoop):
    """``threads``: the share of worker calls that may be interrupted where they wait; ``work``: seconds that one takes at most."""

    def __init__(self, rng: random.Random, threads: float = 0.3, work: float = 0.002) -> None:
        super().__init__()
        self._ready: list[asyncio.Handle] = []  # a list: any of it may be next
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._next_timer = count().__next__
        self._rng = rng
        self._now = 0.0
        self._threads, self._work = threads, work
        self._idle: list[Worker] = []
        self.baton = taken_lock()
        self.worker: Worker | None = None
        self.steps = 0
        self.unhandled: list[BaseException] = []
        self._made = 0
        self.set_task_factory(self._number)
        self.set_exception_handler(lambda _, about: self._unhandled(about))

    def _number(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **named: Any) -> Numbered:
        self._made += 1
        Numbered.number = self._made  # hashed before the constructor ends
        task = Numbered(coroutine, loop=loop, **named)
        task.number = self._made
        return task

    def time(self) -> float:
        """Virtual seconds since the run began."""
        return self._now

    def skip(self, seconds: float) -> None:
        """Let time pass while nobody runs."""
        self._now += seconds

    def _unhandled(self, about: dict[str, Any]) -> None:
        error = about.get("exception")
        if not _is_death(error):
            self.unhandled.append(error or RuntimeError(about.get("message")))

    def _run_once(self) -> None:
        """Step after step until told to stop: what asyncio does between two steps is not needed here."""
        ready, timers, draw = self._ready, self._timers, self._rng.random
        while not self._stopping:
            if not ready:
                while timers and timers[0][2]._cancelled:
                    heappop(timers)
                if not timers:
                    raise Stuck
                self._now = max(self._now, timers[0][0])
            while timers and timers[0][0] <= self._now:
                timer = heappop(timers)[2]
                if not timer._cancelled:
                    ready.append(timer)
            if not ready:
                continue
            chosen = int(draw() * len(ready))
            ready[chosen], ready[-1] = ready[-1], ready[chosen]
            handle = ready.pop()
            if not handle._cancelled:
                self.steps += 1
                handle._run()

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Any = None) -> asyncio.Handle:  # type: ignore[override]
        """Among the next."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: Any = None) -> asyncio.TimerHandle:  # type: ignore[override]
        """When time has come."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heappush(self._timers, (when, self._next_timer(), timer))
        return timer

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any, context: Any = None) -> asyncio.TimerHandle:  # type: ignore[override]
        """After so many seconds."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def close(self) -> None:
        """Nothing is ever run again."""
        self._timers.clear()
        super().close()

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: Any, context: Any = None) -> asyncio.Handle:
        """The same as ``call_soon``: no thread runs beside the loop."""
        return self.call_soon(callback, *args, context=context)

    def _process_events(self, event_list: Any) -> None:
        raise AssertionError("there are no files to watch")

    # -- worker threads --------------------------------------------------------------------------------------------------------

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        """Run it a little later, at once or in pieces. It takes virtual time."""
        future = self.create_future()
        self.call_later(self._rng.random() * self._work, self._begin, future, func, args)
        return future

    async def shutdown_default_executor(self, *_: Any) -> None:
        """There is none."""

    def _begin(self, future: asyncio.Future[Any], func: Callable[..., Any], args: tuple[Any, ...]) -> None:
        if future.cancelled():
            return
        if self._rng.random() >= self._threads:
            settle(future, *outcome(func, args))
            return
        worker = self._idle.pop() if self._idle else Worker(self)
        worker.task = (future, func, args)
        self.resume(worker)

    def resume(self, worker: Worker) -> None:
        """Hand the baton to this worker until it ends or waits."""
        before, self.worker = self.worker, worker
        worker.go.release()
        self.baton.acquire()
        self.worker = before
        if worker.result is not None:
            future, value, error = worker.result
            worker.result = worker.task = None
            self._idle.append(worker)
            settle(future, value, error)

    def end_workers(self) -> None:
        """Let the idle threads end."""
        for worker in self._idle:
            worker.go.release()
        self._idle.clear()


def outcome(func: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, BaseException | None]:
    """What the call gives, or raises."""
    try:
        return func(*args), None
    except BaseException as error:  # noqa: BLE001 - goes to whoever waits for it
        return None, error


def settle(future: asyncio.Future[Any], value: Any, error: BaseException | None) -> None:
    """Give a call's outcome to who waits for it, if somebody still does."""
    if future.done():
        return
    if isinstance(error, Killed):
        future.cancel()
    elif error is not None:
        future.set_exception(error)
    else:
        future.set_result(value)


def taken_lock() -> Any:
    """A lock that somebody else will release: one wake-up, and several times faster than a semaphore."""
    lock = threading.Lock()
    lock.acquire()
    return lock


class Worker:
    """A thread that runs only while it holds the baton."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.go = taken_lock()
        self.task: tuple[asyncio.Future[Any], Callable[..., Any], tuple[Any, ...]] | None = None
        self.result: tuple[asyncio.Future[Any], Any, BaseException | None] | None = None
        threading.Thread(target=self._run, daemon=True, name="simulated worker").start()

    def _run(self) -> None:
        while True:
            self.go.acquire()
            if self.task is None:
                return
            future, func, args = self.task
            self.result = (future, *outcome(func, args))
            self.loop.baton.release()

    def park(self, waited: Future[Any]) -> None:
        """Give the baton back until this future is done."""
        waited.add_done_callback(lambda _: self.loop.call_soon(self.loop.resume, self))
        self.loop.baton.release()
        self.go.acquire()


class Waited(Future):  # type: ignore[type-arg]
    """A ``concurrent.futures.Future`` that can be waited for inside the simulation.

    A worker thread gives its baton away; code that runs inline does the writer's work itself (``pump``).
    """

    pump: Callable[[], None]
    loop: VirtualLoop

    def result(self, timeout: float | None = None) -> Any:
        """The outcome; time passes meanwhile only for a worker thread."""
        while not self.done():
            worker = self.loop.worker
            if worker is None:
                self.pump()
            else:
                worker.park(self)
        return super().result(0)


def _is_death(error: BaseException | None) -> bool:
    """Whether this is the end of a life, alone or as a tree of tasks reports it."""
    return isinstance(error, Killed) or (isinstance(error, BaseExceptionGroup) and all(map(_is_death, error.exceptions)))
