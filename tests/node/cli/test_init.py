"""`rogatory init`: everything a node needs, nothing overwritten, nothing left behind when it fails."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from keys.directory import selfentry
from keys.directory.rolekeys import Holder
from keys.directory.view import LogState
from keys.keystore import Keystore
from keys.prekeys import read_published
from keys.standby import import_standby
from node.home import Home
from node.settings import load_settings
from tests.node.cli.conftest import NETWORK, SECRET, call, process, secret_file


def test_init_makes_everything(network):
    said = network.init()
    assert said.code == 0, said
    home = Home(network.home())
    assert stat.S_IMODE(home.path.stat().st_mode) == 0o700
    settings = load_settings(home)
    assert (settings.authority, settings.peer_listen) == ("xa-ca", ("127.0.0.1", 8441))
    keystore = Keystore.open(home.keystore, SECRET.encode())
    assert list(keystore.logs) == [1]
    assert len(read_published(home.prekeys)) == 3
    n, standby = import_standby([(path, SECRET.encode()) for path in network.shares()])
    holder = Holder.open(network.role_key(), SECRET.encode())
    bundle, member = selfentry.parse_bundle((home.path / "join-request.json").read_bytes(), NETWORK)
    assert (n, said.value["fingerprint"]) == (2, bundle.fingerprint())
    assert [k.keyid for k in bundle.keys.both()] == [k.keyid for k in holder.public().both()]
    assert [(log.state, log.keys.ed25519) for log in member.logs] == [
        (LogState.IN_FORCE, keystore.log(1).ed25519), (LogState.STANDBY, standby.ed25519),
    ]  # fmt: skip
    assert member.certificates == (keystore.transport[0].certificate,)
    assert [str(office.office) for office in member.offices] == ["xa-ca/247"]


def test_init_says_what_to_do_next(network):
    said = network.init()
    assert any("read its fingerprint" in step for step in said.value["next"])
    text = call(
        "init", "--authority", "xb-ca", "--home", network.home("xb-ca"), "--offline", network.offline("xb-ca"), "--trust", network.root,
        "--state", "XB", "--name", "B", "--passphrase-file", network.secret, "--offline-passphrase-file", network.secret,
    ).out  # fmt: skip
    assert text.startswith("*** EXERCISE network exercise.example")
    assert "What to do next:\n  1. " in text


def test_init_never_overwrites_a_home(network):
    network.home().mkdir()
    (network.home() / "thesis.txt").write_text("years of work")
    said = network.init()
    assert (said.code, said.error) == (1, "HOME-EXISTS")
    assert [path.name for path in network.home().iterdir()] == ["thesis.txt"]
    assert not network.offline().exists()


def test_init_never_overwrites_offline_keys(network):
    network.offline().mkdir()
    network.shares()[1].write_bytes(b"another node's")
    said = network.init()
    assert (said.code, said.error) == (1, "HOME-EXISTS")
    assert network.shares()[1].read_bytes() == b"another node's"
    assert not network.home().exists()


@pytest.mark.parametrize(
    "changes, code",
    [
        ({"authority": "XA CA"}, "NAME-AUTHORITY"),
        ({"address": "127.0.0.1:22"}, "ENTRY-FILE"),
        ({"office": "2 4 7=x"}, "ENTRY-FILE"),
        ({"name": "a\x1b[2Jb"}, "ENTRY-FILE"),
        ({"name": "N" * 500}, "DIRECTORY-ENTRY-FORM"),
        ({"local_listen": "0.0.0.0:9441"}, "SETTINGS-VALUE"),
        ({"passphrase_file": "/nowhere/secret"}, "KEY-FILE-READ"),
        ({"trust": "{secret}"}, "DIRECTORY-FORM"),
    ],
)
def test_init_that_fails_leaves_nothing(network, changes, code):
    before = sorted(network.folder.iterdir())
    said = network.init(**{name: str(value).format(secret=network.secret) for name, value in changes.items()})
    assert (said.code, said.error) == (1, code)
    assert sorted(network.folder.iterdir()) == before


def test_init_refuses_a_readable_passphrase_file(network):
    network.secret.chmod(0o644)
    said = network.init()
    assert (said.code, said.error) == (1, "KEY-FILE-MODE")
    assert not network.home().exists()


def test_init_refuses_an_empty_passphrase(network, tmp_path):
    said = network.init(offline_passphrase_file=secret_file(tmp_path / "empty", ""))
    assert (said.code, said.error) == (1, "PASSPHRASE-EMPTY")


def test_init_asks_nothing_without_a_terminal(network):
    said = network.init(passphrase_file=None)
    assert (said.code, said.error) == (1, "PASSPHRASE-MISSING")


def test_init_wants_the_offline_folder_elsewhere(network):
    said = network.init(offline=network.home() / "keys")
    assert (said.code, said.error) == (2, "USAGE")
    assert not network.home().exists()


def test_init_without_root_wants_name_and_kind(network):
    assert network.init(trust=None).code == 2
    assert network.init(trust=None, network="example.org", kind="production").code == 0


def test_init_refuses_another_kind_than_the_root_says(network):
    said = network.init(kind="production")
    assert said.code == 2
    assert "exercise network exercise.example" in said.value["error"]["says"]


def test_init_with_a_copy_of_the_directory_names_witnesses(network):
    for authority, port in (("xa-ca", 8441), ("xc-ca", 8443)):
        network.init(authority, port)
        assert network.admit(authority).code == 0
    said = network.init("xb-ca", 8442, **{"from": network.net})
    assert said.code == 0, said
    _, member = selfentry.parse_bundle((network.home("xb-ca") / "join-request.json").read_bytes(), NETWORK)
    assert (set(member.logs[0].witnesses), member.logs[0].quorum) == ({"xa-ca", "xc-ca"}, 2)


def test_secrets_stand_in_no_output(network):
    result = process(
        "init", "--authority", "xa-ca", "--home", network.home(), "--offline", network.offline(), "--trust", network.root, "--state", "XA",
        "--name", "A", "--passphrase-file", network.secret, "--offline-passphrase-file", network.secret, "--json",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    keystore = Keystore.open(Home(network.home()).keystore, SECRET.encode())
    holder = Holder.open(network.role_key(), SECRET.encode())
    public = b"".join(path.read_bytes() for path in network.home().glob("*.*")) + result.stdout.encode()
    for secret in (SECRET.encode(), keystore.log(1).secret[:32], keystore.prekey_key, holder.ed25519_seed):
        assert secret not in public
        assert secret.hex().encode() not in public


def test_two_people_are_needed_for_the_standby_log(network, tmp_path):
    secrets = [secret_file(tmp_path / f"person-{n}", f"passphrase of person {n}") for n in (1, 2, 3)]
    options = [arg for path in secrets for arg in ("--offline-passphrase-file", path)]
    said = call(
        "init", "--authority", "xa-ca", "--home", network.home(), "--offline", network.offline(), "--trust", network.root, "--state", "XA",
        "--name", "A", "--passphrase-file", network.secret, *options, "--json",
    )  # fmt: skip
    assert said.code == 0, said
    first, second = network.shares()
    alone = call("keys", "standby", "check", first, "--passphrase-file", secrets[0], "--json")
    assert (alone.code, alone.error) == (1, "STANDBY-SHARES")
    wrong = call("keys", "standby", "check", first, second, "--passphrase-file", secrets[0], "--json")
    assert (wrong.code, wrong.error) == (1, "SEALED-FILE-PASSPHRASE")
    both = call("keys", "standby", "check", first, second, "--passphrase-file", secrets[0], "--passphrase-file", secrets[1], "--json")
    assert (both.code, both.value["n"]) == (0, 2)


def test_paths_of_the_help_exist():
    text = call("init", "--help").out
    for word in ("node.toml", "entry.toml", "join-request.json", "keystore", "prekeys"):
        assert word in text
    assert Path(Home(Path("h")).settings).name == "node.toml"
