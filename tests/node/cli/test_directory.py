"""`rogatory directory`: founding, joining, changing, leaving; on folders, without a node."""

from __future__ import annotations

import json
from contextlib import closing

import pytest

from exchange.guard import Guard, Guarded
from exchange.store import Store
from exchange.storedlog import StoredLog
from keys.directory import trust
from keys.directory.view import LogState
from keys.keystore import Keystore
from node.home import Home
from node.node import Node
from protocol.entries import Opened, parse_entry
from protocol.errors import LocalError
from tests.node.cli.conftest import NETWORK, SECRET, call, found, secret_file


def test_found_says_what_to_give_out(network):
    view = trust.load(network.net)
    assert (view.network, view.kind.value, view.address_ranges) == (NETWORK, "exercise", ("127.0.0.0/8", "::1/128"))
    shown = call("directory", "show", "--folder", network.net, "--json").value
    assert (shown["network_id"], shown["members"], shown["standing"]) == (view.network_id.hex(), [], "fresh")


def test_found_refuses_a_folder_in_use(network):
    args = ["--founder", network.folder / "f1.key", *network.keepers()]
    said = call("directory", "found", "--folder", network.net, "--network", NETWORK, "--kind", "test", *args, "--json")
    assert (said.code, said.error) == (1, "HOME-EXISTS")


@pytest.mark.parametrize(
    "kind, options, code",
    [
        ("production", [], "DIRECTORY-KEEPERS"),
        ("test", ["--need-founders", "1"], "DIRECTORY-THRESHOLD-ONE-KIND"),
        ("test", ["--need-founders", "9"], "DIRECTORY-THRESHOLD-UNREACHABLE"),
        ("test", ["--address-range", "10.0.0.0"], "DIRECTORY-RANGES"),
    ],
)
def test_found_refuses_unsafe_networks(network, kind, options, code):
    folder = network.folder / "second"
    args = ["--founder", network.folder / "f3.key", *network.founders(), *options]
    said = call("directory", "found", "--folder", folder, "--network", "second.example", "--kind", kind, *args, "--json")
    assert (said.code, said.error) == (1, code)
    assert not folder.exists() or not any(folder.iterdir())


def test_key_files_are_never_overwritten(network):
    before = (network.folder / "f1.key").read_bytes()
    said = call("directory", "key", network.folder / "new.key", network.folder / "f1.key", "--quick",
                "--passphrase-file", network.secret, "--json")  # fmt: skip
    assert (said.code, said.error) == (1, "HOME-EXISTS")
    assert (network.folder / "f1.key").read_bytes() == before
    assert not (network.folder / "new.key").exists()


def test_wrong_passphrase_of_a_key_file(network):
    other = secret_file(network.folder / "other", "not it")
    said = call("directory", "refresh", "--folder", network.net, "--keeper", network.folder / "k1.key", "--passphrase-file", other)
    assert said.code == 1
    sentence = "the passphrase does not open this key file, or the file was altered (k1.key)."
    assert said.err.startswith(f"rogatory: SEALED-FILE-PASSPHRASE: {sentence}")


def test_malformed_key_file(network):
    (network.folder / "k1.key").write_bytes(b"-----BEGIN PRIVATE KEY-----")
    said = call("directory", "refresh", "--folder", network.net, *network.keepers(), "--json")
    assert (said.code, said.error) == (1, "SEALED-FILE-FORM")


def test_number_of_passphrase_files_must_fit(network):
    options = ["--passphrase-file", network.secret, "--passphrase-file", network.secret, "--passphrase-file", network.secret]
    said = call("directory", "refresh", "--folder", network.net, "--keeper", network.folder / "k1.key", *options, "--json")
    assert (said.code, said.error) == (2, "USAGE")


def test_join(member):
    shown = call("directory", "show", "xa-ca", "--home", member.home(), "--json").value
    assert (shown["authority"], shown["address"], shown["active"]) == ("xa-ca", "127.0.0.1:8441", True)
    assert [log["state"] for log in shown["logs"]] == ["in_force", "standby"]


def test_admission_needs_the_fingerprint_heard_by_voice(network):
    network.init()
    request = ["--request", network.home() / "join-request.json"]
    said = call("directory", "admit", "--folder", network.net, *request, *network.founders(), "--json")
    assert (said.code, said.error) == (2, "USAGE")
    said = call("directory", "admit", "--folder", network.net, *request, "--fingerprint", "00" * 32, *network.founders(), "--json")
    assert (said.code, said.error) == (1, "FINGERPRINT")
    assert trust.load(network.net).members == {}


def test_a_request_changed_on_its_way_is_refused(network):
    network.init()
    path = network.home() / "join-request.json"
    value = json.loads(path.read_bytes())
    value["entry"] = value["entry"].replace("127.0.0.1:8441", "127.0.0.1:8666")
    path.write_text(json.dumps(value))
    said = call("directory", "admit", "--folder", network.net, "--request", path, "--fingerprint", "x", *network.founders(), "--json")
    assert (said.code, said.error) == (1, "DIRECTORY-MIXED")


def test_one_founder_is_not_enough(network):
    network.init()
    options = ["--request", network.home() / "join-request.json", "--fingerprint", network.fingerprint(),
               "--founder", network.folder / "f1.key", *network.keepers()]  # fmt: skip
    said = call("directory", "admit", "--folder", network.net, *options, "--json")
    assert (said.code, said.error) == (1, "DIRECTORY-THRESHOLD")
    assert trust.load(network.net).members == {}


def test_a_name_is_taken_once(member):
    said = member.admit()
    assert (said.code, said.error) == (1, "DIRECTORY-NAME-TAKEN")


def test_changed_entry_is_published(member):
    path = member.home() / "entry.toml"
    path.write_text(path.read_text().replace('"24/7 contact point"', '"Permanence"'))
    assert _request(member).code == 0
    said = call("directory", "publish", "--folder", member.net, "--entry", member.home() / "entry.json", *member.keepers(), "--json")
    assert said.code == 0, said
    assert member.update().value["version"] == said.value["version"]
    assert trust.load(member.home() / "directory").member("xa-ca").offices[0].name == "Permanence"


@pytest.mark.parametrize(
    "old, new, wrong",
    [
        ('state = "XA"', "", "state is missing"),
        ("contact", "contcat", "contcat is unknown"),
        ("preservation_default_days = 90", 'preservation_default_days = "90"', "preservation_default_days is of another type"),
        ('languages = ["en"]\nzone', "languages = [1]\nzone", "office 1: languages is a list of texts"),
        ('state = "XA"', 'state = "XA', "Illegal character"),
    ],
)
def test_malformed_entry_file(member, old, new, wrong):
    path = member.home() / "entry.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    said = _request(member)
    assert (said.code, said.error) == (1, "ENTRY-FILE")
    assert wrong in said.value["error"]["detail"]
    assert not (member.home() / "entry.json").exists()


def test_request_needs_the_key_that_was_admitted(member):
    strange = member.folder / "strange.key"
    call("directory", "key", strange, "--quick", "--passphrase-file", member.secret)
    said = call("directory", "request", "--home", member.home(), "--role-key", strange, "--role-passphrase-file", member.secret, "--json")
    assert (said.code, said.error) == (1, "DIRECTORY-EDGE")


def test_transport_key_is_rotated_in_two_steps(member):
    assert call("keys", "rotate-transport", "--home", member.home(), "--json").code == 0
    again = call("keys", "rotate-transport", "--home", member.home(), "--json")
    assert (again.code, again.error) == (1, "KEYSTORE-KEY")
    _publish(member)
    assert len(trust.load(member.net).member("xa-ca").certificates) == 2
    kept = Keystore.open(Home(member.home()).keystore, SECRET.encode()).transport[1].certificate
    assert call("keys", "rotate-transport", "--home", member.home(), "--finish", "--json").code == 0
    _publish(member)
    assert trust.load(member.net).member("xa-ca").certificates == (kept,)


def test_rotate_closes_the_log_and_brings_the_standby_log_into_force(member):
    _begin(member)
    said = _rotate(member)
    assert said.code == 0, said
    assert _refusal(lambda: Node.open(Home(member.home()))) == "LOG-CLOSED"
    said = call("directory", "publish", "--folder", member.net, "--entry", member.home() / "entry.json", *member.keepers(), "--json")
    assert said.code == 0, said
    logs = trust.load(member.net).member("xa-ca").logs
    assert [(log.origin.n, log.state) for log in logs] == [(1, LogState.CLOSED), (2, LogState.IN_FORCE), (3, LogState.STANDBY)]
    keystore = Keystore.open(Home(member.home()).keystore, SECRET.encode())
    assert keystore.log(2).ed25519 == logs[1].keys.ed25519
    checked = call("keys", "standby", "check", *member.shares(n=3), "--passphrase-file", member.secret, "--json").value
    assert (checked["n"], checked["ed25519"]) == (3, logs[2].keys.ed25519.hex())
    assert member.update().code == 0
    node = _begun(member)
    try:
        opened, log = parse_entry(node.exchange.log.entry(0)), node.exchange.log.numbered(1)
        assert isinstance(opened, Opened)
        assert (opened.n, opened.predecessor) == (2, logs[0].closing)
        assert logs[0].closing is not None
        assert parse_entry(log.entry(logs[0].closing[0] - 1)).next_n == 2
    finally:
        node.exchange.close()


def test_rotate_that_failed_is_run_again(member):
    _begin(member)
    (member.home() / "there").mkdir()
    failed = call("directory", "rotate", *_signed(member), *_shares(member, 2, 3), "--share-passphrase-file", member.secret,
                  "--out", member.home() / "there", "--json")  # fmt: skip
    assert failed.code == 1
    assert _refusal(lambda: Node.open(Home(member.home()))) == "LOG-CLOSED"
    said = call("directory", "rotate", *_signed(member), *_shares(member, 2, 4), "--share-passphrase-file", member.secret, "--json")
    assert said.code == 0, said


def test_rotate_with_a_wrong_role_key_closes_nothing(member):
    _begin(member)
    founder = ["--home", member.home(), "--role-key", member.folder / "f1.key", "--role-passphrase-file", member.secret]
    said = call("directory", "rotate", *founder, *_shares(member, 2, 3), "--share-passphrase-file", member.secret, "--json")
    assert (said.code, said.error) == (1, "DIRECTORY-EDGE")
    said = call("directory", "leave", *founder, "--yes", "--json")
    assert (said.code, said.error) == (1, "DIRECTORY-EDGE")
    _begin(member)


def test_rotate_and_leave_refuse_while_the_node_runs(member):
    guard = Guard(Home(member.home()).guard)
    try:
        guard.swap(None, Guarded(f"{NETWORK}/xa-ca/log/1", 41, bytes(32)))
        assert _rotate(member).error == "STORE-IN-USE"
        assert _leave(member).error == "STORE-IN-USE"
    finally:
        guard.close()
    assert not member.shares(n=3)[0].exists()


def test_rotate_refuses_shares_of_another_log(member):
    _begin(member)
    assert _rotate(member).code == 0
    said = call("directory", "rotate", *_signed(member), *_shares(member, 3, 4), "--share-passphrase-file", member.secret, "--json")
    assert (said.code, said.error) == (1, "NOT-IN-DIRECTORY")


def test_leave_closes_the_log_and_keeps_it_listed(member):
    assert _leave(member).error == "DIRECTORY-NO-LOG"
    _begin(member)
    assert _leave(member).code == 0
    said = call("directory", "publish", "--folder", member.net, "--entry", member.home() / "entry.json", *member.keepers(), "--json")
    assert said.code == 0, said
    left = trust.load(member.net).member("xa-ca")
    assert (left.active, left.address) == (False, None)
    assert [log.state for log in left.logs] == [LogState.CLOSED, LogState.CLOSED]
    with closing(Store(Home(member.home()).data)) as store:
        log = StoredLog(store, left.logs[0].origin)
        ended = log.closing()
        assert ended is not None
        assert (ended.head, ended.next_n) == (left.logs[0].closing, 2)
        assert parse_entry(log.entry(ended.head.size - 1)).reason == "left"


def test_leave_wants_yes(member):
    assert call("directory", "leave", *_signed(member), "--json").code == 2


def test_revoke(member):
    said = call("directory", "revoke", "xa-ca", "--folder", member.net, *member.founders(), "--json")
    assert said.code == 0, said
    assert trust.load(member.net).member("xa-ca").active is False
    again = call("directory", "revoke", "nobody", "--folder", member.net, *member.founders(), "--json")
    assert (again.code, again.error) == (1, "DIRECTORY-UNKNOWN-AUTHORITY")


def test_refresh_and_renew(member):
    before = trust.load(member.net)
    said = call("directory", "refresh", "--folder", member.net, *member.keepers(), "--json")
    assert (said.code, said.value["version"]) == (0, before.version)
    said = call("directory", "renew", "--folder", member.net, *member.founders(), "--json")
    assert (said.code, said.value["version"]) == (0, before.version + 1)


def test_update_refuses_another_network(member, tmp_path):
    (tmp_path / "other").mkdir()
    other = found(tmp_path / "other")
    said = call("directory", "update", "--home", member.home(), "--from", other.net, "--trust", other.root, "--json")
    assert (said.code, said.error) == (1, "DIRECTORY-ANCHOR-OTHER")
    assert trust.load(member.home() / "directory").network_id == trust.load(member.net).network_id


def test_update_wants_a_trust_root_once(network):
    network.init(trust=None, network=NETWORK, kind="exercise")
    said = network.update()
    assert (said.code, said.error) == (1, "DIRECTORY-NOT-ANCHORED")
    said = call("directory", "update", "--home", network.home(), "--from", network.net, "--trust", network.root, "--json")
    assert said.code == 0, said


def _signed(network):
    return ["--home", network.home(), "--role-key", network.role_key(), "--role-passphrase-file", network.secret]


def _request(network):
    return call("directory", "request", *_signed(network), "--json")


def _publish(network):
    assert network.update().code == 0
    assert _request(network).code == 0
    said = call("directory", "publish", "--folder", network.net, "--entry", network.home() / "entry.json", *network.keepers(), "--json")
    assert said.code == 0, said


def _shares(network, n, new):
    old = [arg for path in network.shares(n=n) for arg in ("--share", path)]
    return [*old, *(arg for path in network.shares(n=new) for arg in ("--new-share", path))]


def _rotate(network):
    return call("directory", "rotate", *_signed(network), *_shares(network, 2, 3), "--share-passphrase-file", network.secret, "--json")


def _leave(network):
    return call("directory", "leave", *_signed(network), "--yes", "--json")


def _begin(network):
    """As if the node had run, and was stopped."""
    _begun(network).exchange.close()


def _begun(network):
    """A node whose witnesses had nothing against its data."""
    node = Node.open(Home(network.home()))
    node.exchange.release()
    node.exchange.begin()
    return node


def _refusal(act):
    with pytest.raises(LocalError) as caught:
        act()
    return caught.value.code.code


def test_signers_on_several_machines(network):
    network.init()
    change = network.folder / "change.json"
    request = ["--request", network.home() / "join-request.json", "--fingerprint", network.fingerprint()]
    assert call("directory", "draft", "admit", "--folder", network.net, *request, "--out", change, "--json").code == 0
    for signer in ("f1", "f3"):
        assert _sign(network, change, signer).code == 0
    for _ in ("snapshot", "timestamp"):
        assert _proceed(network, change).value["in_force"] is False
        assert trust.load(network.net).members == {}
        assert _sign(network, change, "k1").code == 0
    said = _proceed(network, change)
    assert (said.code, said.value["in_force"], said.value["members"]) == (0, True, ["xa-ca"])


def test_a_change_without_enough_signatures_is_refused(network):
    network.init()
    change = network.folder / "change.json"
    request = ["--request", network.home() / "join-request.json", "--fingerprint", network.fingerprint()]
    call("directory", "draft", "admit", "--folder", network.net, *request, "--out", change)
    _sign(network, change, "f1")
    for signer in ("f1", "k1", "k1"):
        _proceed(network, change)
        _sign(network, change, signer)
    said = _proceed(network, change)
    assert (said.code, said.error) == (1, "DIRECTORY-THRESHOLD")
    assert trust.load(network.net).members == {}


@pytest.mark.parametrize("what", ["refresh", "renew", "revoke"])
def test_other_changes_on_several_machines(member, what):
    before = trust.load(member.net)
    change = member.folder / "change.json"
    args = ["xa-ca"] if what == "revoke" else []
    assert call("directory", "draft", what, *args, "--folder", member.net, "--out", change).code == 0
    said = None
    while said is None or not said.value["in_force"]:
        for signer in ("f1", "f2", "k1"):
            assert _sign(member, change, signer).code == 0
        said = _proceed(member, change)
        assert said.code == 0, said
    after = trust.load(member.net)
    assert after.version == before.version + (what != "refresh")
    assert after.member("xa-ca").active == (what != "revoke")


def test_an_entry_published_on_several_machines(member):
    _request(member)
    change = member.folder / "change.json"
    options = ["--folder", member.net, "--entry", member.home() / "entry.json", "--out", change]
    assert call("directory", "draft", "publish", *options).code == 0
    _sign(member, change, "k1")
    _proceed(member, change)
    _sign(member, change, "k1")
    said = _proceed(member, change)
    assert (said.code, said.value["in_force"]) == (0, True)


def test_a_malformed_change(network):
    change = network.folder / "change.json"
    change.write_text('{"format": "rogatory/directory-change/v1", "files": {"../../etc/passwd": ""}}')
    assert _proceed(network, change).error == "DIRECTORY-FILE-NAME"
    change.write_text("[]")
    assert _proceed(network, change).error == "DIRECTORY-FORM"


def _sign(network, change, signer):
    key = ["--key", network.folder / f"{signer}.key", "--passphrase-file", network.secret]
    return call("directory", "sign", change, "--folder", network.net, *key, "--json")


def _proceed(network, change):
    return call("directory", "proceed", change, "--folder", network.net, "--json")
