"""`rogatory run` as a process: it starts, stops, and refuses to start with one clear sentence; nothing is lost by that."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from node.exercise import found_world
from tests.node.cli.conftest import ROOT, call, process

NOW = int(time.time() * 1000)
PATIENCE = 60.0


@pytest.fixture
def world(tmp_path):
    return found_world(tmp_path, ("xa-ca", "xb-ca"), NOW)


@contextmanager
def running(home: Path):
    """A node as a process, from the moment it says that it has started; stopped by SIGTERM at the end."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "node.cli", "run", "--home", str(home)]
    node = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert node.stderr is not None
    said = []
    for line in node.stderr:
        said.append(line)
        if "node.started" in line:
            break
    else:
        pytest.fail("".join(said))
    rest = threading.Thread(target=lambda: said.extend(node.stderr))
    rest.start()
    try:
        yield node
    finally:
        if node.poll() is None:
            node.send_signal(signal.SIGTERM)
        node.wait(timeout=PATIENCE)
        rest.join()
        node.stderr.close()


def refused(home: Path, code: str) -> str:
    """The node refuses to start with this code: one line on standard error, exit code 1."""
    result = process("run", "--home", home)
    lines = result.stderr.splitlines()
    assert result.returncode == 1, result
    assert lines[-1].startswith(f"rogatory: {code}: "), result.stderr
    assert "Traceback" not in result.stderr
    return lines[-1]


def test_starts_and_stops(world):
    home = world.places["xa-ca"].home
    with running(home.path) as node:
        said = call("status", "--home", home.path, "--json")
        assert said.code == 0, said
    assert node.returncode == 0
    assert call("status", "--home", home.path).code == 5


def test_no_home(tmp_path):
    refused(tmp_path, "HOME-MISSING")


@pytest.mark.parametrize(
    "old, new, code",
    [
        ("authority =", "authority", "SETTINGS-FORM"),
        ("[peer]\nlisten", "[peer]\nlsten", "SETTINGS-UNKNOWN"),
        ('[local]\nlisten = "127.0.0.1:', '[local]\nlisten = "0.0.0.0:', "SETTINGS-VALUE"),
        ('"xa-ca"', '"xb-ca"', "NOT-IN-DIRECTORY"),
        ('"xa-ca"', '"xz-ca"', "NOT-IN-DIRECTORY"),
    ],
)
def test_malformed_or_wrong_settings(world, old, new, code):
    home = world.places["xa-ca"].home
    text = home.settings.read_text()
    assert old in text
    home.settings.write_text(text.replace(old, new))
    refused(home.path, code)
    assert not home.data.exists()


def test_wrong_passphrase(world):
    home = world.places["xa-ca"].home
    (home.path / "passphrase").write_text("wrong\n")
    refused(home.path, "KEYSTORE-PASSPHRASE")


def test_no_passphrase_and_nobody_to_ask(world):
    home = world.places["xa-ca"].home
    text = home.settings.read_text()
    home.settings.write_text("".join(line for line in text.splitlines(keepends=True) if "passphrase" not in line))
    refused(home.path, "PASSPHRASE-MISSING")


@pytest.mark.parametrize(
    "spoil, code",
    [
        (lambda home: home.keystore.write_bytes(home.keystore.read_bytes()[:-1]), "KEYSTORE-DAMAGED"),
        (lambda home: home.keystore.write_bytes(b"not a keystore"), "KEYSTORE-FORM"),
        (lambda home: home.keystore.chmod(0o644), "KEY-FILE-MODE"),
        (lambda home: home.keystore.unlink(), "KEYSTORE-MISSING"),
        (lambda home: (home.path / "passphrase").chmod(0o644), "KEY-FILE-MODE"),
        (lambda home: shutil.rmtree(home.directory), "DIRECTORY-NOT-ANCHORED"),
        (lambda home: next(home.directory.glob("*.targets.json")).write_bytes(b"{}"), "DIRECTORY-MIXED"),
    ],
)
def test_spoilt_homes(world, spoil, code):
    home = world.places["xa-ca"].home
    spoil(home)
    refused(home.path, code)


@pytest.mark.parametrize("port", ["peer_port", "local_port"])
def test_busy_port(world, port):
    place = world.places["xa-ca"]
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", getattr(place, port)))
        other.listen()
        assert f"127.0.0.1:{getattr(place, port)}" in refused(place.home.path, "PORT-BUSY")
    with running(place.home.path):
        pass


def test_second_process_on_the_same_data(world):
    home = world.places["xa-ca"].home
    with running(home.path):
        before = call("status", "--home", home.path, "--json").value
        refused(home.path, "STORE-IN-USE")
        assert call("status", "--home", home.path, "--json").value["log"] == before["log"]


def test_data_older_than_the_guard(world):
    home = world.places["xa-ca"].home
    with running(home.path):
        pass
    shutil.rmtree(home.data)
    refused(home.path, "GUARD-AHEAD")


def test_guard_lost_it_signs_nothing_before_a_quorum_of_witnesses_has_answered(world):
    home = world.places["xa-ca"].home
    with running(home.path), running(world.places["xb-ca"].home.path):
        pass
    home.guard.unlink()
    with running(home.path):
        said = call("doctor", "--home", home.path, "--json")
        found = {check["check"]: check for check in said.value["checks"]}
        assert (said.code, found["reconciliation"]["ok"]) == (1, False)
        assert "GUARD-MISSING" in found["reconciliation"]["says"]
        with running(world.places["xb-ca"].home.path):
            _until(lambda: call("status", "--home", home.path, "--json").value["log"]["held"] == "")
    assert home.guard.exists()


def _until(condition) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_socket_left_by_a_killed_node_is_no_obstacle(world):
    home = world.places["xa-ca"].home
    with running(home.path) as node:
        node.kill()
        node.wait(timeout=PATIENCE)
    assert home.socket.exists()
    with running(home.path):
        pass


def test_deliveries_are_held_retried_and_given_up(world):
    """xb-ca is down: what is for it waits, and an operator decides about it."""
    home = world.places["xa-ca"].home.path
    with running(home):
        duty = call("people", "add", "--name", "N. N.", "--home", home, "--json").value["id"]
        assert call("people", "grant", duty, "--office", "xa-ca/247", "--role", "duty", "--home", home).code == 0
        form = ROOT / "protocol" / "forms" / "examples" / "preserve.json"
        args = ["--from", "xa-ca/247", "--to", "xb-ca/247", "--kind", "EE_PRESERVE", "--form", form, "--as", duty]
        said = call("send", *args, "--home", home, "--json")
        assert said.code == 0, said
        whole = said.value["message_id"]
        assert _waiting(home) == [(whole, "queued")]
        assert call("outbox", "hold", whole[:8], "xb-ca", "--home", home, "--json").value["state"] == "held"
        assert _waiting(home) == [(whole, "held")]
        waited = call("show", whole[:8], "--home", home)
        assert "held" in waited.out
        assert call("outbox", "retry", whole[:8], "xb-ca", "--home", home, "--json").value["state"] == "queued"
        assert call("outbox", "hold", whole[:8], "xb-ca", "--home", home).code == 0
        assert call("outbox", "reject", whole[:8], "xb-ca", "--home", home, "--json").value["state"] == "rejected"
        assert _waiting(home) == []
        again = call("outbox", "retry", whole[:8], "xb-ca", "--home", home, "--json")
        assert (again.code, again.error) == (1, "DELIVERY-STATE")


def test_what_was_sent_survives_the_node(world):
    """Killed between sending and delivering: the message is still there, and still sent once."""
    home = world.places["xa-ca"].home.path
    with running(home) as node:
        duty = call("people", "add", "--name", "N. N.", "--home", home, "--json").value["id"]
        call("people", "grant", duty, "--office", "xa-ca/247", "--role", "duty", "--home", home)
        form = ROOT / "protocol" / "forms" / "examples" / "preserve.json"
        args = ["--from", "xa-ca/247", "--to", "xb-ca/247", "--kind", "EE_PRESERVE", "--form", form, "--as", duty, "--once", "order-4711"]
        whole = call("send", *args, "--home", home, "--json").value["message_id"]
        node.kill()
        node.wait(timeout=PATIENCE)
    with running(home), running(world.places["xb-ca"].home.path):
        said = call("send", *args, "--wait", "--home", home, "--json")
        assert said.code == 0, said
        assert said.value["message_id"] == whole
        assert len(call("outbox", "list", "--home", home, "--json").value["items"]) == 1


def _waiting(home: Path) -> list[tuple[str, str]]:
    items = call("outbox", "list", "--open", "--home", home, "--json").value["items"]
    return [(item["message_id"], item["state"]) for item in items]
