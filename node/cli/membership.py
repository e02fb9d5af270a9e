"""What an authority does about its own directory entry: sign it, rotate its log, leave; and take in a newer directory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import click

from exchange.exchange import Exchange
from keys.directory import codes as directory_codes
from keys.directory import selfentry, trust
from keys.directory.certificate import spki_sha256
from keys.directory.rolekeys import Holder
from keys.directory.store import Store
from keys.directory.view import Directory, Kind, LogRecord, LogState, Member
from keys.keystore import ARGON2_MODERATE, ARGON2_TEST, Keystore
from keys.logkeys import LogKeyPair
from keys.passphrase import passphrase_from
from keys.sealedfile import write_atomically
from keys.standby import export_standby, import_standby
from node import codes
from node.cli.entryfile import read_entry
from node.cli.localdirectory import fetch_from
from node.cli.options import FILE, PATH, home_of, home_option, json_option, passphrases
from node.cli.screen import at, pairs, show
from node.clock import SystemClock
from node.home import Home
from node.opening import standing_still
from node.settings import Settings, load_settings
from protocol.errors import LocalError
from protocol.names import Origin

role_key_option = click.option(
    "--role-key", type=FILE, required=True, metavar="FILE", help="The key that signs this authority's entry."
)
role_secret_option = click.option("--role-passphrase-file", type=PATH, metavar="FILE", help="Its passphrase. Default: asked for.")
out_option = click.option(
    "--out", type=PATH, metavar="FILE", help="Where to write the signed entry. Default: entry.json in the home."
)


@dataclass(frozen=True, slots=True)
class Own:
    """This authority, as its home knows it."""

    home: Home
    settings: Settings
    member: Member
    network: str
    kind: Kind | None
    admitted: bool

    @classmethod
    def read(cls, path: Path) -> Own:
        """From the directory, or before admission from the join request. Raises NOT-IN-DIRECTORY when there is neither."""
        home = home_of(path)
        settings = load_settings(home)
        if Store(home.directory).in_force() is not None:
            view = trust.load(home.directory)
            if settings.authority in view.members:
                return cls(home, settings, view.member(settings.authority), view.network, view.kind, admitted=True)
        request = home.path / "join-request.json"
        if not request.exists():
            raise LocalError(codes.NOT_IN_DIRECTORY, settings.authority)
        raw = request.read_bytes()
        network = _network_of(raw)
        return cls(home, settings, selfentry.parse_bundle(raw, network)[1], network, None, admitted=False)

    def keystore(self) -> Keystore:
        """Opened with the node's own passphrase."""
        return Keystore.open(self.home.keystore, passphrase_from(self.settings.passphrase_file))

    def sign(self, holder: Holder, member: Member) -> selfentry.Bundle:
        """The next version of the entry, or the request to join."""
        if self.admitted:
            return selfentry.new_entry(self.home.directory, holder, member)
        return selfentry.join_request(holder, self.network, member)

    @contextmanager
    def last_words(self, keystore: Keystore) -> Iterator[Exchange]:
        """The exchange whose log is to be closed; no node can start meanwhile.

        Raises STORE-IN-USE while one runs, DIRECTORY-NO-LOG before a log's first head, and what keeps a log from being opened.
        """
        if not self.admitted or not self.settings.guard_path(self.home).exists():
            raise LocalError(directory_codes.DIRECTORY_NO_LOG, "this log has no head yet")
        with standing_still(self.home, self.settings, keystore, trust.load(self.home.directory)) as exchange:
            if not exchange.log.size:
                raise LocalError(directory_codes.DIRECTORY_NO_LOG, "this log has no head yet")
            yield exchange


@click.command(epilog="Exit codes: 0 written, 1 refused, 2 usage.")
@home_option
@role_key_option
@role_secret_option
@out_option
@json_option
def request(home: Path, role_key: Path, role_passphrase_file: Path | None, out: Path | None, as_json: bool) -> None:
    """Sign what entry.toml and the keystore say now: the request to join, or the next version of the entry.

    \b
    rogatory directory request --home /var/lib/rogatory --role-key xa-ca-role.key

    Founders take a first request in with `directory admit`, keepers a later one with `directory publish`.
    """
    own = Own.read(home)
    particulars = read_entry(own.home.path / "entry.toml", own.settings.authority)
    certificates = tuple(key.certificate for key in own.keystore().transport if key.certificate)
    member = replace(own.member, certificates=certificates, spki=tuple(spki_sha256(der) for der in certificates))
    bundle = own.sign(holder_of(role_key, role_passphrase_file), particulars.apply(member))
    write_entry(own, bundle, out, as_json=as_json)


@click.command(epilog="Exit codes: 0 written, 1 refused, 2 usage.")
@home_option
@role_key_option
@role_secret_option
@click.option(
    "--share", "shares", type=FILE, multiple=True, required=True, metavar="FILE", help="Every share of the standby log; repeat."
)
@click.option(
    "--new-share",
    "new_shares",
    type=PATH,
    multiple=True,
    required=True,
    metavar="FILE",
    help="Where shares of the log after it go.",
)
@click.option(
    "--share-passphrase-file",
    "files",
    type=PATH,
    multiple=True,
    metavar="FILE",
    help="Of the shares, then the new shares; one for all.",
)
@out_option
@json_option
def rotate(
    home: Path,
    role_key: Path,
    role_passphrase_file: Path | None,
    shares: Sequence[Path],
    new_shares: Sequence[Path],
    files: Sequence[Path],
    out: Path | None,
    as_json: bool,
) -> None:
    """Close the log in force for good and bring the standby log into force.

    \b
    rogatory directory rotate --home /var/lib/rogatory --role-key xa-ca-role.key \\
        --share xa-ca-standby-2-share-1.key --share xa-ca-standby-2-share-2.key \\
        --new-share xa-ca-standby-3-share-1.key --new-share xa-ca-standby-3-share-2.key

    The node must be stopped, and starts again once the keepers have published the entry and `directory update` has taken it in.
    The two people who hold the shares bring them; the next log's shares are theirs afterwards. If it fails, run it again, with other
    paths for the new shares.
    """
    own = Own.read(home)
    keystore = own.keystore()
    with own.last_words(keystore) as exchange:
        secrets = passphrases(files, [path.name for path in (*shares, *new_shares)])
        n, pair = import_standby(list(zip(shares, secrets, strict=False)))
        holder, following = holder_of(role_key, role_passphrase_file), LogKeyPair.generate()
        standby = _next_record(own, n, pair, following)
        own.sign(holder, selfentry.rotate(own.member, _now(exchange), standby))  # what is wrong with it is refused before the end
        profile = ARGON2_MODERATE if own.kind is Kind.PRODUCTION else ARGON2_TEST
        export_standby(n + 1, following, list(zip(new_shares, secrets[len(shares) :], strict=True)), profile)
        keystore.add_log(n, pair)
        keystore.save()
        closing = exchange.close_log(n, "planned")
        write_entry(own, own.sign(holder, selfentry.rotate(own.member, closing, standby)), out, as_json=as_json)


@click.command(epilog="Exit codes: 0 written, 1 refused, 2 usage.")
@home_option
@role_key_option
@role_secret_option
@out_option
@click.option("--yes", is_flag=True, required=True, expose_value=False, help="Needed: a closed log is never opened again.")
@json_option
def leave(home: Path, role_key: Path, role_passphrase_file: Path | None, out: Path | None, as_json: bool) -> None:
    """Close the log for good and sign the end of this authority's membership. The log stays listed; the node must be stopped."""
    own = Own.read(home)
    with own.last_words(own.keystore()) as exchange:
        holder = holder_of(role_key, role_passphrase_file)
        own.sign(holder, selfentry.leave(own.member, _now(exchange)))  # what is wrong with it is refused before the end
        closing = exchange.close_log(exchange.log.n + 1, "left")
        write_entry(own, own.sign(holder, selfentry.leave(own.member, closing)), out, as_json=as_json)


@click.command(epilog="Exit codes: 0 newest directory in force, 1 refused: the one before stays in force, 2 usage.")
@home_option
@click.option(
    "--trust", "root", type=FILE, metavar="ROOT", help="The network's first root file: needed once, when the home has none."
)
@click.option(
    "--from",
    "copy",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    metavar="FOLDER",
    help="A folder with the directory's files, from a keeper or another member.",
)
@json_option
def update(home: Path, root: Path | None, copy: Path, as_json: bool) -> None:
    """Take a newer directory in from a folder. A running node also fetches it from its peers by itself, every hour.

    \b
    rogatory directory update --home /var/lib/rogatory --trust root.json --from /media/stick/net
    """
    place = home_of(home)
    place.directory.mkdir(parents=True, exist_ok=True)
    if root is not None:
        trust.anchor(place.directory, root.read_bytes())
    view = trust.update(place.directory, fetch_from(copy), SystemClock().now())
    show(_value(view), lambda: [_sentence(view)], as_json=as_json, home=place.path)


def holder_of(path: Path, secret_file: Path | None) -> Holder:
    """The key file of a role, opened with its passphrase."""
    return Holder.open(path, passphrase_from(secret_file, prompt=f"Passphrase of {path.name}: "))


def _now(exchange: Exchange) -> tuple[int, bytes]:
    return exchange.log.size, exchange.log.root


def _next_record(own: Own, n: int, pair: LogKeyPair, following: LogKeyPair) -> LogRecord:
    """The record of log n + 1, made now; log n must be the standby that the directory lists, with these keys."""
    standby = next((log for log in own.member.logs if log.origin.n == n and log.state is LogState.STANDBY), None)
    if standby is None or standby.keys != pair.log_keys(str(standby.origin)):
        raise LocalError(codes.NOT_IN_DIRECTORY, f"log {n} of these shares is not our standby log")
    origin = Origin(own.network, own.member.authority, n + 1)
    return replace(standby, origin=origin, keys=following.log_keys(str(origin)), state=LogState.STANDBY)


def write_entry(own: Own, bundle: selfentry.Bundle, out: Path | None, *, as_json: bool) -> None:
    """Write the signed entry, and say where it goes next."""
    path = out or own.home.path / ("entry.json" if own.admitted else "join-request.json")
    write_atomically(path.absolute(), bundle.dump(), 0o644)
    whom = "the keepers, who publish it" if own.admitted else "the founders, and read the fingerprint to them by telephone"
    value = {"file": str(path), "version": bundle.version, "fingerprint": bundle.fingerprint()}
    facts = {"written": path, "version": bundle.version, "fingerprint": bundle.fingerprint(), "next": f"send it to {whom}"}
    show(value, lambda: pairs(facts), as_json=as_json, home=own.home.path)


def _network_of(raw: bytes) -> str:
    """The network of our own join request, from its entry's text. Its signatures are checked right after."""
    import json

    try:
        return str(json.loads(json.loads(raw)["entry"])["network"])
    except (ValueError, LookupError, TypeError):
        raise LocalError(codes.NOT_IN_DIRECTORY, "join-request.json cannot be read") from None


def _value(view: Directory) -> dict[str, object]:
    return {
        "network": view.network,
        "kind": view.kind.value,
        "version": view.version,
        "expires": view.expires,
        "members": sorted(view.members),
    }


def _sentence(view: Directory) -> str:
    return f"directory version {view.version} of {view.network} with {len(view.members)} members is in force until {at(view.expires)}"
