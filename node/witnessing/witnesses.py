"""The witnesses of a log, asked for the greatest head of it that each of them holds.

    witnesses = Witnesses(lambda: network.directory, network.client)
    for shown in await witnesses.heads_of(origin): ...     a note, or None: it answered, and has none

Who does not answer in time is not in the answer. What is shown is bytes: nothing in it has been checked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final, NamedTuple

from keys.directory.view import Directory
from node.carrying.peerclient import PeerClient, PeerRefusedError
from protocol.errors import PassingError, ProtocolError
from protocol.names import Origin

ANSWER: Final = 10.0  # seconds for one witness


class Shown(NamedTuple):
    """What one witness shows of a log: a note, unchecked, or None when it has none."""

    witness: str
    note: bytes | None


class Witnesses:
    """``directory`` gives the one in force; ``client`` makes a client for an authority. Clients are kept until ``close``."""

    def __init__(self, directory: Callable[[], Directory], client: Callable[[str], PeerClient]) -> None:
        self._directory = directory
        self._make = client
        self._clients: dict[str, PeerClient] = {}

    def client(self, witness: str) -> PeerClient:
        """The client that calls this authority as a witness: connections of its own, so that nothing waits behind it."""
        if witness not in self._clients:
            self._clients[witness] = self._make(witness)
        return self._clients[witness]

    def named(self, origin: str) -> tuple[str, ...]:
        """Who witnesses this log, as the directory says. Raises NAME-ORIGIN, DIRECTORY-UNKNOWN-*."""
        return self._directory().log(origin).witnesses

    async def heads_of(self, origin: str, among: Sequence[str] | None = None) -> list[Shown]:
        """What each witness of this log (or those ``among`` them) shows of it, in their order; who does not answer is left out.

        Never the log's own authority: its word about itself is no witness's. Raises NAME-ORIGIN, DIRECTORY-UNKNOWN-*.
        """
        ours = Origin.parse(origin).authority
        asked = [name for name in self.named(origin) if name != ours and (among is None or name in among)]
        async with asyncio.TaskGroup() as tasks:
            looks = [tasks.create_task(self.look(name, origin)) for name in asked]
        return [shown for look in looks if (shown := look.result()) is not None]

    async def look(self, witness: str, origin: str) -> Shown | None:
        """What one authority shows of this log, whether it is a witness of it or not; None when it does not answer in time."""
        try:
            async with asyncio.timeout(ANSWER):
                return Shown(witness, await self.client(witness).checkpoint_of(origin))
        except PeerRefusedError as error:
            return Shown(witness, None) if error.status == HTTPStatus.NOT_FOUND else None
        except (PassingError, ProtocolError, TimeoutError):
            return None

    async def close(self) -> None:
        """Let every connection go."""
        for client in self._clients.values():
            await client.close()
        self._clients.clear()
