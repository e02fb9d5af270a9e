"""A world in which one authority has people, policies and cases: what tests of approval and of the local API need.

    house = make_house(tmp_path)
    house.people.add(...)            house.staff("approver", "mla")            house.cases.propose(...)
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from exchange.casework.acts import Acts
from exchange.casework.cases import Cases
from exchange.casework.compose import Proposal
from exchange.casework.nametable import NameTable
from exchange.casework.people import People, PersonKind, PersonRole
from exchange.casework.unattended import load_policies
from exchange.exchange import Exchange
from exchange.outgoing.sealing import Attachment
from keys.storage import StorageKey
from node.home import Home
from protocol.entries import Lane
from protocol.names import Office
from tests.world import World, make_world

EXAMPLES = resources.files("protocol.forms").joinpath("examples")


@dataclass
class House:
    """One authority of a world with its people."""

    world: World
    us: str
    names: NameTable
    acts: Acts
    people: People
    cases: Cases

    @property
    def exchange(self) -> Exchange:
        """Its exchange."""
        return self.world.exchanges[self.us]

    @property
    def home(self) -> Home:
        """Its home."""
        return self.world.home(self.us)

    @property
    def storage(self) -> StorageKey:
        """Its storage key."""
        return self.world.holdings[self.us].storage

    def staff(self, office: str, *roles: str, kind: PersonKind = PersonKind.OFFICER) -> bytes:
        """Add somebody with these roles in an office of ours; the id."""
        person = self.people.add(f"{'-'.join(roles)} of {office}", kind, self.people.operator)
        for role in roles:
            self.people.grant(person.id, f"{self.us}/{office}", PersonRole(role), self.people.operator)
        return person.id

    def reopen(self) -> None:
        """Close everything and open it again."""
        self.names.close()
        self.world.reopen(self.us)
        self._furnish()

    def close(self) -> None:
        """Close everything."""
        self.names.close()
        self.world.close()

    def _furnish(self) -> None:
        exchange = self.exchange
        self.names = NameTable(self.home.people, self.storage, os.urandom)
        self.acts = Acts(exchange.store, self.storage, os.urandom, self.names.pseudonym)
        self.people = People(
            exchange.store, exchange.writer, self.acts, self.names, self.world.clock, os.urandom,
            lambda: [record.office for record in self.world.directory.member(self.us).offices],
        )  # fmt: skip
        self.cases = Cases(exchange, self.people, self.acts, self.storage, lambda: load_policies(self.home.policies))


def make_house(folder: Path, names: Sequence[str] = ("xa-ca", "xb-ca"), *, us: str = "xa-ca", founded: bool = False) -> House:
    """A world, and the house of ``us`` in it. Close it at the end."""
    world = make_world(folder, names, founded=founded)
    house = House.__new__(House)
    house.world, house.us = world, us
    house._furnish()
    return house


def form(name: str, **changes: Any) -> dict[str, Any]:
    """A worked example of a form (``preserve``, ``mla-records``...), with fields changed."""
    return {**json.loads(EXAMPLES.joinpath(f"{name}.json").read_text()), **changes}


def proposal(
    office: str = "247", kind: str = "EE_PRESERVE", example: str = "preserve", *, to: str = "xb-ca", us: str = "xa-ca",
    attachments: Sequence[Attachment] = (), lane: Lane = Lane.ROUTINE, expires: int | None = None,
    answers: bytes | None = None, **changes: Any,
) -> Proposal:  # fmt: skip
    """What somebody wants to send between two offices of the same name."""
    raw = json.dumps(form(example, **changes)).encode()
    return Proposal(Office(us, office), (Office(to, office),), kind, raw, lane, expires, tuple(attachments), answers)
