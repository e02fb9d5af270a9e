"""Changes of the directory whose signers are on several machines: a file goes from one to the next.

    draft     makes the change      sign     adds one holder's signatures      proceed     the next step; the last brings it into force

A change is signed in rounds, each when the one before is whole: founders (offline part), keepers (snapshot), keepers (timestamp).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from keys.directory import change as changes
from keys.directory import found as founding
from keys.directory import trust
from keys.directory.change import Change
from keys.directory.rolekeys import Holder
from keys.directory.rulings import Ruling
from keys.directory.selfentry import parse_bundle
from keys.directory.store import TIMESTAMP, Store
from keys.passphrase import passphrase_from
from keys.sealedfile import write_atomically
from node.cli.directoryscreen import about
from node.cli.fingerprints import compare
from node.cli.options import FILE, PATH, folder_option, json_option
from node.cli.screen import at, mark_for, show
from node.clock import SystemClock

_out = click.option("--out", type=PATH, required=True, metavar="FILE", help="Where the change goes; carry it to the signers.")


@click.group()
def draft() -> None:
    """Make a change for signers on several machines.

    \b
    rogatory directory draft admit --folder net --request join-request.json --fingerprint "8769 ..." --out change.json
    rogatory directory sign change.json --folder net --key founder-1.key          each founder on their own machine
    rogatory directory proceed change.json --folder net                           then the keepers sign; twice
    rogatory directory sign change.json --folder net --key keeper-1.key
    rogatory directory proceed change.json --folder net                           until it says that it is in force
    """


@draft.command()
@folder_option
@click.option(
    "--request", "requests", type=FILE, multiple=True, required=True, metavar="FILE", help="A join-request.json; repeat."
)
@click.option(
    "--fingerprint",
    "fingerprints",
    multiple=True,
    metavar="TEXT",
    help="Its fingerprint as read by telephone; one per request.",
)
@_out
@json_option
def admit(folder: Path, requests: Sequence[Path], fingerprints: Sequence[str], out: Path, as_json: bool) -> None:
    """Take authorities in."""
    network = trust.load(folder).network
    bundles = [parse_bundle(path.read_bytes(), network)[0] for path in requests]
    compare(bundles, fingerprints)
    _write(folder, founding.draft_targets(folder, SystemClock().now(), requests=bundles), out, "the founders", as_json=as_json)


@draft.command()
@folder_option
@click.argument("authority")
@_out
@json_option
def revoke(folder: Path, authority: str, out: Path, as_json: bool) -> None:
    """End the membership of AUTHORITY."""
    before = founding.rulings_of(folder).get(authority, Ruling())
    ruling = {authority: Ruling(active=False, logs=before.logs)}
    _write(folder, founding.draft_targets(folder, SystemClock().now(), rulings=ruling), out, "the founders", as_json=as_json)


@draft.command()
@folder_option
@_out
@json_option
def renew(folder: Path, out: Path, as_json: bool) -> None:
    """The offline part again, unchanged, before it expires."""
    _write(folder, founding.draft_targets(folder, SystemClock().now()), out, "the founders", as_json=as_json)


@draft.command()
@folder_option
@click.option("--entry", type=FILE, required=True, metavar="FILE", help="What `directory request` of a member wrote.")
@_out
@json_option
def publish(folder: Path, entry: Path, out: Path, as_json: bool) -> None:
    """Take a member's newly signed entry in."""
    bundle, _ = parse_bundle(entry.read_bytes(), trust.load(folder).network)
    _write(folder, _next(folder, Change(bundle.files())), out, "the keepers", as_json=as_json)


@draft.command()
@folder_option
@_out
@json_option
def refresh(folder: Path, out: Path, as_json: bool) -> None:
    """A new timestamp, as every day."""
    _write(folder, _next(folder, Change({})), out, "the keepers", as_json=as_json)


@click.command(epilog="Exit codes: 0 signed, 1 refused, the file is as it was, 2 usage.")
@click.argument("file", type=FILE)
@folder_option
@click.option("--key", type=FILE, required=True, metavar="FILE", help="A founder's or keeper's key file.")
@click.option("--passphrase-file", type=PATH, metavar="FILE", help="Its passphrase. Default: asked for.")
@json_option
def sign(file: Path, folder: Path, key: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Add a holder's signatures to the change in FILE, to all that this key may sign and nothing else.

    \b
    rogatory directory sign change.json --folder net --key founder-1.key
    """
    root = trust.load_state(Store(folder)).root
    holder = Holder.open(key, passphrase_from(passphrase_file, prompt=f"Passphrase of {key.name}: "))
    signed = changes.sign(Change.parse(file.read_bytes()), holder, root=root)
    _write(folder, signed, file, "the next signer, or `proceed`", as_json=as_json)


@click.command(epilog="Exit codes: 0 the next step is made, 1 refused: a signature is missing, 2 usage.")
@click.argument("file", type=FILE)
@folder_option
@json_option
def proceed(file: Path, folder: Path, as_json: bool) -> None:
    """Take the change in FILE a step further: add its snapshot, its timestamp, or bring it into force.

    \b
    rogatory directory proceed change.json --folder net
    """
    change = Change.parse(file.read_bytes())
    if TIMESTAMP not in change.files:
        _write(folder, _next(folder, change), file, "the keepers", as_json=as_json)
        return
    view = founding.install(folder, change, SystemClock().now())
    text = f"in force: directory version {view.version} of {view.network}, fresh until {at(view.expires)}"
    show({**about(view), "in_force": True}, lambda: [text], as_json=as_json, mark=mark_for(view.kind, view.network))


def _next(folder: Path, change: Change) -> Change:
    """The change with what the keepers sign next: a snapshot when it needs one, else a timestamp."""
    now = SystemClock().now()
    if not any(name.endswith(".snapshot.json") for name in change.files):
        drafted = founding.draft_snapshot(folder, change, now)
        if drafted is not change:
            return drafted
    return founding.draft_timestamp(folder, change, now)


def _write(folder: Path, change: Change, out: Path, whom: str, *, as_json: bool) -> None:
    write_atomically(out.absolute(), change.dump(), 0o644)
    view = trust.load(folder)
    lines = change.summary()
    value = {"file": str(out), "network": view.network, "files": lines, "in_force": False, "next": whom}
    show(value, lambda: [*lines, "", f"{out}: next, {whom}"], as_json=as_json, mark=mark_for(view.kind, view.network))
