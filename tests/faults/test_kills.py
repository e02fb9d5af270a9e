"""SIGKILL on real nodes (I1 to I4, I8, I11): a share of the crash points here, all of them and hundreds more in the campaign."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import pytest

from node.exercise import free_ports
from tests.faults.kills import RECOVERY, at_point, at_start, edges
from tests.faults.ledger import Ledger, ViolationError
from tests.faults.points import POINTS, find, hook
from tests.faults.stage import stage

# One victim after the other, so that no courier waits for its second attempt.
CHOSEN = [
    ("S1", "before"), ("R7", "before"), ("S1", "after"), ("R7", "after"), ("S6", "before"), ("R8", "after"), ("S7", "before"), ("R9", "before"),
    ("S8", "after"), ("R10", "after"), ("S5", "after"), ("R2", "after"), ("S2", "after"), ("W2", "before"), ("B1", "after"), ("W3", "before"),
    ("B1", "before"), ("R3", "after"),
]  # fmt: skip
AT_START = [("P2", "before"), ("U1", "before")]


def test_what_is_chosen_is_there() -> None:
    assert {*CHOSEN, *AT_START} <= set(edges())


def test_killed_at_crash_points(tmp_path) -> None:
    with stage(tmp_path) as on:
        kills = [at_point(on, point, edge) for point, edge in CHOSEN]
    print(f"\n{len(kills)} crash points, slowest recovery {max(kill.recovery for kill in kills):.2f} s")


@pytest.mark.parametrize(("point", "edge"), AT_START)
def test_killed_while_starting(tmp_path, point, edge) -> None:
    assert at_start(tmp_path, point, edge).recovery < RECOVERY


def test_every_crash_point_names_functions_that_are_there() -> None:
    for point in POINTS:
        for edge in ("before", "after"):
            assert callable(find(hook(point.id, edge))[2])


def test_no_connection_is_given_the_port_of_a_node_that_is_down() -> None:
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert not [port for port in free_ports(50) if first <= port <= last]


# -- the checks themselves: a ledger that finds nothing would make every test above worthless ----------------------------------------


def test_the_ledger_sees_two_heads_of_one_size() -> None:
    ledger = Ledger()
    ledger.head(_note(b"\1" * 32))
    with pytest.raises(ViolationError, match="I4"):
        ledger.head(_note(b"\2" * 32))


def test_the_ledger_sees_a_receipt_that_changes() -> None:
    ledger = Ledger()
    ledger.receipt("aa", "xb-ca", 3)
    with pytest.raises(ViolationError, match="I3"):
        ledger.receipt("aa", "xb-ca", 4)


def test_the_ledger_sees_what_is_lost_and_what_is_twice(tmp_path) -> None:
    """On a real log: a submission that never was, and an inbox that lists one message twice."""
    with stage(tmp_path) as on:
        sender, recipient = on.values()
        sender.submit(recipient.name)
        on.settle()
        on.check()
        [accepted] = on.ledger.accepted.values()
        inbox = list(recipient.client.items("/v1/messages", direction="in"))
        with pytest.raises(ViolationError, match="I2"):
            on.ledger.check_inbox(recipient.name, inbox * 2)
        with pytest.raises(ViolationError, match="I1"):
            on.ledger.check_inbox(recipient.name, [])
        on.ledger.accepted["another"] = replace(accepted, hash="00" * 32)
        with pytest.raises(ViolationError, match="I1"):
            sender.check()


def _note(root: bytes) -> bytes:
    signature = b64encode(b"\0\0\0\1" + bytes(64)).decode()
    return f"example.org/xa-ca/log/1\n7\n{b64encode(root).decode()}\n\n\N{EM DASH} example.org/xa-ca/log/1 {signature}\n".encode()
