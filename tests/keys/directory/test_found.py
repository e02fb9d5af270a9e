"""Founding and keeping with keys on several machines: nothing is in force before enough people have signed it."""

from __future__ import annotations

from pathlib import Path

import pytest

from keys.directory import change, codes, exercise, found, mirror, selfentry, trust
from keys.directory.rolekeys import Holder, HolderKeys
from keys.directory.store import Store
from keys.directory.view import Kind
from keys.sealedfile import SEALED_FILE_PASSPHRASE, Profile
from protocol import limits
from protocol.errors import LocalError, ProtocolError, RogatoryError
from tests.keys.directory.world import NETWORK, NOW, World, seat

FOUNDERS = [Holder.generate(f"founder-{i}") for i in range(3)]
KEEPERS = [Holder.generate(f"keeper-{i}") for i in range(3)]


def _charter(**changes: object) -> found.Charter:
    values = {
        "network": "example.org",
        "kind": Kind.PRODUCTION,
        "address_ranges": (),
        "founders": tuple(f.public() for f in FOUNDERS),
        "founders_needed": 2,
        "keepers": tuple(k.public() for k in KEEPERS),
        "keepers_needed": 2,
    }
    return found.Charter(**(values | changes))  # type: ignore[arg-type]


def test_a_production_network_on_five_machines(tmp_path: Path) -> None:
    """Every signature is made apart, on a change carried as a file; with one signature less nothing is in force."""
    repo = tmp_path / "repo"
    found.found(repo, _charter(), FOUNDERS[:2], KEEPERS[1:], NOW)
    root = trust.load_state(Store(repo)).root
    before = trust.load(repo)
    draft = found.draft_targets(repo, NOW)
    for holder in FOUNDERS[1:]:
        draft = change.Change.parse(change.sign(change.Change.parse(draft.dump()), holder).dump())
    draft = found.draft_snapshot(repo, draft, NOW)
    draft = change.sign(change.sign(draft, KEEPERS[0], root=root), KEEPERS[2], root=root)
    draft = found.draft_timestamp(repo, draft, NOW)
    half = change.sign(draft, KEEPERS[2], root=root)
    with pytest.raises(ProtocolError) as caught:
        found.install(repo, half, NOW)
    assert caught.value.code is codes.DIRECTORY_THRESHOLD
    assert trust.load(repo) == before
    assert found.install(repo, change.sign(half, KEEPERS[0], root=root), NOW).version == before.version + 1
    assert any("signatures" in line for line in half.summary())


def test_founding_is_not_in_force_without_enough_keepers(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    with pytest.raises(ProtocolError) as caught:
        found.found(repo, _charter(), FOUNDERS[:2], KEEPERS[:1], NOW)
    assert caught.value.code is codes.DIRECTORY_THRESHOLD
    with pytest.raises(LocalError) as empty:
        trust.load(repo)
    assert empty.value.code is codes.DIRECTORY_EMPTY


@pytest.mark.parametrize(
    "changes, code",
    [
        ({"kind": Kind.EXERCISE, "founders_needed": 0}, codes.DIRECTORY_THRESHOLD_ZERO),
        ({"founders_needed": 4}, codes.DIRECTORY_THRESHOLD_UNREACHABLE),
        ({"keepers_needed": 1}, codes.DIRECTORY_KEEPERS),
        ({"kind": Kind.EXERCISE, "keepers_needed": 1}, codes.DIRECTORY_THRESHOLD_ONE_KIND),
        ({"suite": 2}, codes.DIRECTORY_SUITE),
    ],
)
def test_charters_that_are_not_possible(tmp_path: Path, changes: dict[str, object], code: object) -> None:
    with pytest.raises(RogatoryError) as caught:
        found.found(tmp_path / "repo", _charter(**changes), FOUNDERS, KEEPERS, NOW)
    assert caught.value.code is code
    assert not (tmp_path / "repo").exists()


def test_a_production_root_with_one_signer_is_refused_by_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A founder with changed software signs a root that his own keys alone satisfy."""
    charter = _charter(kind=Kind.EXERCISE, keepers=(KEEPERS[0].public(),), keepers_needed=1)
    root = found.draft_root(charter, 1, NOW).files["1.root.json"].replace(b'"exercise"', b'"production"')
    signed = change.sign(change.Change({"1.root.json": root}), *FOUNDERS)
    with pytest.raises(ProtocolError) as caught:
        trust.anchor(tmp_path / "node", signed.files["1.root.json"])
    assert caught.value.code is codes.DIRECTORY_KEEPERS


def test_exercise_never_production(tmp_path: Path) -> None:
    with pytest.raises(LocalError) as caught:
        exercise.found_exercise(tmp_path / "repo", [], NOW, kind=Kind.PRODUCTION)
    assert caught.value.code is codes.DIRECTORY_KIND


def test_join_later_and_learn_it(world: World) -> None:
    holder = Holder.generate("xd-ca")
    member = exercise.member_of(seat("xd-ca", 8450), NETWORK, ["xa-ca", "xb-ca", "xc-ca", "xd-ca"])
    request = selfentry.join_request(holder, NETWORK, member)
    found.admit(world.repo, [request], world.founders, world.keepers, NOW)
    assert world.update().member("xd-ca") == member


def test_rule_on_a_stranger(world: World) -> None:
    with pytest.raises(ProtocolError) as caught:
        found.revoke(world.repo, "xz-ca", world.founders, world.keepers, NOW)
    assert caught.value.code is codes.DIRECTORY_UNKNOWN_AUTHORITY


def test_one_anchor_per_folder(world: World, tmp_path: Path) -> None:
    other = tmp_path / "other"
    root_file = found.found(other, _charter(), FOUNDERS, KEEPERS, NOW)
    with pytest.raises(LocalError) as caught:
        trust.anchor(world.node, root_file)
    assert caught.value.code is codes.DIRECTORY_ANCHOR_OTHER
    assert trust.anchor(world.node, world.made.root_file) == world.load().network_id


def test_a_folder_without_anchor(tmp_path: Path) -> None:
    with pytest.raises(LocalError) as caught:
        trust.load(tmp_path)
    assert caught.value.code is codes.DIRECTORY_NOT_ANCHORED


@pytest.mark.parametrize("name", ["2.timestamp.json", "2.snapshot.json", "1.authority-xb-ca.json", "in-force"])
def test_a_damaged_folder_is_noticed(world: World, name: str) -> None:
    (world.node / name).write_bytes(b"{}")
    with pytest.raises(RogatoryError) as caught:
        world.load()
    assert caught.value.code in (codes.DIRECTORY_DAMAGED, codes.DIRECTORY_FORM, codes.DIRECTORY_MIXED)


def test_a_missing_file_is_noticed(world: World) -> None:
    (world.node / "2.targets.json").unlink()
    with pytest.raises(LocalError) as caught:
        world.load()
    assert caught.value.code is codes.DIRECTORY_DAMAGED


def test_a_crash_before_the_last_step_leaves_the_old_directory(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before = world.load()
    found.refresh(world.repo, world.keepers, NOW + 5 * limits.DAY)
    put = Store.put

    def dying(store: Store, name: str, data: bytes) -> None:
        put(store, name, data)
        raise OSError(28, "no space left")

    monkeypatch.setattr(Store, "put", dying)
    with pytest.raises(OSError, match="no space"):
        world.update(NOW + 5 * limits.DAY)
    monkeypatch.undo()
    assert world.load() == before
    assert world.update(NOW + 5 * limits.DAY).version == before.version + 1


def test_only_two_timestamps_stay(world: World) -> None:
    for hour in range(1, 5):
        found.refresh(world.repo, world.keepers, NOW + hour * limits.HOUR)
        world.update(NOW + hour * limits.HOUR)
    assert len(list(world.node.glob("*.timestamp.json"))) == 2
    assert mirror.read(world.node, "timestamp.json") == mirror.read(world.repo, "timestamp.json")


def test_holder_in_a_sealed_file(tmp_path: Path) -> None:
    holder, path = Holder.generate("founder-1"), tmp_path / "founder-1.key"
    holder.seal(path, b"correct horse", Profile.EXERCISE)
    assert path.stat().st_mode & 0o777 == 0o600
    assert Holder.open(path, b"correct horse") == holder
    assert holder.ed25519_seed not in path.read_bytes()
    assert holder.ed25519_seed.hex() not in repr(holder)
    with pytest.raises(LocalError) as caught:
        Holder.open(path, b"wrong")
    assert caught.value.code is SEALED_FILE_PASSPHRASE


def test_holder_keys_travel_as_a_file() -> None:
    keys = FOUNDERS[0].public()
    assert HolderKeys.parse(keys.dump()) == keys
    with pytest.raises(ProtocolError) as caught:
        HolderKeys.parse(b'{"name": "x", "keys": {}}')
    assert caught.value.code is codes.DIRECTORY_KEY_FORM


@pytest.mark.parametrize(
    "data", [b"", b"[]", b'{"format": "x", "files": {}}', b'{"format": "rogatory/directory-change/v1", "files": [1]}']
)
def test_a_change_that_is_none(data: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        change.Change.parse(data)
    assert caught.value.code is codes.DIRECTORY_FORM


def test_a_change_with_a_path_in_a_name() -> None:
    data = change.Change({"1.root.json": b"{}"}).dump().replace(b"1.root.json", b"../1.root.json")
    with pytest.raises(LocalError) as caught:
        change.Change.parse(data)
    assert caught.value.code is codes.DIRECTORY_FILE_NAME
