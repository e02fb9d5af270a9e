"""The command line: `rogatory`. Each command is a file of its own, read only when it is called, so that help comes at once."""

from __future__ import annotations

import click

from node.cli.boundary import Commands


@click.group(
    cls=Commands,
    invoke_without_command=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda ctx, _, on: _version(ctx) if on else None,
    help="Show the version and exit.",
)
def main() -> None:
    """Exchange requests for judicial cooperation between authorities, with proofs that anybody can verify.

    \b
    rogatory demo                              see everything work on this machine
    rogatory init --help                       make a node
    rogatory send --help                       send a request

    Every command takes --json. Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 5 no node is running
    (verify: 3 not anchored, 4 pending). The node's folder is named by --home or ROGATORY_HOME.
    """


def _version(ctx: click.Context) -> None:
    from importlib import metadata

    try:
        click.echo(f"rogatory {metadata.version('rogatory')}")
    except metadata.PackageNotFoundError:
        click.echo("rogatory (not installed: run from its source folder)")
    ctx.exit()
