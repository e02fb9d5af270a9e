"""Sealed files: what opens, what is refused and with which code, and that a rewrite needs no passphrase."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from keys import codes
from keys.sealedfile import (
    SEALED_FILE_EXISTS,
    SEALED_FILE_FORM,
    SEALED_FILE_PASSPHRASE,
    Profile,
    Seal,
    open_bytes,
    open_file,
    seal_bytes,
    seal_file,
    write_atomically,
)
from protocol.errors import Code, LocalError

CHEAP = Profile.EXERCISE


@pytest.mark.parametrize("profile", [Profile.EXERCISE, Profile.INTERACTIVE])
def test_what_was_sealed_opens(tmp_path: Path, profile: Profile) -> None:
    path = tmp_path / "key"
    seal_file(path, b"secret", b"passphrase", profile)
    assert open_file(path, b"passphrase") == b"secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"secret" not in path.read_bytes()


def test_a_file_is_replaced_only_on_purpose(tmp_path: Path) -> None:
    path = tmp_path / "key"
    seal_file(path, b"first", b"passphrase", CHEAP)
    with pytest.raises(LocalError) as caught:
        seal_file(path, b"second", b"passphrase", CHEAP)
    assert caught.value.code is SEALED_FILE_EXISTS
    assert open_file(path, b"passphrase") == b"first"
    seal_file(path, b"second", b"passphrase", CHEAP, replace=True)
    assert open_file(path, b"passphrase") == b"second"


def test_every_altered_byte_is_refused() -> None:
    sealed = seal_bytes(b"secret", b"passphrase", CHEAP)
    line = sealed.index(b"\n") + 1
    for at in range(len(sealed)):
        altered = bytearray(sealed)
        altered[at] ^= 1
        _refused(bytes(altered), SEALED_FILE_FORM if at < line else SEALED_FILE_PASSPHRASE)


def test_another_profile_in_the_first_line_does_not_open() -> None:
    sealed = seal_bytes(b"secret", b"passphrase", CHEAP)
    _refused(sealed.replace(b"exercise", b"interactive"), SEALED_FILE_PASSPHRASE)


def test_cuts_and_other_files_are_refused() -> None:
    sealed = seal_bytes(b"", b"passphrase", CHEAP)
    for wrong in (b"", b"\n", sealed[:-1], sealed[:30], b"another file\n" + bytes(100)):
        _refused(wrong, SEALED_FILE_FORM)
    with pytest.raises(LocalError) as caught:
        open_bytes(sealed, b"Passphrase")
    assert caught.value.code is SEALED_FILE_PASSPHRASE


def test_a_seal_rewrites_without_the_passphrase() -> None:
    first = seal_bytes(b"first", b"passphrase", CHEAP)
    seal, secret = Seal.open(first, b"passphrase")
    second = seal.seal(b"second")
    assert secret == b"first"
    assert open_bytes(second, b"passphrase") == b"second"
    assert seal.seal(b"second") != second


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_OPS_12_sealed_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    seal_file(path, b"secret", b"passphrase", CHEAP)
    path.chmod(mode)
    with pytest.raises(LocalError) as caught:
        open_file(path, b"passphrase")
    assert caught.value.code is codes.KEY_FILE_MODE
    with pytest.raises(LocalError) as caught:
        open_file(tmp_path, b"passphrase")
    assert caught.value.code is codes.KEY_FILE_READ


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(b"in the way")
    with pytest.raises(OSError, match="folder"):
        write_atomically(tmp_path / "folder", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def _refused(sealed: bytes, code: Code) -> None:
    with pytest.raises(LocalError) as caught:
        open_bytes(sealed, b"passphrase")
    assert caught.value.code is code
