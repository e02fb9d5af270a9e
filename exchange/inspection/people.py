"""The table of people against the acts that made it: who was added, what was granted, by the log."""

from __future__ import annotations

import json

from exchange.casework.acts import SALT, commitment
from exchange.inspection.found import Notes, Scene
from protocol.errors import LocalError


def inspect_people(scene: Scene, notes: Notes) -> None:
    """Every account and role has the act that gave it, and no later one that took it. Where openings were destroyed nothing is said."""
    query = "SELECT n, idx, commitment, opening FROM act"
    openings = {(row[0], row[1]): (bytes(row[2]), bytes(row[3])) for row in scene.db.execute(query)}
    people: dict[bytes, tuple[int, int, int, bool]] = {}
    roles: dict[tuple[bytes, str, str], tuple[int, int]] = {}
    whole = True
    for n, index, entry in notes.acts:
        kept = openings.get((n, index))
        if kept is None:
            whole = False
            continue
        try:
            opened = scene.storage.unwrap(kept[0], kept[1], "act")
        except LocalError:
            opened = b""
        if kept[0] != entry.commitment or commitment(opened[:SALT], opened[SALT:]) != entry.commitment:
            notes.accuse("act", "does not open what was committed to", n, index)
            continue
        _replay(people, roles, (n, index, entry.time), entry.action, json.loads(opened[SALT:]))
    if whole:
        _compare(scene, notes, people, roles)


def _replay(
    people: dict[bytes, tuple[int, int, int, bool]], roles: dict[tuple[bytes, str, str], tuple[int, int]], at: tuple[int, int, int],
    action: str, about: dict[str, str],
) -> None:  # fmt: skip
    if action not in ("person.added", "person.deactivated", "role.granted", "role.revoked"):
        return
    person = bytes.fromhex(about["person"])
    match action:
        case "person.added":
            people[person] = (*at, True)
        case "person.deactivated":
            people[person] = (*people.get(person, (*at, True))[:3], False)
            for role in [each for each in roles if each[0] == person]:
                del roles[role]
        case "role.granted":
            roles[person, about["office"], about["role"]] = at[:2]
        case "role.revoked":
            roles.pop((person, about["office"], about["role"]), None)
        case _:
            pass


def _compare(
    scene: Scene, notes: Notes, people: dict[bytes, tuple[int, int, int, bool]], roles: dict[tuple[bytes, str, str], tuple[int, int]]
) -> None:
    there = {bytes(row[0]): (bool(row[1]), row[2]) for row in scene.db.execute("SELECT id, active, since FROM person")}
    granted = {(bytes(row[0]), row[1], row[2]) for row in scene.db.execute("SELECT person, office, role FROM role")}
    notes.rows += len(there) + len(granted)
    for person, (n, index, time, active) in people.items():
        if person not in there:
            notes.accuse("person", f"{person.hex()} is missing", n, index)
        elif there[person] != (active, time):
            notes.accuse("person", f"{person.hex()} is not as the log says: active or since", n, index)
    for person in there.keys() - people.keys():
        notes.accuse("person", f"nobody added {person.hex()}")
    for role, (n, index) in roles.items():
        if role not in granted:
            notes.accuse("role", f"{role[2]} of {role[0].hex()} in {role[1]} is missing", n, index)
    for person, office, role_name in granted - roles.keys():
        at = people.get(person)
        notes.accuse("role", f"nobody granted {role_name} in {office} to {person.hex()}", *(at[:2] if at else ()))
