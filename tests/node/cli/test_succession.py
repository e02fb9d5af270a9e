"""A change of logs and a leaving by commands alone, with real processes: what was under way arrives, and all of it verifies."""

from __future__ import annotations

import pytest

from keys.directory import trust
from tests.node.cli.conftest import Network, call
from tests.node.cli.test_run import refused, running
from tests.node.cli.working import await_delivered, hire, join, prove, send, update

A, B = "xa-ca", "xb-ca"


@pytest.fixture
def pair(network: Network) -> Network:
    """A network that xa-ca and xb-ca have joined; no node runs."""
    join(network, A, B)
    return network


def _signed(network: Network, name: str) -> list[object]:
    return ["--home", network.home(name), "--role-key", network.role_key(name), "--role-passphrase-file", network.secret, "--json"]


def _publish(network: Network, name: str) -> None:
    entry = network.home(name) / "entry.json"
    said = call("directory", "publish", "--folder", network.net, "--entry", entry, *network.keepers(), "--json")
    assert said.code == 0, said
    update(network, A, B)


def test_rotate_with_a_message_under_way_then_leave(pair, tmp_path):
    with running(pair.home(A)):
        first = send(pair, A, B, hire(pair, A))
        busy = call("directory", "leave", *_signed(pair, A), "--yes")
        assert (busy.code, busy.error) == (1, "STORE-IN-USE")
    shares = [arg for path in pair.shares(n=2) for arg in ("--share", path)]
    shares += [arg for path in pair.shares(n=3) for arg in ("--new-share", path)]
    said = call("directory", "rotate", *_signed(pair, A), *shares, "--share-passphrase-file", pair.secret)
    assert said.code == 0, said
    refused(pair.home(A), "LOG-CLOSED")
    _publish(pair, A)
    with running(pair.home(A)), running(pair.home(B)):
        await_delivered(pair, A, first)
        for name in (A, B):
            prove(pair, name, first, tmp_path / f"proofs-{name}")
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
