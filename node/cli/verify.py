"""`rogatory verify`: what an auditor runs; needs no node, no network and no settings."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from exchange.auditor.command import examine, render, render_error
from exchange.auditor.report import EXIT_USAGE
from node.clock import SystemClock
from protocol.errors import LocalError


@click.command(epilog="Exit codes: 0 proven, 1 refuted, 2 usage, 3 not anchored, 4 pending.")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--trust",
    type=click.Path(path_type=Path),
    metavar="ROOT",
    help="The network's first root file, from elsewhere than BUNDLE.",
)
@click.option(
    "--policy", type=click.Path(path_type=Path), metavar="FILE", help="A C2SP policy, for an exported log or a single proof."
)
@click.option("--json", "as_json", is_flag=True, help="One verdict per numbered check, as JSON.")
def verify(bundle: Path, trust: Path | None, policy: Path | None, as_json: bool) -> None:
    """Verify an exported message, offline.

    BUNDLE is a folder written by `rogatory export`, an exported log, or one .tlog-proof file. Without --trust a bundle can only
    be consistent with itself. docs/auditing.md explains every check.
    """
    try:
        report = examine(bundle, trust, policy, SystemClock().now())
    except LocalError as error:
        click.echo(render_error(error, as_json), nl=False, err=True)
        sys.exit(EXIT_USAGE)
    click.echo(render(report, as_json), nl=False)
    sys.exit(report.exit_code)
