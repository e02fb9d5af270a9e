"""The crash points: every durable and every wire step of an exchange by its number, and the shipped function that stands for it.

A point has two edges, *before* and *after* the step. A node process started by ``launching`` can be told to die at one of them: the
shipped function is called as it is, and SIGKILL comes where it is entered or left. The product knows nothing of this. A table of names
can rot: ``arm`` refuses a function that is not there, and the campaign counts a point only when a process has really died there.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from protocol.entries import parse_entry

Edge = Literal["before", "after"]
_wrote = threading.local()  # the kinds of entry that this thread's last group wrote


@dataclass(frozen=True, slots=True)
class Hook:
    """A function of the product (``module:Class.name``), whether to die as it is entered or left, and on which calls."""

    function: str
    leaving: bool = False
    when: Callable[[tuple[Any, ...], Any], bool] = lambda args, result: True
    nth: int = 1


@dataclass(frozen=True, slots=True)
class Point:
    """One step. ``where``: whose process dies; ``act``: what brings it there (``message``, ``parts``, ``connect``, ``backup``, ``start-new``, ``start-late``)."""

    id: str
    what: str
    where: Literal["sender", "recipient"]
    act: str
    before: Hook
    after: Hook


def entering(function: str, nth: int = 1, **more: Any) -> Hook:
    return Hook(function, nth=nth, **more)


def leaving(function: str, nth: int = 1, **more: Any) -> Hook:
    return Hook(function, leaving=True, nth=nth, **more)


def _wrote_kind(*kinds: str) -> Callable[[tuple[Any, ...], Any], bool]:
    return lambda args, result: bool(set(kinds) & getattr(_wrote, "kinds", set()))


def _large(args: tuple[Any, ...], result: Any) -> bool:
    """A piece of a part: small pouches fit in less."""
    return len(args[1]) >= 16_384


def _pouch_answer(args: tuple[Any, ...], result: Any) -> bool:
    return "pouch" in getattr(args[0], "content_type", "")


def _lines(args: tuple[Any, ...], result: Any) -> bool:
    """An answer to add-checkpoint: signature lines."""
    return isinstance(args[0].body, bytes) and args[0].body.startswith("\N{EM DASH} ".encode())


_WRITE, _ADVANCE = "exchange.log:Log.write", "exchange.log:Log.advance"
_COMMITTING, _COMMITTED = functools.partial(leaving, _WRITE), functools.partial(entering, _ADVANCE)
_SENT = "aiohttp.client_reqrep:ClientRequest.write_bytes"

POINTS = (
    Point("S1", "submission commit", "sender", "message", _COMMITTING(when=_wrote_kind("Submitted")), _COMMITTED(when=_wrote_kind("Submitted"))),
    Point("S2", "outbox claim", "sender", "message", entering("exchange.outgoing.outbox:Outbox.bag"),
          leaving("exchange.outgoing.outbox:Outbox.bag", when=lambda args, bag: bag is not None)),
    Point("S3", "connect", "sender", "connect", entering("aiohttp.connector:TCPConnector._create_connection"),
          leaving("aiohttp.connector:TCPConnector._create_connection")),
    Point("S4", "headers sent", "sender", "message", entering("aiohttp.client_reqrep:ClientRequest.send"), entering(_SENT)),
    Point("S5", "part k sent", "sender", "parts", entering("aiohttp.http_writer:StreamWriter.write", 2, when=_large),
          leaving("aiohttp.http_writer:StreamWriter.write", 2, when=_large)),
    Point("S6", "request complete, no answer", "sender", "message", leaving(_SENT), entering("exchange.outgoing.answers:Answers.take")),
    Point("S7", "receipt stored", "sender", "message", entering("exchange.outgoing.answers:Answers._store_answers"), leaving("exchange.outgoing.answers:Answers.take")),
    Point("S8", "receipt leaf", "sender", "message", _COMMITTING(when=_wrote_kind("Receipted")), _COMMITTED(when=_wrote_kind("Receipted"))),
    Point("R1", "header stored", "recipient", "parts", leaving("exchange.incoming.inbox:Inbox._store_outcomes"), entering("exchange.incoming.inbox:Inbox._answer")),
    Point("R2", "part k stored", "recipient", "parts", leaving("exchange.evidence.partsin:Upload.write", 2), leaving("exchange.evidence.partfiles:PartFiles.keep_incoming")),
    Point("R3", "parts verified", "recipient", "parts", entering("exchange.evidence.partsin:Upload.finish"), leaving("exchange.evidence.partsin:Upload.finish")),
    Point("R4", "decrypt done", "recipient", "message", entering("protocol.arrival:check_12_body"), leaving("protocol.arrival:check_12_body")),
    Point("R5", "transaction begun", "recipient", "message", entering("exchange.log:Tx.__init__"), entering("exchange.incoming.inbox:Inbox._store_outcomes")),
    Point("R6", "leaf, message, duplicate row written", "recipient", "message", leaving("exchange.incoming.inbox:Inbox._store_outcomes"),
          _COMMITTING(when=_wrote_kind("Consigned"))),
    Point("R7", "commit", "recipient", "message", _COMMITTING(when=_wrote_kind("Consigned")), _COMMITTED(when=_wrote_kind("Consigned"))),
    Point("R8", "checkpoint signed", "recipient", "message", entering("exchange.log:sign_head"), leaving("exchange.log:sign_head")),
    Point("R9", "guard moved", "recipient", "message", entering("exchange.guard:Guard.swap"), leaving("exchange.guard:Guard.swap")),
    Point("R10", "receipt sent", "recipient", "message", leaving("exchange.incoming.inbox:Inbox.receive"),
          leaving("aiohttp.web_response:Response.write_eof", when=_pouch_answer)),
    Point("W1", "proof of a log that we witness checked", "recipient", "message", entering("exchange.peering.peers:Peers.judge"), leaving("exchange.peering.peers:Peers.judge")),
    Point("W2", "witnessed size stored", "recipient", "message", leaving("exchange.peering.witness:Witness._keep"), leaving("exchange.peering.witness:Witness.add_checkpoint")),
    Point("W3", "cosignature sent", "recipient", "message", entering("aiohttp.web_response:Response.write_eof", when=_lines),
          leaving("aiohttp.web_response:Response.write_eof", when=_lines)),
    Point("P1", "prekey created", "sender", "start-new", entering("keys.prekeys:write_atomically", 2), leaving("keys.prekeys:write_atomically", 2)),
    Point("P2", "prekeys published", "sender", "start-new", _COMMITTING(when=_wrote_kind("Prekeys")), _COMMITTED(when=_wrote_kind("Prekeys"))),
    Point("P3", "prekey destroyed", "sender", "start-late", entering("keys.prekeys:PrekeyStore._destroy", 2), leaving("keys.prekeys:PrekeyStore._destroy", 2)),
    Point("B1", "backup begun, finished", "sender", "backup", leaving("exchange.backup.snapshot:copy_database"),
          entering("exchange.backup.medium:Medium.finish")),
    Point("U1", "schema migration step", "sender", "start-new", entering("exchange.store:migrations"), leaving("exchange.store:_migrate")),
)  # fmt: skip

BY_ID = {point.id: point for point in POINTS}


def hook(point: str, edge: Edge) -> Hook:
    """The hook of an edge of a point."""
    return getattr(BY_ID[point], edge)


def find(armed: Hook) -> tuple[Any, str, Any]:
    """The hook's function: its class or module, its name there, itself. Raises KeyError, AttributeError, ImportError when it has gone."""
    return _find(armed.function)


def arm(armed: Hook, alive: Path | None) -> None:
    """Make this process die at the hook's n-th call. ``alive``: only from when this file is there."""
    _note_kinds()
    owner, name, real = find(armed)
    left = [armed.nth]
    lock = threading.Lock()

    def fires(args: tuple[Any, ...], result: Any) -> None:
        if (alive is None or alive.exists()) and armed.when(args, result):
            with lock:
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                    threading.Event().wait()  # the other threads end at the same instant; nobody goes on from here

    setattr(owner, name, _around(real, armed.leaving, fires))


def _around(real: Callable[..., Any], leaving: bool, fires: Callable[[tuple[Any, ...], Any], None]) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(real):

        @functools.wraps(real)
        async def call(*args: Any, **named: Any) -> Any:
            if not leaving:
                fires(args, None)
            result = await real(*args, **named)
            if leaving:
                fires(args, result)
            return result
    else:

        @functools.wraps(real)
        def call(*args: Any, **named: Any) -> Any:
            if not leaving:
                fires(args, None)
            result = real(*args, **named)
            if leaving:
                fires(args, result)
            return result

    return call


def _find(function: str) -> tuple[Any, str, Any]:
    module, _, path = function.partition(":")
    owner: Any = importlib.import_module(module)
    *classes, name = path.split(".")
    for each in classes:
        owner = getattr(owner, each)
    return owner, name, owner.__dict__[name]


def _note_kinds() -> None:
    """Remember which kinds of entry a group writes, for hooks that wait for one."""
    owner, name, real = _find(_WRITE)

    @functools.wraps(real)
    def write(log: Any, tx: Any) -> Any:
        _wrote.kinds = {type(parse_entry(raw)).__name__ for raw in tx.entries}
        return real(log, tx)

    setattr(owner, name, write)
