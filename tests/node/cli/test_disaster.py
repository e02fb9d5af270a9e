"""The machine burns. By commands alone, with real processes: backup, fire, restore, the standby log, and traffic goes on; the auditor is content."""

from __future__ import annotations

import shutil
import sqlite3
import time

import pytest

from tests.node.cli.conftest import Network, call
from tests.node.cli.test_run import PATIENCE, refused, running
from tests.node.cli.working import ask, await_delivered, hire, join, prove, send

A, B, C = "xa-ca", "xb-ca", "xc-ca"


@pytest.fixture
def three(network: Network) -> Network:
    """A network of three; no node runs."""
    join(network, A, B, C)
    return network


def _delivered(network: Network, sender: str, to: str, person: str) -> str:
    """A request, and its receipt has come; its message id."""
    message = send(network, sender, to, person)
    await_delivered(network, sender, message)
    return message


def _until(condition):
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return found


def _inbox(network: Network, name: str) -> set[str]:
    return {item["message_id"] for item in ask(network, name, "inbox")["items"]}


def _log_is_sound(network: Network, name: str, folder, *which: object) -> None:
    ask(network, name, "export", "--log", *which, "--out", folder)
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
            await_delivered(three, B, told["lost"])
            new, theirs = _delivered(three, A, C, told[A]), _delivered(three, B, A, told[B])
            proofs = [(A, told["before"]), (A, told["ours"]), (B, told["before"]), (B, told["lost"]), (A, new), (A, theirs), (B, theirs)]
            for number, (name, message) in enumerate(proofs):
                prove(three, name, message, tmp_path / f"proofs-{number}")
            _log_is_sound(three, A, tmp_path / "log-2")
            for name in (A, B):
                everything = call("verify", "--all", "--home", three.home(name), "--json")
                assert (everything.code, everything.value["named"]) == (0, []), everything
            _enlist(three, A)
        with running(three.home(A)):
            assert ask(three, A, "status")["log"]["held"] == ""
            _delivered(three, A, B, told[A])
            _delivered(three, B, A, told[B])
            prove(three, A, new, tmp_path / "proofs-new")
            prove(three, B, told["lost"], tmp_path / "proofs-lost")
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


def _before_the_fire(network: Network, medium) -> dict:
    """Traffic, a backup while the node runs, more traffic."""
    with running(network.home(A)):
        told = {name: hire(network, name) for name in (A, B)}
        told["before"] = _delivered(network, B, A, told[B])
        told["ours"] = _delivered(network, A, B, told[A])
        made = call("backup", medium, "--home", network.home(A), "--json")
        assert (made.code, made.value["damaged"]) == (0, []), made
        told["size"] = made.value["size"]
        told["lost"] = _delivered(network, B, A, told[B])
        _delivered(network, A, B, told[A])
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
        assert ask(network, A, "status")["log"]["held"] == "LOG-AMNESIA"
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
