"""Alarms: raised when somebody must look, once a day while it lasts, and never without cause."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from exchange import codes as exchange_codes
from exchange.oddities import ANSWER, ITEM, keep_oddity
from node.watch import AGAIN, AWAY, Watch
from protocol import codes as protocol_codes
from protocol import limits
from protocol.delivery import Event
from protocol.entries import Lane
from tests.world import make_world


@pytest.fixture
def world(tmp_path):
    made = make_world(tmp_path)
    made.exchange_prekeys()
    yield made
    made.close()


class Watched:
    """The watch of xa-ca, and its alarms."""

    def __init__(self, world):
        self.world, self.exchange = world, world.exchanges["xa-ca"]
        self.contacts = SimpleNamespace(reached=None, code="")
        self.alarms: list[tuple[str, str]] = []
        self.watch = Watch(
            self.exchange, lambda: world.directory, {"xb-ca": SimpleNamespace(contacts=self.contacts)}, world.home("xa-ca").prekeys,
            lambda code, detail: self.alarms.append((code, detail)),
        )  # fmt: skip

    def look(self):
        """The alarms of one look."""
        self.alarms.clear()
        self.watch.look()
        return list(self.alarms)


@pytest.fixture
def watched(world):
    return Watched(world)


def test_nothing_is_the_matter(watched):
    assert watched.look() == []


def test_a_peer_that_is_away_while_messages_wait(watched):
    watched.contacts.code = "PEER-UNREACHABLE"
    watched.look()
    watched.world.clock.advance(AWAY)
    assert watched.look() == []  # nothing waits for it
    watched.world.send("xa-ca", "xb-ca", b"{}")
    assert watched.look() == [("PEER-UNREACHABLE", "xb-ca")]
    watched.contacts.code = ""
    assert watched.look() == []
    watched.contacts.code, watched.contacts.reached = "PEER-UNREACHABLE", watched.world.clock.now()
    watched.world.clock.advance(AWAY - 1)
    assert watched.look() == []
    watched.world.clock.advance(1)
    assert watched.look() == [("PEER-UNREACHABLE", "xb-ca")]


def test_an_alarm_is_raised_once_a_day(watched):
    watched.exchange.reserve._free, watched.exchange.reserve._kept = lambda: 1, 2
    assert watched.look() == [("DISK-RESERVE", "")]
    assert watched.look() == []
    watched.world.clock.advance(AGAIN)
    watched.exchange.daily()
    assert watched.look() == [("DISK-RESERVE", "")]


def test_what_was_mended_and_breaks_again_is_told_at_once(watched):
    reserve = watched.exchange.reserve
    reserve._kept = 2
    for _ in range(2):
        reserve._free = lambda: 1
        watched.world.clock.advance(1000)
        assert watched.look() == [("DISK-RESERVE", "")]
        reserve._free = lambda: 2
        watched.world.clock.advance(1000)
        assert watched.look() == []


def test_a_directory_that_has_expired(watched):
    world = watched.world
    world.directory = replace(world.directory, expires=world.clock.now() - 1)
    assert watched.look() == [("DIRECTORY-EXPIRED", "grace")]
    world.directory = replace(world.directory, expires=world.clock.now() - 8 * limits.DAY)
    assert watched.look() == [("DIRECTORY-EXPIRED", "urgent_only")]


def test_prekeys_that_nobody_publishes(watched):
    watched.world.clock.advance(limits.DAY)
    watched.exchange.daily()
    assert watched.look() == []
    watched.world.clock.advance(3 * limits.DAY)
    assert ("PREKEYS-AHEAD", "") in watched.look()
    watched.exchange.daily()
    assert ("PREKEYS-AHEAD", "") not in watched.look()


def test_a_fork_and_a_stopped_log(watched):
    change = "INSERT INTO peer_head (origin, note, time, confirmed, forked) VALUES ('n/xb-ca/log/1', x'00', 1, x'00', x'00')"
    watched.exchange.writer.run(lambda tx: tx.db.execute(change))
    assert watched.look() == [("HEAD-FORKED", "n/xb-ca/log/1")]
    watched.exchange.log.stop("a head that this node never signed")
    assert watched.look() == [("LOG-STOPPED", watched.exchange.log.origin)]


def test_URG_4_a_peer_that_calls_everything_urgent_is_told_of(watched):
    world = watched.world
    world.urgent_per_hour = 1
    world.reopen("xa-ca")
    watched = Watched(world)
    for _ in range(2):
        world.send("xb-ca", "xa-ca", b"{}", lane=Lane.URGENT)
    world.deliver("xb-ca", "xa-ca", Lane.URGENT)
    assert watched.look() == [("URGENT-QUOTA", "xb-ca")]


def test_POI_4_what_is_held_because_it_is_always_bad(watched):
    sent = watched.world.send("xa-ca", "xb-ca", b"{}")

    def bad(tx):
        row = watched.exchange.due.rows("xb-ca", Lane.ROUTINE)[0][0]
        return watched.exchange.retries.bad(tx, row, "BIND-HASH")

    held = []
    for _ in range(limits.BAD_ANSWERS):
        watched.exchange.writer.run(lambda tx: tx.db.execute("UPDATE delivery SET due=0"))
        held.append(watched.exchange.writer.run(bad))
    assert held == [False] * (limits.BAD_ANSWERS - 1) + [True]
    assert watched.look() == [("DELIVERY-HELD", "xb-ca")]
    watched.exchange.deadletters.settle(sent.hash, "xb-ca", Event.RETRY)
    assert watched.look() == []


def test_POI_1_and_3_what_could_not_be_judged_or_read(watched):
    def keep(tx):
        keep_oddity(tx, "xb-ca", ITEM, exchange_codes.ITEM_QUARANTINED, b"item")
        keep_oddity(tx, "xb-ca", ANSWER, protocol_codes.ANSWER_FORM, b"answer")

    watched.exchange.writer.run(keep)
    assert watched.look() == [("ANSWER-WORTHLESS", "xb-ca: ANSWER-FORM"), ("ITEM-QUARANTINED", "xb-ca")]
