"""An authority that nobody can call, by commands alone and with real processes: both ways, urgent, with evidence, after a pause."""

from __future__ import annotations

import json
import os
import time

import pytest

from keys.directory import trust
from node.exercise import free_ports
from tests.node.cli.conftest import Network, call
from tests.node.cli.test_run import PATIENCE, running
from tests.node.cli.test_running import EXAMPLES

SHY, OPEN = "xa-ca", "xb-ca"
EVIDENCE = 24 << 20  # bytes


@pytest.fixture
def pair(network: Network) -> Network:
    """xa-ca joined without an address, xb-ca with one; no node runs."""
    ports = free_ports(4)
    for number, name in enumerate((SHY, OPEN)):
        without = {"address": None} if name == SHY else {}
        said = network.init(name, ports[2 * number], local_listen=f"127.0.0.1:{ports[2 * number + 1]}", **without)
        assert said.code == 0, said
        assert network.admit(name).code == 0
    for name in (SHY, OPEN):
        assert network.update(name).code == 0
    assert trust.load(network.net).member(SHY).address is None
    return network


def _ask(network: Network, name: str, *args: object):
    said = call(*args, "--home", network.home(name), "--json")
    assert said.code == 0, said
    return said.value


def _officer(network: Network, name: str) -> str:
    person = _ask(network, name, "people", "add", "--name", "N. N.")["id"]
    _ask(network, name, "people", "grant", person, "--office", f"{name}/247", "--role", "duty")
    return person


def _send(network: Network, sender: str, recipient: str, person: str, *more: object) -> str:
    """A preservation request; its message id."""
    form = network.folder / f"{sender}.json"
    value = json.loads((EXAMPLES / "preserve.json").read_text())
    form.write_text(json.dumps(value | {"requesting_authority": f"{sender}/247", "requested_authority": f"{recipient}/247"}))
    args = ["--from", f"{sender}/247", "--to", f"{recipient}/247", "--kind", "EE_PRESERVE", "--form", form, "--as", person, *more]
    return _ask(network, sender, "send", *args)["message_id"]


def _delivered(network: Network, sender: str, message: str, within: float = PATIENCE) -> float:
    """Wait until the receipt has come; after how many seconds."""
    began = time.monotonic()
    while (delivery := _ask(network, sender, "outbox", "show", message)["deliveries"][0])["state"] != "delivered":
        assert time.monotonic() - began < within, delivery
        time.sleep(0.1)
    return time.monotonic() - began


def test_both_ways_and_after_a_pause(pair, tmp_path):
    evidence = tmp_path / "evidence.bin"
    evidence.write_bytes(os.urandom(EVIDENCE))
    with running(pair.home(OPEN)):
        there = _officer(pair, OPEN)
        with running(pair.home(SHY)):
            here = _officer(pair, SHY)
            sent = [
                (OPEN, _send(pair, OPEN, SHY, there, "--urgent")),
                (OPEN, _send(pair, OPEN, SHY, there, "--attach", f"{evidence}:application/octet-stream:evidence_package")),
                (SHY, _send(pair, SHY, OPEN, here, "--urgent")),
                (SHY, _send(pair, SHY, OPEN, here, "--attach", f"{evidence}:application/octet-stream:evidence_package")),
            ]
            for sender, message in sent:
                _delivered(pair, sender, message)
        waiting = _send(pair, OPEN, SHY, there, "--urgent")
        time.sleep(3)
        assert _ask(pair, OPEN, "outbox", "show", waiting)["deliveries"][0]["state"] == "queued"
        with running(pair.home(SHY)):
            assert _delivered(pair, OPEN, waiting, within=20) < 20  # its long call is open as soon as it runs
            for sender, message in [*sent, (OPEN, waiting)]:
                for name in (SHY, OPEN):
                    _ask(pair, name, "export", "--message", message, "--out", tmp_path / f"{message}-{name}")
                    proven = call("verify", tmp_path / f"{message}-{name}", "--trust", pair.root, "--json")
                    assert proven.code == 0, (sender, name, proven)
