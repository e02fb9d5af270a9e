"""`rogatory backup DIR`, `rogatory backup verify DIR`, `rogatory restore DIR --home NEW`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from node import codes
from node.cli.client import NodeClient
from node.cli.options import PATH, home_of, home_option, json_option
from node.cli.screen import at, pairs, show
from node.clock import SystemClock
from node.home import Home
from protocol import limits
from protocol.errors import LocalError

_passphrase = click.option(
    "--passphrase-file", type=PATH, metavar="FILE", help="The keystore's passphrase. Default: the settings' own, or asked for."
)
_authority = click.option("--authority", required=True, metavar="NAME", help="Whose backup it must be.")


@click.command(epilog="Exit codes: 0 done, 1 refused, 2 usage.")
@click.argument("words", nargs=-1, required=True, metavar="[verify] DIR")
@click.option("--home", type=PATH, envvar="ROGATORY_HOME", show_envvar=True, metavar="DIR", help="The node's folder, for a backup.")
@click.option("--authority", metavar="NAME", help="Whose backup it must be, for verify.")
@_passphrase
@json_option
def backup(words: tuple[str, ...], home: Path | None, authority: str | None, passphrase_file: Path | None, as_json: bool) -> None:
    """Back up a home, while its node runs or stands still; or verify a backup.

    \b
    rogatory backup /mnt/backup/xa-ca --home /var/lib/rogatory
    rogatory backup verify /mnt/backup/xa-ca --authority xa-ca

    DIR holds the newest backup, whole; the next one replaces it, and copies only those parts that are new. Prekeys and guard are never
    in it. Keep copies elsewhere, and none of their folder wraps/ longer than 30 days. docs/backup.md.
    """
    if words[0] == "verify" and len(words) == 2:
        if authority is None:
            raise click.UsageError("Say whose backup it must be: --authority NAME.")
        _verify(Path(words[1]), authority, passphrase_file, as_json=as_json)
    elif len(words) == 1:
        if home is None:
            raise click.UsageError("Name the node's folder: --home DIR.")
        _make(Path(words[0]), home_of(home), passphrase_file, as_json=as_json)
    else:
        raise click.UsageError("It is `rogatory backup DIR` or `rogatory backup verify DIR`.")


@click.command(epilog="Exit codes: 0 restored, 1 refused, 2 usage.")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR")
@home_option
@_authority
@_passphrase
@json_option
def restore(folder: Path, home: Path, authority: str, passphrase_file: Path | None, as_json: bool) -> None:
    """Make a new home of a backup. Its node signs nothing before it has asked the witnesses of its log.

    \b
    rogatory restore /mnt/backup/xa-ca --home /var/lib/rogatory --authority xa-ca

    If the guard of the old machine is left, put it where the settings say before the node starts. docs/disaster.md says what follows.
    """
    from keys.passphrase import passphrase_from
    from node.backups import restore_backup

    secret = passphrase_from(passphrase_file, prompt="Passphrase of the keystore: ")
    found = restore_backup(folder, Home(home.absolute()), authority, secret, SystemClock().now())
    origin, size, root = found.log
    value = {
        "home": str(home), "authority": found.authority, "made": found.made, "log": {"origin": origin, "size": size, "root": root},
        "wraps": found.wraps, "wraps_too_old": found.wraps_too_old,
    }  # fmt: skip
    readable = "none: their keys were older than 30 days" if found.wraps_too_old else str(found.wraps)
    facts = {
        "restored to": home, "made": at(found.made), "log": f"{origin} with {size} entries", "messages that can be read": readable,
        "next": f"rogatory run --home {home}, then rogatory doctor --home {home}",
    }  # fmt: skip
    show(value, lambda: pairs(facts), as_json=as_json, home=home)


def _make(folder: Path, home: Home, passphrase_file: Path | None, *, as_json: bool) -> None:
    try:
        value = NodeClient(home.path).post("/v1/backup", {"out": str(folder.absolute())})
    except LocalError as error:
        if error.code is not codes.NODE_NOT_RUNNING:
            raise
        value = _by_ourselves(folder, home, passphrase_file)
    facts = {
        "backup": folder, "files": value["files"], "log entries": value["size"], "copied now": f"{value['copied'] / limits.MiB:.1f} MiB",
        "damaged": ", ".join(value["damaged"]) or "none",
    }  # fmt: skip
    show(value, lambda: pairs(facts), as_json=as_json, home=home.path)
    if value["damaged"]:
        raise SystemExit(1)


def _by_ourselves(folder: Path, home: Home, passphrase_file: Path | None) -> dict[str, Any]:
    """No node runs: read the home ourselves."""
    from dataclasses import asdict

    from keys.directory import trust
    from keys.keystore import Keystore
    from keys.passphrase import passphrase_from
    from node.backups import make_backup
    from node.settings import load_settings

    settings = load_settings(home)
    keystore = Keystore.open(home.keystore, passphrase_from(passphrase_file or settings.passphrase_file))
    network = trust.load(home.directory).network
    made = make_backup(home, settings.authority, network, keystore.storage_key(), folder, SystemClock().now())
    return {**asdict(made), "damaged": list(made.damaged)}


def _verify(folder: Path, authority: str, passphrase_file: Path | None, *, as_json: bool) -> None:
    from keys.passphrase import passphrase_from
    from node.backups import verify_backup

    manifest = verify_backup(folder, authority, passphrase_from(passphrase_file, prompt="Passphrase of the keystore: "))
    origin, size, root = manifest.log
    value = {"authority": manifest.authority, "made": manifest.made, "files": len(manifest.files), "log": [origin, size, root]}
    facts = {
        "backup of": manifest.authority, "made": at(manifest.made), "files": len(manifest.files), "log": f"{origin} with {size} entries",
    }  # fmt: skip
    show(value, lambda: pairs(facts), as_json=as_json, home=None)
