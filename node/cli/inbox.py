"""`rogatory inbox`: what came, newest first, without content."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import click

from node.cli.client import NodeClient
from node.cli.options import home_of, home_option, json_option
from node.cli.screen import at, short, show, table

limit_option = click.option(
    "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many, the newest first."
)


@click.command(epilog="Exit codes: 0 listed, 1 refused, 2 usage, 5 no node is running.")
@home_option
@limit_option
@json_option
def inbox(home: Path, limit: int, as_json: bool) -> None:
    """List what came, newest first. Listing opens nothing and logs nothing.

    \b
    rogatory inbox --home DIR
    """
    place = home_of(home)
    items = newest(NodeClient(place.path), "in", limit)
    rows = [
        (short(m["message_id"]), m["sender"], m["lane"], states(m), m["submitted"]["grade"], at(m["time"]), at(m["expires"]))
        for m in items
    ]
    show(
        {"items": items},
        lambda: table(rows, ("message", "from", "lane", "state", "grade", "came", "expires"), "nothing came yet"),
        as_json=as_json,
        home=place.path,
    )


def newest(node: NodeClient, direction: str, limit: int) -> Sequence[dict[str, Any]]:
    """The newest messages of one direction."""
    return list(islice(node.items("/v1/messages", direction=direction, limit=min(limit, 100)), limit))


def grades(message: dict[str, Any]) -> str:
    """The grades of all receipts, each once."""
    return ", ".join(dict.fromkeys(str(each["grade"]) for each in message["deliveries"] if each.get("grade"))) or "-"


def bracket(proof: dict[str, Any]) -> str:
    """Between which times an entry was first shown, as its witnesses have it, and whether its own claim lies outside."""
    ends = [f"not shown before {at(proof['not_before'])}" if proof.get("not_before") else ""]
    ends.append(f"not after {at(proof['not_after'])}" if proof.get("not_after") else "")
    ends.append(f"CLAIMS {at(proof.get('claimed'))}, WHICH LIES OUTSIDE" if proof.get("claim_outside") else "")
    return ", ".join(end for end in ends if end) or "-"


def states(message: dict[str, Any]) -> str:
    """The states of all deliveries, each once."""
    return ", ".join(dict.fromkeys(str(delivery["state"]) for delivery in message["deliveries"])) or "-"
