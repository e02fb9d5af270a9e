"""Exchanges of real homes, opened in this process and joined by calls instead of a network.

    with opened(home_a) as a, opened(home_b) as b:
        meet(a, b)
        carry(a, b)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from exchange.exchange import Exchange
from exchange.outgoing.sealing import Draft, Sealed
from keys.directory import trust
from keys.keystore import Keystore
from keys.passphrase import passphrase_from
from keys.prekeys import PrekeyStore
from keys.suite import SUITE, WRAP_OVERHEAD, Suite1
from node.clock import SystemClock
from node.home import Home
from node.opening import open_exchange
from node.settings import load_settings
from protocol import limits
from protocol.entries import Lane
from protocol.envelope import SECRET
from protocol.errors import LocalError
from protocol.heads import HeadError
from protocol.names import Office

Receive = Callable[[bytes], bytes | int]
"""What a peer makes of a pouch: its answer, or the size from which our head must be linked (the 409 of the peers' port)."""


class PlainWraps(Suite1):
    """Suite 1 without HPKE: a wrap of the right length that holds the secret as it is."""

    __slots__ = ()

    def seal(self, prekey: bytes, info: bytes, plaintext: bytes) -> bytes:
        """The plaintext, padded to the length of a wrap."""
        return plaintext.ljust(len(plaintext) + WRAP_OVERHEAD, b"\0")


class _PlainPrekeys(PrekeyStore):
    def open(self, prekey_id: bytes, info: bytes, wrap: bytes) -> bytes | None:
        return wrap[:SECRET]


@contextmanager
def opened(path: Path, *, plain: bool = False) -> Iterator[Exchange]:
    """The exchange of a home, ready to work. ``plain``: without HPKE around wraps, and without waiting for the disk.

    Neither is stored: what a plain exchange leaves behind is what any other does.
    """
    home, clock = Home(path), SystemClock()
    settings = load_settings(home)
    keystore = Keystore.open(home.keystore, passphrase_from(settings.passphrase_file))
    directory = trust.load(home.directory)
    suite, shelf = (PlainWraps(), _PlainPrekeys) if plain else (SUITE, PrekeyStore)
    exchange = open_exchange(home, settings, keystore, lambda: directory, clock, _raise, suite=suite, shelf=shelf)
    try:
        if plain:
            exchange.store.writer.execute("PRAGMA synchronous=OFF")
        exchange.begin()
        yield exchange
    finally:
        exchange.close()
        if plain:
            os.sync()


def meet(asking: Exchange, asked: Exchange) -> None:
    """Let one witness the other's head, and know its prekeys."""
    head = asked.log.head()
    lines = asking.witness.add_checkpoint(asked.us, asked.heads.request(head, asking.peers.greatest(asked.us)))
    asked.heads.take_lines(asking.us, head, lines).result()
    asking.contact.take_prekeys(asked.us, prekeys(asked, asking.peers.greatest(asked.us)))


def prekeys(exchange: Exchange, yours: int) -> bytes:
    """What an exchange answers to whoever asks for its prekeys."""
    return exchange.contact.prekeys_frame(yours, exchange.directory().version)


def letters(seal: Callable[[Draft], Sealed], now: Callable[[], int], to: str, body: int, lane: Lane = Lane.ROUTINE) -> Iterator[Sealed]:
    """Sealed messages to the 24/7 office of ``to``, each with a form of so many random bytes, without end."""
    office = (Office(to, "247"),)
    while True:
        yield seal(Draft("247", office, "EE_PRESERVE", os.urandom(body), now() + limits.DAY, lane))


def carry(exchange: Exchange, peer: str, receive: Receive, lane: Lane = Lane.ROUTINE) -> int:
    """Carry one pouch of what is due and take its answer; how many items it had, 0 when nothing is due."""
    bag = exchange.outbox.bag(peer, lane)
    if bag is None:
        return 0
    answer = receive(bag.frame)
    if isinstance(answer, int):
        exchange.links.hint(peer, answer)
        return carry(exchange, peer, receive, lane)
    exchange.answers.take(bag, answer)
    return len(bag.rows)


def received(exchange: Exchange, peer: str, frame: bytes) -> bytes | int:
    """What this exchange makes of a pouch of ``peer``, for ``carry``."""
    try:
        return exchange.inbox.receive(peer, frame)
    except HeadError as error:
        return error.greatest


def _raise(error: LocalError) -> None:
    raise error
