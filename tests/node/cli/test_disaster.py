"""The machine burns. By commands alone, with real processes: backup, fire, restore, the standby log, and traffic goes on; the auditor is content."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time

import pytest

from node.exercise import free_ports
from tests.node.cli.conftest import Network, call
from tests.node.cli.test_run import PATIENCE, refused, running
from tests.node.cli.test_running import EXAMPLES

A, B, C = "xa-ca", "xb-ca", "xc-ca"


@pytest.fixture
def three(network: Network) -> Network:
    """A network of three; no node runs."""
    ports = free_ports(6)
    for number, name in enumerate((A, B, C)):
        said = network.init(name, ports[2 * number], local_listen=f"127.0.0.1:{ports[2 * number + 1]}")
        assert said.code == 0, said
        assert network.admit(name).code == 0
    for name in (A, B, C):
        assert network.update(name).code == 0
    return network


def _ask(network: Network, *args: object, of: str = A):
    said = call(*args, "--home", network.home(of), "--json")
    assert said.code == 0, said
    return said.value


def _hire(network: Network, name: str) -> str:
    person = _ask(network, "people", "add", "--name", "N. N.", of=name)["id"]
    _ask(network, "people", "grant", person, "--office", f"{name}/247", "--role", "duty", of=name)
    return str(person)


def _send(network: Network, sender: str, to: str, person: str):
    """A request, by somebody who may send alone, until its receipt has come; its message id."""
    form = network.folder / "form.json"
    value = json.loads((EXAMPLES / "preserve.json").read_text())
    form.write_text(json.dumps(value | {"requesting_authority": f"{sender}/247", "requested_authority": f"{to}/247"}))
    args = ["--from", f"{sender}/247", "--to", f"{to}/247", "--kind", "EE_PRESERVE", "--form", form, "--as", person]
    message = _ask(network, "send", *args, of=sender)["message_id"]
    _until(lambda: _ask(network, "outbox", "show", message, of=sender)["deliveries"][0]["state"] == "delivered")
    return message


def _until(condition):
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return found


def _proven(network: Network, name: str, message: str, folder) -> None:
    _ask(network, "export", "--message", message, "--out", folder, of=name)
    said = call("verify", folder, "--trust", network.root, "--json")
    assert said.code == 0, said


def _inbox(network: Network, name: str) -> set[str]:
    return {item["message_id"] for item in _ask(network, "inbox", of=name)["items"]}


def _log_is_sound(network: Network, name: str, folder, *which: object) -> None:
    _ask(network, "export", "--log", *which, "--out", folder, of=name)
    said = call("verify", folder, "--policy", folder / "policy.txt", "--json")
    assert said.code == 0, said


def test_backup_fire_restore_standby_and_everybody_goes_on(three, tmp_path):
    with running(three.home(B)), running(three.home(C)):
        told = _before_the_fire(three, tmp_path / "medium")
        shutil.rmtree(three.home(A))
        _restore(three, tmp_path / "medium")
        _held_and_explained(three, told)
        _replaced(three, told)
        with running(three.home(A)):
            _until(lambda: told["lost"] in _inbox(three, A))  # offered again, consigned again
            assert told["before"] in _inbox(three, A)
            _until(lambda: _state(three, told["lost"]) == "delivered")
            new, theirs = _send(three, A, C, told[A]), _send(three, B, A, told[B])
            proofs = [(A, told["before"]), (A, told["ours"]), (B, told["before"]), (B, told["lost"]), (A, new), (A, theirs), (B, theirs)]
            for number, (name, message) in enumerate(proofs):
                _proven(three, name, message, tmp_path / f"proofs-{number}")
            _log_is_sound(three, A, tmp_path / "log-2")
            for name in (A, B):
                everything = call("verify", "--all", "--home", three.home(name), "--json")
                assert (everything.code, everything.value["named"]) == (0, []), everything
            _enlist(three, A)
        with running(three.home(A)):
            assert _ask(three, "status")["log"]["held"] == ""
            _send(three, A, B, told[A])
            _send(three, B, A, told[B])
            _proven(three, A, new, tmp_path / "proofs-new")
            _proven(three, B, told["lost"], tmp_path / "proofs-lost")
            assert call("doctor", "--home", three.home(A), "--json").code == 0
        standing = call("verify", "--all", "--home", three.home(A), "--json")
        assert (standing.code, standing.value["named"]) == (0, []), standing
        _tampered(three, A)


def _tampered(network: Network, name: str) -> None:
    """An administrator edits one entry: named by `verify --all`, and the node does not start."""
    db = sqlite3.connect(network.home(name) / "data" / "exchange.sqlite")
    db.execute("UPDATE entry SET bytes=(SELECT bytes FROM entry WHERE n=2 AND idx=1) WHERE n=2 AND idx=3")
    db.commit()
    db.close()
    said = call("verify", "--all", "--home", network.home(name), "--json")
    assert (said.code, said.value["first"]["index"]) == (1, 3), said
    refused(network.home(name), "LOG-DAMAGED")


def _state(network: Network, message: str) -> str:
    return str(_ask(network, "outbox", "show", message, of=B)["deliveries"][0]["state"])


def _before_the_fire(network: Network, medium) -> dict:
    """Traffic, a backup while the node runs, more traffic."""
    with running(network.home(A)):
        told = {name: _hire(network, name) for name in (A, B)}
        told["before"] = _send(network, B, A, told[B])
        told["ours"] = _send(network, A, B, told[A])
        made = call("backup", medium, "--home", network.home(A), "--json")
        assert (made.code, made.value["damaged"]) == (0, []), made
        told["size"] = made.value["size"]
        told["lost"] = _send(network, B, A, told[B])
        _send(network, A, B, told[A])
    return told


def _restore(network: Network, medium) -> None:
    secret = ["--authority", A, "--passphrase-file", network.secret, "--json"]
    assert call("backup", "verify", medium, *secret).code == 0
    said = call("restore", medium, "--home", network.home(A), *secret)
    assert said.code == 0, said


def _held_and_explained(network: Network, told: dict) -> None:
    """The node runs, signs nothing, and says what to do."""
    home = network.home(A)
    with running(home):
        doctor = call("doctor", "--home", home, "--json")
        [check] = [each for each in doctor.value["checks"] if each["check"] == "reconciliation"]
        assert (doctor.code, check["ok"]) == (1, False)
        assert "LOG-AMNESIA" in check["says"]
        assert "rogatory log replace" in check["todo"]
        assert _ask(network, "status")["log"]["held"] == "LOG-AMNESIA"
        assert told["before"] in _inbox(network, A)
        assert call("people", "add", "--name", "N. N.", "--home", home, "--json").error == "LOG-AMNESIA"
        assert call("log", "open", "--home", home, "--as", told[A], "--yes", "--json").error == "LOG-NOT-ALONE"
        assert call(*_replace(network)).error == "STORE-IN-USE"


def _replace(network: Network) -> list[object]:
    shares = [arg for path in network.shares(A, 2) for arg in ("--share", path)]
    return ["log", "replace", "--home", network.home(A), *shares, "--share-passphrase-file", network.secret, "--json"]


def _replaced(network: Network, told: dict) -> None:
    """The one command; run again by somebody who is not sure, it does the same."""
    said = call(*_replace(network))
    assert said.code == 0, said
    assert said.value["lost"][1] > said.value["lost"][0] == told["size"]
    again = call(*_replace(network))
    assert (again.code, again.value) == (0, said.value)


def _enlist(network: Network, name: str) -> None:
    """By day: the directory learns of it."""
    new = [arg for path in network.shares(name, 3) for arg in ("--new-share", path)]
    keys = ["--role-key", network.role_key(name), "--role-passphrase-file", network.secret]
    said = call("log", "enlist", "--home", network.home(name), *keys, *new, "--share-passphrase-file", network.secret, "--json")
    assert said.code == 0, said
    entry = network.home(name) / "entry.json"
    said = call("directory", "publish", "--folder", network.net, "--entry", entry, *network.keepers(), "--json")
    assert said.code == 0, said
    for each in (A, B, C):
        assert network.update(each).code == 0
