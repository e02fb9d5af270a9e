"""`rogatory log`: what an operator does about a log that signs nothing: open it by hand, or put the standby log into its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from exchange.ahead import AMNESIA, COMPROMISE, opened_ahead
from keys.directory import codes as directory_codes
from keys.directory import selfentry
from keys.directory.view import Kind, LogState
from keys.keystore import ARGON2_MODERATE, ARGON2_TEST
from keys.logkeys import LogKeyPair
from keys.standby import export_standby, import_standby
from node.cli.client import NodeClient
from node.cli.membership import Own, holder_of, out_option, role_key_option, role_secret_option, write_entry
from node.cli.options import FILE, PATH, home_option, json_option, passphrases, person_option
from node.cli.screen import pairs, show
from protocol.errors import LocalError
from protocol.names import Origin


@click.group()
def log() -> None:
    """When the log signs nothing: `rogatory doctor` says why, and which of these to use. docs/disaster.md has the whole story."""


@log.command("open", epilog="Exit codes: 0 open, 1 refused, 2 usage, 5 no node is running.")
@home_option
@person_option
@click.option("--yes", is_flag=True, required=True, expose_value=False, help="Needed: you state that this data was never put back.")
@json_option
def open_(home: Path, person: str, as_json: bool) -> None:
    """Open a log that is alone: no witness can be reached, and you know that this data is the newest.

    \b
    rogatory log open --home /var/lib/rogatory --as 6f0c --yes

    It is logged under your pseudonym. If the data was put back from an older copy after all, this forks the log, and others convict it.
    """
    found = NodeClient(home).post("/v1/log/open", {"actor": person})
    show(found, lambda: [f"{found['origin']} is open"], as_json=as_json, home=home)


@log.command("replace", epilog="Exit codes: 0 done, 1 refused, 2 usage.")
@home_option
@click.option(
    "--share", "shares", type=FILE, multiple=True, required=True, metavar="FILE", help="Every share of the standby log; repeat."
)
@click.option(
    "--share-passphrase-file", "files", type=PATH, multiple=True, metavar="FILE", help="Of each share, or one for all. Default: asked for."
)
@click.option(
    "--reason", type=click.Choice([AMNESIA, COMPROMISE]), default=AMNESIA, show_default=True,
    help="amnesia: data was lost; compromise: keys were stolen.",
)  # fmt: skip
@json_option
def replace_(home: Path, shares: Sequence[Path], files: Sequence[Path], reason: str, as_json: bool) -> None:
    """Open the standby log in the place of one that cannot go on. The node is stopped; start it afterwards.

    \b
    rogatory log replace --home /var/lib/rogatory --share xa-ca-standby-2-share-1.key --share xa-ca-standby-2-share-2.key

    The others are asked for the greatest head of ours that they know; the new log names it, and what was lost. What was promised stays
    promised: others offer again what they hold receipts for. The directory follows later: `rogatory log enlist`.
    """
    from node.replacing import replace_log

    own = Own.read(home)
    secrets = passphrases(files, [path.name for path in shares])
    n, pair = import_standby(list(zip(shares, secrets, strict=True)))
    planned = replace_log(own.home, own.settings, own.keystore(), n, pair, reason)
    origin = str(Origin(own.network, own.member.authority, n))
    value = {"origin": origin, "follows": [planned.head.size, planned.head.root.hex()], "reason": reason, "lost": list(planned.lost)}
    lost = f"entries {planned.lost[0]} to {planned.lost[1] - 1} of log {n - 1}" if planned.lost[1] else "nothing"
    facts = {"opens next": origin, "follows size": planned.head.size, "lost": lost, "next": f"rogatory run --home {own.home.path}"}
    show(value, lambda: pairs(facts), as_json=as_json, home=own.home.path)


@log.command(epilog="Exit codes: 0 written, 1 refused, 2 usage.")
@home_option
@role_key_option
@role_secret_option
@click.option(
    "--new-share", "new_shares", type=PATH, multiple=True, required=True, metavar="FILE", help="Where shares of the next standby log go."
)
@click.option("--share-passphrase-file", "files", type=PATH, multiple=True, metavar="FILE", help="Of each new share, or one for all.")
@out_option
@json_option
def enlist(
    home: Path, role_key: Path, role_passphrase_file: Path | None, new_shares: Sequence[Path], files: Sequence[Path], out: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """After `log replace`, by day: sign the entry that lists the old log as closed, the new one in force, and a fresh standby.

    \b
    rogatory log enlist --home /var/lib/rogatory --role-key xa-ca-role.key \\
        --new-share xa-ca-standby-3-share-1.key --new-share xa-ca-standby-3-share-2.key

    The keepers publish it as they publish every entry. The node may run.
    """
    from exchange.ahead import succession_of

    own = Own.read(home)
    n = opened_ahead(own.home.data)
    waiting = [each for each in own.member.logs if each.state is LogState.STANDBY]
    if n is None or not waiting or waiting[0].origin.n != n:
        raise LocalError(directory_codes.DIRECTORY_NO_LOG, "no log was opened ahead of the directory")
    secrets = passphrases(files, [path.name for path in new_shares], twice=True)
    following = LogKeyPair.generate()
    origin = Origin(own.network, own.member.authority, n + 1)
    standby = replace(waiting[0], origin=origin, keys=following.log_keys(str(origin)))
    closing = succession_of(own.home.data, n)
    bundle = own.sign(holder_of(role_key, role_passphrase_file), selfentry.rotate(own.member, closing, standby))
    profile = ARGON2_MODERATE if own.kind is Kind.PRODUCTION else ARGON2_TEST
    export_standby(n + 1, following, list(zip(new_shares, secrets, strict=True)), profile)
    write_entry(own, bundle, out, as_json=as_json)
