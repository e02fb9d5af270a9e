"""Puts the standby log into the place of one that cannot go on: after amnesia, or when its keys are stolen. The node is stopped.

    shares ──> are they the standby that the directory lists? ──> ask everybody for the greatest head of ours ──> a quorum answered
    ──> keystore takes the pair ──> data knows what log n+1 follows ──> the guard names log n+1: from here on nothing signs log n

Each step may be repeated. What peers make of it: ``exchange.successors``. (SPEC.md section 5.8; docs/disaster.md)
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from exchange import ahead
from exchange import codes as exchange_codes
from exchange.ahead import Ahead
from exchange.exchange import Exchange
from exchange.reconcile import read_head
from keys.directory.view import Directory, LogRecord, LogState
from keys.keystore import Keystore
from keys.logkeys import LogKeyPair
from keys.suite import SUITE
from node import codes
from node.carrying.network import Network
from node.clock import SystemClock
from node.home import Home
from node.opening import open_exchange
from node.settings import Settings
from node.witnessing.witnesses import Witnesses
from protocol.checkpoint import Head
from protocol.errors import LocalError

_AT_ONCE: Final = 64  # others who are asked at the same time


def replace_log(home: Home, settings: Settings, keystore: Keystore, n: int, pair: LogKeyPair, reason: str) -> Ahead:
    """Make log ``n`` the one that the node opens when it starts next; what its ``opened`` will say.

    ``reason``: amnesia or compromise. Raises NOT-IN-DIRECTORY for a pair that is not our standby, STORE-IN-USE while the node runs,
    LOG-QUORUM, LOG-NOT-LOST, LOG-SPENT, LOG-CLOSED.
    """
    clock = SystemClock()
    network = Network(home.directory, settings.authority, keystore.transport, clock.now)
    standby = _standby(network.directory, settings.authority, n, pair)
    exchange = open_exchange(home, settings, keystore, lambda: network.directory, clock, lambda error: None, held=True, ahead=False)
    try:
        if exchange.log.numbered(n).entries(0, 1):
            raise LocalError(exchange_codes.LOG_NOT_LOST, f"{standby.origin} is open")
        if exchange.log.closed is not None:
            raise LocalError(exchange_codes.LOG_CLOSED, exchange.log.origin)
        shown = asyncio.run(_ask(network, exchange, standby))
        planned = ahead.plan(exchange.log, exchange.guard.value, shown, reason)
        keystore.add_log(n, pair)
        keystore.save()
        ahead.prepare(planned, exchange.log, exchange.writer, exchange.peers, exchange.guard, shown)
    finally:
        exchange.close()
    return planned


def _standby(directory: Directory, authority: str, n: int, pair: LogKeyPair) -> LogRecord:
    """The record of the log whose pair this is. Raises NOT-IN-DIRECTORY."""
    waiting = [log for log in directory.member(authority).logs if log.state is LogState.STANDBY]
    if not waiting or waiting[0].origin.n != n or waiting[0].keys != pair.log_keys(str(waiting[0].origin)):
        raise LocalError(codes.NOT_IN_DIRECTORY, f"log {n} of these shares is not our standby log")
    return waiting[0]


async def _ask(network: Network, exchange: Exchange, standby: LogRecord) -> Mapping[str, Head | None]:
    """What everybody who can be called shows of our log. Raises LOG-QUORUM, and LOG-SPENT when somebody knows the standby already."""
    log = exchange.log
    record = network.directory.log(log.origin)
    witnesses = Witnesses(lambda: network.directory, network.client)
    shown: dict[str, Head | None] = {}

    spent: list[str] = []
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def look(name: str) -> None:
        async with at_once:
            answer, newer = await witnesses.look(name, log.origin), await witnesses.look(name, str(standby.origin))
        if answer is not None:
            shown[name] = read_head(answer.note, log.keys, SUITE)
        if newer is not None and read_head(newer.note, standby.keys, SUITE) is not None:
            spent.append(name)

    try:
        async with asyncio.TaskGroup() as tasks:
            for name in network.callable_peers():
                tasks.create_task(look(name))
    finally:
        await witnesses.close()
    if spent:
        raise LocalError(exchange_codes.LOG_SPENT, f"{spent[0]} has a head of {standby.origin}")
    named = set(record.witnesses or network.callable_peers())
    answered, quorum = len(shown.keys() & named), record.quorum or len(named)
    if answered < quorum:
        raise LocalError(exchange_codes.LOG_QUORUM, f"{answered} of {len(named)} answered, {quorum} are needed")
    return shown
