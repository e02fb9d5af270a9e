"""A change of logs and a leaving by commands alone, with real processes: what was under way arrives, and all of it verifies."""

from __future__ import annotations

import json
import time

import pytest

from keys.directory import trust
from node.exercise import free_ports
from tests.node.cli.conftest import Network, call
from tests.node.cli.test_run import PATIENCE, refused, running
from tests.node.cli.test_running import EXAMPLES

A, B = "xa-ca", "xb-ca"


@pytest.fixture
def pair(network: Network) -> Network:
    """A network that xa-ca and xb-ca have joined; no node runs."""
    ports = free_ports(4)
    for number, name in enumerate((A, B)):
        said = network.init(name, ports[2 * number], local_listen=f"127.0.0.1:{ports[2 * number + 1]}")
        assert said.code == 0, said
        assert network.admit(name).code == 0
    _update(network)
    return network


def _update(network: Network) -> None:
    for name in (A, B):
        assert network.update(name).code == 0


def _ask(network: Network, *args: object, of: str = A):
    said = call(*args, "--home", network.home(of), "--json")
    assert said.code == 0, said
    return said.value


def _send(network: Network) -> str:
    """A request from the one to the other, by somebody who may send alone; its message id."""
    person = _ask(network, "people", "add", "--name", "N. N.")["id"]
    _ask(network, "people", "grant", person, "--office", f"{A}/247", "--role", "duty")
    form = network.folder / "form.json"
    value = json.loads((EXAMPLES / "preserve.json").read_text())
    form.write_text(json.dumps(value | {"requesting_authority": f"{A}/247", "requested_authority": f"{B}/247"}))
    args = ["--from", f"{A}/247", "--to", f"{B}/247", "--kind", "EE_PRESERVE", "--form", form, "--as", person]
    return _ask(network, "send", *args)["message_id"]


def _signed(network: Network, name: str) -> list[object]:
    return ["--home", network.home(name), "--role-key", network.role_key(name), "--role-passphrase-file", network.secret, "--json"]


def _publish(network: Network, name: str) -> None:
    entry = network.home(name) / "entry.json"
    said = call("directory", "publish", "--folder", network.net, "--entry", entry, *network.keepers(), "--json")
    assert said.code == 0, said
    _update(network)


def _delivered(network: Network, message: str) -> None:
    """Wait until the receipt has come."""
    end = time.monotonic() + PATIENCE
    while (delivery := _ask(network, "outbox", "show", message)["deliveries"][0])["state"] != "delivered":
        assert time.monotonic() < end, delivery
        time.sleep(0.1)


def test_rotate_with_a_message_under_way_then_leave(pair, tmp_path):
    with running(pair.home(A)):
        first = _send(pair)
        busy = call("directory", "leave", *_signed(pair, A), "--yes")
        assert (busy.code, busy.error) == (1, "STORE-IN-USE")
    shares = [arg for path in pair.shares(n=2) for arg in ("--share", path)]
    shares += [arg for path in pair.shares(n=3) for arg in ("--new-share", path)]
    said = call("directory", "rotate", *_signed(pair, A), *shares, "--share-passphrase-file", pair.secret)
    assert said.code == 0, said
    refused(pair.home(A), "LOG-CLOSED")
    _publish(pair, A)
    with running(pair.home(A)), running(pair.home(B)):
        _delivered(pair, first)
        for name in (A, B):
            _ask(pair, "export", "--message", first, "--out", tmp_path / f"proofs-{name}", of=name)
            proven = call("verify", tmp_path / f"proofs-{name}", "--trust", pair.root, "--json")
            assert proven.code == 0, proven
    said = call("directory", "leave", *_signed(pair, A), "--yes")
    assert said.code == 0, said
    refused(pair.home(A), "LOG-CLOSED")
    _publish(pair, A)
    refused(pair.home(A), "NOT-IN-DIRECTORY")
    left = trust.load(pair.net).member(A)
    assert not left.active
    assert [log.closing is not None for log in left.logs] == [True, True, False]
    again = call("verify", tmp_path / f"proofs-{B}", "--trust", pair.root, "--json")
    assert again.code == 0, again
