"""`rogatory status`: what the running node is doing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from node.cli.client import NodeClient
from node.cli.content import form_lines
from node.cli.options import home_of, home_option, json_option


@click.command(epilog="Exit codes: 0 it runs, 1 refused, 2 usage, 5 no node is running.")
@home_option
@json_option
def status(home: Path, as_json: bool) -> None:
    """What the running node is doing: log, directory, peers, queues.

    \b
    rogatory status --home /var/lib/rogatory
    """
    from node.cli.screen import show

    place = home_of(home)
    found: dict[str, Any] = NodeClient(place.path).get("/v1/status")
    show(found, lambda: form_lines(found), as_json=as_json, home=place.path)
