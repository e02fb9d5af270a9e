"""Homes that have been at work for long: a log of so many entries, with the messages, receipts and rows that belong to them.

    grow_pair(sender, recipient, messages)     both homes as after so many messages between them, each read once by an officer
    fill_queue(sender, "xb-ca", messages)      so many sealed messages in the sender's outbox, none of them sent
    fill_log(home, entries)                    what officers do, until the log has so many entries

Everything is written by the product's own rooms: letters are sealed, submitted, packed, received, answered and receipted. One
process seals, one is the sender, one the recipient, and they hand each other what a network would carry. Three things are left
out, none of which is stored: HPKE around the wraps (a secret goes from one process to the other as it is), HTTP, and fsync.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from itertools import islice
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.queues import Queue
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeAlias

from exchange.evidence.partfiles import PartFiles
from exchange.exchange import Exchange
from exchange.log import Tx
from exchange.outgoing.outbox import Submission
from exchange.outgoing.sealing import Sealed, Sealer
from keys.suite import SUITE
from node.benches.unwired import carry, letters, opened, prekeys, received
from node.clock import SystemClock
from protocol.entries import Accessed, Act, Filler
from protocol.envelope import parse_envelope

_BATCH: Final = 512  # messages that one process hands to another at once
_QUEUED: Final = 4096  # submitted and not carried yet: enough for full pouches
_OFFICER: Final = bytes(range(1, 17))
Told = Callable[[int], None]
_Handed: TypeAlias = tuple[bytes, bytes, bytes, bytes, int]
"""A sealed message as its bytes: an envelope itself, where it is compiled, is nothing that one process can hand to another."""


def quiet(done: int) -> None:
    """Tell nobody how many are done."""


def grow_pair(sender: Path, recipient: Path, messages: int, body: int = 256, told: Told = quiet) -> None:
    """Let so many messages pass between two homes: two entries each on both sides. ``told``: how many have passed."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    receiving = spawn.Process(target=_receive, args=(recipient, theirs), daemon=True)
    receiving.start()
    theirs.close()
    with opened(sender, plain=True) as exchange:
        peer = _ask(ours, "who")
        lines = exchange.witness.add_checkpoint(peer, _ask(ours, "head", exchange.peers.greatest(peer)))
        _ask(ours, "lines", exchange.us, lines)
        exchange.contact.take_prekeys(peer, _ask(ours, "prekeys", exchange.peers.greatest(peer)))
        submitting = _Submitting(exchange, peer, messages, body)
        submitting.start()
        done = 0
        while done < messages:
            moved = carry(exchange, peer, lambda frame: _ask(ours, "pouch", exchange.us, frame))
            done += moved
            submitting.carried(moved)
            told(done)
        submitting.join()
    _ask(ours, "end")
    receiving.join()


def fill_queue(sender: Path, peer: str, messages: int, body: int = 256, told: Told = quiet) -> None:
    """Seal and submit so many messages to ``peer``, and send none."""
    with opened(sender, plain=True) as exchange:
        submitting = _Submitting(exchange, peer, messages, body, told)
        submitting.carried(messages)
        submitting.start()
        submitting.join()


def fill_log(home: Path, entries: int) -> None:
    """Let the log of a home grow to so many entries, by what its officers do: ``act`` and ``filler`` entries."""
    with opened(home, plain=True) as exchange:
        while missing := entries - exchange.log.size:
            exchange.writer.run(partial(_say, count=min(missing, _QUEUED)))


def _say(tx: Tx, count: int) -> None:
    for number in range(count):
        if number % 8:
            tx.append(Act, _OFFICER, "draft.approved", os.urandom(32))
        else:
            tx.append(Filler)


class _Submitting(threading.Thread):
    """Submits messages that another process seals, some thousands before they are carried."""

    def __init__(self, exchange: Exchange, peer: str, messages: int, body: int, told: Told = quiet) -> None:
        super().__init__(daemon=True)
        self._exchange = exchange
        self._messages = messages
        self._told = told
        self._room = threading.Semaphore(_QUEUED)
        self._due = threading.Event()
        exchange.outbox.on_queued = lambda peer, lane: self._due.set()
        spawn = multiprocessing.get_context("spawn")
        self._sealed: Queue[list[_Handed]] = spawn.Queue(maxsize=8)
        given = (exchange.directory().network_id, exchange.us, peer, messages, body, self._sealed)
        self._sealing: BaseProcess = spawn.Process(target=_seal, args=given, daemon=True)
        self._sealing.start()

    def run(self) -> None:
        """Until all are committed."""
        waiting: deque[Future[Submission]] = deque()
        done = 0
        while done < self._messages:
            for raw, secret, body, conversation, sequence in self._sealed.get():
                self._room.acquire()
                sealed = Sealed(parse_envelope(raw), secret, body, conversation, sequence)
                waiting.append(self._exchange.outbox.submit(sealed))
                done += 1
            self._told(done)
            while len(waiting) > _QUEUED:
                waiting.popleft().result()
        for future in waiting:
            future.result()
        self._sealing.join()

    def carried(self, messages: int) -> None:
        """So many more may be submitted. After none, it waits until something is queued."""
        if messages:
            self._room.release(messages)
            return
        self._due.wait(1)
        self._due.clear()


def _seal(network_id: bytes, us: str, peer: str, messages: int, body: int, out: Queue[list[_Handed]]) -> None:
    """In a process of its own: seal."""
    clock = SystemClock()
    with TemporaryDirectory() as folder:
        sealer = Sealer(network_id, us, SUITE, PartFiles(Path(folder)), os.urandom)
        made = islice(letters(lambda draft: sealer.seal(draft, clock.now()), clock.now, peer, body), messages)
        while batch := list(islice(made, _BATCH)):
            out.put([(one.envelope.raw, one.secret, one.body, one.conversation, one.sequence) for one in batch])


def _receive(home: Path, asked: Connection) -> None:
    """In a process of its own: answer what the sender asks, and read every message once when all are here."""
    with opened(home, plain=True) as exchange:
        head = exchange.log.head()
        while True:
            match asked.recv():
                case ("who",):
                    asked.send(exchange.us)
                case ("head", yours):
                    head = exchange.log.head()
                    asked.send(exchange.heads.request(head, yours))
                case ("lines", witness, lines):
                    exchange.heads.take_lines(witness, head, lines).result()
                    asked.send(None)
                case ("prekeys", yours):
                    asked.send(prekeys(exchange, yours))
                case ("pouch", peer, frame):
                    asked.send(received(exchange, peer, frame))
                case _:
                    break
        _read_all(exchange)
    asked.send(None)


def _read_all(exchange: Exchange) -> None:
    """An officer reads each message that has not been read: an ``accessed`` entry each, as ``messages.log_access`` makes it."""
    for batch in _batches(exchange):
        futures = [exchange.writer.submit(partial(_access, envelope_hash=first, message_id=second)) for first, second in batch]
        for future in futures:
            future.result()


def _access(tx: Tx, envelope_hash: bytes, message_id: bytes) -> int:
    return tx.append(Accessed, envelope_hash, message_id, _OFFICER, "duty of the day")


def _batches(exchange: Exchange) -> Iterator[list[tuple[bytes, bytes]]]:
    rows = exchange.store.reader().execute("SELECT hash, message_id FROM incoming WHERE state='consigned' ORDER BY idx")
    while batch := rows.fetchmany(_QUEUED):
        yield batch


def _ask(connection: Connection, *question: object) -> Any:
    connection.send(question)
    return connection.recv()
