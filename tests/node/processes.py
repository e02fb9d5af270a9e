"""Real node processes of a founded exercise network, and what the machine knows of them.

    with nodes(tmp_path, "xa-ca", "xb-ca") as world:
        world["xa-ca"].actor.send({...})
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node.benches.sample import resident
from node.cli.client import NodeClient
from node.clock import SystemClock
from node.demo.stage import Actor
from node.exercise import Place, World, found_world, free_ports
from protocol.errors import RogatoryError

SOURCE = Path(__file__).parents[2]
WAIT = 60.0


class Node:
    """One process."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.home = place.home.path
        self.log = self.home / "node.log"
        self.actor = Actor(place, NodeClient(self.home))
        self.listens_at = place.peer_port
        self.process: subprocess.Popen[bytes] | None = None

    def listen_elsewhere(self) -> int:
        """Listen at another port than the directory says: something stands between. The port."""
        [port] = free_ports(1)
        settings = self.place.home.settings
        settings.write_text(settings.read_text().replace(f"127.0.0.1:{self.place.peer_port}", f"127.0.0.1:{port}"))
        self.listens_at = port
        return port

    def start(self, *command: str) -> None:
        environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
        with self.log.open("ab") as out:
            run = [*command, sys.executable, "-m", "node.cli", "run", "--home", str(self.home)]
            self.process = subprocess.Popen(run, stdout=out, stderr=out, env=environment, cwd=self.home, start_new_session=True)
        wait_until(self._answers, f"{self.place.authority} to start")

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()[-2000:]
        try:
            self.actor.client.get("/v1/status")
        except RogatoryError:
            return False
        return True

    def stop(self) -> float:
        """SIGTERM; the seconds until it has ended. Its exit code must be 0."""
        process, self.process = self.process, None
        if process is None:
            return 0.0
        started = time.monotonic()
        process.terminate()
        try:
            code = process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # and what watches it
            process.wait()
            raise
        assert code == 0, self.log.read_text()[-2000:]
        return time.monotonic() - started

    def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)  # and what watches it
            self.process.wait()
            self.process = None

    def message(self, message_id: str) -> dict:
        return self.actor.client.get(f"/v1/messages/{message_id}")


class Nodes(dict[str, Node]):
    """Nodes by authority."""

    world: World


@contextmanager
def nodes(folder: Path, *names: str, start: bool = True) -> Iterator[Nodes]:
    """Found a network, start its nodes, stop them at the end."""
    (folder / "world").mkdir()
    world = found_world(folder / "world", names, SystemClock().now())
    running = Nodes({name: Node(place) for name, place in world.places.items()})
    running.world = world
    try:
        if start:
            for node in running.values():
                node.start()
        yield running
    finally:
        for node in running.values():
            node.kill()


def wait_until(condition, what: str, limit: float = WAIT):
    """Wait until the condition holds; what it gave."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {limit} s for {what}")


class Memory:
    """VmRSS of a process and its children together, sampled every 50 ms on a thread of its own. In bytes."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.samples = [resident(pid)]
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        while not self._end.wait(0.05):
            self.samples.append(resident(self.pid))

    def growth(self) -> int:
        """The greatest sample less the first."""
        self._end.set()
        self._thread.join()
        assert len(self.samples) > 20
        return max(self.samples) - self.samples[0]
