"""A whole exercise network as homes on disk, ready to run: for the demo, the bench and tests of real processes.

    world = found_world(folder, ("xa-ca", "xb-ca", "xc-ca"))
    world.places["xa-ca"].home.path      -> give it to `rogatory run --home`
    world.root_file                      -> what an auditor trusts

Its passphrases lie beside its keystores and cost nothing to guess; the signed root says ``exercise``, and so does every screen.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from keys.directory import exercise, mirror, trust
from keys.directory.view import OfficeRecord, WitnessKeys
from keys.keystore import ARGON2_TEST, Keystore
from keys.logkeys import LogKeyPair
from node.home import Home
from protocol import limits
from protocol.names import Office

NETWORK = "exercise.example"
_PORTS = range(20_000, 32_768)  # below those that Linux gives to connections
_STATES = {"xa": "Alpha", "xb": "Bravo", "xc": "Charlie", "xd": "Delta", "xe": "Echo"}
_OFFICES = (
    ("247", "24/7 contact point", ("EE_PRESERVE", "PRESERVATION_REPLY", "ACKNOWLEDGEMENT", "EVIDENCE_HANDOVER", "EVIDENCE_RECEIPT")),
    ("mla", "Central authority for mutual legal assistance", ("MLA_RECORDS", "ACKNOWLEDGEMENT", "EVIDENCE_HANDOVER", "EVIDENCE_RECEIPT")),
)
_ZONES = {"xa": "Europe/Paris", "xb": "Europe/Berlin", "xc": "Asia/Tokyo"}


@dataclass(frozen=True, slots=True)
class Place:
    """One authority's home and ports on loopback."""

    authority: str
    home: Home
    peer_port: int
    local_port: int


@dataclass(frozen=True, slots=True)
class World:
    """The network: its root file on disk, and its authorities."""

    folder: Path
    root_file: Path
    places: Mapping[str, Place]


def found_world(folder: Path, authorities: Sequence[str], now: int) -> World:
    """Found the network in an empty folder: about 0.2 s per authority. ``now`` in ms."""
    ports = free_ports(2 * len(authorities))
    places, seats = {}, []
    for number, authority in enumerate(authorities):
        place = Place(authority, Home(folder / authority), ports[2 * number], ports[2 * number + 1])
        places[authority] = place
        seats.append(_settle(place, now))
    founded = exercise.found_exercise(folder / "founders", seats, now, network=NETWORK)
    root_file = folder / "root.json"
    root_file.write_bytes(founded.root_file)

    def fetch(name: str) -> bytes:
        data = mirror.read(folder / "founders", name)
        if data is None:
            raise FileNotFoundError(name)
        return data

    for place in places.values():
        trust.anchor(place.home.directory, founded.root_file)
        trust.update(place.home.directory, fetch, now)
    return World(folder, root_file, places)


def _settle(place: Place, now: int) -> exercise.Seat:
    """Make a home with its keys; what the directory must know of it."""
    home, authority = place.home, place.authority
    home.path.mkdir(parents=True, mode=0o700)
    passphrase = secrets.token_urlsafe(24)
    passphrase_file = home.path / "passphrase"
    passphrase_file.touch(mode=0o600)
    passphrase_file.write_text(passphrase + "\n")
    keystore = Keystore.create(home.keystore, passphrase.encode(), ARGON2_TEST)
    certificate = keystore.transport[0].issue_certificate(authority, NETWORK, now - limits.HOUR, now + 90 * limits.DAY)
    keystore.save()
    (home.path / "node.toml").write_text(
        f'authority = "{authority}"\npassphrase_file = "{passphrase_file}"\n\n'
        f'[peer]\nlisten = "127.0.0.1:{place.peer_port}"\nurgent_per_hour = 1000000\n\n[local]\nlisten = "127.0.0.1:{place.local_port}"\n'
    )
    log = keystore.log(1).log_keys(f"{NETWORK}/{authority}/log/1")
    standby = LogKeyPair.generate(os.urandom).log_keys(f"{NETWORK}/{authority}/log/2")
    witness = {key.algorithm: key.public_key for key in keystore.witness.vkeys(authority)}
    return exercise.Seat(
        authority, authority[:2].upper(), f"Central Authority of {_STATES.get(authority[:2], authority)}",
        ("127.0.0.1", place.peer_port),
        exercise.PublicKeys(
            (log.ed25519, log.mldsa44), (standby.ed25519, standby.mldsa44), WitnessKeys(witness[6], witness[4]), (certificate,)
        ),
        tuple(
            OfficeRecord(Office(authority, name), title, functions, ("en", "fr"), _ZONES.get(authority[:2], "UTC"))
            for name, title, functions in _OFFICES
        ),
    )  # fmt: skip


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on now, and that no outgoing connection is given while their node is down."""
    with contextlib.ExitStack() as bound:
        ports: list[int] = []
        while len(ports) < count:
            one = bound.enter_context(socket.socket())
            with contextlib.suppress(OSError):  # taken: another one
                one.bind(("127.0.0.1", _PORTS[secrets.randbelow(len(_PORTS))]))
                ports.append(one.getsockname()[1])
        return ports
