"""`rogatory run`: the node itself, in the foreground, for systemd or a terminal."""

from __future__ import annotations

from pathlib import Path

import click

from node.cli.options import home_of, home_option
from node.heap import begin_with_it


@click.command(epilog="Exit codes: 0 stopped by SIGTERM or SIGINT, 1 refused to start or had to stop, 2 usage.")
@home_option
def run(home: Path) -> None:
    """Run the node of a home until it is stopped.

    \b
    rogatory run --home /var/lib/rogatory

    It refuses to start, with a code, on data of a newer release, beside a second process, on an old copy of its data, with keys
    that the directory does not list, and on a busy port. Logs go to standard error.
    """
    begin_with_it()
    path = home_of(home).path
    from node.node import run as run_node

    raise SystemExit(run_node(path))
