"""The keystore file: what it holds, what it refuses, what a crash leaves."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest

from keys import codes
from keys.keystore import ARGON2_MODERATE, ARGON2_TEST, Keystore
from keys.logkeys import LogKeyPair
from keys.sealedfile import SEALED_FILE_EXISTS, SEALED_FILE_PASSPHRASE, open_file, seal_bytes, seal_file
from keys.standby import export_standby, import_standby
from protocol import cbor
from protocol.errors import Code, LocalError
from tests.keys.dying import crashes

PASSPHRASE = b"correct horse"
NOON = 1_795_521_600_000  # 2026-11-24, 12:00 UTC
YEAR = 365 * 86_400_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keystore"


@pytest.fixture
def keystore(path: Path) -> Keystore:
    return Keystore.create(path, PASSPHRASE, ARGON2_TEST)


def test_what_was_made_is_what_is_opened(path: Path, keystore: Keystore) -> None:
    keystore.transport[0].issue_certificate("xa-ca", "example.org", NOON, NOON + YEAR)
    keystore.add_transport_key()
    wrapped = keystore.storage_key().wrap(bytes(32), b"x" * 96)
    keystore.add_storage_key()
    keystore.add_log(2, LogKeyPair.generate())
    keystore.save()
    again = Keystore.open(path, PASSPHRASE)
    assert {n: pair.secret for n, pair in again.logs.items()} == {n: pair.secret for n, pair in keystore.logs.items()}
    assert again.witness.secret == keystore.witness.secret
    assert [(k.secret, k.certificate) for k in again.transport] == [(k.secret, k.certificate) for k in keystore.transport]
    assert again.prekey_key == keystore.prekey_key
    assert again.storage_key().unwrap(bytes(32), wrapped) == b"x" * 96
    assert again.storage_key().wrap(bytes(32), b"")[0] == 2


def test_every_secret_is_one_of_its_own(keystore: Keystore) -> None:
    secrets = [keystore.log(1).secret, keystore.witness.secret, keystore.transport[0].secret, keystore.prekey_key]
    pieces = [secret[at : at + 32] for secret in secrets for at in range(0, len(secret), 32)]
    assert len(set(pieces)) == 6


def test_nothing_secret_is_readable_in_the_file(path: Path, keystore: Keystore) -> None:
    raw = path.read_bytes()
    for secret in (keystore.log(1).secret, keystore.witness.secret, keystore.transport[0].secret, keystore.prekey_key):
        assert secret[:16] not in raw
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_OPS_12_keystore_that_others_may_read_is_refused(path: Path, keystore: Keystore, mode: int) -> None:
    path.chmod(mode)
    _refused(path, codes.KEY_FILE_MODE)


def test_a_wrong_passphrase_is_told_apart_from_damage(path: Path, keystore: Keystore) -> None:
    _refused(path, codes.KEYSTORE_PASSPHRASE, b"correct horses")
    raw = path.read_bytes()
    path.write_bytes(raw[:-1])
    _refused(path, codes.KEYSTORE_DAMAGED)
    path.write_bytes(raw)
    assert Keystore.open(path, PASSPHRASE).log(1).secret == keystore.log(1).secret


def test_every_altered_byte_is_refused_with_the_code_of_its_place(path: Path, keystore: Keystore) -> None:
    raw = path.read_bytes()
    magic = raw.index(b"\n") + 1
    for at in [*range(magic + 90), *range(magic + 90, len(raw), 37), len(raw) - 1]:
        altered = bytearray(raw)
        altered[at] ^= 1
        path.write_bytes(altered)
        _refused(path, codes.KEYSTORE_FORM if at < magic else codes.KEYSTORE_DAMAGED)


def test_altered_on_purpose_with_the_sum_mended_still_does_not_open(path: Path, keystore: Keystore) -> None:
    raw = path.read_bytes()
    magic = raw.index(b"\n") + 1
    sealed = bytearray(raw[magic + 32 :])
    sealed[-1] ^= 1
    path.write_bytes(raw[:magic] + hashlib.sha256(sealed).digest() + sealed)
    _refused(path, codes.KEYSTORE_PASSPHRASE)


def test_another_file_is_no_keystore(path: Path) -> None:
    for content in (b"", b"rogatory keystore v2\n", os.urandom(500)):
        path.write_bytes(content)
        path.chmod(0o600)
        _refused(path, codes.KEYSTORE_FORM)


@pytest.mark.parametrize(
    "fields",
    [
        [],
        {},
        {0: 1, 1: 2, 2: 3, 3: 4, 4: 5},
        {0: [], 1: bytes(64), 2: [[bytes(31) + b"\1", b""]], 3: [], 4: bytes(32)},
        {0: [], 1: bytes(64), 2: [], 3: [[1, bytes(32)]], 4: bytes(32)},
        {0: [], 1: bytes(63), 2: [[bytes(31) + b"\1", b""]], 3: [[1, bytes(32)]], 4: bytes(32)},
        {0: [], 1: bytes(64), 2: [[bytes(32), b""]], 3: [[1, bytes(32)]], 4: bytes(32)},
        {0: [], 1: bytes(64), 2: [[bytes(31) + b"\1", b"x"]], 3: [[1, bytes(32)]], 4: bytes(32)},
        {0: [], 1: bytes(64), 2: [[bytes(31) + b"\1", b""]], 3: [[1, bytes(32)]], 4: bytes(31)},
        {0: [], 1: bytes(64), 2: [[bytes(31) + b"\1", b""]], 3: [[1, bytes(32)]], 4: bytes(32), 5: 0},
        {0: [[2, bytes(64)], [1, bytes(64)]], 1: bytes(64), 2: [[bytes(31) + b"\1", b""]], 3: [[1, bytes(32)]], 4: bytes(32)},
    ],
)
def test_other_content_under_the_right_passphrase_is_no_keystore(path: Path, fields: cbor.Value) -> None:
    _write(path, cbor.encode(fields))
    _refused(path, codes.KEYSTORE_FORM)


def test_content_that_is_not_ours_at_all(path: Path) -> None:
    _write(path, b"\xff")
    _refused(path, codes.KEYSTORE_FORM)
    sealed = b"rogatory sealed file v9 moderate\n" + bytes(100)
    path.write_bytes(b"rogatory keystore v1\n" + hashlib.sha256(sealed).digest() + sealed)
    _refused(path, codes.KEYSTORE_FORM)


def test_KEY_255_storage_keys_are_enough(keystore: Keystore) -> None:
    for _ in range(254):
        keystore.add_storage_key()
    with pytest.raises(LocalError) as caught:
        keystore.add_storage_key()
    assert caught.value.code is codes.KEYSTORE_KEY


def test_no_keystore_and_one_already(path: Path) -> None:
    _refused(path, codes.KEYSTORE_MISSING)
    Keystore.create(path, PASSPHRASE, ARGON2_TEST)
    before = path.read_bytes()
    with pytest.raises(LocalError) as caught:
        Keystore.create(path, PASSPHRASE, ARGON2_TEST)
    assert caught.value.code is codes.KEYSTORE_EXISTS
    assert path.read_bytes() == before


def test_two_processes_do_not_write_over_each_other(path: Path, keystore: Keystore) -> None:
    other = Keystore.open(path, PASSPHRASE)
    other.add_storage_key()
    other.save()
    keystore.add_transport_key()
    with pytest.raises(LocalError) as caught:
        keystore.save()
    assert caught.value.code is codes.KEYSTORE_CHANGED
    assert Keystore.open(path, PASSPHRASE).storage_key().wrap(b"", b"")[0] == 2


def test_a_new_passphrase_replaces_the_old_one(path: Path, keystore: Keystore) -> None:
    keystore.change_passphrase(b"battery staple", ARGON2_TEST)
    keystore.save()
    _refused(path, codes.KEYSTORE_PASSPHRASE)
    assert Keystore.open(path, b"battery staple").log(1).secret == keystore.log(1).secret


def test_the_default_cost_is_argon2id_moderate(path: Path) -> None:
    Keystore.create(path, PASSPHRASE)
    assert ARGON2_MODERATE.value == "moderate"
    assert b" moderate\n" in path.read_bytes()[:120]
    Keystore.open(path, PASSPHRASE)


def test_KEY_pairs_come_and_go_with_their_logs(keystore: Keystore) -> None:
    pair = LogKeyPair.generate()
    keystore.add_log(2, pair)
    keystore.add_log(2, pair)
    keystore.drop_log(1)
    for wrong in (lambda: keystore.log(1), lambda: keystore.drop_log(1), lambda: keystore.add_log(2, LogKeyPair.generate())):
        with pytest.raises(LocalError) as caught:
            wrong()
        assert caught.value.code is codes.KEYSTORE_KEY


def test_KEY_two_transport_keys_at_most_and_one_at_least(keystore: Keystore) -> None:
    with pytest.raises(LocalError) as caught:
        keystore.drop_transport_key()
    assert caught.value.code is codes.KEYSTORE_KEY
    new = keystore.add_transport_key()
    with pytest.raises(LocalError) as caught:
        keystore.add_transport_key()
    assert caught.value.code is codes.KEYSTORE_KEY
    keystore.drop_transport_key()
    assert keystore.transport == [new]


def test_a_crash_at_any_step_of_saving_leaves_the_old_or_the_new_file(path: Path) -> None:
    Keystore.create(path, PASSPHRASE, ARGON2_TEST)
    old = path.read_bytes()
    died = 0

    def save() -> None:
        keystore = Keystore.open(path, PASSPHRASE)
        keystore.add_storage_key()
        keystore.save()

    def prepare() -> None:
        path.write_bytes(old)

    for _ in crashes(save, prepare):
        died += 1
        assert Keystore.open(path, PASSPHRASE).storage_key().wrap(b"", b"")[0] in (1, 2)
    assert died == 6


def test_KEY_standby_pair_goes_out_and_comes_back(tmp_path: Path) -> None:
    pair = LogKeyPair.generate()
    shares = [(tmp_path / "share-1", b"first person"), (tmp_path / "share-2", b"second person")]
    export_standby(2, pair, shares, ARGON2_TEST)
    n, again = import_standby(list(reversed(shares)))
    assert (n, again.secret) == (2, pair.secret)
    export_standby(3, pair, [(tmp_path / "alone", b"one")], ARGON2_TEST)
    assert import_standby([(tmp_path / "alone", b"one")])[0] == 3


def test_KEY_standby_shares_of_two_sets_or_not_all_of_one_are_refused(tmp_path: Path) -> None:
    pair = LogKeyPair.generate()
    first, second, third, fourth = [(tmp_path / f"share-{i}", b"x") for i in range(4)]
    export_standby(2, pair, [first, second], ARGON2_TEST)
    export_standby(2, pair, [third, fourth], ARGON2_TEST)
    for shares in ([], [first], [first, first], [first, fourth], [first, second, third]):
        _standby_refused(shares, codes.STANDBY_SHARES)
    _standby_refused([first, (second[0], b"y")], SEALED_FILE_PASSPHRASE)
    _standby_refused([first, (tmp_path / "none", b"y")], codes.KEY_FILE_READ)
    first[0].chmod(0o644)
    _standby_refused([first, second], codes.KEY_FILE_MODE)


def test_KEY_one_share_says_nothing_about_the_pair(tmp_path: Path) -> None:
    """The random share of a set is the same whatever the pair; the other one is the pair only together with it."""
    pair = LogKeyPair.generate()
    shares = [(tmp_path / "share-1", b"x"), (tmp_path / "share-2", b"x")]
    export_standby(2, pair, shares, ARGON2_TEST)
    for path, passphrase in shares:
        assert pair.secret[:32] not in open_file(path, passphrase)
        assert pair.secret[32:] not in open_file(path, passphrase)


def test_KEY_standby_files_are_not_overwritten(tmp_path: Path) -> None:
    shares = [(tmp_path / "share", b"x")]
    export_standby(2, LogKeyPair.generate(), shares, ARGON2_TEST)
    with pytest.raises(LocalError) as caught:
        export_standby(2, LogKeyPair.generate(), shares, ARGON2_TEST)
    assert caught.value.code is SEALED_FILE_EXISTS
    for wrong in ([], shares * 2):
        with pytest.raises(LocalError) as caught:
            export_standby(2, LogKeyPair.generate(), wrong, ARGON2_TEST)
        assert caught.value.code is codes.STANDBY_SHARES


def test_KEY_a_sealed_file_of_another_kind_is_no_standby_key(tmp_path: Path) -> None:
    seal_file(tmp_path / "other", b"something else", b"x", ARGON2_TEST)
    _standby_refused([(tmp_path / "other", b"x")], codes.STANDBY_FORM)
    short: cbor.Value = [bytes(16), 2, 1, 1, bytes(63), bytes(32)]
    odd: cbor.Value = [bytes(16), True, 1, 1, bytes(64), bytes(32)]
    wrong: list[cbor.Value] = [[], {0: 1}, short, odd]
    for number, row in enumerate(wrong):
        path = tmp_path / str(number)
        seal_file(path, cbor.encode(row), b"x", ARGON2_TEST)
        _standby_refused([(path, b"x")], codes.STANDBY_FORM)
    seal_file(tmp_path / "forged", cbor.encode([bytes(16), 2, 1, 1, bytes(64), bytes(32)]), b"x", ARGON2_TEST)
    _standby_refused([(tmp_path / "forged", b"x")], codes.STANDBY_SHARES)


def _refused(path: Path, code: Code, passphrase: bytes = PASSPHRASE) -> None:
    with pytest.raises(LocalError) as caught:
        Keystore.open(path, passphrase)
    assert caught.value.code is code


def _write(path: Path, plain: bytes) -> None:
    sealed = seal_bytes(plain, PASSPHRASE, ARGON2_TEST)
    path.write_bytes(b"rogatory keystore v1\n" + hashlib.sha256(sealed).digest() + sealed)
    path.chmod(0o600)


def _standby_refused(shares: list[tuple[Path, bytes]], code: Code) -> None:
    with pytest.raises(LocalError) as caught:
        import_standby(shares)
    assert caught.value.code is code
