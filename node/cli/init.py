"""`rogatory init`: the home of a new node, its keys, and its request to join a network. Nothing that exists is overwritten."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from keys.directory import selfentry, trust
from keys.directory.certificate import spki_sha256
from keys.directory.chain import NEVER_LATE, Chain
from keys.directory.members import choose_witnesses
from keys.directory.rolekeys import Holder
from keys.directory.view import Kind, LogRecord, LogState, Member, WitnessKeys
from keys.keystore import ARGON2_MODERATE, ARGON2_TEST, Keystore
from keys.logkeys import LogKeyPair
from keys.prekeys import PrekeyStore
from keys.sealedfile import Profile
from keys.standby import export_standby
from node import codes
from node.cli.entryfile import Particulars, entry_text, read_entry
from node.cli.localdirectory import fetch_from
from node.cli.options import FILE, PATH, Address, json_option, passphrases
from node.cli.screen import mark_for, pairs, show
from node.cli.settingsfile import settings_text
from node.clock import SystemClock
from node.home import Home
from protocol import limits, names
from protocol.errors import LocalError

CERTIFICATE_DAYS: Final = 400
_KINDS = ("EE_PRESERVE", "PRESERVATION_REPLY", "MLA_RECORDS", "ACKNOWLEDGEMENT", "EVIDENCE_HANDOVER", "EVIDENCE_RECEIPT")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to make, where. ``others``: the members that the directory knows, from which witnesses follow."""

    authority: str
    home: Path
    offline: Path
    network: str
    kind: Kind
    entry: str
    settings: str
    root_file: bytes | None
    copy: Path | None

    @property
    def profile(self) -> Profile:
        """Exercises may be quick; what protects real secrets is slow to guess."""
        return ARGON2_MODERATE if self.kind is Kind.PRODUCTION else ARGON2_TEST

    def offline_files(self) -> tuple[Path, Path, Path]:
        """Two shares of the standby log, for two people, and the key to the authority's own directory entry."""
        stem = f"{self.authority}-standby-2-share"
        return self.offline / f"{stem}-1.key", self.offline / f"{stem}-2.key", self.offline / f"{self.authority}-role.key"


@click.command(epilog="Exit codes: 0 made, 1 refused, nothing was left behind, 2 usage.")
@click.option("--authority", required=True, metavar="NAME", help="The authority's name in the network: xa-ca.")
@click.option(
    "--home", type=PATH, required=True, envvar="ROGATORY_HOME", metavar="DIR", help="The node's folder, new or empty."
)
@click.option(
    "--offline", type=PATH, required=True, metavar="DIR", help="Where the files go that are kept offline; not inside the home."
)
@click.option("--trust", type=FILE, metavar="ROOT", help="The network's first root file, received by a safe way.")
@click.option(
    "--from",
    "copy",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="A copy of its directory.",
)
@click.option("--network", metavar="NAME", help="The network's name, as long as there is no root file.")
@click.option("--kind", type=click.Choice([k.value for k in Kind]), help="Its kind, as long as there is no root file.")
@click.option("--state", required=True, help="The State or territory: XA.")
@click.option("--name", required=True, help="The authority's full name.")
@click.option(
    "--address", default="", metavar="HOST:PORT", help="Where other authorities reach it; without it nobody can call it."
)
@click.option(
    "--office", "offices", multiple=True, metavar="ID=NAME", help='An office: 247="24/7 contact point". May be repeated.'
)
@click.option("--zone", default="UTC", show_default=True, help="The offices' time zone (IANA).")
@click.option("--peer-listen", type=Address(), default="0.0.0.0:8441", show_default=True, help="Where the peer port listens.")
@click.option(
    "--local-listen", type=Address(), default="127.0.0.1:8442", show_default=True, help="Where systems of the house call."
)
@click.option(
    "--passphrase-file", type=PATH, metavar="FILE", help="The keystore's passphrase; the node reads it from there at start."
)
@click.option(
    "--offline-passphrase-file",
    "offline_files",
    type=PATH,
    multiple=True,
    metavar="FILE",
    help="Of share 1, share 2 and role key, in this order; one for all. Default: asked for.",
)
@json_option
def init(
    authority: str,
    home: Path,
    offline: Path,
    trust: Path | None,
    copy: Path | None,
    network: str | None,
    kind: str | None,
    state: str,
    name: str,
    address: str,
    offices: Sequence[str],
    zone: str,
    peer_listen: tuple[str, int],
    local_listen: tuple[str, int],
    passphrase_file: Path | None,
    offline_files: Sequence[Path],
    as_json: bool,
) -> None:
    """Make a node's home, its keys and its request to join a network.

    \b
    rogatory init --authority xa-ca --home /var/lib/rogatory --offline /media/stick --trust root.json \\
        --state XA --name "Central Authority of Alpha" --address node.xa.example:8441 \\
        --office 247="24/7 contact point" --office mla="Mutual legal assistance" --zone Europe/Paris

    The home gets a keystore (log 1, witness, transport and storage keys), prekeys, node.toml, entry.toml and join-request.json. The
    offline folder gets two shares of the next log's keys, for two people, and the key that signs this authority's directory entry.
    """
    names.parse_authority(authority)
    root_file = trust.read_bytes() if trust else None
    network, kind_ = _network(root_file, network, kind)
    plan = Plan(
        authority,
        home.absolute(),
        offline.absolute(),
        network,
        kind_,
        entry_text(authority, state, name, address, _offices(offices), zone, _KINDS),
        settings_text(authority, peer_listen, local_listen, passphrase_file.absolute() if passphrase_file else None),
        root_file,
        copy,
    )
    _refuse_existing(plan)
    secrets = _ask(passphrase_file, offline_files)
    request = _make(plan, secrets)
    next_steps = _next_steps(plan)
    made = {
        "authority": authority,
        "network": network,
        "kind": kind_.value,
        "home": str(plan.home),
        "offline": [str(f) for f in plan.offline_files()],
        "join_request": str(plan.home / "join-request.json"),
        "fingerprint": request.fingerprint(),
        "next": next_steps,
    }
    show(made, lambda: _report(plan, request.fingerprint(), next_steps), as_json=as_json, mark=mark_for(kind_, network))


def _network(root_file: bytes | None, network: str | None, kind: str | None) -> tuple[str, Kind]:
    """Name and kind: what the root file says, else what was named. Raises a usage error where they do not agree or are missing."""
    if root_file is None:
        if not network or not kind:
            raise click.UsageError("Give --trust ROOT, or --network NAME and --kind KIND while there is no root file yet.")
        return names.parse_network(network), Kind(kind)
    found = Chain(root_file, NEVER_LATE).network
    if network not in (None, found.name) or kind not in (None, found.kind.value):
        raise click.UsageError(f"The root file is of the {found.kind} network {found.name}.")
    return found.name, found.kind


def _offices(texts: Sequence[str]) -> Mapping[str, str]:
    offices = {}
    for text in texts or ("ca=Central authority",):
        office, equals, title = text.partition("=")
        if not equals or not title:
            raise click.UsageError(f"--office {text!r} is not ID=NAME.")
        offices[office] = title
    return offices


def _refuse_existing(plan: Plan) -> None:
    if plan.home.exists() and (not plan.home.is_dir() or any(plan.home.iterdir())):
        raise LocalError(codes.HOME_EXISTS, str(plan.home))
    if plan.offline == plan.home or plan.home in plan.offline.parents:
        raise click.UsageError("--offline names a folder inside the home; what lies there is not offline.")
    for path in plan.offline_files():
        if path.exists():
            raise LocalError(codes.HOME_EXISTS, str(path))


def _ask(passphrase_file: Path | None, offline_files: Sequence[Path]) -> tuple[bytes, list[bytes]]:
    """The keystore's passphrase, then those of share 1, share 2 and role key."""
    keystore = passphrases([passphrase_file] if passphrase_file else [], ["the keystore"], twice=True)
    return keystore[0], passphrases(offline_files, ["standby share 1", "standby share 2", "the role key"], twice=True)


def _make(plan: Plan, secrets: tuple[bytes, list[bytes]]) -> selfentry.Bundle:
    """Everything in a folder beside the home, which takes its place when all is there. What fails leaves nothing."""
    plan.home.parent.mkdir(parents=True, exist_ok=True)
    made_offline = not plan.offline.exists()
    plan.offline.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".rogatory-init-", dir=plan.home.parent))
    try:
        request = _fill(plan, Home(draft), secrets)
        draft.replace(plan.home)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        for path in plan.offline_files():
            path.unlink(missing_ok=True)
        if made_offline:
            shutil.rmtree(plan.offline, ignore_errors=True)
        raise
    return request


def _fill(plan: Plan, home: Home, secrets: tuple[bytes, list[bytes]]) -> selfentry.Bundle:
    now = SystemClock().now()
    others: Sequence[str] = ()
    if plan.root_file is not None:
        home.directory.mkdir(parents=True, exist_ok=True)
        trust.anchor(home.directory, plan.root_file)
        if plan.copy is not None:
            others = tuple(trust.update(home.directory, fetch_from(plan.copy), now).members)
    home.settings.write_text(plan.settings, "utf-8")
    entry = home.path / "entry.toml"
    entry.write_text(plan.entry, "utf-8")
    particulars = read_entry(entry, plan.authority)
    keystore_secret, (share_1, share_2, role_secret) = secrets
    keystore = Keystore.create(home.keystore, keystore_secret, plan.profile)
    end = now + CERTIFICATE_DAYS * limits.DAY
    keystore.transport[0].issue_certificate(plan.authority, plan.network, now - limits.HOUR, end)
    keystore.save()
    PrekeyStore(home.prekeys, keystore.prekey_key).rotate(now)
    standby, holder = LogKeyPair.generate(), Holder.generate(plan.authority)
    request = selfentry.join_request(holder, plan.network, _member(plan, keystore, standby, particulars, others))
    (home.path / "join-request.json").write_bytes(request.dump())
    first, second, role = plan.offline_files()
    export_standby(2, standby, [(first, share_1), (second, share_2)], plan.profile)
    holder.seal(role, role_secret, plan.profile)
    return request


def _member(plan: Plan, keystore: Keystore, standby: LogKeyPair, particulars: Particulars, others: Sequence[str]) -> Member:
    """Log 1 in force, log 2 standby, witnesses as they follow from the names."""
    witnesses, quorum = choose_witnesses(plan.network, plan.authority, others)
    logs = []
    for n, pair, state in ((1, keystore.log(1), LogState.IN_FORCE), (2, standby, LogState.STANDBY)):
        origin = names.Origin(plan.network, plan.authority, n)
        logs.append(LogRecord(pair.log_keys(str(origin)), origin, state, witnesses, quorum))
    certificate = keystore.transport[0].certificate
    witness = WitnessKeys(keystore.witness.mldsa44, keystore.witness.ed25519)
    bare = Member(plan.authority, "", "", None, tuple(logs), witness, (certificate,), (spki_sha256(certificate),))
    return particulars.apply(bare)


def _next_steps(plan: Plan) -> list[str]:
    first, second, role = (path.name for path in plan.offline_files())
    return [
        "send join-request.json to the founders of the network, and read its fingerprint to them by telephone",
        f"give {first} and {second} to two people who keep them apart, and {role} to whoever signs the entry; then empty that folder",
        "keep a copy of keystore and node.toml elsewhere; never copy the folder prekeys",
        f"when you are admitted: rogatory directory update --home {plan.home} --trust ROOT --from FOLDER",
        f"then: rogatory run --home {plan.home}",
    ]


def _report(plan: Plan, fingerprint: str, next_steps: Sequence[str]) -> list[str]:
    facts = {
        "authority": f"{plan.authority} in the {plan.kind.value} network {plan.network}",
        "home": plan.home,
        "  node.toml": "settings, each with a comment",
        "  entry.toml": "what the directory says about you",
        "  keystore": "keys of log 1, witness, transport, storage; sealed",
        "  prekeys/": "one a day; destroyed on time, never copied",
        "  join-request.json": "to send",
        "offline": plan.offline,
        "  shares": "keys of the next log, in two halves; sealed",
        "  role key": "signs your directory entry; sealed",
        "fingerprint": fingerprint,
    }
    return [*pairs(facts), "", "What to do next:", *(f"  {number}. {step}" for number, step in enumerate(next_steps, 1))]
