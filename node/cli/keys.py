"""`rogatory keys`: what keys a node has, and changing them in its keystore; the node takes changes up when it starts again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from keys.keystore import ARGON2_MODERATE, ARGON2_TEST, Keystore
from keys.passphrase import passphrase_from
from keys.prekeys import read_published
from keys.standby import export_standby, import_standby
from keys.transport import spki_pin, validity
from node.cli.apikeys import api_key
from node.cli.options import FILE, PATH, home_of, home_option, json_option, passphrases
from node.cli.screen import at, mark_of, pairs, show, table
from node.clock import SystemClock
from node.home import Home
from node.settings import load_settings
from protocol import limits

CERTIFICATE_DAYS = 400
_RESTART = "the node uses it from its next start on"


@click.group()
def keys() -> None:
    """Show and change the keys of a node.

    \b
    rogatory keys show --home /var/lib/rogatory
    rogatory keys rotate-transport --home /var/lib/rogatory
    """


@keys.command("show")
@home_option
@json_option
def show_keys(home: Path, as_json: bool) -> None:
    """Logs, witness, transport and storage keys: public halves and dates only."""
    place = home_of(home)
    keystore = _open(place)
    value = {
        "logs": [
            {"n": n, "ed25519": pair.ed25519.hex(), "mldsa44_sha256": _digest(pair.mldsa44)}
            for n, pair in sorted(keystore.logs.items())
        ],
        "witness": {"ed25519": keystore.witness.ed25519.hex(), "mldsa44_sha256": _digest(keystore.witness.mldsa44)},
        "transport": [_transport(key.certificate) for key in keystore.transport],
        "storage_keys": keystore.storage_ids(),
    }
    show(value, lambda: _key_lines(value), as_json=as_json, home=place.path)


@keys.command("rotate-transport", epilog="Exit codes: 0 done, 1 refused, 2 usage.")
@home_option
@click.option(
    "--finish", is_flag=True, help="Forget the old key: when the directory lists the new one and every peer has seen it."
)
@json_option
def rotate_transport(home: Path, finish: bool, as_json: bool) -> None:
    """Make the next transport key beside the present one; publish both, later --finish.

    \b
    1. rogatory keys rotate-transport --home DIR
    2. rogatory directory request --home DIR --role-key FILE      and send the entry to the keepers
    3. when it is in force: restart the node, then: rogatory keys rotate-transport --home DIR --finish
    4. rogatory directory request again, so that the old key is listed no more
    """
    place = home_of(home)
    keystore = _open(place)
    if finish:
        keystore.drop_transport_key()
    else:
        now = SystemClock().now()
        authority, network = _names(place)
        keystore.add_transport_key().issue_certificate(
            authority, network, now - limits.HOUR, now + CERTIFICATE_DAYS * limits.DAY
        )
    keystore.save()
    value = {"transport": [_transport(key.certificate) for key in keystore.transport]}
    next_step = "publish the entry again: rogatory directory request"
    show(
        {**value, "next": next_step},
        lambda: [*_transport_lines(value["transport"]), f"next: {next_step}"],
        as_json=as_json,
        home=place.path,
    )


@keys.command("rotate-storage", epilog="Exit codes: 0 done, 1 refused, 2 usage.")
@home_option
@json_option
def rotate_storage(home: Path, as_json: bool) -> None:
    """Make a new storage key for what is stored from now on; the older ones still open what they wrapped."""
    place = home_of(home)
    keystore = _open(place)
    keystore.add_storage_key()
    keystore.save()
    value = {"storage_keys": keystore.storage_ids()}
    show(value, lambda: [f"storage key {max(value['storage_keys'])} made; {_RESTART}"], as_json=as_json, home=place.path)


@keys.command(epilog="Exit codes: 0 done, 1 refused, the old passphrase still opens it, 2 usage.")
@home_option
@click.option(
    "--new-passphrase-file", type=PATH, metavar="FILE", help="The new one, one line, mode 0600. Default: asked for twice."
)
@json_option
def passphrase(home: Path, new_passphrase_file: Path | None, as_json: bool) -> None:
    """Seal the keystore under another passphrase. Copies of the old file still open with the old one."""
    place = home_of(home)
    keystore = _open(place)
    new = passphrase_from(new_passphrase_file, prompt="New passphrase of the keystore: ", twice=True)
    keystore.change_passphrase(new, ARGON2_TEST if mark_of(place.path) else ARGON2_MODERATE)
    keystore.save()
    show(
        {"changed": True},
        lambda: ["the keystore has a new passphrase; change the passphrase file of the settings too"],
        as_json=as_json,
    )


@keys.command()
@home_option
@json_option
def prekeys(home: Path, as_json: bool) -> None:
    """The prekeys here: one a day, made ahead, destroyed a day after their end. Never copy their folder."""
    place = home_of(home)
    now = SystemClock().now()
    found = read_published(place.prekeys)
    value = {"items": [{"id": key.id.hex(), "from": key.from_, "until": key.until} for key in found]}
    rows = [(key.id.hex()[:12], at(key.from_), at(key.until), _stage(key.from_, key.until, now)) for key in found]
    show(
        value,
        lambda: table(rows, ("id", "from", "until", "use"), "no prekeys: the node makes them when it starts"),
        as_json=as_json,
        home=place.path,
    )


@keys.group()
def standby() -> None:
    """The next log's keys, kept offline in shares by two people."""


@standby.command("check", epilog="Exit codes: 0 they make up one standby key, 1 they do not, 2 usage.")
@click.argument("shares", nargs=-1, required=True, type=FILE)
@click.option("--passphrase-file", "files", type=PATH, multiple=True, metavar="FILE", help="Of each share; one for all.")
@json_option
def check_standby(shares: Sequence[Path], files: Sequence[Path], as_json: bool) -> None:
    """Whether these shares open and fit together: a drill that changes nothing."""
    n, pair = import_standby(list(zip(shares, passphrases(files, [p.name for p in shares]), strict=True)))
    value = {"n": n, "ed25519": pair.ed25519.hex(), "mldsa44_sha256": _digest(pair.mldsa44)}
    show(value, lambda: [f"these shares make up the keys of log {n}: Ed25519 {pair.ed25519.hex()[:16]}"], as_json=as_json)


@standby.command("reshare", epilog="Exit codes: 0 written, 1 refused, 2 usage.")
@click.argument("shares", nargs=-1, required=True, type=FILE)
@click.option(
    "--new-share", "new_shares", type=PATH, multiple=True, required=True, metavar="FILE", help="Where a new share goes; repeat."
)
@click.option(
    "--passphrase-file",
    "files",
    type=PATH,
    multiple=True,
    metavar="FILE",
    help="Of the shares, then the new shares; one for all.",
)
@click.option("--quick", is_flag=True, help="Cheap to guess: for exercise and test networks only.")
@json_option
def reshare(shares: Sequence[Path], new_shares: Sequence[Path], files: Sequence[Path], quick: bool, as_json: bool) -> None:
    """Seal the same keys into new shares: for other people, or other passphrases. Destroy the old shares afterwards."""
    secrets = passphrases(files, [path.name for path in (*shares, *new_shares)])
    n, pair = import_standby(list(zip(shares, secrets, strict=False)))
    export_standby(
        n, pair, list(zip(new_shares, secrets[len(shares) :], strict=True)), ARGON2_TEST if quick else ARGON2_MODERATE
    )
    value = {"n": n, "shares": [str(path) for path in new_shares]}
    show(value, lambda: [f"the keys of log {n} are in {len(new_shares)} new shares; destroy the old ones"], as_json=as_json)


keys.add_command(api_key)


def _open(place: Home) -> Keystore:
    return Keystore.open(place.keystore, passphrase_from(load_settings(place).passphrase_file))


def _names(place: Home) -> tuple[str, str]:
    """Authority and network, as the certificate repeats them."""
    from node.cli.membership import Own

    own = Own.read(place.path)
    return own.settings.authority, own.network


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def _transport(der: bytes) -> dict[str, Any]:
    if not der:
        return {"spki_sha256": None, "from": None, "until": None}
    begins, ends = validity(der)
    return {"spki_sha256": spki_pin(der).hex(), "from": begins, "until": ends}


def _transport_lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    cells = [((row["spki_sha256"] or "no certificate")[:16], at(row["from"]), at(row["until"])) for row in rows]
    return table(cells, ("transport key", "from", "until"), "no transport key")


def _key_lines(value: dict[str, Any]) -> list[str]:
    logs = [(f"log {row['n']}", row["ed25519"][:16], row["mldsa44_sha256"][:16]) for row in value["logs"]]
    witness = ("witness", value["witness"]["ed25519"][:16], value["witness"]["mldsa44_sha256"][:16])
    return [
        *table([*logs, witness], ("signs", "ed25519", "ml-dsa-44 (sha-256)"), ""),
        "",
        *_transport_lines(value["transport"]),
        "",
        *pairs({"storage keys": ", ".join(map(str, value["storage_keys"]))}),
    ]


def _stage(begins: int, ends: int, now: int) -> str:
    if now < begins:
        return "ahead"
    return "today" if now < ends else "ended"
