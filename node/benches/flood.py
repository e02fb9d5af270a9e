"""A third authority that floods one node: valid routine pouches beyond its quota, and TLS handshakes, from an address of its own.

    pack_flood(flooder, recipient, folder, messages, …) frames made beforehand: the flood itself costs little but the flooded
    with flooding(flooder, address, folder) as flood:   a process of its own at the lowest priority, while this context is open

All frames are under one signed head; each holds other messages. When all were sent, they are sent again.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from http import HTTPStatus
from itertools import cycle
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import aiohttp

from exchange.bag import Bag
from exchange.log import Tx
from keys.directory import trust
from keys.keystore import Keystore
from keys.passphrase import passphrase_from
from keys.transport import client_context
from node.benches.grown import fill_queue
from node.benches.load import BODY
from node.benches.unwired import meet, opened
from node.clock import monotonic_ms
from node.home import Home
from node.settings import load_settings
from protocol import limits
from protocol.entries import Lane

RATE: Final = 5 * limits.ROUTINE_RATE  # bytes a second: five times what a peer may
HANDSHAKES: Final = 50  # a second
_FROM: Final = "127.0.0.2"  # its own doorstep: whoever comes from another address is not meant
_NICE: Final = 19
_UNDER_WAY: Final = 8  # pouches at a time: the gate takes four of one peer
_LONGEST: Final = 30.0  # seconds for one call

Flood = Counter[str]


def pack_flood(flooder: Path, recipient: Path, folder: Path, messages: int, sender: Path) -> None:
    """Seal so many messages and pack them as they would be sent. No node may run.

    ``sender``: the third home. It and the flooder witness the recipient's head first, for prekeys are used under a witnessed head alone.
    """
    folder.mkdir()
    fill_queue(flooder, load_settings(Home(recipient)).authority, messages, BODY)
    with opened(flooder) as exchange, opened(recipient) as asked:
        with opened(sender) as third:
            for _ in range(2):  # whoever came first knows the quorum's prekeys the second time
                meet(third, asked)
                meet(exchange, asked)
        number = 0
        while (bag := exchange.outbox.bag(asked.us, Lane.ROUTINE)) is not None:
            (folder / f"{number:06d}").write_bytes(bag.frame)
            exchange.writer.run(partial(_put_off, bag=bag))
            number += 1


def _put_off(tx: Tx, bag: Bag) -> None:
    """Not due any more, so that the next pouch holds others; no entry, so that the head stays."""
    tx.db.executemany("UPDATE delivery SET due=? WHERE id=?", [(tx.time + limits.DAY, row.id) for row in bag.rows])


@contextlib.contextmanager
def flooding(flooder: Path, recipient: Path, folder: Path) -> Iterator[Flood]:
    """Flood the node of ``recipient`` while this context is open; what was done is filled in at its end."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_run, args=(flooder, recipient, folder, theirs), daemon=True)
    process.start()
    done: Flood = Counter()
    try:
        ours.recv()
        yield done
        ours.send(None)
        done.update(ours.recv())
    finally:
        process.kill()
        process.join()


def _run(flooder: Path, recipient: Path, folder: Path, line: Connection) -> None:
    os.nice(_NICE)
    frames = [path.read_bytes() for path in sorted(folder.iterdir())]
    line.send(None)
    line.send(asyncio.run(_flood(Home(flooder), Home(recipient), frames, line)))


async def _flood(home: Home, recipient: Home, frames: Sequence[bytes], line: Connection) -> Flood:
    settings, asked = load_settings(home), load_settings(recipient)
    keystore = Keystore.open(home.keystore, passphrase_from(settings.passphrase_file))
    certificates = trust.load(home.directory).member(asked.authority).certificates
    context = client_context(keystore.transport[0], certificates)
    host, port = asked.peer_listen
    done: Flood = Counter()
    connector = aiohttp.TCPConnector(local_addr=(_FROM, 0), limit=_UNDER_WAY, ssl=context)
    async with aiohttp.ClientSession(f"https://{host}:{port}", connector=connector) as session:
        await _until_there(session)
        began = monotonic_ms()
        async with asyncio.TaskGroup() as tasks:
            flood = [tasks.create_task(_pouches(session, frames, done)), tasks.create_task(_knocks(host, port, context, done))]
            await asyncio.to_thread(line.recv)
            for each in flood:
                each.cancel()
    done["ms"] = monotonic_ms() - began
    return done


async def _until_there(session: aiohttp.ClientSession) -> None:
    while True:
        with contextlib.suppress(aiohttp.ClientError):
            async with session.get("/v1/prekeys?yours=0") as response:
                await response.read()
                return
        await asyncio.sleep(0.05)


async def _pouches(session: aiohttp.ClientSession, frames: Sequence[bytes], done: Flood) -> None:
    """At the rate, whatever is answered; never more than so many under way."""

    async def send(frame: bytes) -> None:
        async with session.post("/v1/pouch", data=frame) as response:
            await response.read()
            done["bytes"] += len(frame)
            done["taken" if response.status == HTTPStatus.OK else f"status_{response.status}"] += 1

    await _paced((partial(send, frame) for frame in cycle(frames)), len(frames[0]) / RATE, _UNDER_WAY)


async def _knocks(host: str, port: int, context: Any, done: Flood) -> None:
    async def knock() -> None:
        done["knocks"] += 1
        _, writer = await asyncio.open_connection(host, port, ssl=context, local_addr=(_FROM, 0))
        done["handshakes"] += 1
        writer.transport.abort()

    await _paced(cycle((knock,)), 1 / HANDSHAKES, HANDSHAKES)


async def _paced(calls: Iterator[Any], seconds: float, most: int) -> None:
    """Begin one call after each so many seconds; what the other side does to one is its answer to it alone."""

    async def one(call: Any) -> None:
        with contextlib.suppress(OSError, aiohttp.ClientError, TimeoutError):
            async with asyncio.timeout(_LONGEST):
                await call()

    loop = asyncio.get_running_loop()
    at, running = loop.time(), set[asyncio.Task[None]]()
    async with asyncio.TaskGroup() as tasks:
        for call in calls:
            await asyncio.sleep(max(0.0, at - loop.time()))
            at = max(at + seconds, loop.time() - 1)  # what was missed is made up for, a second of it at most
            if len(running) < most:
                task = tasks.create_task(one(call))
                running.add(task)
                task.add_done_callback(running.discard)
