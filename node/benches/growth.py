"""`rogatory bench growth`: whether a message costs more when a million entries lie below it.

    rogatory bench growth --json

Two pairs of homes, one young and one old, opened in one process and used in turn: CPU of both sides per message of 4 KiB, from
sealing to the stored receipt, HTTP left out. Then inclusion proofs out of the old log; then the time from the start of a node
with a full queue, an urgent message in it, to its first stored receipt.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from statistics import median, quantiles
from typing import Final, NamedTuple

import click

from exchange.exchange import Exchange
from node.benches.firstreceipt import first_receipt
from node.benches.grown import grow_pair
from node.benches.load import BODY
from node.benches.pair import RECIPIENT, SENDER, Figures
from node.benches.unwired import carry, letters, meet, opened, received
from node.clock import SystemClock
from node.exercise import found_world
from protocol import limits

_PROOFS: Final = 1000
_DONE: Final = "grown"  # the file that says: these homes are whole, they can be used again


class _Pair(NamedTuple):
    sender: Exchange
    recipient: Exchange


class _Round(NamedTuple):
    young_us: float
    old_us: float


@click.command()
@click.option("--entries", type=click.IntRange(1000, 100_000_000), default=1_000_000, show_default=True, help="Of each old log.")
@click.option("--young", type=click.IntRange(100, 100_000), default=1000, show_default=True, help="Of each young log.")
@click.option("--rounds", type=click.IntRange(2, 1000), default=10, show_default=True, help="Of young and old in turn.")
@click.option("--messages", type=click.IntRange(1, 100_000), default=1024, show_default=True, help="In each round, of 4 KiB.")
@click.option("--queued", type=click.IntRange(0, 100_000_000), default=1_000_000, show_default=True, help="Of 256 B, when a node starts.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), help="Keep the homes here, and use those that are there.")
@click.option("--json", "as_json", is_flag=True, help="Only the JSON object.")
def growth(entries: int, young: int, rounds: int, messages: int, queued: int, folder: Path | None, as_json: bool) -> None:
    """CPU per message with few and with many entries; a proof; the first receipt after a start."""

    def say(text: str) -> None:
        if not as_json:
            click.echo(text, err=True)

    with ExitStack() as stack:
        place = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rogatory-growth-")))
        for name, size in (("young", young), ("old", entries)):
            say(f"{name}: two homes of {size} entries each")
            _grow(place / name, size)
        say(f"{rounds} rounds of {messages} messages in each")
        result = {"entries": entries, **_measure(place / "young", place / "old", rounds, messages)}
        if queued:
            say(f"a node with {queued} messages queued, and an urgent one")
            result |= first_receipt(place / "queue", queued)
    click.echo(json.dumps(result))


def _grow(folder: Path, entries: int) -> None:
    """Two homes that know each other, with so many entries in each log; nothing when they are there."""
    if not (folder / _DONE).exists():
        folder.mkdir(parents=True)
        world = found_world(folder, (SENDER, RECIPIENT), SystemClock().now())
        grow_pair(world.places[SENDER].home.path, world.places[RECIPIENT].home.path, entries // 2)
        (folder / _DONE).touch()


def _measure(young: Path, old: Path, rounds: int, messages: int) -> Figures:
    with ExitStack() as stack:
        pairs = [_open(stack, folder) for folder in (young, old)]
        for pair in pairs:
            _exchange(pair, messages)  # connections are opened, pages read, code compiled
        measured = []
        for number in range(rounds):
            order = (0, 1) if number % 2 else (1, 0)
            measured.append(_round(pairs, messages, order))
        proofs = _prove(pairs[1].sender)
    ratios = [each.old_us / each.young_us for each in measured]
    return {
        "ratio_1m_to_1k": round(median(each.old_us for each in measured) / median(each.young_us for each in measured), 3),
        "ratio_least": round(min(ratios), 3),
        "ratio_most": round(max(ratios), 3),
        "young_us": round(median(each.young_us for each in measured), 1),
        "old_us": round(median(each.old_us for each in measured), 1),
        "rounds": rounds,
        "inclusion_proof_ms": round(median(proofs), 3),
        "inclusion_proof_p99_ms": round(quantiles(proofs, n=100)[-1], 3),
    }


def _round(pairs: Sequence[_Pair], messages: int, order: tuple[int, int]) -> _Round:
    """Messages of both, a pouch of the one and a pouch of the other in turn: what else the machine does hits both alike."""
    spent = [0.0, 0.0]
    for done in range(0, messages, limits.POUCH_ITEMS):
        for which in order:
            count = min(limits.POUCH_ITEMS, messages - done)
            spent[which] += _exchange(pairs[which], count) * count / messages
    return _Round(*spent)


def _open(stack: ExitStack, folder: Path) -> _Pair:
    pair = _Pair(*(stack.enter_context(opened(folder / name)) for name in (SENDER, RECIPIENT)))
    meet(pair.sender, pair.recipient)
    return pair


def _exchange(pair: _Pair, messages: int) -> float:
    """CPU of this process per message, in microseconds, all its threads."""
    sender, recipient = pair
    began = time.process_time()
    sealed = islice(letters(sender.outbox.seal, sender.clock.now, recipient.us, BODY), messages)
    for future in [sender.outbox.submit(each) for each in sealed]:
        future.result()
    done = 0
    while done < messages:
        done += carry(sender, recipient.us, lambda frame: received(recipient, sender.us, frame))
    return (time.process_time() - began) * 1e6 / messages


def _prove(exchange: Exchange) -> list[float]:
    """Milliseconds that a proof takes, for entries all over the log."""
    head = exchange.log.head()
    took = []
    for _ in range(_PROOFS):
        index = int.from_bytes(os.urandom(8), "big") % head.size
        began = time.perf_counter()
        exchange.log.prove(index, head)
        took.append(1000 * (time.perf_counter() - began))
    return took
