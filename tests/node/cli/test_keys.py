"""`rogatory keys`: shown in public halves only, changed whole or not at all."""

from __future__ import annotations

import pytest

from keys.keystore import Keystore
from node.home import Home
from tests.node.cli.conftest import SECRET, call, secret_file


def test_show_tells_public_halves_only(member):
    keystore = _open(member)
    said = call("keys", "show", "--home", member.home(), "--json")
    value = said.value
    assert value["logs"][0]["ed25519"] == keystore.log(1).ed25519.hex()
    assert (len(value["transport"]), value["storage_keys"]) == (1, [1])
    for secret in (keystore.log(1).secret, keystore.witness.secret, keystore.transport[0].secret, keystore.prekey_key):
        assert secret[:32].hex() not in said.out


def test_prekeys_are_listed_without_a_passphrase(member):
    member.secret.unlink()
    items = call("keys", "prekeys", "--home", member.home(), "--json").value["items"]
    assert len(items) == 3
    assert [item["until"] for item in items[:2]] == [item["from"] for item in items[1:]]
    assert "today" in call("keys", "prekeys", "--home", member.home()).out


def test_prekeys_leaves_a_strange_file_out_and_alone(member):
    strange = member.home() / "prekeys" / f"{'00' * 32}.prekey"
    strange.write_bytes(b"strange")
    assert len(call("keys", "prekeys", "--home", member.home(), "--json").value["items"]) == 3
    assert strange.read_bytes() == b"strange"


def test_rotate_storage_keeps_the_older_keys(member):
    assert call("keys", "rotate-storage", "--home", member.home(), "--json").value == {"storage_keys": [1, 2]}
    assert _open(member).storage_ids() == [1, 2]


def test_passphrase_is_changed(member):
    new = secret_file(member.folder / "new", "another passphrase")
    assert call("keys", "passphrase", "--home", member.home(), "--new-passphrase-file", new, "--json").code == 0
    assert Keystore.open(Home(member.home()).keystore, b"another passphrase")
    said = call("keys", "show", "--home", member.home(), "--json")
    assert (said.code, said.error) == (1, "KEYSTORE-PASSPHRASE")


def test_wrong_passphrase_has_one_clear_sentence(member):
    member.secret.write_text("wrong\n")
    said = call("keys", "show", "--home", member.home())
    assert (said.code, said.out) == (1, "")
    assert said.err == (
        "rogatory: KEYSTORE-PASSPHRASE: this passphrase does not open the keystore (keystore). This node's operator must act: "
        "try again, or restore the keystore whose passphrase it is.\n"
    )


@pytest.mark.parametrize(
    "spoil, code",
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "KEYSTORE-DAMAGED"),
        (lambda path: path.write_bytes(b"PK\x03\x04" + path.read_bytes()), "KEYSTORE-FORM"),
        (lambda path: path.chmod(0o640), "KEY-FILE-MODE"),
        (lambda path: path.unlink(), "KEYSTORE-MISSING"),
    ],
)
def test_spoilt_keystore(member, spoil, code):
    path = Home(member.home()).keystore
    spoil(path)
    before = path.read_bytes() if path.exists() else None
    for command in ("show", "rotate-storage", "rotate-transport", "passphrase"):
        said = call("keys", command, "--home", member.home(), "--json")
        assert (said.code, said.error) == (1, code)
    assert (path.read_bytes() if path.exists() else None) == before


def test_standby_shares_are_sealed_anew(member):
    new = [member.folder / "a.key", member.folder / "b.key", member.folder / "c.key"]
    options = [arg for path in new for arg in ("--new-share", path)]
    said = call("keys", "standby", "reshare", *member.shares(), *options, "--passphrase-file", member.secret, "--quick", "--json")
    assert (said.code, said.value["n"]) == (0, 2)
    old = call("keys", "standby", "check", *member.shares(), "--passphrase-file", member.secret, "--json").value
    assert call("keys", "standby", "check", *new, "--passphrase-file", member.secret, "--json").value == old
    mixed = call("keys", "standby", "check", member.shares()[0], new[1], "--passphrase-file", member.secret, "--json")
    assert (mixed.code, mixed.error) == (1, "STANDBY-SHARES")


def test_reshare_overwrites_nothing(member):
    kept = member.folder / "kept.key"
    kept.write_bytes(b"kept")
    said = call("keys", "standby", "reshare", *member.shares(), "--new-share", kept, "--passphrase-file", member.secret, "--json")
    assert (said.code, said.error) == (1, "SEALED-FILE-EXISTS")
    assert kept.read_bytes() == b"kept"


def _open(member):
    return Keystore.open(Home(member.home()).keystore, SECRET.encode())
