"""Reading files that hold secrets: only when nobody but their owner may."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from keys import codes
from protocol.errors import LocalError

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_LONGEST: Final = 16 * 1024 * 1024


def read_private(path: Path) -> bytes:
    """The bytes of a file of mode 0600 or stricter. Raises KEY-FILE-MODE, KEY-FILE-READ; FileNotFoundError when there is none.

    Mode and bytes are of one open file, so that it cannot be exchanged in between.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise LocalError(codes.KEY_FILE_READ, f"{path.name} is no regular file")
            if status.st_mode & _OTHERS:
                raise LocalError(codes.KEY_FILE_MODE, f"{path.name} has mode {stat.S_IMODE(status.st_mode):04o}")
            return file.read(_LONGEST)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise LocalError(codes.KEY_FILE_READ, f"{path.name}: {error.strerror}") from None
