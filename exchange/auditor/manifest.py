"""Check 1: the folder holds exactly the files that its manifest names, and each has the digest that stands there.

    {"format": "rogatory/bundle/v1", "suite": 1,
     "files": {"envelope.cbor": {"sha256": "9f86…", "size": 412, "what": "the envelope, as carried"}, …}}

The manifest proves nothing about origin; it tells a damaged copy from a false claim.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any, Final

from exchange.auditor import codes
from exchange.auditor.folder import MANIFEST, Folder
from protocol.errors import ProtocolError

FORMAT: Final = "rogatory/bundle/v1"
SUITE: Final = 1
REQUIRED: Final = ("README.txt", "directory/1.root.json", "envelope.cbor", "origin.tlog-proof", "policy.txt")

_HEX: Final = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True)
class Listed:
    """What the manifest says of one file; ``original``: the name that a disclosed attachment had, if the body says it too."""

    sha256: str
    size: int
    original: str | None


def check_manifest(folder: Folder) -> tuple[dict[str, Listed], str]:
    """Check 1: the listed files, all there, all equal. Raises BUNDLE-MANIFEST, -MISSING, -UNLISTED, -DIGEST."""
    if MANIFEST not in folder.sizes:
        raise ProtocolError(codes.BUNDLE_MANIFEST, "there is none")
    listed = parse_manifest(folder.read(MANIFEST))
    for name in (*REQUIRED, *listed):
        if name not in folder.sizes:
            raise ProtocolError(codes.BUNDLE_MISSING, ascii(name[:120]))
    for name in folder.sizes:
        if name != MANIFEST and name not in listed:
            raise ProtocolError(codes.BUNDLE_UNLISTED, name)
    for name, line in listed.items():
        digest = hashlib.sha256()
        for piece in folder.chunks(name):
            digest.update(piece)
        if folder.sizes[name] != line.size or digest.hexdigest() != line.sha256:
            raise ProtocolError(codes.BUNDLE_DIGEST, name)
    return listed, f"{len(listed)} files are those that the manifest names"


def parse_manifest(data: bytes) -> dict[str, Listed]:
    """The files that a manifest lists. Raises BUNDLE-MANIFEST."""
    value = read_json(data)
    if value.get("format") != FORMAT or value.get("suite") != SUITE or set(value) != {"format", "suite", "files"}:
        raise _form("another format or suite")
    files = value["files"]
    if not isinstance(files, dict):
        raise _form("no files")
    return {name: _line(name, line) for name, line in files.items()}


def read_json(data: bytes) -> dict[str, Any]:
    """A JSON object without duplicate keys. Raises BUNDLE-MANIFEST."""
    try:
        value = json.loads(data.decode(), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise _form("not JSON of our profile") from None
    if not isinstance(value, dict):
        raise _form("not a JSON object")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice")
    return result


def _line(name: str, line: Any) -> Listed:
    if not isinstance(line, dict) or not {"sha256", "size", "what"} <= set(line) <= {"sha256", "size", "what", "original"}:
        raise _form(ascii(name[:120]))
    sha256, size, original = line["sha256"], line["size"], line.get("original")
    texts = (line["what"], "" if original is None else original)
    if not isinstance(sha256, str) or not _HEX.match(sha256) or type(size) is not int or name == MANIFEST:
        raise _form(ascii(name[:120]))
    if not all(isinstance(text, str) and len(text) <= 255 for text in texts):
        raise _form(ascii(name[:120]))
    return Listed(sha256, size, original)


def _form(detail: str) -> ProtocolError:
    return ProtocolError(codes.BUNDLE_MANIFEST, detail)
