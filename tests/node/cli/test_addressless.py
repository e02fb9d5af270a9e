"""An authority that nobody can call, by commands alone and with real processes: both ways, urgent, with evidence, after a pause."""

from __future__ import annotations

import os
import time

import pytest

from keys.directory import trust
from tests.node.cli.conftest import Network
from tests.node.cli.test_run import running
from tests.node.cli.working import await_delivered, hire, join, prove, send, state

SHY, OPEN = "xa-ca", "xb-ca"
EVIDENCE = 24 << 20  # bytes


@pytest.fixture
def pair(network: Network) -> Network:
    """xa-ca joined without an address, xb-ca with one; no node runs."""
    join(network, SHY, OPEN, shy=SHY)
    assert trust.load(network.net).member(SHY).address is None
    return network


def test_both_ways_and_after_a_pause(pair, tmp_path):
    evidence = tmp_path / "evidence.bin"
    evidence.write_bytes(os.urandom(EVIDENCE))
    attached = "--attach", f"{evidence}:application/octet-stream:evidence_package"
    with running(pair.home(OPEN)):
        there = hire(pair, OPEN)
        with running(pair.home(SHY)):
            here = hire(pair, SHY)
            sent = [
                (OPEN, send(pair, OPEN, SHY, there, "--urgent")),
                (OPEN, send(pair, OPEN, SHY, there, *attached)),
                (SHY, send(pair, SHY, OPEN, here, "--urgent")),
                (SHY, send(pair, SHY, OPEN, here, *attached)),
            ]
            for sender, message in sent:
                await_delivered(pair, sender, message)
        waiting = send(pair, OPEN, SHY, there, "--urgent")
        time.sleep(3)
        assert state(pair, OPEN, waiting) == "queued"
        with running(pair.home(SHY)):
            await_delivered(pair, OPEN, waiting, within=20)  # its long call is open as soon as it runs
            for message in [*(message for _, message in sent), waiting]:
                for name in (SHY, OPEN):
                    prove(pair, name, message, tmp_path / f"{message}-{name}")
