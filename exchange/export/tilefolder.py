"""Writes a log as C2SP tlog-tiles files: what any monitor of transparency logs reads, and what the auditor examines.

checkpoint    tile/<L>/<N>[.p/<W>]    tile/entries/<N>[.p/<W>]
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from exchange import codes
from protocol.checkpoint import parse_checkpoint
from protocol.errors import LocalError
from protocol.merkle import Frontier, leaf_hash
from protocol.note import parse_note
from protocol.tiles import ENTRIES, HEIGHT, WIDTH, encode_bundle, tile_path


def write_log(entries: Iterable[bytes], note: bytes, folder: Path) -> None:
    """Write all entries of the head in ``note`` and its tiles into a new or empty folder; ``checkpoint`` comes last.

    Raises EXPORT-FOLDER, and LOG-DAMAGED when the entries do not make the root that the note signs: no checkpoint then.
    """
    if folder.exists() and any(folder.iterdir()):
        raise LocalError(codes.EXPORT_FOLDER, f"{folder.name} is not empty")
    head = parse_checkpoint(parse_note(note).text)
    frontier = Frontier()
    rows: dict[int, list[bytes]] = {}
    for number, bundle in enumerate(_rows(entries)):
        write_file(folder, tile_path(ENTRIES, number, len(bundle)), encode_bundle(bundle))
        for entry in bundle:
            for level, _, value in frontier.append(leaf_hash(entry)):
                if level % HEIGHT == 0:
                    rows.setdefault(level // HEIGHT, []).append(value)
    if (frontier.size, frontier.root()) != (head.size, head.root):
        raise LocalError(codes.LOG_DAMAGED, f"{frontier.size} entries, a head of {head.size}")
    for level, hashes in rows.items():
        for number, row in enumerate(_rows(hashes)):
            write_file(folder, tile_path(level, number, len(row)), b"".join(row))
    write_file(folder, "checkpoint", note)


def write_file(folder: Path, name: str, data: bytes) -> None:
    """One file below this folder. Raises EXPORT-FOLDER."""
    path = folder / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise LocalError(codes.EXPORT_FOLDER, f"{name}: {error.strerror}") from None


def _rows(items: Iterable[bytes]) -> Iterator[list[bytes]]:
    source = iter(items)
    while row := list(islice(source, WIDTH)):
        yield row
