"""The stage of a fault test: two real nodes, a watcher who calls as the other of the two, and the ledger of what they promised.

    with stage(tmp_path) as on:
        on["xa-ca"].submit("xb-ca")          one message, into the ledger
        on["xb-ca"].kill(); on["xb-ca"].start()
        on.settle()                          everything accepted is receipted, or ViolationError
        on.check()                           I1 to I4, I8, from outside
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import itertools
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from keys.directory import trust
from keys.keystore import Keystore
from keys.passphrase import passphrase_from
from keys.transport import client_context
from node.cli.boundary import AnsweredError
from node.cli.client import NodeClient
from node.clock import SystemClock
from node.exercise import NETWORK, Place, World, found_world, free_ports
from protocol.errors import LocalError, RogatoryError
from tests.faults.launching import Fault, launch
from tests.faults.ledger import Ledger, ViolationError, read_log
from tests.house import form

PATIENCE = 120.0  # seconds for anything that must happen
SENDER, RECIPIENT = "xa-ca", "xb-ca"
_keys = itertools.count()
_PASSES = {"IDEMPOTENCY-BUSY", "STORE-STOPPED", "STORE-WRITE", "LOG-STOPPED", "LOG-SIGN", "GUARD-WRITE", "GUARD-LOST"}


class FaultNode:
    """One authority whose process may be killed and started again. ``recoveries``: seconds from start to the first answer."""

    def __init__(self, place: Place, ledger: Ledger) -> None:
        self.name = place.authority
        self.place = place
        self.ledger = ledger
        self.home = place.home.path
        self.log = self.home / "node.log"
        self.armed = self.home / "armed"
        self.client = NodeClient(self.home)
        self.process: BaseProcess | None = None
        self.recoveries: list[float] = []
        self.duty = ""

    # -- the process --------------------------------------------------------------------------------------------------------------

    def start(self, fault: Fault = Fault(), *, wait: bool = True) -> None:  # noqa: B008 - frozen
        """Start it; wait until it answers."""
        assert self.process is None
        began = time.monotonic()
        self.process = launch(self.home, self.log, fault)
        if wait:
            self.await_answer()
            self.recoveries.append(time.monotonic() - began)

    def await_answer(self) -> None:
        """Wait until the local API answers. Raises AssertionError with the end of the log when the process ends instead."""
        wait_until(self._answers, f"{self.name} to start")

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.is_alive(), f"{self.name} ended with {self.process.exitcode}\n{self.log.read_text()[-3000:]}"
        return self.answers()

    def answers(self) -> bool:
        """Whether the local API answers now."""
        try:
            self.client.get("/v1/status")
        except RogatoryError:
            return False
        return True

    def alive(self) -> bool:
        return self.process is not None and self.process.is_alive()

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        if self.process is not None:
            self.process.kill()
            self.await_end()

    def await_end(self, limit: float = PATIENCE) -> int:
        """Wait until it has ended by itself; its exit code, negative for a signal."""
        process = self.process
        assert process is not None
        process.join(limit)
        code = process.exitcode
        assert code is not None, f"{self.name} did not end in {limit} s"
        process.close()
        self.process = None
        return code

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.await_end()

    def arm(self) -> None:
        """From now on the fault that the process was started with counts."""
        self.armed.touch()

    def disarm(self) -> None:
        self.armed.unlink(missing_ok=True)

    # -- its API ------------------------------------------------------------------------------------------------------------------

    def hire(self) -> None:
        """An officer on duty, who may send alone."""
        self.duty = self.client.post("/v1/people", {"name": "Officer on duty"})["id"]
        self.client.post(f"/v1/people/{self.duty}/roles", {"office": f"{self.name}/247", "role": "duty"})

    def order(self, to: str, **more: Any) -> tuple[str, dict[str, Any]]:
        """A message that can be posted, again and again, under one key."""
        body = {"from": f"{self.name}/247", "to": [f"{to}/247"], "kind": "EE_PRESERVE", "lane": "routine", "form": form("preserve")}
        return f"key-{next(_keys):08}", {**body, "actor": self.duty, **more}

    def post(self, to: str, key: str, body: dict[str, Any]) -> dict[str, Any]:
        """Post it, and note what was promised. Raises LocalError when no answer came, AnsweredError when it was refused."""
        answer = self.client.post("/v1/messages", body, once=key)
        self.ledger.accept(key, self.name, to, answer)
        return answer

    def refusal(self, to: str, key: str, body: dict[str, Any]) -> str:
        """Post it once; the code of what refused it, empty when it was taken."""
        try:
            self.post(to, key, body)
        except AnsweredError as error:
            return str(error.problem["code"])
        except LocalError as error:
            return error.code.code
        return ""

    def submit(self, to: str, **more: Any) -> str:
        """Post a message until it is accepted, through restarts; its id."""
        key, body = self.order(to, **more)
        return self.insist(to, key, body)

    def insist(self, to: str, key: str, body: dict[str, Any]) -> str:
        """Post until an answer came; the message's id."""

        def answered() -> str | None:
            try:
                return str(self.post(to, key, body)["message_id"])
            except AnsweredError as error:
                if error.problem["code"] in _PASSES:
                    return None
                raise
            except LocalError:
                return None

        return str(wait_until(answered, f"{self.name} to accept"))

    def note_receipts(self) -> None:
        """Look through our list, newest first, and note the receipts that came, until nothing of ours waits any more."""
        waiting = {hash_ for hash_, each in self.ledger.waiting().items() if each.sender == self.name}
        messages = self.client.items("/v1/messages", direction="out", limit=200) if waiting else ()
        for each in messages:
            [delivery] = each["deliveries"]
            if delivery["state"] == "delivered":
                self.ledger.receipt(each["envelope_hash"], delivery["authority"], delivery["receipt_index"])
            waiting.discard(each["envelope_hash"])
            if not waiting:
                break

    def check(self) -> None:
        """Its whole log and its lists against what had been promised before they were asked for."""
        promised = self.ledger.promised()
        out = self.home / "exported"
        shutil.rmtree(out, ignore_errors=True)
        self.client.post("/v1/log/export", {"out": str(out)})
        entries, note = read_log(out)
        promised.check_log(self.name, entries, note)
        self.ledger.head(note)
        promised.check_inbox(self.name, self.client.items("/v1/messages", direction="in", limit=200))


@dataclass
class Stage(dict[str, FaultNode]):
    """The nodes by authority. ``ports``: where each really listens, when something stands between."""

    world: World
    ledger: Ledger
    ports: dict[str, int] = field(default_factory=dict)
    _contexts: dict[str, Any] = field(default_factory=dict)

    def settle(self, limit: float = PATIENCE) -> None:
        """Wait until everything accepted is receipted (I11)."""

        def settled() -> bool:
            for node in self.values():
                with contextlib.suppress(LocalError):
                    node.note_receipts()
            return not self.ledger.waiting()

        try:
            wait_until(settled, "everything to settle", limit)
        except AssertionError:
            left = self.ledger.waiting()
            raise ViolationError("I11", f"{len(left)} not receipted after {limit} s: {self.about(min(left))}") from None

    def about(self, envelope_hash: str) -> object:
        """How a message that waits stands with its sender."""
        each = self.ledger.waiting().get(envelope_hash)
        return each and self[each.sender].client.get(f"/v1/messages/{each.message_id}")["deliveries"]

    def check(self) -> None:
        """The invariants, from outside."""
        for node in self.values():
            self.watch(node.name)
            node.note_receipts()
        for node in self.values():
            node.check()

    def watch(self, name: str) -> None:
        """As the other authority, ask a node for its head over its peers' port, and for the one it has of the others."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.ports[name], context=self._context(name), timeout=PATIENCE)
        try:
            for origin in (f"{NETWORK}/{each}/log/1" for each in self):
                connection.request("GET", f"/{hashlib.sha256(origin.encode()).hexdigest()}/checkpoint")
                response = connection.getresponse()
                note = response.read()
                if response.status == 200:
                    self.ledger.show(name, note)
        finally:
            connection.close()

    def _context(self, name: str) -> Any:
        if name in self._contexts:
            return self._contexts[name]
        watcher = self.world.places[next(each for each in self if each != name)].home
        key = Keystore.open(watcher.keystore, passphrase_from(watcher.path / "passphrase")).transport[0]
        directory = trust.load(watcher.directory)
        context = client_context(key, directory.member(name).certificates)
        context.check_hostname = False
        self._contexts[name] = context
        return context


@contextlib.contextmanager
def stage(folder: Path, *, start: bool = True, between: bool = False) -> Iterator[Stage]:
    """Found the network, start its two nodes, end them at the end. ``between``: they listen elsewhere than the directory says."""
    (folder / "world").mkdir()
    world = found_world(folder / "world", (SENDER, RECIPIENT), SystemClock().now())
    on = Stage(world, Ledger())
    for name in (SENDER, RECIPIENT):
        place = world.places[name]
        on[name] = FaultNode(place, on.ledger)
        on.ports[name] = _elsewhere(place) if between else place.peer_port
    try:
        if start:
            for node in on.values():
                node.start()
                node.hire()
        yield on
    finally:
        for node in on.values():
            node.kill()


def _elsewhere(place: Place) -> int:
    [port] = free_ports(1)
    settings = place.home.settings
    settings.write_text(settings.read_text().replace(f"127.0.0.1:{place.peer_port}", f"127.0.0.1:{port}"))
    return port


def wait_until(condition: Any, what: str, limit: float = PATIENCE) -> Any:
    """Wait until the condition holds; what it gave."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError(f"waited {limit} s for {what}")


KILLED = -signal.SIGKILL
