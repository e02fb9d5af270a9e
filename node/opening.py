"""Opens this authority's exchange: the log that its directory has in force, with the keys of its keystore.

The running node opens it to work; a command opens it, with the node stopped, to end its log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from exchange.ahead import opened_ahead
from exchange.exchange import Exchange, Identity
from exchange.ports import Clock
from keys.directory.view import Directory, LogRecord
from keys.keystore import Keystore
from keys.prekeys import PrekeyStore
from keys.suite import SUITE, Suite1
from node import codes
from node.clock import SystemClock
from node.home import Home
from node.settings import Settings
from protocol import limits
from protocol.errors import LocalError, ProtocolError


def find_log(directory: Directory, authority: str, keystore: Keystore, ahead: int | None = None) -> LogRecord:
    """This node's log: the one in force, or the standby that was opened ``ahead`` of the directory.

    Raises NOT-IN-DIRECTORY when the directory names other keys than the keystore holds.
    """
    try:
        record = directory.log_in_force(authority)
        if ahead is not None and ahead > record.origin.n:
            record = directory.log(str(record.origin)[: -len(str(record.origin.n))] + str(ahead))
    except ProtocolError as error:
        raise LocalError(codes.NOT_IN_DIRECTORY, error.code.code) from None
    ours = keystore.logs.get(record.origin.n)
    if ours is None or ours.log_keys(str(record.origin)) != record.keys:
        raise LocalError(codes.NOT_IN_DIRECTORY, f"the keys of {record.origin}")
    return record


def open_exchange(
    home: Home, settings: Settings, keystore: Keystore, directory: Callable[[], Directory], clock: Clock,
    on_fatal: Callable[[LocalError], None], *, held: bool = False, ahead: bool = True, suite: Suite1 = SUITE,
    shelf: type[PrekeyStore] = PrekeyStore,
) -> Exchange:  # fmt: skip
    """The exchange of this home; nothing is said in its log yet. ``held``: and nothing is signed before it is released.

    ``ahead``: of two logs the one that was opened ahead of the directory; without it the one in force.
    Raises NOT-IN-DIRECTORY, STORE-*, LOG-DAMAGED; without ``held`` also GUARD-*.
    """
    record = find_log(directory(), settings.authority, keystore, opened_ahead(home.data) if ahead else None)
    pair = keystore.log(record.origin.n)
    prekeys = shelf(home.prekeys, keystore.prekey_key)
    identity = Identity(record.origin, record.keys, pair, prekeys, keystore.storage_key(), keystore.witness)
    reserve = settings.data.disk_reserve_mib * limits.MiB
    return Exchange(
        home.data, settings.guard_path(home), identity, directory, suite, clock, on_fatal=on_fatal, reserve=reserve,
        urgent_per_hour=settings.peer.urgent_per_hour, held=held,
    )  # fmt: skip


@contextmanager
def standing_still(home: Home, settings: Settings, keystore: Keystore, directory: Directory) -> Iterator[Exchange]:
    """The exchange while no node runs, and none can start: for what a log says last. Raises what ``open_exchange`` raises."""
    exchange = open_exchange(home, settings, keystore, lambda: directory, SystemClock(), lambda error: None)
    try:
        yield exchange
    finally:
        exchange.close()
