"""The demo's stage: a founded exercise network, its nodes as processes of their own, and a few people in each."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from node import codes
from node.cli.client import NodeClient
from node.clock import SystemClock, monotonic_ms
from node.exercise import Place, World, found_world
from node.node import run
from protocol.errors import LocalError

_PATIENCE = 60_000  # ms for a node to start, or for one message to be receipted


@dataclass
class Actor:
    """One authority on the stage: its node's socket, and its people by role and office."""

    place: Place
    client: NodeClient
    people: dict[tuple[str, str], str] = field(default_factory=dict)

    def hire(self, office: str) -> None:
        """An officer and an approver for this office."""
        for role, name in (("officer", "Officer"), ("approver", "Head of section")):
            person = self.client.post("/v1/people", {"name": f"{name} of {office}"})["id"]
            self.client.post(f"/v1/people/{person}/roles", {"office": office, "role": role})
            self.people[role, office] = person

    def send(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Write a message as the office's officer, and have its approver approve it; the submission."""
        office = str(message["from"])
        answer = self.client.post("/v1/messages", {**message, "actor": self.people["officer", office]})
        if "draft_id" in answer:
            approval = {"actor": self.people["approver", office]}
            answer = self.client.post(f"/v1/drafts/{answer['draft_id']}/approve", approval)
        return dict(answer)


@dataclass(frozen=True, slots=True)
class Told:
    """One message of the story, as it went: the API's answer with its deliveries, how long it took, the auditor's verdict."""

    number: int
    sender: str
    recipient: str
    kind: str
    lane: str
    about: str
    message: dict[str, Any]
    ms: int
    verdict: str = ""


@contextmanager
def raised(folder: Path, authorities: tuple[str, ...]) -> Iterator[tuple[World, dict[str, Actor]]]:
    """Found the network, start its nodes, hire the people; stop everything at the end."""
    world = found_world(folder, authorities, SystemClock().now())
    spawn = multiprocessing.get_context("spawn")
    processes = {name: spawn.Process(target=_run, args=(place.home.path,), daemon=True) for name, place in world.places.items()}
    try:
        for process in processes.values():
            process.start()
        actors = {name: Actor(place, NodeClient(place.home.path)) for name, place in world.places.items()}
        for name, actor in actors.items():
            _await_start(actor, processes[name])
            for office in ("247", "mla"):
                actor.hire(f"{name}/{office}")
        yield world, actors
    finally:
        for process in processes.values():
            if process.is_alive() and process.pid:
                os.kill(process.pid, signal.SIGTERM)
        for process in processes.values():
            process.join(15)


def await_receipts(actor: Actor, message_id: str, watch: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Wait until every recipient's receipt of this message is proven and stored; ``watch`` sees it meanwhile. Raises DEMO-STUCK."""
    deadline = monotonic_ms() + _PATIENCE
    while monotonic_ms() < deadline:
        message: dict[str, Any] = actor.client.get(f"/v1/messages/{message_id}")
        watch(message)
        if all(delivery["state"] == "delivered" for delivery in message["deliveries"]):
            return message
        time.sleep(0.05)  # noqa: TID251 - nothing to wait on: the change happens in another process
    raise LocalError(codes.DEMO_STUCK, f"message {message_id}")


def _await_start(actor: Actor, process: BaseProcess) -> None:
    deadline = monotonic_ms() + _PATIENCE
    while monotonic_ms() < deadline and process.is_alive():
        try:
            actor.client.get("/v1/status")
        except LocalError:
            time.sleep(0.05)  # noqa: TID251 - as above
        else:
            return
    raise LocalError(codes.DEMO_STUCK, f"the node of {actor.place.authority}; its log: {actor.place.home.path / 'node.log'}")


def _run(home: Path) -> None:
    """A node process: what it logs goes to a file in its home."""
    log = os.open(home / "node.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the demo's, which then stops its nodes
    run(home)
