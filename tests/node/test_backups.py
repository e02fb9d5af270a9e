"""Backup and restore of a home: what is in it, what never is, and every way in which a backup is refused."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange.backup import manifest
from exchange.backup.manifest import check_name, parse_manifest
from exchange.casework.nametable import NameTable
from exchange.exchange import Exchange
from exchange.guard import Standing
from exchange.outgoing.sealing import Attachment
from keys.directory import trust
from keys.keystore import Keystore
from node.backups import WRAPS_KEPT, make_backup, restore_backup, verify_backup
from node.clock import SystemClock
from node.exercise import found_world
from node.home import Home
from node.opening import open_exchange
from node.settings import load_settings
from protocol import limits
from protocol.errors import LocalError
from tests.world import SetClock, World

A, B = "xa-ca", "xb-ca"
CANARY = "Zaphod Beeblebrox"


class Homes:
    """Two homes with real keystores, their exchanges open in this process."""

    def __init__(self, folder: Path) -> None:
        self.clock = SetClock(SystemClock().now())
        self.places = dict(found_world(folder, (A, B), self.clock.now()).places)
        directory = trust.load(self.places[A].home.directory)
        self.world = World(folder, self.clock, {}, directory)
        for name in self.places:
            self.open(name).begin()
        self.world.exchange_prekeys()

    def open(self, name: str, home: Home | None = None, *, held: bool = False) -> Exchange:
        home = home or self.places[name].home
        exchange = open_exchange(
            home, load_settings(home), self.keystore(home), lambda: self.world.directory, self.clock, lambda error: None, held=held
        )
        self.world.exchanges[name] = exchange
        return exchange

    def keystore(self, home: Home) -> Keystore:
        return Keystore.open(home.keystore, self.secret(home))

    def secret(self, home: Home) -> bytes:
        name = load_settings(home).authority
        return (self.places[name].home.path / "passphrase").read_bytes().strip()

    def back_up(self, folder: Path, name: str = A):
        home = self.places[name].home
        return make_backup(home, name, self.world.directory.network, self.keystore(home).storage_key(), folder, self.clock.now())

    def verify(self, folder: Path, name: str = A):
        return verify_backup(folder, name, self.secret(self.places[name].home))

    def restore(self, folder: Path, to: Path, name: str = A):
        return restore_backup(folder, Home(to), name, self.secret(self.places[name].home), self.clock.now())


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[Homes]:
    made = Homes(tmp_path / "world")
    yield made
    made.world.close()


@pytest.fixture
def full(homes: Homes, tmp_path: Path) -> Homes:
    """One message each way with a part, one without; a name; a policy."""
    evidence = tmp_path / "evidence"
    evidence.write_bytes(os.urandom(300_000))
    attached = [Attachment(evidence, "e.bin", "application/octet-stream", "annex")]
    homes.world.send(A, B, b'{"m": "out"}', attachments=attached)
    homes.world.deliver(A, B)
    homes.world.send(B, A, b'{"m": "in"}', attachments=attached)
    homes.world.deliver(B, A)
    homes.world.send(A, B, b'{"m": "queued"}')
    home = homes.places[A].home
    names = NameTable(home.people, homes.keystore(home).storage_key(), os.urandom)
    names.set_name(bytes(16), CANARY)
    names.close()
    home.policies.mkdir()
    (home.policies / "court.toml").write_text("# a policy\n")
    return homes


def refused(act, code: str) -> None:
    with pytest.raises(LocalError) as caught:
        act()
    assert caught.value.code.code == code, caught.value


def test_everything_comes_back_and_nothing_is_signed(full, tmp_path):
    """Taken while the exchange is open and works."""
    made = full.back_up(tmp_path / "medium")
    assert made.damaged == ()
    before = full.world.exchanges[A]
    full.world.send(A, B, b'{"m": "after"}')
    restored = full.restore(tmp_path / "medium", tmp_path / "new")
    assert (restored.log[1], restored.wraps_too_old, restored.wraps) == (made.size, False, 3)
    home = Home(tmp_path / "new")
    assert not home.prekeys.exists()
    assert not home.guard.exists()
    assert (home.policies / "court.toml").read_text() == "# a policy\n"
    again = full.open(A, home, held=True)
    try:
        assert again.log.standing is Standing.MISSING
        assert again.log.size == made.size < before.log.size
        forms = sorted(again.messages.read(m).form for m in (*again.messages.inbox(), *again.messages.outbox()))
        assert forms == [b'{"m": "in"}', b'{"m": "out"}', b'{"m": "queued"}']
        for message in (*again.messages.inbox(), *again.messages.outbox()):
            if message.sizes:
                assert len(b"".join(again.messages.attachment(message, 1))) == 300_000
        refused(again.log.demand_guard, "GUARD-MISSING")
        names = NameTable(home.people, full.keystore(home).storage_key(), os.urandom)
        assert names.name(bytes(16)) == CANARY
        names.close()
    finally:
        again.close()
        full.world.exchanges[A] = before


def test_WRAP_2_without_prekeys_what_was_wrapped_before_is_wrapped_again(full, tmp_path):
    full.back_up(tmp_path / "medium")
    sent = full.world.send(B, A, b'{"m": "wrapped for keys that are gone"}')
    full.world.exchanges.pop(A).close()
    full.restore(tmp_path / "medium", tmp_path / "new")
    again = full.open(A, Home(tmp_path / "new"), held=True)
    again.release()
    again.begin()
    full.world.exchanges[B].links.hint(A, again.peers.greatest(B))
    full.world.deliver(B, A)  # later, with the new prekeys
    assert full.world.exchanges[B].messages.find(sent.hash).deliveries[0].state == "queued"
    for _ in range(2):  # routine waits until the new prekeys are under a witnessed head
        full.world.tell_prekeys(A, B)
        full.world.visit(A)
    full.clock.advance(2 * limits.SECOND)
    full.world.deliver(B, A)
    assert full.world.exchanges[B].messages.find(sent.hash).deliveries[0].state == "delivered"


def test_parts_are_copied_once(full, tmp_path):
    first = full.back_up(tmp_path / "medium")
    parts = [name for name in full.verify(tmp_path / "medium").files if name.startswith("parts/")]
    assert len(parts) == 2
    second = full.back_up(tmp_path / "medium")
    assert second.files == first.files
    assert first.copied - second.copied > 600_000
    assert full.verify(tmp_path / "medium").files.keys() >= set(parts)


def test_nothing_readable_is_on_the_medium(full, tmp_path):
    full.back_up(tmp_path / "medium")
    raw = b"".join(path.read_bytes() for path in (tmp_path / "medium").rglob("*") if path.is_file())
    for secret in (b"SQLite format", CANARY.encode(), b"a policy", b'"m":', b"[peer]"):
        assert secret not in raw
    assert not list(full.places[A].home.data.glob(".backup-*"))


def test_keys_of_messages_have_a_cycle_of_their_own(full, tmp_path):
    full.back_up(tmp_path / "medium")
    assert len(list((tmp_path / "medium" / "wraps").iterdir())) == 1
    full.back_up(tmp_path / "medium")
    assert len(list((tmp_path / "medium" / "wraps").iterdir())) == 1  # the ones before went
    full.clock.advance(WRAPS_KEPT + 1)
    restored = full.restore(tmp_path / "medium", tmp_path / "new")
    assert (restored.wraps, restored.wraps_too_old) == (0, True)


def test_a_damaged_part_is_named_and_left_out(full, tmp_path):
    [part] = (full.places[A].home.data / "parts" / "out").iterdir()
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    assert full.back_up(tmp_path / "medium").damaged == (f"parts/out/{part.name}",)
    full.verify(tmp_path / "medium")


def test_a_backup_that_fails_leaves_the_one_before(full, tmp_path):
    full.back_up(tmp_path / "medium")
    keystore = full.places[A].home.keystore
    storage = full.keystore(full.places[A].home).storage_key()
    keystore.rename(keystore.with_name("away"))
    refused(lambda: make_backup(full.places[A].home, A, "n", storage, tmp_path / "medium", 1), "BACKUP-WRITE")
    keystore.with_name("away").rename(keystore)
    full.verify(tmp_path / "medium")


@pytest.mark.parametrize("name", ["manifest", "keystore", "exchange.sqlite", "people.sqlite", "wraps", "node.toml", "parts/"])
def test_OPS_7_one_bit(full, tmp_path, name):
    medium = tmp_path / "medium"
    full.back_up(medium)
    files = parse_manifest((medium / "manifest").read_bytes()).files
    path = medium / "manifest"
    if name != "manifest":
        listed = next(each for each in files if each.startswith(name))
        path = medium / ("wraps" if name == "wraps" else "objects") / files[listed].sha256
    raw = path.read_bytes()
    for place in (0, len(raw) // 3, len(raw) // 2, len(raw) - 1):
        path.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        with pytest.raises(LocalError) as caught:
            full.verify(medium)
        assert caught.value.code.code in ("BACKUP-ALTERED", "BACKUP-FORM", "BACKUP-NAME", "BACKUP-OTHER")
        with pytest.raises(LocalError):
            full.restore(medium, tmp_path / "new")
        assert not (tmp_path / "new").exists()
    assert not list(tmp_path.glob(".restore-*"))
    path.write_bytes(raw[:-1])
    refused(lambda: full.restore(medium, tmp_path / "new"), "BACKUP-FORM" if name == "manifest" and raw[-1:] != b"\n" else "BACKUP-ALTERED")
    path.write_bytes(raw)
    full.restore(medium, tmp_path / "new")


def test_OPS_9_another_nodes_backup(full, tmp_path):
    medium, other = tmp_path / "medium", tmp_path / "other"
    full.back_up(medium)
    full.back_up(other, B)
    refused(lambda: full.restore(other, tmp_path / "new", A), "BACKUP-OTHER")
    refused(lambda: full.verify(other, A), "BACKUP-OTHER")
    refused(lambda: full.back_up(other, A), "BACKUP-OTHER")
    refused(lambda: restore_backup(other, Home(tmp_path / "new"), B, full.secret(full.places[A].home), 0), "KEYSTORE-PASSPHRASE")
    _rewrite(medium, lambda body: body["files"].update(keystore=json.loads((other / "manifest").read_bytes())["body"]["files"]["keystore"]))
    for path in (other / "objects").iterdir():
        shutil.copyfile(path, medium / "objects" / path.name)
    secret = full.secret(full.places[B].home)
    refused(lambda: restore_backup(medium, Home(tmp_path / "new"), A, secret, 0), "BACKUP-OTHER")
    assert not (tmp_path / "new").exists()


def _rewrite(medium: Path, change, key: bytes | None = None) -> None:
    """Change a manifest; with the backup's key its MAC is right again."""
    value = json.loads((medium / "manifest").read_bytes())
    change(value["body"])
    if key is not None:
        value["mac"] = manifest._mac(key, value["body"])
    (medium / "manifest").write_bytes(json.dumps(value, indent=1, sort_keys=True).encode() + b"\n")


BAD_NAMES = [
    "../keystore", "/etc/passwd", "policies/../../x.toml", "directory/../x", "parts/in/../../x", "parts/out/" + "0" * 63, "policies/.x.toml",
    "directory/authorities/../../x", "policies/a\n.toml", "exchange.sqlite/x", "", "run/rogatory.sock", "policies/x", "directory/a/b",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES)
def test_OPS_10_paths_that_lead_elsewhere(full, tmp_path, name):
    """Also from somebody who has the key, and so can make the MAC right."""
    full.back_up(tmp_path / "medium")
    listed = parse_manifest((tmp_path / "medium" / "manifest").read_bytes())
    key = listed.unwrap(full.keystore(full.places[A].home).storage_key())
    _rewrite(tmp_path / "medium", lambda body: body["files"].update({name: body["files"]["keystore"]}), key)
    refused(lambda: full.restore(tmp_path / "medium", tmp_path / "new"), "BACKUP-NAME")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("what", ["object", "folder", "home", "manifest"])
def test_OPS_10_links(full, tmp_path, what):
    medium = tmp_path / "medium"
    full.back_up(medium)
    files = parse_manifest((medium / "manifest").read_bytes()).files
    if what == "home":
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "new").symlink_to(tmp_path / "elsewhere")
        refused(lambda: full.restore(medium, tmp_path / "new"), "RESTORE-HOME")
        return
    moved = {"object": medium / "objects" / files["node.toml"].sha256, "folder": medium / "objects", "manifest": medium / "manifest"}[what]
    moved.rename(tmp_path / "moved")
    moved.symlink_to(tmp_path / "moved")
    refused(lambda: full.restore(medium, tmp_path / "new"), "BACKUP-ALTERED")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["prekeys/00.prekey", "guard/guard", "guard", f"prekeys/{'0' * 64}.prekey"])
def test_OPS_11_prekeys_and_guard_are_never_in_it(full, tmp_path, name):
    home = full.places[A].home
    assert list(home.prekeys.iterdir())
    assert home.guard.exists()
    full.back_up(tmp_path / "medium")
    whole = full.verify(tmp_path / "medium")
    assert not [listed for listed in whole.files if "prekey" in listed or "guard" in listed]
    refused(lambda: check_name(name), "BACKUP-NAME")
    key = whole.unwrap(full.keystore(home).storage_key())
    _rewrite(tmp_path / "medium", lambda body: body["files"].update({name: body["files"]["keystore"]}), key)
    refused(lambda: full.restore(tmp_path / "medium", tmp_path / "new"), "BACKUP-NAME")
    refused(lambda: full.verify(tmp_path / "medium"), "BACKUP-NAME")


def test_nothing_is_restored_over_a_node(full, tmp_path):
    full.back_up(tmp_path / "medium")
    refused(lambda: full.restore(tmp_path / "medium", full.places[A].home.path), "RESTORE-HOME")
    (tmp_path / "new").mkdir()
    full.restore(tmp_path / "medium", tmp_path / "new")
    refused(lambda: full.restore(tmp_path / "medium", tmp_path / "new"), "RESTORE-HOME")
    refused(lambda: full.restore(tmp_path, tmp_path / "newer"), "BACKUP-MISSING")
