"""`rogatory doctor`: is everything as it must be? Asks the running node, and looks at the home by itself when none runs."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from node import codes
from node.cli.boundary import EXIT_NO_NODE
from node.cli.client import NodeClient
from node.cli.options import home_of, home_option, json_option
from node.cli.screen import show, table
from node.clock import SystemClock
from node.home import Home
from protocol import limits
from protocol.errors import LocalError, RogatoryError

_FREE: int = 2 * limits.GiB


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``says``: what was found; ``todo``: how to mend it; ``warning``: well enough to go on."""

    check: str
    ok: bool
    says: str
    todo: str = ""
    warning: bool = False


@click.command(epilog="Exit codes: 0 all well, 1 something must be mended, 2 usage, 5 all well but no node is running.")
@home_option
@json_option
def doctor(home: Path, as_json: bool) -> None:
    """Check a node and its home; say how to mend what is wrong.

    \b
    rogatory doctor --home /var/lib/rogatory
    """
    place = home_of(home)
    running = True
    try:
        findings = [_finding(found) for found in NodeClient(place.path).get("/v1/doctor")["checks"]]
    except LocalError as error:
        if error.code is not codes.NODE_NOT_RUNNING:
            raise
        running = False
        findings = [
            *_look(place),
            Finding("node", True, "no node is running here", f"rogatory run --home {place.path}", warning=True),
        ]
    well = all(found.ok for found in findings)
    value = {"ok": well, "running": running, "checks": [asdict(found) for found in findings]}
    rows = [(_mark(f), f.check, f.says, f.todo or "-") for f in findings]
    show(value, lambda: table(rows, ("", "check", "found", "what to do"), ""), as_json=as_json, home=place.path)
    if not well or not running:
        raise SystemExit(EXIT_NO_NODE if well else 1)


def _look(home: Home) -> Iterator[Finding]:
    """What can be seen from outside, without a passphrase and without opening the data."""
    yield _mode(home.path, 0o077)
    for secret in (home.keystore, home.prekeys):
        if secret.exists():
            yield _mode(secret, 0o077)
        else:
            yield Finding(secret.name, False, "is missing", "restore it from its copy, or look whether this is the right home")
    yield _tried("settings", "node.toml can be read", lambda: _settings(home))
    yield _tried("directory", "", lambda: _directory(home))
    free = shutil.disk_usage(home.path).free
    yield Finding(
        "disk", free >= _FREE, f"{free // limits.MiB} MiB free", "" if free >= _FREE else "free space, or move the data folder"
    )


def _mode(path: Path, others: int) -> Finding:
    mode = stat.S_IMODE(path.stat().st_mode)
    sound = not mode & others
    return Finding(f"{path.name} mode", sound, f"{mode:04o}", "" if sound else f"chmod go= {path}")


def _tried(check: str, well: str, look: Callable[[], str]) -> Finding:
    try:
        says = look()
    except RogatoryError as error:
        return Finding(check, False, f"{error.code.code}: {error.code.says}", error.code.todo)
    return Finding(check, True, says or well)


def _settings(home: Home) -> str:
    from node.settings import load_settings

    return f"{load_settings(home).authority}: node.toml can be read"


def _directory(home: Home) -> str:
    from keys.directory import trust

    view = trust.load(home.directory)
    standing = view.standing(SystemClock().now()).value
    return f"{view.network} version {view.version}, {standing}"


def _mark(finding: Finding) -> str:
    if not finding.ok:
        return "MEND"
    return "note" if finding.warning else "ok"


def _finding(found: dict[str, Any]) -> Finding:
    return Finding(str(found["check"]), bool(found["ok"]), str(found["says"]), str(found["todo"]), bool(found["warning"]))
