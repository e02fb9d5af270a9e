"""Calling `rogatory` as a person or a script would, and homes made by its own commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from keys.directory import selfentry
from node.cli import main

ROOT = Path(__file__).resolve().parents[3]
NETWORK = "exercise.example"
SECRET = "correct horse battery staple"


@dataclass(frozen=True)
class Said:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        """The one JSON object on standard output."""
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The code of the refusal, as JSON."""
        return str(self.value["error"]["code"])


def call(*args: object, stdin: str = "") -> Said:
    """One command in this process, without a terminal."""
    result = CliRunner().invoke(main, [str(arg) for arg in args], input=stdin, prog_name="rogatory")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Said(result.exit_code, result.stdout, result.stderr)


def process(*args: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """One command as a process of its own, without a terminal and without this one's environment."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, "-m", "node.cli", *(str(arg) for arg in args)]
    return subprocess.run(command, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False)


def secret_file(path: Path, text: str = SECRET) -> Path:
    """A passphrase file as it must be."""
    path.touch(mode=0o600)
    path.write_text(text + "\n")
    return path


@dataclass(frozen=True)
class Network:
    """A folder with a founded network, its key files, and one passphrase for all of them."""

    folder: Path
    secret: Path

    @property
    def net(self) -> Path:
        return self.folder / "net"

    @property
    def root(self) -> Path:
        return self.net / "1.root.json"

    def home(self, authority: str = "xa-ca") -> Path:
        return self.folder / authority

    def offline(self, authority: str = "xa-ca") -> Path:
        return self.folder / f"{authority}-offline"

    def shares(self, authority: str = "xa-ca", n: int = 2) -> list[Path]:
        return [self.offline(authority) / f"{authority}-standby-{n}-share-{i}.key" for i in (1, 2)]

    def role_key(self, authority: str = "xa-ca") -> Path:
        return self.offline(authority) / f"{authority}-role.key"

    def founders(self) -> list[object]:
        """The options by which two of three founders and the keeper sign."""
        return ["--founder", self.folder / "f1.key", "--founder", self.folder / "f2.key", *self.keepers()]

    def keepers(self) -> list[object]:
        return ["--keeper", self.folder / "k1.key", "--passphrase-file", self.secret]

    def init(self, authority: str = "xa-ca", port: int = 8441, **changes: object) -> Said:
        """`rogatory init` with every option that it takes; ``changes``: name -> other value, None leaves it out."""
        options: dict[str, object] = {
            "authority": authority, "home": self.home(authority), "offline": self.offline(authority), "trust": self.root,
            "state": authority[:2].upper(), "name": f"Authority {authority}", "address": f"127.0.0.1:{port}",
            "peer_listen": f"127.0.0.1:{port}", "local_listen": f"127.0.0.1:{port + 1000}", "office": "247=24/7 contact point",
            "passphrase_file": self.secret, "offline_passphrase_file": self.secret, **changes,
        }  # fmt: skip
        args = [arg for name, value in options.items() if value is not None for arg in (f"--{name.replace('_', '-')}", value)]
        return call("init", *args, "--json")

    def fingerprint(self, authority: str = "xa-ca") -> str:
        raw = (self.home(authority) / "join-request.json").read_bytes()
        return selfentry.parse_bundle(raw, NETWORK)[0].fingerprint()

    def admit(self, authority: str = "xa-ca") -> Said:
        request = ["--request", self.home(authority) / "join-request.json", "--fingerprint", self.fingerprint(authority)]
        return call("directory", "admit", "--folder", self.net, *request, *self.founders(), "--json")

    def update(self, authority: str = "xa-ca") -> Said:
        return call("directory", "update", "--home", self.home(authority), "--from", self.net, "--json")


def found(folder: Path) -> Network:
    """Three founders, one keeper, an exercise network; by the commands."""
    network = Network(folder, secret_file(folder / "secret"))
    holders = [folder / f"{name}.key" for name in ("f1", "f2", "f3", "k1")]
    assert call("directory", "key", *holders, "--quick", "--passphrase-file", network.secret).code == 0
    signers = [arg for path in holders[:3] for arg in ("--founder", path)]
    said = call(
        "directory", "found", "--folder", network.net, "--network", NETWORK, "--kind", "exercise", *signers,
        "--keeper", holders[3], "--passphrase-file", network.secret, "--json",
    )  # fmt: skip
    assert said.code == 0, said
    return network


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return found(tmp_path)


@pytest.fixture
def member(network: Network) -> Network:
    """A network that xa-ca has joined, its home up to date."""
    assert network.init().code == 0
    assert network.admit().code == 0
    assert network.update().code == 0
    return network
