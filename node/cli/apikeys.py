"""`rogatory keys api-key`: by which systems of the house call the local port. Shown once, kept as hashes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from node.cli.client import NodeClient
from node.cli.ids import person_id
from node.cli.options import home_of, home_option, json_option
from node.cli.screen import at, pairs, short, show, table


@click.group("api-key")
def api_key() -> None:
    """API keys of systems of the house.

    \b
    rogatory people add --home DIR --name "Case system of the court" --system
    rogatory keys api-key add --home DIR --system 5f2c --office xa-ca/247
    """


@api_key.command(epilog="Exit codes: 0 made, 1 refused, 2 usage, 5 no node is running.")
@home_option
@click.option("--system", required=True, metavar="PERSON", help="Whose key it is: a system of `rogatory people list`.")
@click.option(
    "--office",
    "offices",
    multiple=True,
    required=True,
    metavar="OFFICE",
    help="An office that it may speak for. May be repeated.",
)
@json_option
def add(home: Path, system: str, offices: Sequence[str], as_json: bool) -> None:
    """Make a key. It is shown now and never again."""
    place = home_of(home)
    node = NodeClient(place.path)
    made: dict[str, Any] = node.post("/v1/api-keys", {"account": person_id(node, system), "offices": list(offices)})
    facts = {
        "key": made["key"],
        "id": made["id"],
        "offices": ", ".join(made["offices"]),
        "note": "it is shown once",
    }
    show(made, lambda: pairs(facts), as_json=as_json, home=place.path)


@api_key.command("list")
@home_option
@json_option
def list_keys(home: Path, as_json: bool) -> None:
    """The keys, without their secrets."""
    place = home_of(home)
    items = list(NodeClient(place.path).items("/v1/api-keys"))
    rows = [(key["id"], short(key["account"]), ", ".join(key["offices"]), at(key["made"])) for key in items]
    show(
        {"items": items},
        lambda: table(rows, ("id", "system", "offices", "made"), "no API keys"),
        as_json=as_json,
        home=place.path,
    )


@api_key.command()
@home_option
@click.argument("key_id", metavar="ID")
@json_option
def end(home: Path, key_id: str, as_json: bool) -> None:
    """End the key with this ID: calls with it are refused from now on."""
    place = home_of(home)
    ended = NodeClient(place.path).delete(f"/v1/api-keys/{key_id}")
    show(ended, lambda: [f"API key {key_id} is ended"], as_json=as_json, home=place.path)
