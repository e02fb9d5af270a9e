"""A network at work, by commands alone: members join, an officer sends, receipts come, both sides prove it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from node.exercise import free_ports
from tests.node.cli.conftest import Network, call
from tests.node.cli.test_run import PATIENCE
from tests.node.cli.test_running import EXAMPLES


def join(network: Network, *names: str, shy: str = "") -> None:
    """Let these become members of a founded network; no node runs. ``shy``: without an address."""
    ports = iter(free_ports(2 * len(names)))
    for name in names:
        changes = {"address": None} if name == shy else {}
        said = network.init(name, next(ports), local_listen=f"127.0.0.1:{next(ports)}", **changes)
        assert said.code == 0, said
        assert network.admit(name).code == 0
    update(network, *names)


def update(network: Network, *names: str) -> None:
    """Let them take the newest directory."""
    for name in names:
        assert network.update(name).code == 0


def ask(network: Network, name: str, *args: object) -> Any:
    """A command to the running node of this authority; its answer."""
    said = call(*args, "--home", network.home(name), "--json")
    assert said.code == 0, said
    return said.value


def hire(network: Network, name: str) -> str:
    """Somebody who may send alone; the pseudonym."""
    person = ask(network, name, "people", "add", "--name", "N. N.")["id"]
    ask(network, name, "people", "grant", person, "--office", f"{name}/247", "--role", "duty")
    return str(person)


def send(network: Network, sender: str, to: str, person: str, *more: object) -> str:
    """A preservation request; its message id."""
    form = network.folder / "form.json"
    value = json.loads((EXAMPLES / "preserve.json").read_text())
    form.write_text(json.dumps(value | {"requesting_authority": f"{sender}/247", "requested_authority": f"{to}/247"}))
    args = ["--from", f"{sender}/247", "--to", f"{to}/247", "--kind", "EE_PRESERVE", "--form", form, "--as", person]
    return str(ask(network, sender, "send", *args, *more)["message_id"])


def state(network: Network, sender: str, message: str) -> str:
    """The state of its one delivery."""
    return str(ask(network, sender, "outbox", "show", message)["deliveries"][0]["state"])


def await_delivered(network: Network, sender: str, message: str, within: float = PATIENCE) -> None:
    """Wait until the receipt has come."""
    end = time.monotonic() + within
    while (found := state(network, sender, message)) != "delivered":
        assert time.monotonic() < end, found
        time.sleep(0.1)


def prove(network: Network, name: str, message: str, folder: Path) -> None:
    """Export the proofs that this authority has of a message, and verify them as a stranger would."""
    ask(network, name, "export", "--message", message, "--out", folder)
    said = call("verify", folder, "--trust", network.root, "--json")
    assert said.code == 0, said
