"""`rogatory people`: officers as pseudonyms, with roles per office. Names stay in a table of this node, apart from the log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from node.cli.client import NodeClient
from node.cli.ids import person_id
from node.cli.options import home_of, home_option, json_option
from node.cli.screen import short, show, table


@click.group()
def people() -> None:
    """Officers, as pseudonyms, and what they may do.

    \b
    rogatory people add --home DIR --name "N. N."
    rogatory people grant --home DIR 5f2c --office xa-ca/247 --role officer
    rogatory people list --home DIR
    """


@people.command("list")
@home_option
@json_option
def list_people(home: Path, as_json: bool) -> None:
    """Who there is, and what each may do in which office."""
    place = home_of(home)
    items = list(NodeClient(place.path).items("/v1/people"))
    rows = [(short(p["id"]), p["name"], p["kind"], "yes" if p["active"] else "no", _roles(p)) for p in items]
    show(
        {"items": items},
        lambda: table(rows, ("person", "name", "kind", "active", "may"), "nobody yet: rogatory people add"),
        as_json=as_json,
        home=place.path,
    )


@people.command()
@home_option
@click.option("--name", required=True, help="The name; it never stands in the log or in a message.")
@click.option("--system", is_flag=True, help="No person: a system of the house, which acts by itself under a written policy.")
@json_option
def add(home: Path, name: str, system: bool, as_json: bool) -> None:
    """Add a person and give them a pseudonym."""
    place = home_of(home)
    body = {"name": name, **({"kind": "system"} if system else {})}
    _tell(NodeClient(place.path).post("/v1/people", body), "added", place.path, as_json=as_json)


_ROLES = ("officer", "approver", "intake", "case_officer", "duty", "auditor")
_role = click.option("--role", required=True, type=click.Choice(_ROLES), help="What they may do there.")
_office = click.option("--office", required=True, metavar="OFFICE", help="One of our offices: xa-ca/247.")


@people.command()
@home_option
@click.argument("person")
@_office
@_role
@json_option
def grant(home: Path, person: str, office: str, role: str, as_json: bool) -> None:
    """Give PERSON a role in an office."""
    place = home_of(home)
    node = NodeClient(place.path)
    answer = node.post(f"/v1/people/{person_id(node, person)}/roles", {"office": office, "role": role})
    _tell(answer, "granted", place.path, as_json=as_json)


@people.command()
@home_option
@click.argument("person")
@_office
@_role
@json_option
def revoke(home: Path, person: str, office: str, role: str, as_json: bool) -> None:
    """Take a role from PERSON."""
    place = home_of(home)
    node = NodeClient(place.path)
    answer = node.delete(f"/v1/people/{person_id(node, person)}/roles", office=office, role=role)
    _tell(answer, "revoked", place.path, as_json=as_json)


@people.command()
@home_option
@click.argument("person")
@json_option
def deactivate(home: Path, person: str, as_json: bool) -> None:
    """End what PERSON may do. The pseudonym stays, for what was done under it."""
    place = home_of(home)
    node = NodeClient(place.path)
    _tell(node.delete(f"/v1/people/{person_id(node, person)}"), "deactivated", place.path, as_json=as_json)


def _tell(answer: Any, done: str, home: Path, *, as_json: bool) -> None:
    person = answer if isinstance(answer, dict) else {}
    show(
        {**person, "done": done},
        lambda: [f"{done}: {person.get('id', '')}  {_roles(person)}".rstrip()],
        as_json=as_json,
        home=home,
    )


def _roles(person: dict[str, Any]) -> str:
    return ", ".join(f"{each['role']} in {each['office']}" for each in person.get("roles") or []) or "-"
