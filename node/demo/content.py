"""What the demo sends: the worked requests of ``protocol/forms/examples``, with real files made on the spot.

A PDF that a viewer opens, a PNG picture, and an evidence file of 200 MiB; sizes and digests in the forms are theirs.
Everything is fictional.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

EVIDENCE_SIZE = 200 << 20
_STEP = 1 << 20


@dataclass(frozen=True, slots=True)
class File:
    """A file on disk, with what a form says of it."""

    path: Path
    media_type: str
    role: str
    size: int
    sha256: str
    sha512: str


def make_files(folder: Path, evidence_size: int = EVIDENCE_SIZE) -> dict[str, File]:
    """Write the demo's files; by name."""
    folder.mkdir(parents=True, exist_ok=True)
    order = _pdf(
        "Order of the Tribunal of Alpha", "Case A-TRF-2026-0412", "The records named in the request shall be obtained.",
        "Fictional document of an exercise.",
    )  # fmt: skip
    statements = _pdf("First Fictional Bank of Charlie", "Statements, account ending 4711", "Certified copy. Fictional document.")
    files = {
        "order.pdf": ("application/pdf", "domestic_order", iter((order,))),
        "payments.png": ("image/png", "photo", iter((_png(480, 270),))),
        "server-image.bin": ("application/octet-stream", "evidence_package", _noise(evidence_size)),
        "C-0933-1-statements.pdf": ("application/pdf", "evidence_package", iter((statements,))),
        "C-0933-2-access-log.csv": ("text/csv", "evidence_package", iter((_access_log(),))),
    }
    return {name: _write(folder / name, *about) for name, about in files.items()}


def form(name: str) -> dict[str, Any]:
    """One of the worked examples."""
    text = resources.files("protocol.forms").joinpath("examples", f"{name}.json").read_text()
    return dict(json.loads(text))


def records_request(files: list[File]) -> dict[str, Any]:
    """MLA_RECORDS with these attachments listed."""
    filled = form("mla-records")
    filled["attachments"] = [
        {
            "attachment_id": f"att-{number}", "filename": file.path.name, "media_type": file.media_type, "size": file.size,
            "sha256": file.sha256, "sha512": file.sha512, "role": file.role,
        }
        for number, file in enumerate(files, 1)
    ]  # fmt: skip
    return filled


def handover(files: list[File]) -> dict[str, Any]:
    """EVIDENCE_HANDOVER with sizes and digests of these files, in the order of its items."""
    filled = form("evidence-handover")
    by_id = {}
    for item, file in zip(filled["items"], files, strict=True):
        item.update(filename=file.path.name, media_type=file.media_type, size=file.size, sha256=file.sha256, sha512=file.sha512)
        by_id[item["evidence_id"]] = file
    filled["total_size"] = sum(file.size for file in files)
    _retell_custody(filled, by_id)
    return filled


def receipt(files: list[File]) -> dict[str, Any]:
    """EVIDENCE_RECEIPT that confirms these files."""
    filled = form("evidence-receipt")
    by_id = {}
    for item, file in zip(filled["items"], files, strict=True):
        item.update(size=file.size, sha256=file.sha256, sha512=file.sha512)
        by_id[item["evidence_id"]] = file
    _retell_custody(filled, by_id)
    return filled


def _retell_custody(filled: dict[str, Any], by_id: dict[str, File]) -> None:
    for event in filled["custody"]:
        for key in ("hash_before", "hash_after"):
            if key in event:
                event[key] = by_id[event["evidence_id"]].sha256


def _write(path: Path, media_type: str, role: str, chunks: Iterator[bytes]) -> File:
    size, sha256, sha512 = 0, hashlib.sha256(), hashlib.sha512()
    with path.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
            size += len(chunk)
            sha256.update(chunk)
            sha512.update(chunk)
    return File(path, media_type, role, size, sha256.hexdigest(), sha512.hexdigest())


def _noise(size: int) -> Iterator[bytes]:
    """Bytes that do not compress, the same on every machine."""
    for number in range(-(-size // _STEP)):
        yield hashlib.shake_128(b"rogatory demo" + number.to_bytes(4, "big")).digest(min(_STEP, size - number * _STEP))


def _access_log() -> bytes:
    rows = [f"2026-10-{day:02d}T0{hour}:14:05Z,203.0.113.9,{51344 + hour},login" for day in range(1, 31) for hour in range(8)]
    return ("time,address,port,event\n" + "\n".join(rows) + "\n").encode()


def _pdf(*lines: str) -> bytes:
    """A PDF of one page with these lines (PDF 1.4, one standard font)."""
    shown = " T* ".join(f"({line}) Tj" for line in lines)
    content = f"BT /F1 16 Tf 24 TL 72 740 Td {shown} ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, each in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1, table, len(objects) + 1, start,
    )  # fmt: skip
    return bytes(out)


def _png(width: int, height: int) -> bytes:
    """A picture of payments as bars (PNG, RGB)."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    bars = [35 + (index * 67) % 180 for index in range(12)]
    rows = bytearray()
    for y in range(height):
        rows.append(0)
        for x in range(width):
            bar = bars[min(x * len(bars) // width, len(bars) - 1)]
            rows += b"\x1f\x4e\x79" if x % (width // len(bars)) > 6 and height - y < bar else b"\xf7\xf7\xf2"
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(bytes(rows), 9)) + chunk(b"IEND", b"")
    )  # fmt: skip
