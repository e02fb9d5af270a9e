"""`rogatory directory`: found a network, admit authorities, keep it fresh, end memberships. Works on folders; needs no node.

Founders and keepers have their keys in sealed files, one per holder, made with `directory key`. The commands here take all the
key files that must sign at once: people come to one machine with their sticks. ``ceremony`` is for signers who do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from keys.directory import found as founding
from keys.directory import selfentry, trust
from keys.directory.exercise import LOOPBACK
from keys.directory.found import Charter
from keys.directory.rolekeys import Holder
from keys.directory.view import Directory, Kind, Member
from keys.sealedfile import Profile
from node import codes
from node.cli import ceremony, membership
from node.cli.directoryscreen import DirectoryScreen, about
from node.cli.fingerprints import compare
from node.cli.options import FILE, PATH, folder_option, home_of, json_option, passphrases
from node.cli.screen import at, mark_for, pairs, show, table
from node.clock import SystemClock
from protocol.errors import LocalError

_founders = click.option(
    "--founder", "founders", type=FILE, multiple=True, required=True, metavar="FILE", help="A founder's key file; repeat."
)
_keepers = click.option(
    "--keeper", "keepers", type=FILE, multiple=True, required=True, metavar="FILE", help="A keeper's key file; repeat."
)
_secrets = click.option(
    "--passphrase-file",
    "files",
    type=PATH,
    multiple=True,
    metavar="FILE",
    help="Of the key files, founders first, in their order; one for all. Default: asked for.",
)


@click.group()
def directory() -> None:
    """Found a network, join it, keep it, leave it.

    \b
    founders    key, found, admit, revoke, renew; on several machines: draft, sign, proceed
    keepers     key, publish, refresh (every day)
    authority   request, rotate, leave, update, show

    \b
    rogatory directory key founder-1.key founder-2.key founder-3.key keeper-1.key
    rogatory directory found --folder net --network exercise.example --kind exercise \\
        --founder founder-1.key --founder founder-2.key --founder founder-3.key --need-founders 2 --keeper keeper-1.key
    rogatory directory admit --folder net --request join-request.json \\
        --founder founder-1.key --founder founder-2.key --keeper keeper-1.key
    """


@directory.command()
@click.argument("paths", nargs=-1, required=True, type=PATH)
@click.option("--quick", is_flag=True, help="Cheap to guess: for exercise and test networks only.")
@_secrets
@json_option
def key(paths: Sequence[Path], quick: bool, files: Sequence[Path], as_json: bool) -> None:
    """Make the key pair of a founder or keeper in each of PATHS, sealed. Nothing is overwritten."""
    existing = [path for path in paths if path.exists()]
    if existing:
        raise LocalError(codes.HOME_EXISTS, str(existing[0]))
    found = {}
    for path, secret in zip(paths, passphrases(files, [path.name for path in paths], twice=True), strict=True):
        holder = Holder.generate(path.stem)
        holder.seal(path, secret, Profile.EXERCISE if quick else Profile.MODERATE)
        found[str(path)] = [k.keyid for k in holder.public().both()]
    show(
        {"keys": found},
        lambda: [
            *table(
                [(path, keyids[0][:16], keyids[1][:16]) for path, keyids in found.items()], ("file", "ed25519", "ml-dsa-65"), ""
            ),
            "",
            "Keep each with one person, and a copy of it in another safe. Without enough of them the network cannot be changed.",
        ],
        as_json=as_json,
    )


@directory.command()
@folder_option
@click.option("--network", required=True, metavar="NAME", help="A DNS name that the founders own.")
@click.option(
    "--kind", required=True, type=click.Choice([k.value for k in Kind]), help="What it is for; it can never be changed."
)
@_founders
@click.option("--need-founders", type=click.IntRange(1), help="How many founders must sign. Default: more than half.")
@_keepers
@click.option("--need-keepers", type=click.IntRange(1), help="How many keepers must sign. Default: more than half.")
@click.option(
    "--address-range", "ranges", multiple=True, metavar="CIDR", help="Addresses that may be called although not public."
)
@_secrets
@json_option
def found(
    folder: Path,
    network: str,
    kind: str,
    founders: Sequence[Path],
    need_founders: int | None,
    keepers: Sequence[Path],
    need_keepers: int | None,
    ranges: Sequence[str],
    files: Sequence[Path],
    as_json: bool,
) -> None:
    """Found a network without members. Its first root file is what every node and auditor trusts."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise LocalError(codes.HOME_EXISTS, str(folder))
    founder_keys, keeper_keys = _open(founders, keepers, files)
    allowed = tuple(ranges) or (() if kind == Kind.PRODUCTION else LOOPBACK)
    charter = Charter(
        network,
        Kind(kind),
        allowed,
        tuple(f.public() for f in founder_keys),
        need_founders or len(founders) // 2 + 1,
        tuple(k.public() for k in keeper_keys),
        need_keepers or len(keepers) // 2 + 1,
    )
    founding.found(folder, charter, founder_keys, keeper_keys, SystemClock().now())
    made = trust.load(folder)
    value = {**about(made), "root_file": str(folder / "1.root.json"), "address_ranges": list(allowed)}
    show(
        value,
        lambda: [
            *pairs(
                {"network": f"{network} ({kind})", "root file": folder / "1.root.json", "network id": made.network_id.hex()}
            ),
            "",
            "Give the root file to every authority and auditor by a safe way; its SHA-256 is the network id.",
            "The keepers refresh the folder every day: rogatory directory refresh.",
        ],
        as_json=as_json,
        mark=mark_for(kind, network),
    )


@directory.command()
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
@_founders
@_keepers
@_secrets
@json_option
def admit(
    folder: Path,
    requests: Sequence[Path],
    fingerprints: Sequence[str],
    founders: Sequence[Path],
    keepers: Sequence[Path],
    files: Sequence[Path],
    as_json: bool,
) -> None:
    """Take authorities in, whose fingerprints have been compared by voice."""
    bundles = [_bundle(folder, path) for path in requests]
    compare([bundle for bundle, _ in bundles], fingerprints)
    founder_keys, keeper_keys = _open(founders, keepers, files)
    made = founding.admit(folder, [bundle for bundle, _ in bundles], founder_keys, keeper_keys, SystemClock().now())
    _changed(made, [f"{member.authority}  {member.name}  admitted" for _, member in bundles], as_json=as_json)


@directory.command()
@folder_option
@click.option("--entry", type=FILE, required=True, metavar="FILE", help="What `directory request` of a member wrote.")
@_keepers
@_secrets
@json_option
def publish(folder: Path, entry: Path, keepers: Sequence[Path], files: Sequence[Path], as_json: bool) -> None:
    """Take a member's newly signed entry in: other address, offices, certificate, next log."""
    bundle, member = _bundle(folder, entry)
    made = founding.publish(folder, bundle, _open((), keepers, files)[1], SystemClock().now())
    _changed(made, [f"{member.authority}  version {bundle.version} of its entry is in force"], as_json=as_json)


@directory.command()
@folder_option
@click.argument("authority")
@_founders
@_keepers
@_secrets
@json_option
def revoke(
    folder: Path, authority: str, founders: Sequence[Path], keepers: Sequence[Path], files: Sequence[Path], as_json: bool
) -> None:
    """End the membership of AUTHORITY against its will: nobody calls it or takes its calls. Its logs stay listed for ever."""
    founder_keys, keeper_keys = _open(founders, keepers, files)
    made = founding.revoke(folder, authority, founder_keys, keeper_keys, SystemClock().now())
    _changed(made, [f"{authority}  revoked"], as_json=as_json)


@directory.command()
@folder_option
@_keepers
@_secrets
@json_option
def refresh(folder: Path, keepers: Sequence[Path], files: Sequence[Path], as_json: bool) -> None:
    """Sign a new timestamp: the keepers do this every day. Without it nodes see that the directory is old, and say so."""
    _changed(founding.refresh(folder, _open((), keepers, files)[1], SystemClock().now()), [], as_json=as_json)


@directory.command()
@folder_option
@_founders
@_keepers
@_secrets
@json_option
def renew(folder: Path, founders: Sequence[Path], keepers: Sequence[Path], files: Sequence[Path], as_json: bool) -> None:
    """Sign the offline part again, unchanged, before it expires: the founders do this every year."""
    founder_keys, keeper_keys = _open(founders, keepers, files)
    _changed(founding.renew(folder, founder_keys, keeper_keys, SystemClock().now()), [], as_json=as_json)


@directory.command("show")
@click.argument("authority", required=False)
@click.option("--folder", type=PATH, metavar="DIR", help="A network's folder.")
@click.option("--home", type=PATH, envvar="ROGATORY_HOME", show_envvar=True, metavar="DIR", help="Or a node's home.")
@json_option
def show_directory(authority: str | None, folder: Path | None, home: Path | None, as_json: bool) -> None:
    """The members of the network, or all about AUTHORITY: offices, logs, keys."""
    if folder is None and home is None:
        raise click.UsageError("Give --home or --folder.")
    where = folder if folder is not None else home_of(home or Path()).directory
    view = trust.load(where)
    shown = DirectoryScreen(view, None if authority is None else view.member(authority))
    show(shown.value(), shown.lines, as_json=as_json, mark=mark_for(view.kind, view.network))


directory.add_command(membership.request)
directory.add_command(membership.rotate)
directory.add_command(membership.leave)
directory.add_command(membership.update)
directory.add_command(ceremony.draft)
directory.add_command(ceremony.sign)
directory.add_command(ceremony.proceed)


def _open(founders: Sequence[Path], keepers: Sequence[Path], files: Sequence[Path]) -> tuple[list[Holder], list[Holder]]:
    """The holders in these key files. A wrong passphrase is told with the file's name."""
    paths = [*founders, *keepers]
    holders = [
        Holder.open(path, secret) for path, secret in zip(paths, passphrases(files, [p.name for p in paths]), strict=True)
    ]
    return holders[: len(founders)], holders[len(founders) :]


def _bundle(folder: Path, path: Path) -> tuple[selfentry.Bundle, Member]:
    return selfentry.parse_bundle(path.read_bytes(), trust.load(folder).network)


def _changed(made: Directory, lines: Sequence[str], *, as_json: bool) -> None:
    text = [*lines, f"directory version {made.version} of {made.network}, fresh until {at(made.expires)}"]
    show({**about(made), "done": list(lines)}, lambda: text, as_json=as_json, mark=mark_for(made.kind, made.network))
