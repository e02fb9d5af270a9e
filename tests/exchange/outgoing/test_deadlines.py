"""Warnings before a deadline: each at its time, once, across restarts; and when those times are."""

from exchange.outgoing.deadlines import Late
from protocol import limits
from protocol.entries import Lane
from protocol.warnings import warning_times
from tests.world import World

TEN_DAYS = 10 * limits.DAY


def hear(world: World) -> list[Late]:
    """What xa-ca is warned of from now on."""
    heard: list[Late] = []
    world.exchanges["xa-ca"].deadlines.on_late = heard.extend
    return heard


def look_until(world: World, end: int, step: int, heard: list[Late]) -> list[int]:
    """Let time pass in steps; after how many ms from now each warning came."""
    start, came = world.clock.now(), []
    while world.clock.now() < start + end:
        world.clock.advance(step)
        before = len(heard)
        world.exchanges["xa-ca"].deadlines.look()
        came += [world.clock.now() - start] * (len(heard) - before)
    return came


def test_when_people_are_warned() -> None:
    assert warning_times(Lane.ROUTINE, 0, TEN_DAYS) == [5 * limits.DAY, 9 * limits.DAY, TEN_DAYS - limits.HOUR]
    minutes = [time // limits.MINUTE for time in warning_times(Lane.URGENT, 0, 8 * limits.HOUR)]
    assert minutes == [5, 30, 120, 240, 420]
    assert warning_times(Lane.URGENT, 0, 8 * limits.MINUTE) == [4 * limits.MINUTE, 5 * limits.MINUTE]
    assert warning_times(Lane.ROUTINE, 0, 30 * limits.MINUTE) == [15 * limits.MINUTE]


def test_an_urgent_message_warns_within_minutes(pair: World) -> None:
    heard = hear(pair)
    sent = pair.send("xa-ca", "xb-ca", b"{}", lane=Lane.URGENT)
    came = look_until(pair, 3 * limits.HOUR, 5 * limits.SECOND, heard)
    assert came == [5 * limits.MINUTE, 30 * limits.MINUTE, 2 * limits.HOUR]
    assert {(late.hash, late.recipient, late.lane, late.state) for late in heard} == {(sent.hash, "xb-ca", Lane.URGENT, "queued")}
    pair.deliver("xa-ca", "xb-ca", Lane.URGENT)
    assert look_until(pair, TEN_DAYS, 6 * limits.HOUR, heard) == []  # it has its receipt


def test_a_routine_message_warns_at_half_of_its_time_a_day_and_an_hour_before_the_end(pair: World) -> None:
    heard = hear(pair)
    pair.send("xa-ca", "xb-ca", b"{}")
    came = look_until(pair, TEN_DAYS, 10 * limits.MINUTE, heard)
    assert len(came) == 3
    assert 5 * limits.DAY <= came[0] <= 5 * limits.DAY + limits.HOUR
    assert came[1:] == [9 * limits.DAY, TEN_DAYS - limits.HOUR]


def test_a_message_of_two_hours_is_not_warned_of_a_day_before_its_end(pair: World) -> None:
    heard = hear(pair)
    exchange = pair.exchanges["xa-ca"]
    sent = pair.send("xa-ca", "xb-ca", b"{}")
    expires = pair.clock.now() + 2 * limits.HOUR
    exchange.writer.run(lambda tx: tx.db.execute("UPDATE delivery SET expires=? WHERE hash=?", (expires, sent.hash)))
    assert look_until(pair, 90 * limits.MINUTE, limits.MINUTE, heard)[-1] == limits.HOUR
    assert all(late.expires == expires for late in heard)


def test_a_restart_repeats_nothing_and_forgets_nothing(pair: World) -> None:
    heard = hear(pair)
    pair.send("xa-ca", "xb-ca", b"{}", lane=Lane.URGENT)
    assert look_until(pair, 6 * limits.MINUTE, limits.MINUTE, heard) == [5 * limits.MINUTE]
    pair.reopen("xa-ca")
    heard = hear(pair)
    assert look_until(pair, 10 * limits.MINUTE, limits.MINUTE, heard) == []
    pair.reopen("xa-ca")
    pair.clock.advance(limits.HOUR)  # while the node was down, the second time passed
    heard = hear(pair)
    assert pair.exchanges["xa-ca"].deadlines.look() == 1
    assert len(heard) == 1


def test_what_is_held_is_warned_of_too(pair: World) -> None:
    heard = hear(pair)
    sent = pair.send("xa-ca", "xb-ca", b"{}", lane=Lane.URGENT)
    hold = "UPDATE delivery SET state='held' WHERE hash=?"
    pair.exchanges["xa-ca"].writer.run(lambda tx: tx.db.execute(hold, (sent.hash,)))
    look_until(pair, 6 * limits.MINUTE, limits.MINUTE, heard)
    assert [late.state for late in heard] == ["held"]
