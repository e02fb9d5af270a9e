"""Settings: few, strict, each with one meaning, and an example that is written from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from keys import codes as key_codes
from keys.keystore import ARGON2_TEST, Keystore
from keys.passphrase import passphrase_from
from node import codes
from node.home import Home
from node.settings import example, known_settings, load_settings, parse_settings
from protocol.errors import LocalError

SOURCE = Path(__file__).parents[2]


def refused(code, call):
    with pytest.raises(LocalError) as caught:
        call()
    assert caught.value.code is code
    return caught.value.detail


def test_example_is_what_the_models_say():
    assert (SOURCE / "deploy" / "examples" / "node.toml").read_text() == example()


def test_example_with_everything_switched_on_parses():
    lines = example().splitlines()
    text = "\n".join(line.removeprefix("# ") if " = " in line else line for line in lines)
    settings = parse_settings(text)
    assert settings.authority == "xa-ca"
    assert settings.passphrase_file == Path("/etc/rogatory/passphrase")
    assert settings.peer_listen == ("127.0.0.1", 8441)
    assert settings.local_listen == ("127.0.0.1", 8442)
    assert (settings.log_level, settings.log_format) == ("info", "auto")


def test_at_most_fifteen_each_explained():
    known = list(known_settings())
    assert len(known) <= 15
    assert all(says.endswith(".") and len(says) > 20 for _, says, _ in known)


@pytest.mark.parametrize(
    "text, named, meant",
    [
        ('authoritty = "xa-ca"', "authoritty", "authority"),
        ('authority = "xa-ca"\n[peer]\nlisen = "0.0.0.0:1"', "peer.lisen", "peer.listen"),
        ('authority = "xa-ca"\n[loccal]\nlisten = "127.0.0.1:1"', "loccal", "local"),
        ('authority = "xa-ca"\nlisten = "127.0.0.1:1"', "listen", "listen"),
        ('authority = "xa-ca"\nguard = "x"', "guard", "data.guard"),
        ('authority = "xa-ca"\nzzzzzzzz = 1', "zzzzzzzz", None),
    ],
)
def test_OPS_12_unknown_setting_names_it_and_the_nearest_known_one(text, named, meant):
    detail = refused(codes.SETTINGS_UNKNOWN, lambda: parse_settings(text))
    assert named in detail
    assert ("did you mean" in detail) is (meant is not None)
    assert meant is None or f"did you mean {meant}" in detail or f".{meant}?" in detail


@pytest.mark.parametrize(
    "text, told",
    [
        ("", "authority: is required"),
        ('authority = "XA"', "authority: is not an authority's name"),
        ("authority = 3", "authority"),
        ('authority = "xa-ca"\n[peer]\nlisten = 8441', "peer.listen"),
        ('authority = "xa-ca"\n[peer]\nlisten = "0.0.0.0"', 'peer.listen: is not "host:port"'),
        ('authority = "xa-ca"\n[peer]\nlisten = "0.0.0.0:70000"', "peer.listen"),
        ('authority = "xa-ca"\n[local]\nlisten = "0.0.0.0:8442"', "local.listen: must be a loopback address"),
        ('authority = "xa-ca"\n[data]\ndisk_reserve_mib = 1', "data.disk_reserve_mib"),
        ('authority = "xa-ca"\n[log]\nlevel = "loud"', "log.level"),
    ],
)
def test_OPS_12_wrong_values_are_named(text, told):
    assert told in refused(codes.SETTINGS_VALUE, lambda: parse_settings(text))


def test_all_wrong_values_at_once():
    detail = refused(codes.SETTINGS_VALUE, lambda: parse_settings('authority = "X"\n[log]\nlevel = "x"\nformat = "y"'))
    assert all(name in detail for name in ("authority", "log.level", "log.format"))


def test_no_toml_and_no_home(tmp_path):
    home = Home(tmp_path)
    refused(codes.HOME_MISSING, lambda: load_settings(home))
    home.settings.write_text("authority = ")
    refused(codes.SETTINGS_FORM, lambda: load_settings(home))
    home.settings.write_bytes(b'authority = "\xff"')
    refused(codes.SETTINGS_FORM, lambda: load_settings(home))


def test_paths_are_relative_to_the_home(tmp_path):
    home = Home(tmp_path)
    home.settings.write_text('authority = "xa-ca"\npassphrase_file = "secret"\n')
    settings = load_settings(home)
    assert settings.passphrase_file == tmp_path / "secret"
    assert settings.guard_path(home) == home.guard
    home.settings.write_text('authority = "xa-ca"\n[data]\nguard = "/elsewhere/guard"\n')
    assert load_settings(home).guard_path(home) == Path("/elsewhere/guard")


def test_ipv6_addresses():
    assert parse_settings('authority = "xa-ca"\n[peer]\nlisten = "[::]:8441"').peer_listen == ("::", 8441)


def test_OPS_12_key_files_that_others_may_read_are_refused(tmp_path):
    home = Home(tmp_path)
    home.settings.write_text('authority = "xa-ca"\npassphrase_file = "passphrase"\n')
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse\n")
    for mode in (0o640, 0o604, 0o620, 0o602):
        passphrase.chmod(mode)
        refused(key_codes.KEY_FILE_MODE, lambda: passphrase_from(load_settings(home).passphrase_file))
    passphrase.chmod(0o600)
    secret = passphrase_from(load_settings(home).passphrase_file)
    Keystore.create(home.keystore, secret, ARGON2_TEST)
    home.keystore.chmod(0o644)
    refused(key_codes.KEY_FILE_MODE, lambda: Keystore.open(home.keystore, secret))
