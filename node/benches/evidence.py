"""`rogatory bench evidence`: one file from its plaintext to the verified receipt, beside a plain copy of it.

    rogatory bench evidence --size 4GiB --json

Both nodes are processes of their own, everything on; the plain copy (bench/plain_copy.py, no product import) runs in the same call, in
turn with the product, on the same disk. A second pair of nodes has a proxy between them that cuts every connection at random moments.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import re
import secrets
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from exchange.evidence.partfiles import read_chunks
from exchange.outgoing.sealing import Attachment, Draft, Sealed
from keys.suite import SUITE
from node.benches.cutproxy import cut_proxy
from node.benches.independent import run_program
from node.benches.pair import RECIPIENT, SENDER, Figures, drive_homes
from node.benches.sample import cpu_us, resident
from node.clock import SystemClock, monotonic_ms
from node.exercise import Place, found_world, free_ports
from node.node import Node
from protocol import limits
from protocol.delivery import State
from protocol.names import Office
from protocol.parts import OpeningPart, PartName

_MEDIA: Final = "application/octet-stream"
_SAMPLE: Final = 0.05  # seconds
_LOOK: Final = 0.025
_EARLY: Final = 0.7  # of the time that carrying took before: the next time may be faster, and all cuts must fall within
_PER_GIB: Final = 300.0  # seconds; far beyond what any disk needs


class _Options(NamedTuple):
    file: str
    folder: str  # of the recipient's parts
    rounds: int  # each beside a plain copy; 0: once, without


class _Size(click.ParamType[int]):
    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d+)\s*([KMG]i?)?B?", value)
        if found is None:
            self.fail(f"{value!r} is no size, such as 512MiB or 4GiB.", param, ctx)
        return int(found[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[(found[2] or "")[:1]]


@click.command()
@click.option("--size", type=_Size(), default=limits.GiB, show_default="1GiB", help="Of the file: 512MiB, 4GiB.")
@click.option("--rounds", type=click.IntRange(1, 99), default=3, show_default=True, help="Each with one plain copy; medians are shown.")
@click.option("--cuts", type=click.IntRange(0, 1000), default=20, show_default=True, help="Of the line, in a run of its own.")
@click.option("--folder", type=click.Path(exists=True, file_okay=False, path_type=Path), help="A folder on the disk that is measured.")
@click.option("--json", "as_json", is_flag=True, help="Only the JSON object.")
def evidence(size: int, rounds: int, cuts: int, folder: Path | None, as_json: bool) -> None:
    """One large file: seconds to its verified receipt, beside a plain copy; memory; what cuts cost."""
    with tempfile.TemporaryDirectory(prefix="rogatory-bench-", dir=folder) as name:
        file = Path(name) / "file"
        sha256 = _make(file, size)
        result = _summary(size, _rounds(Path(name) / "rounds", file, rounds, size))
        if cuts:
            result |= _with_cuts(Path(name) / "cuts", file, sha256, size, [_EARLY * result["carry_seconds"] * x for x in _uniform(cuts)])
    if not as_json:
        click.echo(f"{result['seconds']} s, a plain copy {result['plain_copy_seconds']} s: {result['ratio_to_plain_copy']} of it")
    click.echo(json.dumps(result))


def _rounds(folder: Path, file: Path, rounds: int, size: int) -> list[Figures]:
    places = found_world(folder, (SENDER, RECIPIENT), SystemClock().now()).places
    limit = 60 + rounds * _PER_GIB * (1 + size / limits.GiB)
    return _drive_pair(places[SENDER], places[RECIPIENT], file, rounds, limit)


def _with_cuts(folder: Path, file: Path, sha256: bytes, size: int, moments: Sequence[float]) -> Figures:
    """One more message, over a line that is cut at these moments (seconds since it flows)."""
    places = found_world(folder, (SENDER, RECIPIENT), SystemClock().now()).places
    recipient = places[RECIPIENT]
    [port] = free_ports(1)
    settings = recipient.home.settings
    settings.write_text(settings.read_text().replace(f"127.0.0.1:{recipient.peer_port}", f"127.0.0.1:{port}"))
    with cut_proxy(recipient.peer_port, port, moments) as proxy:
        [measured] = _drive_pair(places[SENDER], recipient, file, 0, 60 + 2 * _PER_GIB * (1 + size / limits.GiB))
        passed, cuts = proxy.report()
    return {
        "cuts": cuts,
        "cut_seconds": measured["seconds"],
        "same_digest": measured["sha256"] == sha256.hex(),
        "resent_ratio": round(passed / measured["ciphertext"] - 1, 5),
        "cut_grew_mib": max(measured["sender_grew_mib"], measured["recipient_grew_mib"]),
    }


def _drive_pair(sender: Place, recipient: Place, file: Path, rounds: int, limit: float) -> list[Figures]:
    options = _Options(str(file), str(recipient.home.data / "parts" / "in"), rounds)
    found: list[Figures] = drive_homes(sender.home.path, recipient.home.path, _drive, options, limit)["rounds"]
    return found


def _summary(size: int, rounds: Sequence[Figures]) -> Figures:
    def median(name: str, digits: int = 3) -> float:
        value: float = statistics.median(each[name] for each in rounds)
        return round(value, digits)

    return {
        "bytes": size,
        "rounds": len(rounds),
        "seconds": median("seconds"),
        "seal_seconds": median("seal"),
        "carry_seconds": median("carry"),
        "plain_copy_seconds": median("plain"),
        "ratio_to_plain_copy": round(median("plain") / median("seconds"), 3),
        "all_seconds": [round(each["seconds"], 2) for each in rounds],
        "all_plain_copy_seconds": [round(each["plain"], 2) for each in rounds],
        "mib_per_second": round(size / limits.MiB / median("seconds"), 1),
        "cpu_ms_per_mib": median("cpu_ms_per_mib", 2),
        "sender_grew_mib": max(each["sender_grew_mib"] for each in rounds),
        "recipient_grew_mib": max(each["recipient_grew_mib"] for each in rounds),
    }


# -- in the sender's process ----------------------------------------------------------------------------------------------------------


async def _drive(node: Node, recipient: int, options: _Options) -> Figures:
    file, incoming = Path(options.file), Path(options.folder)
    if not options.rounds:
        measured, sealed = await _send(node, recipient, file)
        sha256 = await asyncio.to_thread(_plaintext_sha256, sealed, incoming)
        return {"rounds": [{**measured, "sha256": sha256}]}
    rounds = []
    for _ in range(options.rounds):
        plain = await asyncio.to_thread(run_program, "plain_copy", "--file", str(file), "--folder", str(incoming.parent))
        measured, _ = await _send(node, recipient, file)
        rounds.append({**measured, "plain": plain["seconds"]})
        await asyncio.to_thread(_remove_parts, node, incoming)
    return {"rounds": rounds}


async def _send(node: Node, recipient: int, file: Path) -> tuple[Figures, Sealed]:
    outbox = node.exchange.outbox
    attachment = Attachment(file, "evidence.bin", _MEDIA, "evidence_package")
    draft = Draft("mla", (Office(RECIPIENT, "mla"),), "MLA_RECORDS", b"{}", node.clock.now() + limits.DAY, attachments=(attachment,))
    pids = {"sender": os.getpid(), "recipient": recipient}
    cpu = sum(map(cpu_us, pids.values()))
    with contextlib.ExitStack() as stack:
        memory = {name: stack.enter_context(_Memory(pid)) for name, pid in pids.items()}
        started = monotonic_ms()
        sealed = await asyncio.to_thread(outbox.seal, draft)
        at = monotonic_ms()
        await asyncio.wrap_future(outbox.submit(sealed))
        await asyncio.to_thread(_await_receipt, node, sealed.envelope.hash)
        ended = monotonic_ms()
    mib = (await asyncio.to_thread(os.path.getsize, file)) / limits.MiB
    measured = {
        "seconds": (ended - started) / 1000,
        "seal": (at - started) / 1000,
        "carry": (ended - at) / 1000,
        "cpu_ms_per_mib": (sum(map(cpu_us, pids.values())) - cpu) / 1000 / mib,
        "ciphertext": sealed.envelope.parts[1].length,
        **{f"{name}_grew_mib": round(each.grew() / limits.MiB, 1) for name, each in memory.items()},
    }
    return measured, sealed


def _await_receipt(node: Node, envelope_hash: bytes) -> None:
    while node.exchange.messages.find(envelope_hash).deliveries[0].state != State.DELIVERED:
        time.sleep(_LOOK)  # noqa: TID251 - a fortieth of a second more or less does not matter here


def _plaintext_sha256(sealed: Sealed, incoming: Path) -> str:
    """Of what lies at the recipient, opened with the sender's secret."""
    envelope, secret = sealed.envelope, sealed.secret
    part = OpeningPart(SUITE, PartName(envelope.network_id, envelope.message_id, 1), envelope.parts[1], secret[:32], secret[32:], _MEDIA)
    digest = hashlib.sha256()
    for chunk in read_chunks(incoming / f"{envelope.hash.hex()}-1"):
        digest.update(part.update(chunk))
    digest.update(part.finalize())
    return digest.hexdigest()


def _remove_parts(node: Node, incoming: Path) -> None:
    """Both nodes' files of the round that is over: three rounds of 4 GiB would fill a disk."""
    for folder in (incoming, node.exchange.files.folder / "out"):
        for path in folder.iterdir():
            path.unlink()


class _Memory:
    """Resident memory of a process, sampled while the context is open."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._samples = [resident(pid)]
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> _Memory:  # noqa: PYI034 - this module's own
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._end.wait(_SAMPLE):
            self._samples.append(resident(self._pid))

    def grew(self) -> int:
        """Bytes of the greatest sample above the first."""
        return max(self._samples) - self._samples[0]


def _uniform(count: int) -> list[float]:
    """So many random numbers from 0 to 1, ascending."""
    return sorted(secrets.randbelow(1_000_000) / 1_000_000 for _ in range(count))


def _make(path: Path, size: int) -> bytes:
    """A file of noise, on the disk; its SHA-256."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for at in range(0, size, limits.MiB):
            piece = os.urandom(min(limits.MiB, size - at))
            digest.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return digest.digest()
