"""People: rights in the log's database, names apart from it, every change an act."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing

import pytest

from exchange import codes
from exchange.casework.nametable import NameTable
from exchange.casework.people import PersonKind, PersonRole, parse_office, parse_role
from protocol import limits
from protocol.entries import Act
from protocol.errors import LocalError
from tests.house import House, make_house

CANARY = "Zebulon Canary-Quillfeather"


@pytest.fixture
def house(tmp_path):
    house = make_house(tmp_path)
    yield house
    house.close()


def acts_of(house: House) -> list[Act]:
    return [entry for entry in house.world.entries(house.us) if isinstance(entry, Act)]


def refused(code, call) -> None:
    with pytest.raises(LocalError) as caught:
        call()
    assert caught.value.code is code


def test_every_change_is_an_act_by_pseudonym(house):
    people = house.people
    before = len(acts_of(house))
    ada = people.add("Ada", PersonKind.OFFICER, people.operator)
    people.grant(ada.id, f"{house.us}/mla", PersonRole.OFFICER, people.operator)
    people.revoke(ada.id, f"{house.us}/mla", PersonRole.OFFICER, people.operator)
    people.deactivate(ada.id, people.operator)
    acts = acts_of(house)[before:]
    assert [act.action for act in acts] == ["person.added", "role.granted", "role.revoked", "person.deactivated"]
    assert {act.actor for act in acts} == {people.pseudonym(people.operator)}
    assert not people.get(ada.id).active


def test_the_commitment_opens_to_its_object_and_only_to_it(house):
    people = house.people
    ada = people.add("Ada", PersonKind.OFFICER, people.operator)
    index = house.world.exchanges[house.us].log.size - 1
    salt, found = house.acts.opening(1, index)
    assert found == {"person": ada.id.hex(), "kind": "officer"}
    raw = f'{{"kind":"officer","person":"{ada.id.hex()}"}}'.encode()
    assert acts_of(house)[-1].commitment == hashlib.sha256(b"rogatory/act/v1\0" + salt + raw).digest()
    assert len(salt) == 32


def test_pseudonyms_change_with_the_year_and_stay_known(house):
    people = house.people
    ada = people.add("Ada", PersonKind.OFFICER, people.operator)
    first = people.pseudonym(ada.id)
    assert people.pseudonym(ada.id) == first
    house.world.clock.advance(60 * limits.DAY)  # into January
    second = people.pseudonym(ada.id)
    assert second != first
    assert people.get(first).id == people.get(second).id == ada.id


def test_names_are_nowhere_in_clear(house):
    people = house.people
    people.add(CANARY, PersonKind.OFFICER, people.operator)
    assert CANARY in [person.name for person in people.list()]
    for path in house.world.folder.rglob("*"):
        assert not path.is_file() or CANARY.encode() not in path.read_bytes(), path


def test_names_are_in_their_own_file_only(house):
    people = house.people
    ada = people.add("Ada", PersonKind.OFFICER, people.operator)
    with closing(sqlite3.connect(house.home.people, isolation_level=None)) as db:
        db.execute("DELETE FROM name WHERE person=?", (ada.id,))
    assert people.get(ada.id).name == ""
    assert people.get(ada.id).active


def test_table_of_names_is_private_and_survives_a_restart(house):
    ada = house.people.add("Ada", PersonKind.OFFICER, house.people.operator)
    pseudonym = house.people.pseudonym(ada.id)
    assert house.home.people.stat().st_mode & 0o077 == 0
    operator = house.people.operator
    house.reopen()
    assert house.people.operator == operator
    assert house.people.get(ada.id).name == "Ada"
    assert house.people.pseudonym(ada.id) == pseudonym


def test_table_of_names_that_cannot_be_opened(house, tmp_path):
    (tmp_path / "broken").write_bytes(b"this is no database" * 100)
    refused(codes.PEOPLE_FILE, lambda: NameTable(tmp_path / "broken", house.storage, bytes))


def test_refusals_change_nothing(house):
    people, office = house.people, f"{house.us}/mla"
    ada = people.add("Ada", PersonKind.OFFICER, people.operator)
    system = people.add("Case system", PersonKind.SYSTEM, people.operator)
    gone = people.add("Gone", PersonKind.OFFICER, people.operator)
    people.deactivate(gone.id, people.operator)
    size = house.world.exchanges[house.us].log.size
    for name in ("", " x", "a\nb", "a" * 201, "\u202e"):
        refused(codes.PERSON_NAME, lambda name=name: people.add(name, PersonKind.OFFICER, people.operator))
    refused(codes.PERSON_NAME, lambda: people.add("x", PersonKind.OPERATOR, people.operator))
    refused(codes.PERSON_UNKNOWN, lambda: people.get(bytes(16)))
    refused(codes.PERSON_UNKNOWN, lambda: people.add("Bo", PersonKind.OFFICER, bytes(16)))
    refused(codes.PERSON_INACTIVE, lambda: people.grant(gone.id, office, PersonRole.OFFICER, people.operator))
    refused(codes.PERSON_INACTIVE, lambda: people.grant(ada.id, office, PersonRole.OFFICER, gone.id))
    refused(codes.PERSON_OFFICE, lambda: people.grant(ada.id, "xb-ca/mla", PersonRole.OFFICER, people.operator))
    refused(codes.PERSON_ROLE, lambda: people.grant(system.id, office, PersonRole.APPROVER, people.operator))
    refused(codes.PERSON_ROLE, lambda: people.deactivate(people.operator, people.operator))
    refused(codes.PERSON_ROLE, lambda: parse_role("king"))
    refused(codes.PERSON_OFFICE, lambda: parse_office("nowhere"))
    assert house.world.exchanges[house.us].log.size == size


def test_an_act_whose_opening_was_destroyed(house):
    index = house.world.exchanges[house.us].log.size - 1
    house.world.exchanges[house.us].writer.run(lambda tx: tx.db.execute("DELETE FROM act"))
    assert house.acts.opening(1, index) is None


