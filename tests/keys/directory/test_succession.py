"""KEY-1 to KEY-6 as far as the directory goes: revocation, closing, succession of logs, and what cannot be undone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keys.directory import codes, found, selfentry, trust
from keys.directory.entry import dump_entry
from keys.directory.rolekeys import Holder
from keys.directory.rulings import Ruling
from keys.directory.view import LogState, Member
from protocol import limits
from protocol.errors import LocalError, ProtocolError, RogatoryError
from tests.keys.directory.world import NETWORK, NOW, ROOT, World, line_of, log_record, signed_file, signed_of

HEAD = (17, ROOT)


def _serve(world: World, member: Member, version: int = 2) -> None:
    """What careless keepers would publish."""
    world.forge(world.role(member.authority, dump_entry(NETWORK, member), version=version))


def test_rotation_standby_comes_into_force(world: World) -> None:
    member = world.member()
    rotated = selfentry.rotate(member, HEAD, log_record("xb-ca", 3, like=member.logs[0]))
    expected = world.publish(rotated)
    directory = world.update()
    assert directory == expected
    assert directory.log_in_force("xb-ca").origin.n == 2
    assert directory.log(f"{NETWORK}/xb-ca/log/1").closing == HEAD
    assert [log.state.value for log in directory.member("xb-ca").logs] == ["closed", "in_force", "standby"]


def test_KEY_1_a_revoked_authority_has_no_pins_and_keeps_its_logs(world: World) -> None:
    before = world.load()
    found.revoke(world.repo, "xb-ca", world.founders, world.keepers, NOW)
    after = world.update()
    assert not after.member("xb-ca").active
    assert "xb-ca" not in after.pins().values()
    assert len(after.pins()) == len(before.pins()) - 1
    assert after.member("xb-ca").logs == before.member("xb-ca").logs


def test_KEY_2_what_a_closed_log_said_stays_provable(world: World) -> None:
    """Closed at a point by the threshold: keys, witnesses and closing head stay listed, so earlier entries stay valid."""
    log = world.member().logs[0]
    ruling = Ruling(active=True, logs=(replace(log, state=LogState.CLOSED, closing=HEAD),))
    found.rule(world.repo, {"xb-ca": ruling}, world.founders, world.keepers, NOW)
    closed = world.update().log(str(log.origin))
    assert (closed.state, closed.closing, closed.keys) == (LogState.CLOSED, HEAD, log.keys)
    with pytest.raises(ProtocolError) as caught:
        world.load().log_in_force("xb-ca")
    assert caught.value.code is codes.DIRECTORY_NO_LOG


def test_KEY_3_an_authority_cannot_move_its_closing_head(world: World) -> None:
    world.publish(selfentry.rotate(world.member(), HEAD, None))
    world.update()
    member = world.member()
    moved = replace(member, logs=(replace(member.logs[0], closing=(18, ROOT)), *member.logs[1:]))
    _serve(world, moved, 3)
    world.refused(codes.DIRECTORY_LOG_DROPPED)


def test_KEY_4_revocation_rolled_back(world: World) -> None:
    old = {name: world.fetch(name) for name in ("timestamp.json", "2.snapshot.json", "2.targets.json")}
    found.revoke(world.repo, "xb-ca", world.founders, world.keepers, NOW)
    world.update()
    world.served = dict(old)
    world.refused(codes.DIRECTORY_ROLLBACK)
    world.served = {}
    world.forge({"2.targets.json": old["2.targets.json"]})  # by the keepers, under a newer snapshot
    world.refused(codes.DIRECTORY_ROLLBACK)
    assert not world.load().member("xb-ca").active


def test_KEY_4_a_member_cannot_undo_its_revocation(world: World) -> None:
    found.revoke(world.repo, "xb-ca", world.founders, world.keepers, NOW)
    world.publish(replace(world.member(), active=True, name="back again"))
    after = world.update().member("xb-ca")
    assert after.name == "back again"
    assert not after.active


def test_KEY_4_a_closed_log_is_not_opened_again(world: World) -> None:
    world.publish(selfentry.rotate(world.member(), HEAD, None))
    world.update()
    one, two = world.member().logs
    undone = (replace(one, state=LogState.IN_FORCE, closing=None), replace(two, state=LogState.STANDBY))
    _serve(world, replace(world.member(), logs=undone), 3)
    world.refused(codes.DIRECTORY_LOG_DROPPED)


def test_KEY_5_two_entries_of_one_version(world: World) -> None:
    world.publish(replace(world.member(), name="one"))
    world.update()
    _serve(world, replace(world.member(), name="other"), 2)
    world.refused(codes.DIRECTORY_FORK)
    kept = [p for p in (world.node / "evidence").iterdir() if p.name.endswith("2.authority-xb-ca.json")]
    assert len(kept) == 2


def test_KEY_5_two_entries_are_no_fork_unless_both_are_signed(world: World) -> None:
    world.publish(replace(world.member(), name="one"))
    world.update()
    entry = dump_entry(NETWORK, replace(world.member(), name="other"))
    world.forge(world.role("xb-ca", entry, version=2, signer=Holder.generate("slanderer")))
    world.refused(codes.DIRECTORY_EDGE)
    assert not (world.node / "evidence").exists()


def test_KEY_6_a_log_that_nobody_listed_is_unknown(world: World) -> None:
    with pytest.raises(ProtocolError) as caught:
        world.load().log(f"{NETWORK}/xb-ca/log/3")
    assert caught.value.code is codes.DIRECTORY_UNKNOWN_LOG


@pytest.mark.parametrize("what", ["dropped", "keys", "renumbered", "witnesses", "back to standby"])
def test_a_listed_log_stays_as_it_was(world: World, what: str) -> None:
    member = world.member()
    one, two = member.logs
    changed = {
        "dropped": (one,),
        "keys": (one, log_record("xb-ca", 2, like=two)),
        "renumbered": (
            replace(two, origin=one.origin, keys=replace(two.keys, origin=str(one.origin)), state=LogState.IN_FORCE),
        ),
        "back to standby": (replace(one, state=LogState.STANDBY), two),
        "witnesses": (replace(one, witnesses=("xa-ca",), quorum=1), two),
    }[what]
    _serve(world, replace(member, logs=changed))
    world.refused(codes.DIRECTORY_LOG_DROPPED)


def test_closed_without_a_closing_head(world: World) -> None:
    one, two = world.member().logs
    _serve(world, replace(world.member(), logs=(replace(one, state=LogState.CLOSED), replace(two, state=LogState.IN_FORCE))))
    world.refused(codes.DIRECTORY_LOG_DROPPED)


@pytest.mark.parametrize("bad", ["gap", "two in force", "out of turn", "head on an open log"])
def test_lists_of_logs_that_are_not_possible(world: World, bad: str) -> None:
    one, two = world.member().logs
    logs = {
        "gap": (one, two, log_record("xb-ca", 4)),
        "two in force": (one, replace(two, state=LogState.IN_FORCE)),
        "out of turn": (replace(one, state=LogState.CLOSED, closing=HEAD), two, log_record("xb-ca", 3, LogState.IN_FORCE)),
        "head on an open log": (replace(one, closing=HEAD), two),
    }[bad]
    _serve(world, replace(world.member(), logs=logs))
    world.refused(codes.DIRECTORY_LOGS)


def _surprise(world: World) -> Member:
    """Log 2 is withdrawn, log 3 comes out of nowhere into force: what the thief of an authority's role key would do."""
    one, two = world.member().logs
    new = log_record("xb-ca", 3, LogState.IN_FORCE, like=one)
    closed = replace(one, state=LogState.CLOSED, closing=HEAD)
    return replace(world.member(), logs=(closed, replace(two, state=LogState.CLOSED), new))


def test_succession_by_surprise(world: World) -> None:
    _serve(world, _surprise(world))
    world.refused(codes.DIRECTORY_LOG_SUCCESSION)
    before = trust.load(world.repo)
    with pytest.raises(ProtocolError) as caught:
        world.publish(_surprise(world))
    assert caught.value.code is codes.DIRECTORY_LOG_SUCCESSION
    assert trust.load(world.repo) == before


def test_succession_named_by_the_old_log(world: World) -> None:
    member = _surprise(world)
    _serve(world, member)
    assert world.update(named=lambda origin: origin.n == 3).log_in_force("xb-ca") == member.logs[2]


def test_succession_ruled_by_the_threshold(world: World) -> None:
    member = _surprise(world)
    found.rule(world.repo, {"xb-ca": Ruling(logs=member.logs)}, world.founders, world.keepers, NOW)
    assert world.update().log_in_force("xb-ca") == member.logs[2]
    world.publish(member)  # the authority's own entry follows
    assert world.update().member("xb-ca").logs == member.logs


def test_a_ruling_outlasts_an_entry_that_ignores_it(world: World) -> None:
    """The thief goes on publishing the stolen log as in force; what the founders closed stays closed."""
    log = world.member().logs[0]
    ruling = Ruling(logs=(replace(log, state=LogState.CLOSED, closing=HEAD),))
    found.rule(world.repo, {"xb-ca": ruling}, world.founders, world.keepers, NOW)
    stale = replace(world.member(), name="as if nothing happened", logs=(log, world.member().logs[1]))
    world.publish(stale)
    directory = world.update()
    assert directory.member("xb-ca").name == "as if nothing happened"
    assert directory.log(str(log.origin)).state is LogState.CLOSED


def test_succession_seen_after_a_long_absence(world: World) -> None:
    """Two rotations while the node was away: log 3 was never standby in what it knew, but in a version between."""
    for n in (3, 4):
        member = world.member()
        world.publish(selfentry.rotate(member, (10 * n, ROOT), log_record("xb-ca", n, like=member.logs[0])))
    directory = world.update()
    assert directory.log_in_force("xb-ca").origin.n == 3
    assert "2.authority-xb-ca.json" in world.asked


def test_succession_after_absence_needs_the_versions_between(world: World) -> None:
    for n in (3, 4):
        member = world.member()
        world.publish(selfentry.rotate(member, (10 * n, ROOT), log_record("xb-ca", n, like=member.logs[0])))
    (world.repo / "2.authority-xb-ca.json").unlink()
    world.refused(codes.DIRECTORY_LOG_SUCCESSION)


def test_a_member_is_never_removed(world: World) -> None:
    def change(signed: dict[str, object]) -> None:
        delegations = signed["delegations"]
        assert isinstance(delegations, dict)
        role = delegations["roles"].pop()
        for keyid in role["keyids"]:
            del delegations["keys"][keyid]

    files = world.targets(change)
    chained = world.chain(files)
    snapshot, stamp = signed_of(chained["3.snapshot.json"]), signed_of(chained["timestamp.json"])
    del snapshot["meta"]["authority-xc-ca.json"]
    body = signed_file(snapshot, *world.keepers)
    stamp["meta"]["snapshot.json"] = line_of(3, body)
    world.served = files | {"3.snapshot.json": body, "timestamp.json": signed_file(stamp, *world.keepers)}
    world.refused(codes.DIRECTORY_MEMBER_DROPPED)


def test_leave(world: World) -> None:
    world.publish(selfentry.leave(world.member(), HEAD))
    directory = world.update()
    member = directory.member("xb-ca")
    assert (member.active, member.address) == (False, None)
    assert [(log.state, log.closing) for log in member.logs] == [(LogState.CLOSED, HEAD), (LogState.CLOSED, None)]
    assert "xb-ca" not in directory.pins().values()


def test_rekey_gives_the_entry_to_new_keys(world: World) -> None:
    new = Holder.generate("xb-ca")
    member = replace(world.member(), name="after the theft")
    with pytest.raises(LocalError) as caught:
        selfentry.new_entry(world.repo, new, member)
    assert caught.value.code is codes.DIRECTORY_EDGE
    bundle = selfentry.new_entry(world.repo, new, member, rekeyed=True)
    found.rekey(world.repo, bundle, world.founders, world.keepers, NOW)
    assert world.update().member("xb-ca").name == "after the theft"
    with pytest.raises(RogatoryError):
        world.publish(member)  # with the old key


def test_rotate_needs_a_log_in_force_and_a_standby(world: World) -> None:
    rotated = selfentry.rotate(world.member(), HEAD, None)
    with pytest.raises(LocalError) as caught:
        selfentry.rotate(rotated, HEAD, None)
    assert caught.value.code is codes.DIRECTORY_NO_LOG


def test_refresh_keeps_the_directory_alive(world: World) -> None:
    for day in range(1, 10):
        now = NOW + day * limits.DAY
        found.refresh(world.repo, world.keepers, now)
        assert world.update(now).expires > now + limits.HOUR
