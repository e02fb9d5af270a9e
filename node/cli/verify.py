"""`rogatory verify`: what an auditor runs, which needs no node; and with --all what an operator runs over everything that a node holds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from exchange.auditor.command import examine, render, render_error
from exchange.auditor.logfolder import quiet
from exchange.auditor.report import EXIT_USAGE
from node import codes
from node.clock import SystemClock
from protocol.errors import LocalError

_STEP: Final = 100_000  # entries between two words about progress


@click.command(epilog="Exit codes: 0 proven, 1 refuted, 2 usage, 3 not anchored, 4 pending.")
@click.argument("bundle", type=click.Path(path_type=Path), required=False)
@click.option(
    "--trust",
    type=click.Path(path_type=Path),
    metavar="ROOT",
    help="The network's first root file, from elsewhere than BUNDLE.",
)
@click.option(
    "--policy", type=click.Path(path_type=Path), metavar="FILE", help="A C2SP policy, for an exported log or a single proof."
)
@click.option("--all", "everything", is_flag=True, help="Everything that a home holds, instead of a bundle: see --home.")
@click.option(
    "--home", type=click.Path(path_type=Path), envvar="ROGATORY_HOME", metavar="DIR", help="With --all: the node's folder."
)
@click.option("--json", "as_json", is_flag=True, help="One verdict per numbered check, as JSON.")
def verify(bundle: Path | None, trust: Path | None, policy: Path | None, everything: bool, home: Path | None, as_json: bool) -> None:
    """Verify an exported message, offline; or everything that a node holds.

    BUNDLE is a folder written by `rogatory export`, an exported log, or one .tlog-proof file. Without --trust a bundle can only
    be consistent with itself. docs/auditing.md explains every check.

    \b
    rogatory verify --all --home /var/lib/rogatory

    compares every message, receipt, account and entry with the log, its signed heads and the guard, whether the node runs or not, and
    names the first entry that something contradicts.
    """
    if everything == (bundle is not None) or (everything and home is None):
        raise click.UsageError("Name a BUNDLE, or --all with --home DIR.")
    if everything and home is not None:
        _everything(home, as_json=as_json)
        return
    assert bundle is not None
    try:
        report = examine(bundle, trust, policy, SystemClock().now(), _progress())
    except LocalError as error:
        click.echo(render_error(error, as_json), nl=False, err=True)
        sys.exit(EXIT_USAGE)
    click.echo(render(report, as_json), nl=False)
    sys.exit(report.exit_code)


def _progress() -> Callable[[int], None]:
    """Says on a terminal how far the audit of a long log is."""
    steps = iter(range(_STEP, 1 << 62, _STEP))
    nearest = next(steps)

    def told(entries: int) -> None:
        nonlocal nearest
        while entries >= nearest:
            click.echo(f"\r{nearest} entries read", nl=False, err=True)
            nearest = next(steps)

    return told if sys.stderr.isatty() else quiet


def _everything(path: Path, *, as_json: bool) -> None:
    from node.cli.client import NodeClient
    from node.cli.options import home_of
    from node.cli.screen import show

    home = home_of(path)
    try:
        found: dict[str, Any] = NodeClient(home.path).get("/v1/inspection")
    except LocalError as error:
        if error.code is not codes.NODE_NOT_RUNNING:
            raise
        found = _standing(path)
    show(found, lambda: _lines(found), as_json=as_json, home=home.path)
    sys.exit(0 if found["ok"] else 1)


def _standing(path: Path) -> dict[str, Any]:
    """No node runs: look ourselves."""
    from keys.directory import trust
    from keys.keystore import Keystore
    from keys.passphrase import passphrase_from
    from node.cli.options import home_of
    from node.inspecting import inspect_standing, told
    from node.settings import load_settings

    home = home_of(path)
    settings = load_settings(home)
    keystore = Keystore.open(home.keystore, passphrase_from(settings.passphrase_file))
    return told(inspect_standing(home, settings, keystore, trust.load(home.directory)))


def _lines(found: dict[str, Any]) -> list[str]:
    counted = ", ".join(f"{found[name]} {name}" for name in ("entries", "heads", "rows", "parts", "bodies", "signatures"))
    if found["ok"]:
        return [f"all agree: {counted} compared"]
    todo = "stop the node; keep this data for whoever looks into it; restore the newest backup, or see docs/disaster.md"
    more = found["wrong"] - len(found["named"])
    return [*found["named"], *([f"and {more} more"] if more else []), f"{found['wrong']} contradictions among {counted}", todo]
