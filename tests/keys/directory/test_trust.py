"""DIR-1 to DIR-16: what a node refuses to take for its network's directory, each with its code, the one before stays."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from keys.directory import codes, found, mirror, selfentry, strict, trust
from keys.directory.rolekeys import Holder
from keys.directory.store import Store
from keys.directory.view import Kind, Standing
from protocol import limits
from protocol.errors import PassingError, ProtocolError
from tests.keys.directory.world import NAMES, NETWORK, NOW, Json, World, json_of, signed_file, signed_of


def test_update_and_load_give_the_same_directory(world: World) -> None:
    directory = world.load()
    assert directory == world.update()
    assert tuple(directory.members) == NAMES
    assert (directory.network, directory.kind, directory.suite, directory.version) == (NETWORK, Kind.EXERCISE, 1, 2)
    assert directory == trust.load(world.repo)
    assert len(directory.pins()) == 3
    assert directory.log(f"{NETWORK}/xa-ca/log/2").state == "standby"


def test_a_node_learns_from_another_nodes_mirror(world: World, tmp_path: Path) -> None:
    third = tmp_path / "third"
    third.mkdir()
    trust.anchor(third, world.made.root_file)

    def fetch(name: str) -> bytes:
        data = mirror.read(world.node, name)
        if data is None:
            raise FileNotFoundError(name)
        return data

    assert trust.update(third, fetch, NOW) == world.load()


def test_nothing_new_fetches_two_files(world: World) -> None:
    world.asked.clear()
    world.update()
    assert world.asked == ["2.root.json", "timestamp.json"]


def test_an_unreachable_peer_is_not_a_refusal(world: World) -> None:
    def fetch(name: str) -> bytes:
        raise ConnectionResetError(104, "reset")

    before = world.load()
    with pytest.raises(PassingError) as caught:
        trust.update(world.node, fetch, NOW)
    assert caught.value.code is codes.DIRECTORY_UNREACHABLE
    assert world.load() == before


def test_DIR_1_rollback(world: World) -> None:
    old = {name: world.fetch(name) for name in mirror.names(world.repo)}
    found.refresh(world.repo, world.keepers, NOW)
    world.update()
    world.served = {"timestamp.json": old["timestamp.json"]}
    world.refused(codes.DIRECTORY_ROLLBACK)


def test_DIR_1_rollback_of_the_offline_role_by_the_keepers(world: World) -> None:
    old = mirror.read(world.repo, "2.targets.json")
    assert old is not None
    found.renew(world.repo, world.founders, world.keepers, NOW)
    world.update()
    world.forge({"2.targets.json": old})
    world.refused(codes.DIRECTORY_ROLLBACK)


def test_DIR_2_same_version_other_bytes(world: World) -> None:
    found.refresh(world.repo, world.keepers, NOW)
    world.update()
    version = trust.load_state(Store(world.repo)).timestamp.version
    world.forge({}, timestamp=version)
    world.refused(codes.DIRECTORY_SAME_VERSION)
    kept = list((world.node / "evidence").iterdir())
    assert len({signed_of(p.read_bytes())["version"] for p in kept}) == 1
    assert len(kept) == 2


def test_DIR_2_same_snapshot_version_other_bytes(world: World) -> None:
    version = trust.load_state(Store(world.repo)).snapshot.version
    world.forge({}, snapshot=version)
    world.refused(codes.DIRECTORY_SAME_VERSION)


def test_DIR_2_same_targets_version_other_bytes(world: World) -> None:
    def earlier(signed: Json) -> None:
        signed["version"] -= 1
        signed["expires"] = "2030-01-01T00:00:00Z"

    world.forge(world.targets(earlier))
    world.refused(codes.DIRECTORY_SAME_VERSION)


def test_same_version_resigned_is_the_same(world: World) -> None:
    """Two keepers sign one timestamp apart: other signatures, same content, nobody accused."""
    signed = signed_of(mirror.read(world.repo, "timestamp.json"))
    world.served["timestamp.json"] = signed_file(signed, *world.keepers)
    assert world.update() == world.load()
    assert not (world.node / "evidence").exists()


def test_DIR_3_skipped_root_version(world: World) -> None:
    def skip(root: Json) -> None:
        root["version"] += 1

    world.served["2.root.json"] = world.next_root(skip, world.founders)
    world.refused(codes.DIRECTORY_ROOT_SKIPPED)


def _replace_founders(new: list[Holder], old: tuple[Holder, ...]) -> Any:
    def change(root: Json) -> None:
        for holder in old:
            for key in holder.public().both():
                del root["keys"][key.keyid]
        keyids = [k.keyid for h in new for k in h.public().both()]
        for holder in new:
            root["keys"] |= {k.keyid: k.to_dict() for k in holder.public().both()}
        root["roles"]["root"]["keyids"] = keyids
        root["roles"]["targets"]["keyids"] = keyids

    return change


def test_DIR_4_root_signed_by_new_keys_only(world: World) -> None:
    new = [Holder.generate(str(i)) for i in range(3)]
    world.served["2.root.json"] = world.next_root(_replace_founders(new, world.founders), new)
    world.refused(codes.DIRECTORY_ROOT_NOT_BY_OLD)


def test_DIR_5_root_signed_by_old_keys_only(world: World) -> None:
    new = [Holder.generate(str(i)) for i in range(3)]
    world.served["2.root.json"] = world.next_root(_replace_founders(new, world.founders), world.founders)
    world.refused(codes.DIRECTORY_ROOT_NOT_BY_NEW)


def test_root_signed_by_both_is_taken(world: World) -> None:
    new = tuple(Holder.generate(str(i)) for i in range(3))
    charter = world.charter(founders=tuple(h.public() for h in new))
    expected = found.re_root(world.repo, charter, (*world.founders, *new), world.keepers, NOW)
    assert world.update() == expected
    assert world.load().network_id == expected.network_id


def test_DIR_6_threshold_less_one(world: World) -> None:
    data = json_of(world.next_root(lambda root: None, world.founders[:2]))
    data["signatures"].pop()
    world.served["2.root.json"] = _dump(data)
    world.refused(codes.DIRECTORY_THRESHOLD)


def test_DIR_6_threshold_less_one_and_a_key_twice(world: World) -> None:
    data = json_of(world.next_root(lambda root: None, world.founders[:2]))
    data["signatures"][-1] = data["signatures"][0]
    world.served["2.root.json"] = _dump(data)
    world.refused(codes.DIRECTORY_SIGNATURE_TWICE)


def test_DIR_6_targets_by_one_founder(world: World) -> None:
    world.forge(world.targets(lambda signed: None, world.founders[:1]))
    world.refused(codes.DIRECTORY_THRESHOLD)


@pytest.mark.parametrize("value", [0, -1])
@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp"])
def test_DIR_7_threshold_zero_or_negative(world: World, role: str, value: int) -> None:
    def change(root: Json) -> None:
        root["roles"][role]["threshold"] = value

    world.served["2.root.json"] = world.next_root(change, world.founders)
    world.refused(codes.DIRECTORY_THRESHOLD_ZERO)


def test_DIR_7_threshold_zero_in_a_delegation(world: World) -> None:
    def change(signed: Json) -> None:
        signed["delegations"]["roles"][0]["threshold"] = 0

    world.forge(world.targets(change))
    world.refused(codes.DIRECTORY_THRESHOLD_ZERO)


@pytest.mark.parametrize("value", [True, 4.0, "4", None])
def test_DIR_7_threshold_that_is_no_number(world: World, value: object) -> None:
    def change(root: Json) -> None:
        root["roles"]["root"]["threshold"] = value

    data = world.next_root(lambda root: None, world.founders)
    altered = json_of(data)
    change(altered["signed"])
    world.served["2.root.json"] = _dump(altered)
    world.refused(codes.DIRECTORY_FORM)


def test_DIR_8_threshold_above_the_number_of_keys(world: World) -> None:
    def change(root: Json) -> None:
        root["roles"]["timestamp"]["threshold"] = 3

    world.served["2.root.json"] = world.next_root(change, world.founders)
    world.refused(codes.DIRECTORY_THRESHOLD_UNREACHABLE)


def test_DIR_8_threshold_that_one_algorithm_reaches(world: World) -> None:
    def change(root: Json) -> None:
        root["roles"]["root"]["threshold"] = 3

    world.served["2.root.json"] = world.next_root(change, world.founders)
    world.refused(codes.DIRECTORY_THRESHOLD_ONE_KIND)


def test_DIR_9_same_key_under_two_ids(world: World) -> None:
    def change(root: Json) -> None:
        keyid = root["roles"]["root"]["keyids"][0]
        root["keys"]["ab" * 32] = root["keys"][keyid]
        root["roles"]["root"]["keyids"].append("ab" * 32)

    world.served["2.root.json"] = world.next_root(change, world.founders)
    world.refused(codes.DIRECTORY_KEY_TWICE)


def test_DIR_9_an_id_that_is_not_its_keys_digest(world: World) -> None:
    def change(root: Json) -> None:
        keyid = root["roles"]["root"]["keyids"].pop()
        root["keys"]["ab" * 32] = root["keys"].pop(keyid)
        root["roles"]["root"]["keyids"].append("ab" * 32)
        root["roles"]["targets"]["keyids"] = root["roles"]["root"]["keyids"]

    world.served["2.root.json"] = world.next_root(change, world.founders)
    world.refused(codes.DIRECTORY_KEY_TWICE)


def test_DIR_9_same_key_in_another_spelling(world: World) -> None:
    def change(root: Json) -> None:
        keyid = next(k for k, v in root["keys"].items() if v["keytype"] == "ml-dsa")
        root["keys"][keyid]["keyval"]["public"] += "\n"

    world.served["2.root.json"] = world.next_root(change, world.founders)
    world.refused(codes.DIRECTORY_KEY_FORM)


def test_DIR_10_expired_timestamp(world: World) -> None:
    found.refresh(world.repo, world.keepers, NOW)
    world.refused(codes.DIRECTORY_EXPIRED, now=NOW + limits.DAY)
    world.refused(codes.DIRECTORY_EXPIRED, now=NOW + 30 * limits.DAY)
    world.update(NOW + limits.DAY - 1000)


def test_DIR_10_how_stale_is_told(world: World) -> None:
    directory = world.load()
    assert directory.expires == NOW + limits.DAY
    stale = [directory.standing(directory.expires + t) for t in (-1, 0, 7 * limits.DAY - 1, 7 * limits.DAY)]
    assert stale == [Standing.FRESH, Standing.GRACE, Standing.GRACE, Standing.URGENT_ONLY]


def test_DIR_11_mix_and_match(world: World) -> None:
    old = mirror.read(world.repo, "1.authority-xb-ca.json")
    assert old is not None
    world.publish(dataclasses.replace(world.member(), name="new name"))
    world.served["2.authority-xb-ca.json"] = old
    world.refused(codes.DIRECTORY_MIXED)
    world.served = {"3.snapshot.json": mirror.read(world.repo, "2.snapshot.json") or b""}
    world.refused(codes.DIRECTORY_MIXED)
    world.served = {}
    assert world.update().member("xb-ca").name == "new name"


def test_DIR_11_entry_of_another_version(world: World) -> None:
    old = {name for name in mirror.names(world.repo) if name.endswith(".xb-ca.json")}
    data = mirror.read(world.repo, min(old))
    assert data is not None
    world.publish(dataclasses.replace(world.member(), name="new name"))
    [new] = {name for name in mirror.names(world.repo) if name.endswith(".xb-ca.json")} - old
    world.served[new] = data
    world.refused(codes.DIRECTORY_MIXED)


def test_DIR_12_fast_forward_beyond_the_limit(world: World) -> None:
    world.forge({}, timestamp=2**63 - 1)
    world.refused(codes.DIRECTORY_VERSION_BEYOND)


def test_DIR_12_recovery_from_fast_forward_by_new_keepers(world: World) -> None:
    world.forge({}, snapshot=strict.VERSION, timestamp=strict.VERSION)
    world.update()
    world.served = {}
    found.refresh(world.repo, world.keepers, NOW)
    world.refused(codes.DIRECTORY_ROLLBACK)

    new = (Holder.generate("keeper-2"),)
    charter = world.charter(keepers=tuple(k.public() for k in new))
    expected = found.re_root(world.repo, charter, world.founders, new, NOW)
    assert world.update() == expected
    assert world.load().version < strict.VERSION


def test_DIR_12_the_keepers_own_folder_recovers_too(world: World) -> None:
    shutil.rmtree(world.repo)
    shutil.copytree(world.node, world.repo)
    files = world.chain({}, snapshot=strict.VERSION, timestamp=strict.VERSION)
    trust.update(world.repo, lambda name: _get(files, name), NOW)
    new = (Holder.generate("keeper-2"),)
    expected = found.re_root(world.repo, world.charter(keepers=(new[0].public(),)), world.founders, new, NOW)
    assert expected.version == 1
    assert world.update() == expected


def test_DIR_13_endless_data(world: World) -> None:
    found.refresh(world.repo, world.keepers, NOW)
    world.served["timestamp.json"] = b"{" + b" " * limits.DIRECTORY
    world.refused(codes.DIRECTORY_TOO_LARGE)


def test_DIR_13_endless_download_stops_at_the_limit() -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield bytes(1024)

    with pytest.raises(ProtocolError) as caught:
        mirror.take("2.targets.json", endless(), lambda: 0)
    assert caught.value.code is codes.DIRECTORY_TOO_LARGE
    assert taken == limits.DIRECTORY // 1024 + 1


def test_DIR_13_announced_larger_than_the_limit(world: World) -> None:
    more = {"targets.json": {"version": 3, "length": limits.DIRECTORY + 1, "hashes": {"sha256": "00" * 32}}}
    world.forge({}, more=more)
    world.refused(codes.DIRECTORY_TOO_LARGE)


def test_DIR_13_an_authoritys_role_announced_larger_than_an_entry(world: World) -> None:
    more = {"authority-xb-ca.json": {"version": 2, "length": limits.DIRECTORY_ENTRY + 1, "hashes": {"sha256": "00" * 32}}}
    world.forge({}, more=more)
    world.refused(codes.DIRECTORY_TOO_LARGE)


def test_DIR_14_slow_data() -> None:
    clock = iter(range(0, 10**9, 1000))

    def slow() -> Iterator[bytes]:
        while True:
            yield bytes(1023)

    with pytest.raises(PassingError) as caught:
        mirror.take("2.targets.json", slow(), lambda: next(clock))
    assert caught.value.code is codes.DIRECTORY_TOO_SLOW


def test_DIR_14_just_fast_enough() -> None:
    clock = iter(range(0, 10**9, 1000))
    assert len(mirror.take("2.targets.json", (bytes(1024) for _ in range(100)), lambda: next(clock))) == 102400


def test_DIR_15_more_than_256_new_roots(world: World) -> None:
    assert _rotate(world, 257) == 258
    world.refused(codes.DIRECTORY_ROOT_ROTATIONS)
    del world.served["258.root.json"]
    world.update()
    assert trust.load_state(Store(world.node)).root.version == 257


def test_DIR_16_member_delegated_under_another_edge_from_cache(world: World) -> None:
    """The founders gave xb-ca another key; the entry signed by the old one is in every cache and still in the snapshot."""
    other = Holder.generate("xb-ca")

    def change(signed: Json) -> None:
        role = next(r for r in signed["delegations"]["roles"] if r["name"] == "authority-xb-ca")
        for keyid in role["keyids"]:
            del signed["delegations"]["keys"][keyid]
        role["keyids"] = [k.keyid for k in other.public().both()]
        signed["delegations"]["keys"] |= {k.keyid: k.to_dict() for k in other.public().both()}

    world.forge(world.targets(change))
    world.refused(codes.DIRECTORY_EDGE)


def test_DIR_16_a_member_delegates(world: World) -> None:
    data = signed_of(mirror.read(world.repo, "1.authority-xb-ca.json"))
    data["version"] = 2
    data["delegations"] = {"keys": {}, "roles": []}
    world.forge({"2.authority-xb-ca.json": signed_file(data, world.made.role_keys["xb-ca"])})
    world.refused(codes.DIRECTORY_EDGE)


def test_DIR_16_a_member_signs_anothers_entry(world: World) -> None:
    data = signed_of(mirror.read(world.repo, "1.authority-xb-ca.json"))
    data["version"] = 2
    data["targets"]["authorities/xa-ca.json"] = data["targets"]["authorities/xb-ca.json"]
    world.forge({"2.authority-xb-ca.json": signed_file(data, world.made.role_keys["xb-ca"])})
    world.refused(codes.DIRECTORY_EDGE)


def test_DIR_16_an_entry_signed_by_another_member(world: World) -> None:
    entry = selfentry.new_entry(world.repo, world.made.role_keys["xb-ca"], world.member()).entry
    world.forge(world.role("xb-ca", entry, signer=world.made.role_keys["xa-ca"]))
    world.refused(codes.DIRECTORY_EDGE)


def test_one_of_a_members_two_keys_is_not_enough(world: World) -> None:
    entry = selfentry.new_entry(world.repo, world.made.role_keys["xb-ca"], world.member()).entry
    files = world.role("xb-ca", entry)
    half = json_of(files["2.authority-xb-ca.json"])
    half["signatures"].pop()
    world.forge(files | {"2.authority-xb-ca.json": _dump(half)})
    world.refused(codes.DIRECTORY_EDGE)


def test_verify_files_gives_an_auditor_the_same_directory(world: World) -> None:
    files = {name: mirror.read(world.repo, name) or b"" for name in mirror.names(world.repo)}
    assert trust.verify_files(world.made.root_file, files) == world.load()
    files["timestamp.json"] = files["timestamp.json"].replace(b'"length":', b'"length":1')
    with pytest.raises(ProtocolError) as caught:
        trust.verify_files(world.made.root_file, files)
    assert caught.value.code is codes.DIRECTORY_THRESHOLD


def test_names_served_never_leave_the_folder(world: World) -> None:
    for name in (
        "../in-force",
        "in-force",
        "evidence/x",
        "/etc/passwd",
        "authorities/../in-force",
        "",
        "1.root.json/",
        "1.root.json\n",
    ):
        assert mirror.read(world.node, name) is None
    names = mirror.names(world.node)
    assert "timestamp.json" in names
    assert all(a < b for a, b in pairwise(names))


def _rotate(world: World, times: int) -> int:
    root = world.root()
    for _ in range(times):
        root["version"] += 1
        world.served[f"{root['version']}.root.json"] = signed_file(root, *world.founders[:2])
    return int(root["version"])


def _get(files: dict[str, bytes], name: str) -> bytes:
    if name not in files:
        raise FileNotFoundError(name)
    return files[name]


def _dump(value: Json) -> bytes:
    return json.dumps(value).encode()
