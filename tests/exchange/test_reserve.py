"""The disk's reserve: routine messages and evidence wait while little is free, urgent ones pass."""

from pathlib import Path

import pytest

from exchange import codes
from exchange.casework.compose import Proposal
from exchange.casework.people import PersonKind, PersonRole
from exchange.outgoing.sealing import Attachment
from exchange.reserve import AGAIN, Reserve
from node.local.rooms import Host, Rooms
from node.settings import parse_settings
from protocol import limits
from protocol.delivery import State
from protocol.entries import Lane
from protocol.errors import PassingError
from protocol.names import Office
from tests.world import make_world

KEPT = 100 * limits.MiB
FORM = (Path(__file__).parents[2] / "protocol/forms/examples/preserve.json").read_bytes()


class Disk:
    """So much is free; how often it was asked."""

    def __init__(self, free: int) -> None:
        self.free, self.asked = free, 0

    def __call__(self) -> int:
        self.asked += 1
        return self.free


@pytest.fixture
def pair(tmp_path: Path):
    world = make_world(tmp_path, ("xa-ca", "xb-ca"))
    world.exchange_prekeys()
    yield world
    world.close()


def limit(world, name: str, disk: Disk) -> None:
    """Let this exchange believe in that disk."""
    exchange = world.exchanges[name]
    exchange.reserve._free, exchange.reserve._kept, exchange.reserve._looked = disk, KEPT, -limits.DAY


def state(world, sent) -> tuple[str, str]:
    [delivery] = world.exchanges["xa-ca"].messages.find(sent.hash).deliveries
    return delivery.state, delivery.last_code


def test_it_is_asked_once_a_second(pair):
    disk = Disk(KEPT)
    reserve = Reserve(disk, KEPT, pair.clock)
    for _ in range(100):
        reserve.demand(Lane.ROUTINE)
    assert disk.asked == 1
    pair.clock.advance(1000)
    disk.free -= 1
    with pytest.raises(PassingError) as caught:
        reserve.demand(Lane.ROUTINE)
    assert (caught.value.code, caught.value.seconds) == (codes.DISK_RESERVE, AGAIN)
    assert disk.asked == 2
    reserve.demand(Lane.URGENT)
    assert reserve.low


def test_what_would_not_fit_is_refused(pair):
    reserve = Reserve(Disk(KEPT + 10), KEPT, pair.clock)
    reserve.demand(Lane.ROUTINE, 10)
    with pytest.raises(PassingError):
        reserve.demand(Lane.ROUTINE, 11)
    assert not reserve.low


def test_URG_2_routine_waits_and_urgent_is_taken(pair):
    disk = Disk(KEPT - 1)
    limit(pair, "xb-ca", disk)
    routine, urgent = pair.send("xa-ca", "xb-ca", b"{}"), pair.send("xa-ca", "xb-ca", b"{}", lane=Lane.URGENT)
    size = pair.exchanges["xb-ca"].log.size
    pair.deliver("xa-ca", "xb-ca")
    assert state(pair, routine) == (State.QUEUED, "DISK-RESERVE")
    assert pair.exchanges["xb-ca"].log.size == size
    pair.deliver("xa-ca", "xb-ca", Lane.URGENT)
    assert state(pair, urgent)[0] == State.DELIVERED
    disk.free = 2 * KEPT
    pair.clock.advance(10 * limits.MINUTE)
    pair.deliver("xa-ca", "xb-ca")
    assert state(pair, routine)[0] == State.DELIVERED


def test_evidence_that_would_not_fit_is_not_wanted_and_not_taken(pair, tmp_path):
    path = tmp_path / "evidence"
    path.write_bytes(bytes(limits.MiB))
    disk = Disk(KEPT + limits.MiB)
    limit(pair, "xb-ca", disk)
    sent = pair.send("xa-ca", "xb-ca", b"{}", attachments=[Attachment(path, "e.bin", "application/octet-stream", "evidence")])
    pair.deliver("xa-ca", "xb-ca", parts=False)
    assert state(pair, sent) == (State.QUEUED, "DISK-RESERVE")
    disk.free = KEPT * 2
    pair.clock.advance(10 * limits.MINUTE)
    pair.deliver("xa-ca", "xb-ca", parts=False)
    assert state(pair, sent)[0] == State.WANTED
    disk.free = KEPT
    pair.clock.advance(1000)
    with pytest.raises(PassingError) as caught:
        pair.upload("xa-ca", "xb-ca", sent.hash, 1)
    assert caught.value.code is codes.DISK_RESERVE
    disk.free = KEPT * 2
    pair.clock.advance(1000)
    pair.upload("xa-ca", "xb-ca", sent.hash, 1)


def test_what_the_house_sends_waits_too(pair):
    """A routine proposal is refused before anything is sealed; an urgent one is sent."""
    exchange = pair.exchanges["xa-ca"]
    settings = parse_settings('authority = "xa-ca"')
    rooms = Rooms(Host(pair.home("xa-ca"), settings, exchange, pair.holdings["xa-ca"].storage, lambda: pair.directory, pair.clock, {}))
    try:
        duty = rooms.people.add("duty", PersonKind.OFFICER, rooms.people.operator)
        rooms.people.grant(duty.id, "xa-ca/247", PersonRole("duty"), rooms.people.operator)
        limit(pair, "xa-ca", Disk(KEPT - 1))
        routine, urgent = (
            Proposal(Office("xa-ca", "247"), (Office("xb-ca", "247"),), "EE_PRESERVE", FORM, lane) for lane in (Lane.ROUTINE, Lane.URGENT)
        )
        size = exchange.log.size
        with pytest.raises(PassingError) as caught:
            rooms.cases.propose(duty.id, routine)
        assert caught.value.code is codes.DISK_RESERVE
        assert exchange.log.size == size
        assert rooms.cases.propose(duty.id, urgent).index is not None
    finally:
        rooms.close()
