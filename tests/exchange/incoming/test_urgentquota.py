"""The urgent quota: beyond it *later*, never lost, and the routine lane still works."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange import codes
from protocol import limits
from protocol.entries import Lane
from tests.world import World, make_world


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[World]:
    """Two authorities; five urgent messages an hour."""
    world = make_world(tmp_path, ("xa-ca", "xb-ca"))
    world.urgent_per_hour = 5
    world.reopen("xa-ca")
    world.reopen("xb-ca")
    world.exchange_prekeys()
    yield world
    world.close()


def states(world: World) -> list[str]:
    reader = world.exchanges["xa-ca"].store.reader()
    return [row[0] for row in reader.execute("SELECT state FROM delivery ORDER BY id").fetchall()]


def test_URG_4_a_peer_that_calls_everything_urgent(pair: World) -> None:
    for _ in range(8):
        pair.send("xa-ca", "xb-ca", b"{}", lane=Lane.URGENT)
    pair.deliver("xa-ca", "xb-ca", Lane.URGENT)
    assert states(pair) == ["delivered"] * 5 + ["queued"] * 3
    recipient = pair.exchanges["xb-ca"]
    assert recipient.urgent_quota.beyond(pair.clock.now()) == ["xa-ca"]
    row = pair.exchanges["xa-ca"].store.reader().execute("SELECT last_code, due FROM delivery WHERE state='queued'").fetchone()
    assert row[0] == codes.URGENT_QUOTA.code
    assert row[1] - pair.clock.now() == 720_000  # a fifth of an hour: then the next may ring

    pair.send("xa-ca", "xb-ca", b"{}")  # its routine lane still works
    pair.deliver("xa-ca", "xb-ca")
    assert states(pair) == ["delivered"] * 5 + ["queued"] * 3 + ["delivered"]

    for left in (2, 1, 0):  # and what was put off comes as its time comes
        pair.clock.advance(limits.HOUR // 5)
        pair.exchanges["xa-ca"].retries.hasten("xb-ca")
        pair.deliver("xa-ca", "xb-ca", Lane.URGENT)
        assert states(pair).count("queued") == left
    pair.clock.advance(limits.HOUR)
    assert recipient.urgent_quota.beyond(pair.clock.now()) == []


def test_URG_4_another_peer_is_not_touched(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    try:
        world.urgent_per_hour = 1
        world.reopen("xb-ca")
        world.exchange_prekeys()
        for sender in ("xa-ca", "xa-ca", "xc-ca"):
            world.send(sender, "xb-ca", b"{}", lane=Lane.URGENT)
        world.deliver("xa-ca", "xb-ca", Lane.URGENT)
        world.deliver("xc-ca", "xb-ca", Lane.URGENT)
        senders = [message.sender for message in world.exchanges["xb-ca"].messages.inbox()]
        assert sorted(senders) == ["xa-ca", "xc-ca"]
    finally:
        world.close()


def test_asking_again_costs_nothing(pair: World) -> None:
    sent = pair.send("xa-ca", "xb-ca", b"{}", lane=Lane.URGENT)
    pair.exchanges["xa-ca"].links.hint("xb-ca", pair.exchanges["xb-ca"].peers.greatest("xa-ca"))
    bag = pair.exchanges["xa-ca"].outbox.bag("xb-ca", Lane.URGENT)
    assert bag is not None
    for _ in range(10):
        pair.exchanges["xb-ca"].inbox.receive("xa-ca", bag.frame)
    assert pair.exchanges["xb-ca"].messages.find(sent.hash).index is not None
    assert pair.exchanges["xb-ca"].urgent_quota.beyond(pair.clock.now()) == []
