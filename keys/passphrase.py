"""Where a passphrase comes from: a file, a systemd credential, or whoever sits at the terminal.

Never from an argument or an environment variable: other processes can read both, and they end up in histories and reports.
"""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path
from typing import Final

from keys import codes
from keys.keyfile import read_private
from protocol.errors import LocalError

CREDENTIAL: Final = "rogatory-passphrase"


def passphrase_from(file: Path | None, *, prompt: str = "Passphrase of the keystore: ", twice: bool = False) -> bytes:
    """The passphrase: from ``file`` (mode 0600) if one is set, else the credential, else asked for; ``twice`` to set a new one.

    Raises KEY-FILE-MODE, KEY-FILE-READ, PASSPHRASE-MISSING, PASSPHRASE-EMPTY, PASSPHRASE-TWICE.
    """
    if file is not None:
        try:
            return _one_line(read_private(file))
        except FileNotFoundError:
            raise LocalError(codes.KEY_FILE_READ, f"there is no {file.name}") from None
    credential = _credential()
    if credential is not None:
        return _one_line(credential)
    if not sys.stdin.isatty():
        raise LocalError(codes.PASSPHRASE_MISSING)
    typed = getpass.getpass(prompt)
    if twice and getpass.getpass("The same again: ") != typed:
        raise LocalError(codes.PASSPHRASE_TWICE)
    return _one_line(typed.encode())


def _credential() -> bytes | None:
    """The credential's bytes. systemd guards that folder itself, by ACLs that look like a group's right to read."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    path = Path(folder, CREDENTIAL) if folder else None
    if path is None or not path.exists():
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise LocalError(codes.KEY_FILE_READ, f"{CREDENTIAL}: {error.strerror}") from None


def _one_line(raw: bytes) -> bytes:
    line = raw.removesuffix(b"\n").removesuffix(b"\r")
    if not line or b"\n" in line:
        raise LocalError(codes.PASSPHRASE_EMPTY)
    return line
