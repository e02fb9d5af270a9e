"""Where a passphrase comes from, and what is refused."""

from __future__ import annotations

import os
import pty
import sys
from pathlib import Path

import pytest

from keys import codes
from keys.passphrase import CREDENTIAL, passphrase_from
from protocol.errors import Code, LocalError


def test_from_a_file_without_its_newline(tmp_path: Path) -> None:
    for content in (b"two words", b"two words\n", b"two words\r\n"):
        assert passphrase_from(_file(tmp_path, content)) == b"two words"


def test_from_a_systemd_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _file(tmp_path, b"of the service\n", CREDENTIAL, 0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert passphrase_from(None) == b"of the service"


def test_a_credential_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / CREDENTIAL).mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    _refused(None, codes.KEY_FILE_READ)


def test_a_file_wins_over_the_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _file(tmp_path, b"of the service\n", CREDENTIAL)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert passphrase_from(_file(tmp_path, b"of the file")) == b"of the file"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_OPS_12_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    _refused(_file(tmp_path, b"secret", mode=mode), codes.KEY_FILE_MODE)


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines\n"])
def test_no_line_and_two_lines_are_refused(tmp_path: Path, content: bytes) -> None:
    _refused(_file(tmp_path, content), codes.PASSPHRASE_EMPTY)


def test_a_file_that_is_not_there_or_a_folder_is_refused(tmp_path: Path) -> None:
    _refused(tmp_path / "none", codes.KEY_FILE_READ)
    _refused(tmp_path, codes.KEY_FILE_READ)
    _refused(Path(os.devnull), codes.KEY_FILE_READ)


def test_nobody_to_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with open(os.devnull) as nobody:
        monkeypatch.setattr(sys, "stdin", nobody)
        _refused(None, codes.PASSPHRASE_MISSING)
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        _refused(None, codes.PASSPHRASE_MISSING)


@pytest.mark.parametrize(
    ("typed", "twice", "code"),
    [
        (b"typed\n", False, None),
        (b"typed\ntyped\n", True, None),
        (b"typed\nother\n", True, codes.PASSPHRASE_TWICE),
        (b"\n", False, codes.PASSPHRASE_EMPTY),
    ],
)
def test_asked_for_at_a_terminal(typed: bytes, twice: bool, code: Code | None) -> None:
    """A child with a terminal of its own, which is typed into after each question."""
    child, terminal = pty.fork()
    if child == 0:
        _answer(twice)
    seen = b""
    for line, question in zip(typed.splitlines(keepends=True), (b"Passphrase: ", b"The same again: "), strict=False):
        seen += _until(terminal, question)
        os.write(terminal, line)
    seen += _until(terminal, b">")
    os.waitpid(child, 0)
    os.close(terminal)
    wanted = code.code if code else "typed"
    assert seen.endswith(f"<{wanted}>".encode())
    assert seen.count(b"typed") == (0 if code else 1), "what is typed is not shown"


def _answer(twice: bool) -> None:
    os.environ.pop("CREDENTIALS_DIRECTORY", None)
    answer = "failed"
    try:
        sys.stdin = os.fdopen(0)
        answer = passphrase_from(None, prompt="Passphrase: ", twice=twice).decode()
    except LocalError as error:
        answer = error.code.code
    finally:
        os.write(1, f"<{answer}>".encode())
        os._exit(0)


def _until(terminal: int, end: bytes) -> bytes:
    seen = b""
    while not seen.endswith(end):
        seen += os.read(terminal, 1)
    return seen


def _file(folder: Path, content: bytes, name: str = "passphrase", mode: int = 0o600) -> Path:
    path = folder / name
    path.write_bytes(content)
    path.chmod(mode)
    return path


def _refused(file: Path | None, code: Code) -> None:
    with pytest.raises(LocalError) as caught:
        passphrase_from(file)
    assert caught.value.code is code
