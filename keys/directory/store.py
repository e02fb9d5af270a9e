"""The folder of a directory: verified files under their TUF names, and one small file that says which of them are in force.

    1.root.json 2.root.json …      every root, from the anchor on
    17.timestamp.json  9.snapshot.json  4.targets.json  3.authority-xa-ca.json
    <sha256>.rulings.json  authorities/<sha256>.xa-ca.json
    in-force                       {"root": 2, "timestamp": 17}: replaced last, in one step
    evidence/                      files that contradict others; never deleted, never served

Keepers, mirrors and nodes have the same folder. A crash leaves the old ``in-force`` and some files that nothing names.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from keys.directory import codes
from keys.sealedfile import write_atomically
from protocol.errors import LocalError

IN_FORCE: Final = "in-force"
TIMESTAMP: Final = "timestamp.json"

_AUTHORITY = r"[a-z0-9](?:[a-z0-9.-]{0,62}[a-z0-9])?"
_NAME: Final = re.compile(
    rf"(?:[1-9][0-9]{{0,9}}\.(?:root|timestamp|snapshot|targets|authority-{_AUTHORITY})\.json"
    rf"|[0-9a-f]{{64}}\.rulings\.json|authorities/[0-9a-f]{{64}}\.{_AUTHORITY}\.json)\Z"
)


def check_name(name: str) -> str:
    """Refuse whatever is not a directory file's name; so no path leaves the folder. Raises DIRECTORY-FILE-NAME."""
    if not _NAME.match(name) or ".." in name:
        raise LocalError(codes.DIRECTORY_FILE_NAME, repr(name[:120]))
    return name


class Store:
    """One folder. It knows names and bytes only; what may be stored is ``trust``'s decision."""

    __slots__ = ("folder",)

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def has(self, name: str) -> bool:
        """Whether the file is there."""
        return (self.folder / check_name(name)).is_file()

    def read(self, name: str) -> bytes:
        """The file's bytes. Raises DIRECTORY-DAMAGED when it is missing or cannot be read."""
        try:
            return (self.folder / check_name(name)).read_bytes()
        except OSError as error:
            raise LocalError(codes.DIRECTORY_DAMAGED, f"{name}: {error.strerror}") from None

    def anchor(self) -> bytes:
        """The first root. Raises DIRECTORY-NOT-ANCHORED."""
        if not self.has("1.root.json"):
            raise LocalError(codes.DIRECTORY_NOT_ANCHORED, str(self.folder))
        return self.read("1.root.json")

    def in_force(self) -> tuple[int, int] | None:
        """Versions of root and timestamp in force, None when nothing has been fetched. Raises DIRECTORY-DAMAGED."""
        path = self.folder / IN_FORCE
        if not path.exists():
            return None
        try:
            value = json.loads(path.read_bytes())
            return int(value["root"]), int(value["timestamp"])
        except (OSError, ValueError, KeyError, TypeError):
            raise LocalError(codes.DIRECTORY_DAMAGED, IN_FORCE) from None

    def put(self, name: str, data: bytes) -> None:
        """Write one file, readable by all: everything here is public within the network."""
        path = self.folder / check_name(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data, 0o644)

    def commit(self, files: Mapping[str, bytes], root: int, timestamp: int) -> None:
        """Write the files, then bring them into force in one step."""
        for name, data in files.items():
            if not (self.has(name) and self.read(name) == data):
                self.put(name, data)
        before = self.in_force()
        pointer = json.dumps({"root": root, "timestamp": timestamp}).encode() + b"\n"
        write_atomically(self.folder / IN_FORCE, pointer, 0o644)
        # timestamps are the one file made every day; the one before stays for whoever is reading it now
        for path in self.folder.glob("*.timestamp.json"):
            if before and path.name not in (f"{timestamp}.timestamp.json", f"{before[1]}.timestamp.json"):
                path.unlink(missing_ok=True)

    def keep_evidence(self, name: str, data: bytes) -> None:
        """Keep bytes that contradict others, under their digest."""
        folder = self.folder / "evidence"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{hashlib.sha256(data).hexdigest()[:16]}.{name.replace('/', '_')}"
        if not path.exists():
            write_atomically(path, data, 0o644)
