"""Our prekeys: made ahead, opened from memory, destroyed on time, whatever crashes in between."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from keys import codes
from keys.prekeys import PrekeyStore
from keys.suite import SUITE
from protocol import codes as protocol_codes
from protocol.errors import LocalError, PassingError
from protocol.limits import DAY, HOUR
from tests.keys.dying import crashes

NOON = 1_795_521_600_000  # 2026-11-24, 12:00 UTC
MIDNIGHT = NOON - 12 * HOUR
KEY = os.urandom(32)


def test_three_days_are_published_and_each_key_has_its_day(tmp_path: Path) -> None:
    store = PrekeyStore(tmp_path / "prekeys", KEY)
    assert store.current_set(NOON) == ()
    keys = store.rotate(NOON)
    assert [(key.from_, key.until) for key in keys] == [(MIDNIGHT + i * DAY, MIDNIGHT + (i + 1) * DAY) for i in range(3)]
    assert store.current_set(NOON) == keys == store.rotate(NOON + HOUR)
    assert stat.S_IMODE((tmp_path / "prekeys").stat().st_mode) == 0o700


def test_the_next_day_makes_one_key_more(tmp_path: Path) -> None:
    store = PrekeyStore(tmp_path, KEY)
    first = store.rotate(NOON)
    second = store.rotate(NOON + DAY)
    assert second[:2] == first[1:]
    assert len({key.id for key in first + second}) == 4
    assert store.current_set(NOON + DAY) == second
    assert store.current_set(NOON) == first


def test_a_restart_finds_the_same_keys_and_opens_with_them(tmp_path: Path) -> None:
    keys = PrekeyStore(tmp_path, KEY).rotate(NOON)
    wraps = [SUITE.seal(key.public, b"info", b"x" * 96) for key in keys]
    again = PrekeyStore(tmp_path, KEY)
    assert again.damaged == ()
    assert again.current_set(NOON) == keys
    for key, wrap in zip(keys, wraps, strict=True):
        assert again.open(key.id, b"info", wrap) == b"x" * 96
        assert again.open(key.id, b"other info", wrap) is None


def test_ENC_10_unknown_prekey_is_passing(tmp_path: Path) -> None:
    store = PrekeyStore(tmp_path, KEY)
    store.rotate(NOON)
    with pytest.raises(PassingError) as caught:
        store.open(bytes(32), b"info", bytes(1232))
    assert caught.value.code is protocol_codes.PREKEY_UNKNOWN


def test_ENC_13_destroyed_seed_is_nowhere_and_its_wraps_no_longer_open(tmp_path: Path) -> None:
    folder, seeds = tmp_path / "prekeys", []

    def rand(n: int) -> bytes:
        drawn = os.urandom(n)
        if n == 32:
            seeds.append(drawn)
        return drawn

    store = PrekeyStore(folder, KEY, rand)
    keys = store.rotate(NOON)
    assert len(seeds) == 3
    wrap = SUITE.seal(keys[0].public, b"info", b"x" * 96)
    sealed = (folder / f"{keys[0].id.hex()}.prekey").read_bytes()[-73:]
    assert store.destroy_ended(MIDNIGHT + 2 * DAY - 1) == ()
    assert store.open(keys[0].id, b"info", wrap) == b"x" * 96
    assert store.destroy_ended(MIDNIGHT + 2 * DAY) == (keys[0].id,)
    for living in (store, PrekeyStore(folder, KEY)):
        with pytest.raises(PassingError) as caught:
            living.open(keys[0].id, b"info", wrap)
        assert caught.value.code is protocol_codes.PREKEY_UNKNOWN
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert not any(seed in everything for seed in seeds), "no seed ever lies there in clear"
    assert sealed not in everything, "nor the destroyed one wrapped"
    assert len(list(folder.iterdir())) == 2


def test_ENC_13_the_file_is_overwritten_before_it_is_removed(tmp_path: Path) -> None:
    """A second name of the file shows what was left in its blocks."""
    store = PrekeyStore(tmp_path / "prekeys", KEY)
    (first, *_) = store.rotate(NOON)
    path = tmp_path / "prekeys" / f"{first.id.hex()}.prekey"
    before = path.read_bytes()
    os.link(path, tmp_path / "blocks")
    store.destroy_ended(first.until + DAY)
    after = (tmp_path / "blocks").read_bytes()
    assert len(after) == len(before)
    assert sum(a == b for a, b in zip(before, after, strict=True)) < len(before) // 50


def test_a_crash_at_any_step_of_destroying_is_finished_by_the_next_start(tmp_path: Path) -> None:
    ready, folder = tmp_path / "ready", tmp_path / "prekeys"
    keys = PrekeyStore(ready, KEY).rotate(NOON)
    late = NOON + 2 * DAY
    ends = {"alive": 0, "gone": 0}

    def prepare() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(ready, folder)

    for _ in crashes(lambda: PrekeyStore(folder, KEY).destroy_ended(late), prepare):
        store = PrekeyStore(folder, KEY)
        assert store.damaged == ()
        alive = store.destroy_ended(late) == (keys[0].id,)
        ends["alive" if alive else "gone"] += 1
        assert {path.name for path in folder.iterdir()} == {f"{key.id.hex()}.prekey" for key in keys[1:]}
    assert ends == {"alive": 1, "gone": 9}


def test_a_crash_at_any_step_of_making_leaves_whole_keys_only(tmp_path: Path) -> None:
    folder, died = tmp_path / "prekeys", 0
    for _ in crashes(lambda: PrekeyStore(folder, KEY).rotate(NOON), lambda: shutil.rmtree(folder, ignore_errors=True)):
        died += 1
        store = PrekeyStore(folder, KEY)
        assert store.damaged == ()
        before = store.current_set(NOON)
        keys = store.rotate(NOON)
        assert keys[: len(before)] == before
        assert len(keys) == len(list(folder.iterdir())) == 3
    assert died == 18


def test_a_damaged_file_costs_one_key_and_no_start(tmp_path: Path) -> None:
    keys = PrekeyStore(tmp_path, KEY).rotate(NOON)
    path = tmp_path / f"{keys[1].id.hex()}.prekey"
    raw = path.read_bytes()
    for altered in (raw[:-1] + bytes([raw[-1] ^ 1]), raw[:-1], b"", raw[:20] + bytes([raw[20] ^ 1]) + raw[21:]):
        path.write_bytes(altered)
        store = PrekeyStore(tmp_path, KEY)
        assert store.damaged == (path.name,)
        assert store.current_set(NOON) == (keys[0], keys[2])
    renewed = PrekeyStore(tmp_path, KEY).rotate(NOON)
    assert (renewed[0], renewed[2]) == (keys[0], keys[2])
    assert renewed[1].id != keys[1].id


def test_a_file_under_another_ones_name_or_another_key_is_damaged(tmp_path: Path) -> None:
    keys = PrekeyStore(tmp_path, KEY).rotate(NOON)
    shutil.copy(tmp_path / f"{keys[0].id.hex()}.prekey", tmp_path / f"{keys[1].id.hex()}.prekey")
    assert PrekeyStore(tmp_path, KEY).damaged == (f"{keys[1].id.hex()}.prekey",)
    assert len(PrekeyStore(tmp_path, os.urandom(32)).damaged) == 3


def test_OPS_12_prekey_file_that_others_may_read_is_named(tmp_path: Path) -> None:
    keys = PrekeyStore(tmp_path, KEY).rotate(NOON)
    path = tmp_path / f"{keys[0].id.hex()}.prekey"
    path.chmod(0o644)
    assert PrekeyStore(tmp_path, KEY).damaged == (path.name,)


def test_a_clock_that_went_back_finds_its_keys_again(tmp_path: Path) -> None:
    store = PrekeyStore(tmp_path, KEY)
    ahead = store.rotate(NOON + 9 * DAY)
    back = store.rotate(NOON)
    assert not {key.id for key in ahead} & {key.id for key in back}
    assert store.rotate(NOON + 9 * DAY) == ahead


def test_of_two_keys_of_one_day_always_the_same_is_published(tmp_path: Path) -> None:
    one = PrekeyStore(tmp_path / "one", KEY).rotate(NOON)
    two = PrekeyStore(tmp_path / "two", KEY).rotate(NOON)
    shutil.copytree(tmp_path / "one", tmp_path / "two", dirs_exist_ok=True)
    store = PrekeyStore(tmp_path / "two", KEY)
    assert store.rotate(NOON) == tuple(min(pair, key=lambda key: key.id) for pair in zip(one, two, strict=True))
    for key in one + two:
        assert store.open(key.id, b"", SUITE.seal(key.public, b"", b"x")) == b"x"


def test_a_file_of_other_content_is_damaged_and_others_are_left_alone(tmp_path: Path) -> None:
    PrekeyStore(tmp_path, KEY).rotate(NOON)
    for name in ("other.prekey", "notes.txt"):
        (tmp_path / name).write_bytes(b"\x80")
        (tmp_path / name).chmod(0o600)
    assert PrekeyStore(tmp_path, KEY).damaged == ("other.prekey",)
    assert (tmp_path / "notes.txt").exists()


def test_a_disk_that_fails_while_making_is_named_and_made_up_for(tmp_path: Path) -> None:
    store = PrekeyStore(tmp_path / "prekeys", KEY)
    shutil.rmtree(tmp_path / "prekeys")
    with pytest.raises(LocalError) as caught:
        store.rotate(NOON)
    assert caught.value.code is codes.PREKEY_FOLDER
    assert store.current_set(NOON) == ()
    (tmp_path / "prekeys").mkdir()
    assert len(store.rotate(NOON)) == 3


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for folder in (tmp_path / "file", tmp_path / "no" / "parent"):
        with pytest.raises(LocalError) as caught:
            PrekeyStore(folder, KEY)
        assert caught.value.code is codes.PREKEY_FOLDER


def test_a_disk_that_fails_while_destroying_does_not_bring_the_key_back(tmp_path: Path) -> None:
    store = PrekeyStore(tmp_path / "prekeys", KEY)
    (first, *_) = store.rotate(NOON)
    wrap = SUITE.seal(first.public, b"info", b"x")
    shutil.rmtree(tmp_path / "prekeys")
    with pytest.raises(LocalError) as caught:
        store.destroy_ended(first.until + DAY)
    assert caught.value.code is codes.PREKEY_FOLDER
    with pytest.raises(PassingError) as passing:
        store.open(first.id, b"info", wrap)
    assert passing.value.code is protocol_codes.PREKEY_UNKNOWN
