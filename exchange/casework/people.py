"""People and systems of this authority: who may do what in which office. Every change is an act in the log.

    officer       drafts requests                       intake        registers what came
    approver      approves what another drafted         case_officer  executes what came, answers, hands evidence over
    duty          24/7 contact point                    auditor       reads everything of the office, changes nothing

Rights are here, in the database of the log, so that a change and its act are one transaction. Names are in the ``NameTable``.
The operator of the host is an account from the first day: somebody must add the first person, and that is on record too.
(Domain README 0.4)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from exchange import codes
from exchange.casework.acts import Acts
from exchange.casework.nametable import ID, NameTable
from exchange.log import Tx
from exchange.ports import Clock, Random
from exchange.store import Store
from exchange.writer import Writer
from protocol.errors import LocalError, ProtocolError
from protocol.names import Office

NAME: Final = 200  # characters


class PersonKind(StrEnum):
    """What kind of account this is."""

    OFFICER = "officer"
    SYSTEM = "system"  # a court's case system, a desk: acts by itself under a written policy
    OPERATOR = "operator"  # whoever may open the node's socket


class PersonRole(StrEnum):
    """What an account may do in an office."""

    OFFICER = "officer"
    APPROVER = "approver"
    INTAKE = "intake"
    CASE_OFFICER = "case_officer"
    DUTY = "duty"
    AUDITOR = "auditor"


_NOT_FOR_SYSTEMS: Final = frozenset({PersonRole.APPROVER})


@dataclass(frozen=True, slots=True)
class Person:
    """One account. ``roles``: (office, role); ``pseudonym``: this year's, as the log shows it; ``since``: ms."""

    id: bytes
    name: str
    kind: PersonKind
    active: bool
    since: int
    pseudonym: bytes
    roles: frozenset[tuple[str, PersonRole]]

    def has(self, office: str, roles: Collection[PersonRole]) -> bool:
        """Whether one of these roles is held in this office (``xa-ca/247``)."""
        return any((office, role) in self.roles for role in roles)


class People:
    """The accounts. ``offices()`` gives those of this authority in the directory in force. Any thread may call."""

    def __init__(
        self, store: Store, writer: Writer, acts: Acts, names: NameTable, clock: Clock, random: Random,
        offices: Callable[[], Collection[Office]],
    ) -> None:  # fmt: skip
        self._store, self._writer, self._acts, self._names = store, writer, acts, names
        self._clock, self._random, self._offices = clock, random, offices
        row = store.reader().execute("SELECT id FROM person WHERE kind='operator'").fetchone()
        self.operator: bytes = bytes(row[0]) if row else self._begin()

    # -- reading -------------------------------------------------------------------------------------------------------------

    def list(self) -> list[Person]:
        """Everybody, in the order of being added."""
        rows = self._store.reader().execute("SELECT id, kind, active, since FROM person ORDER BY since, id").fetchall()
        return [self._person(self._store.reader(), row) for row in rows]

    def get(self, person: bytes) -> Person:
        """The account with this id, or which this pseudonym of any year means. Raises PERSON-UNKNOWN."""
        return self._get(self._store.reader(), person)

    def actor(self, person: bytes, db: sqlite3.Connection | None = None) -> Person:
        """The same, for somebody who acts now. Raises PERSON-UNKNOWN, PERSON-INACTIVE."""
        found = self._get(self._store.reader() if db is None else db, person)
        if not found.active:
            raise LocalError(codes.PERSON_INACTIVE, found.id.hex())
        return found

    def pseudonym(self, person: bytes) -> bytes:
        """What stands for the person in entries of today."""
        return self._names.pseudonym(person, self._clock.now())

    # -- changes, each an act --------------------------------------------------------------------------------------------------

    def add(self, name: str, kind: PersonKind, by: bytes, also: Callable[[Tx, bytes], None] | None = None) -> Person:
        """Add an officer or a system; the name goes into the table of names only. Raises PERSON-NAME, PERSON-*."""
        if not 0 < len(name) <= NAME or not name.isprintable() or name != name.strip() or kind is PersonKind.OPERATOR:
            raise LocalError(codes.PERSON_NAME, kind)
        person = self._random(ID)
        self._names.set_name(person, name)

        def insert(tx: Tx) -> None:
            self._insert(tx, person, kind, self.actor(by, tx.db).id)
            if also is not None:
                also(tx, person)

        self._writer.run(insert)
        return self.get(person)

    def deactivate(self, person: bytes, by: bytes) -> Person:
        """End an account: it acts no more, its past acts stay what they were. Raises PERSON-*."""
        return self._change(person, by, "person.deactivated", {}, _end)

    def grant(self, person: bytes, office: str, role: PersonRole, by: bytes) -> Person:
        """Give a role in an office of ours. Raises PERSON-ROLE, PERSON-OFFICE, PERSON-*."""
        if office not in {str(ours) for ours in self._offices()}:
            raise LocalError(codes.PERSON_OFFICE, repr(office[:140]))

        def insert(tx: Tx, found: Person) -> None:
            if found.kind is not PersonKind.OFFICER and role in _NOT_FOR_SYSTEMS:
                raise LocalError(codes.PERSON_ROLE, f"{role} for a {found.kind}")
            tx.db.execute("INSERT OR IGNORE INTO role VALUES (?,?,?)", (found.id, office, role))

        return self._change(person, by, "role.granted", {"office": office, "role": role}, insert)

    def revoke(self, person: bytes, office: str, role: PersonRole, by: bytes) -> Person:
        """Take a role away. Raises PERSON-*."""
        delete = "DELETE FROM role WHERE person=? AND office=? AND role=?"
        return self._change(
            person, by, "role.revoked", {"office": office, "role": role},
            lambda tx, found: tx.db.execute(delete, (found.id, office, role)),
        )  # fmt: skip

    def _change(
        self, person: bytes, by: bytes, action: str, about: dict[str, str], change: Callable[[Tx, Person], object]
    ) -> Person:
        def apply(tx: Tx) -> bytes:
            found = self.actor(person, tx.db)
            change(tx, found)
            self._acts.append(tx, self.actor(by, tx.db).id, action, {"person": found.id.hex(), **about})
            return found.id

        return self.get(self._writer.run(apply))

    def _begin(self) -> bytes:
        operator = self._random(ID)
        self._names.set_name(operator, "operator of this node")
        self._writer.run(lambda tx: self._insert(tx, operator, PersonKind.OPERATOR, operator))
        return operator

    def _insert(self, tx: Tx, person: bytes, kind: PersonKind, by: bytes) -> None:
        tx.db.execute("INSERT INTO person VALUES (?,?,1,?)", (person, kind, tx.time))
        self._acts.append(tx, by, "person.added", {"person": person.hex(), "kind": kind})

    # -- rows ------------------------------------------------------------------------------------------------------------------

    def _get(self, db: sqlite3.Connection, person: bytes) -> Person:
        query = "SELECT id, kind, active, since FROM person WHERE id=?"
        row = db.execute(query, (person,)).fetchone()
        if row is None:
            row = db.execute(query, (self._names.person(person),)).fetchone()
        if row is None:
            raise LocalError(codes.PERSON_UNKNOWN, person.hex())
        return self._person(db, row)

    def _person(self, db: sqlite3.Connection, row: tuple[bytes, str, int, int]) -> Person:
        id_, kind, active, since = row
        roles = db.execute("SELECT office, role FROM role WHERE person=?", (id_,)).fetchall()
        return Person(
            id_, self._names.name(id_), PersonKind(kind), bool(active), since, self.pseudonym(id_),
            frozenset((office, PersonRole(role)) for office, role in roles),
        )  # fmt: skip


def parse_role(text: str) -> PersonRole:
    """The role of this name. Raises PERSON-ROLE."""
    try:
        return PersonRole(text)
    except ValueError:
        raise LocalError(codes.PERSON_ROLE, ", ".join(PersonRole)) from None


def parse_office(text: str) -> str:
    """An office as ``authority/office``. Raises PERSON-OFFICE."""
    try:
        return str(Office.parse(text))
    except ProtocolError:
        raise LocalError(codes.PERSON_OFFICE, repr(text[:140])) from None


def _end(tx: Tx, found: Person) -> None:
    if found.kind is PersonKind.OPERATOR:
        raise LocalError(codes.PERSON_ROLE, "the operator's account stays")
    tx.db.execute("UPDATE person SET active=0 WHERE id=?", (found.id,))
    tx.db.execute("DELETE FROM role WHERE person=?", (found.id,))
