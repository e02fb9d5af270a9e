"""Files beside an exported log that no signature covers to the last byte: their digests, as `sha256sum` writes them.

    SHA256SUMS    <hex>  directory/1.root.json      sorted by name; policy.txt and everything in directory/
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Final

from exchange.auditor import codes
from exchange.auditor.folder import read_chunks, read_file
from protocol import limits
from protocol.errors import ProtocolError

SUMS: Final = "SHA256SUMS"
POLICY: Final = "policy.txt"
_LINE: Final = re.compile(r"([0-9a-f]{64})  ([a-z0-9./-]+)\n")


def check_sums(folder: Path) -> tuple[int, str]:
    """The files beside the log are those that were exported, all of them and no other.

    Raises BUNDLE-MANIFEST, BUNDLE-MISSING, BUNDLE-UNLISTED, BUNDLE-DIGEST, BUNDLE-READ, BUNDLE-SIZE.
    """
    text = read_file(folder / SUMS, 8 * limits.MiB).decode("ascii", "replace")
    listed = {name: digest for digest, name in _LINE.findall(text)}
    if "".join(f"{listed[name]}  {name}\n" for name in sorted(listed)) != text:
        raise ProtocolError(codes.BUNDLE_MANIFEST, SUMS)
    there = {POLICY, *_below(folder, "directory")}
    for name in sorted(there | set(listed)):
        if name not in listed:
            raise ProtocolError(codes.BUNDLE_UNLISTED, ascii(name[:120]))
        if not os.path.lexists(folder / name):
            raise ProtocolError(codes.BUNDLE_MISSING, name)
        digest = hashlib.sha256()
        for piece in read_chunks(folder / name, name, limits.DIRECTORY):
            digest.update(piece)
        if digest.hexdigest() != listed[name]:
            raise ProtocolError(codes.BUNDLE_DIGEST, name)
    return len(listed), f"{len(listed)} files beside the log are those that were exported"


def count_files(folder: Path) -> int:
    """How many files lie in this folder and below."""
    return sum(len(files) for _, _, files in os.walk(folder))


def _below(folder: Path, name: str) -> list[str]:
    """The names of all files below a folder, from ``folder`` on."""
    return [Path(at, file).relative_to(folder).as_posix() for at, _, files in os.walk(folder / name) for file in files]
