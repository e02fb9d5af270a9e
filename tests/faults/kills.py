"""SIGKILL on real nodes: at a named crash point, or at a time drawn at random while messages flow; then everything is checked.

    at_point(on, "R7", "after")         the process dies there, is started again, and the world must be as if nothing had been
    for kill in uniformly(on, proxies, 20, seed): ...
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from keys.passphrase import passphrase_from
from node.backups import verify_backup
from protocol.errors import LocalError
from tests.faults.launching import Fault
from tests.faults.ledger import ViolationError, demand
from tests.faults.points import BY_ID, POINTS, Edge, Point
from tests.faults.stage import KILLED, RECIPIENT, SENDER, FaultNode, Stage, stage, wait_until
from tests.node.proxy import Proxy

RECOVERY = 10.0  # seconds from the start to the first answer of the API
_ATTACHED = 3_500_000  # bytes: large enough to go in several pieces
_LATE = 9  # days after which the first prekeys have been destroyed


@dataclass(frozen=True, slots=True)
class Kill:
    """One SIGKILL. ``unanswered``: pouches that were under way; ``recovery``: seconds until the node answered again."""

    point: str
    edge: str
    unanswered: int
    recovery: float


def edges() -> list[tuple[str, Edge]]:
    """Every edge of every point."""
    return [(point.id, edge) for point in POINTS for edge in ("before", "after")]  # type: ignore[misc]


def on_one_stage() -> list[tuple[str, Edge]]:
    """The edges that can be met one after another on one stage."""
    return [(point, edge) for point, edge in edges() if not BY_ID[point].act.startswith("start")]


def at_point(on: Stage, point: str, edge: Edge) -> Kill:
    """Kill a node of a running stage at this edge, start it again, settle, check."""
    about = BY_ID[point]
    victim, sender = on[SENDER if about.where == "sender" else RECIPIENT], on[SENDER]
    backup = victim.home.parent / f"backup-{victim.name}"
    if about.act == "backup":
        _back_up(victim, backup)
    victim.kill()
    victim.disarm()
    at_once = about.act == "connect"  # it calls others as soon as it runs, and keeps the connection for what comes
    victim.start(Fault(hook=(point, edge), armed="" if at_once else str(victim.armed)), wait=not at_once)
    key, body = sender.order(RECIPIENT, **_attachments(on, about))
    victim.arm()
    if about.act == "backup":
        with contextlib.suppress(LocalError):
            victim.client.post("/v1/backup", {"out": str(backup)})
    elif not at_once:
        wait_until(lambda: sender.refusal(RECIPIENT, key, body) == "" or not victim.alive(), f"{sender.name} to take a message")
    _await_death(victim, point, edge)
    victim.disarm()
    victim.start()
    if about.act == "backup":
        _verify(victim, backup)  # the one before still stands, whole
        _back_up(victim, backup)
    sender.insist(RECIPIENT, key, body)
    on.settle()
    on.check()
    return _killed(victim, point, edge, 0)


def _back_up(node: FaultNode, folder: Path) -> None:
    node.client.post("/v1/backup", {"out": str(folder)})
    _verify(node, folder)
    left = list(node.place.home.data.glob(".backup-*"))
    demand("BACKUP", not left, f"{node.name} has left {left}")


def _verify(node: FaultNode, folder: Path) -> None:
    verify_backup(folder, node.name, passphrase_from(node.home / "passphrase"))


def at_start(folder: Path, point: str, edge: Edge) -> Kill:
    """Kill a node at this edge while it starts: the first time, or after days; start it again, send, settle, check."""
    about = BY_ID[point]
    late = about.act == "start-late"
    with stage(folder, start=False) as on:
        victim, other = on[SENDER], on[RECIPIENT]
        if late:
            victim.start()
            victim.stop()
        days = _LATE if late else 0
        victim.start(Fault(hook=(point, edge), days=days), wait=False)
        _await_death(victim, point, edge)
        victim.start(Fault(days=days))
        other.start(Fault(days=days))
        victim.hire()
        victim.submit(RECIPIENT)
        on.settle()
        on.check()
        assert not list(victim.place.home.prekeys.glob("*.destroyed")), "a prekey is half destroyed"
        return _killed(victim, point, edge, 0)


def _await_death(victim: FaultNode, point: str, edge: str) -> None:
    code = victim.await_end()
    assert code == KILLED, f"{victim.name} ended with {code} instead of at {point} {edge}\n{victim.log.read_text()[-2000:]}"


def _attachments(on: Stage, about: Point) -> dict[str, Any]:
    if about.act != "parts":
        return {}
    path = on.world.folder / "attachment"
    if not path.exists():
        path.write_bytes(random.Random(7).randbytes(_ATTACHED))
    return {"attachments": [{"path": str(path), "filename": "scan.bin"}]}


def _killed(victim: FaultNode, point: str, edge: str, unanswered: int) -> Kill:
    recovery = victim.recoveries[-1]
    demand("RECOVERY", recovery < RECOVERY, f"{victim.name} took {recovery:.1f} s after {point} {edge}")
    return Kill(point, edge, unanswered, recovery)


# -- while messages flow ----------------------------------------------------------------------------------------------------------


def uniformly(on: Stage, proxies: dict[str, Proxy], count: int, seed: int) -> Iterator[Kill]:
    """Kill ``count`` times, each time one node drawn at random after a time drawn at random, while both send. Checked after each."""
    choose = random.Random(seed)
    with Load(on) as load:
        for _ in range(count):
            time.sleep(choose.uniform(0.0, 0.3))
            victim = on[choose.choice((SENDER, RECIPIENT))]
            unanswered = sum(each.unanswered() for each in proxies.values())
            victim.kill()
            victim.start()
            with load.paused():  # what is sent meanwhile would have to be checked the next time
                on.check()
            before = on.ledger.waiting()
            _settle_these(on, set(before))
            yield _killed(victim, "load", "", unanswered)
            load.demand_well()
    on.settle()
    on.check()


def _settle_these(on: Stage, hashes: set[str], limit: float = 120.0) -> None:
    deadline = time.monotonic() + limit
    while left := hashes & on.ledger.waiting().keys():
        if time.monotonic() > deadline:
            raise ViolationError("I11", f"{len(left)} not receipted after {limit} s: {on.about(next(iter(left)))}")
        for node in on.values():
            node.note_receipts()
        time.sleep(0.05)


class Load:
    """Threads that send, most of them one way and one the other way, each message until it is accepted. Ends with the block."""

    def __init__(self, on: Stage, senders: int = 3, pause: float = 0.1) -> None:
        self._on = on
        self._end, self._go = threading.Event(), threading.Event()
        self._go.set()
        self._failure: BaseException | None = None
        ways = [*[(SENDER, RECIPIENT, pause)] * senders, (RECIPIENT, SENDER, 3 * pause)]
        self._threads = [threading.Thread(target=self._send, args=way, daemon=True) for way in ways]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._end.set()
        self._go.set()
        for thread in self._threads:
            thread.join(60)
        if exc[0] is None:
            self.demand_well()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing new is sent within the block."""
        self._go.clear()
        try:
            yield
        finally:
            self._go.set()

    def demand_well(self) -> None:
        """Raises what ended a sender."""
        if self._failure is not None:
            raise self._failure

    def _send(self, sender: str, recipient: str, pause: float) -> None:
        try:
            while not self._end.wait(pause):
                self._go.wait()
                self._on[sender].submit(recipient)
        except BaseException as error:  # noqa: BLE001 - told to the test's thread
            self._failure = error
