"""DIR-17 to DIR-22: names, owners, endpoints, fields, kinds, known keys; each with its code, the directory before stays."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from keys.directory import codes, endpoint, exercise, found, known, members, selfentry, trust
from keys.directory.entry import dump_entry, parse_entry
from keys.directory.members import check_members, choose_witnesses
from keys.directory.rolekeys import Holder
from keys.directory.view import Kind
from protocol import limits
from protocol.errors import LocalError, ProtocolError, RogatoryError
from protocol.names import Office
from tests.keys.directory.world import NETWORK, NOW, Json, World, common, seat, signed_file, signed_of


@pytest.mark.parametrize("name", ["XB-CA", "xb_ca", "ｘb-ca", "хb-ca", "xb-cá", "xb-ca\u0301", "xb..ca", "-xb", "", "x" * 65])
def test_DIR_17_names_by_case_form_and_script(world: World, name: str) -> None:
    def change(signed: Json) -> None:
        role = signed["delegations"]["roles"][1]
        role["name"], role["paths"] = f"authority-{name}", [f"authorities/{name}.json"]

    world.forge(world.targets(change))
    world.refused(codes.DIRECTORY_NAME)


@pytest.mark.parametrize("one, other", [("xa-ca", "xa.ca"), ("x0-ca", "xo-ca"), ("xl-ca", "x1-ca"), ("xm-ca", "xrn-ca")])
def test_DIR_17_names_that_look_alike(one: str, other: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        members.check_names([one, "zz-ca", other])
    assert caught.value.code is codes.DIRECTORY_NAME_ALIKE


def test_DIR_17_look_alike_is_not_admitted(world: World) -> None:
    request, _ = _request("xa.ca", 8450)
    before = trust.load(world.repo)
    with pytest.raises(ProtocolError) as caught:
        found.admit(world.repo, [request], world.founders, world.keepers, NOW)
    assert caught.value.code is codes.DIRECTORY_NAME_ALIKE
    assert trust.load(world.repo) == before


def test_DIR_17_entry_under_anothers_name(world: World) -> None:
    world.forge_entry("xb-ca", lambda entry: entry.update(authority="xa-ca"))
    world.refused(codes.DIRECTORY_NAME)


def test_DIR_18_two_members_claim_one_endpoint(world: World) -> None:
    world.forge_entry("xb-ca", lambda entry: entry.update(endpoint="https://127.0.0.1:8441"))
    world.refused(codes.DIRECTORY_ENDPOINT_TWICE)


@pytest.mark.parametrize("what", ["log", "witness", "certificate"])
def test_DIR_18_two_members_claim_one_key(world: World, what: str) -> None:
    other = world.entry("xa-ca")

    def change(entry: Json) -> None:
        if what == "log":
            entry["logs"][1]["ed25519"] = other["logs"][0]["ed25519"]
        elif what == "witness":
            entry["witness"]["mldsa44"] = other["witness"]["mldsa44"]
        else:
            entry["certificates"].append(other["certificates"][0])

    world.forge_entry("xb-ca", change)
    world.refused(codes.DIRECTORY_LOG_DROPPED if what == "log" else codes.DIRECTORY_KEY_SHARED)


def test_DIR_18_one_key_for_two_uses(world: World) -> None:
    world.forge_entry("xb-ca", lambda e: e["witness"].update(ed25519=e["logs"][0]["ed25519"]))
    world.refused(codes.DIRECTORY_KEY_SHARED)


def test_DIR_18_a_role_key_as_log_key(world: World) -> None:
    raw = Ed25519PrivateKey.from_private_bytes(world.founders[0].ed25519_seed).public_key().public_bytes_raw()
    world.forge_entry("xb-ca", lambda e: e["witness"].update(ed25519=base64.b64encode(raw).decode()))
    world.refused(codes.DIRECTORY_KEY_SHARED)


BAD_ENDPOINTS = [
    "https://user@node.xb.example:8443",
    "https://user:secret@node.xb.example:8443",
    "https://node.xb.example:22",
    "https://node.xb.example:25",
    "https://node.xb.example:65536",
    "https://node.xb.example:08443",
    "https://node.xb.example",
    "http://node.xb.example:8443",
    "HTTPS://node.xb.example:8443",
    "https://node.xb.example:8443/",
    "https://node.xb.example:8443/x?y#z",
    "https://192.0.2.1:8443",
    "https://10.0.0.1:8443",
    "https://169.254.169.254:8443",
    "https://[2001:db8::1]:8443",
    "https://[0::1]:8443",
    "https://127.1:8443",
    "https://0x7f.0.0.1:8443",
    "https://2130706433:8443",
    "https://nöde.xb.example:8443",
    "https://node.xb.example\u3002evil:8443",
    "https://NODE.xb.example:8443",
    "https://node..example:8443",
    "https://node.xb.example.:8443",
    "https://-node.xb.example:8443",
    "https://node.xb.example:8443\n",
    "",
    8443,
]


@pytest.mark.parametrize("url", BAD_ENDPOINTS)
def test_DIR_19_endpoint(world: World, url: object) -> None:
    world.forge_entry("xb-ca", lambda entry: entry.update(endpoint=url))
    world.refused(codes.DIRECTORY_ENDPOINT)


@pytest.mark.parametrize(
    "url", ["https://node.xb.example:8443", "https://127.9.9.9:443", "https://[::1]:65535", "https://localhost:1024"]
)
def test_DIR_19_endpoints_that_an_exercise_allows(world: World, url: str) -> None:
    world.forge_entry("xb-ca", lambda entry: entry.update(endpoint=url))
    address = world.update().member("xb-ca").address
    assert address is not None
    assert endpoint.format_endpoint(address) == url


@pytest.mark.parametrize("url", ["https://127.0.0.1:8443", "https://8.8.8.8:8443", "https://localhost:8443"])
def test_DIR_19_endpoints_that_production_refuses(url: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        endpoint.check_endpoint(endpoint.parse_endpoint(url), Kind.PRODUCTION, ())
    assert caught.value.code is codes.DIRECTORY_ENDPOINT


def test_DIR_19_what_may_be_dialled() -> None:
    ranges = ("127.0.0.0/8", "fd00::/8")
    allowed = ["127.0.0.1", "fd00::1", "8.8.8.8", "2600::1"]
    refused = ["10.0.0.1", "169.254.169.254", "::1", "0.0.0.0", "224.0.0.1", "::ffff:10.0.0.1", "100.64.0.1", "localhost", ""]
    assert all(endpoint.may_dial(ip, ranges) for ip in allowed)
    assert not any(endpoint.may_dial(ip, ranges) for ip in refused)
    assert not endpoint.may_dial("127.0.0.1", ())


def test_DIR_20_unknown_field_in_a_root(world: World) -> None:
    world.served["2.root.json"] = world.next_root(lambda root: root.update(x_new=1), world.founders)
    world.refused(codes.DIRECTORY_FIELD)


def test_DIR_20_unknown_field_of_the_network(world: World) -> None:
    world.served["2.root.json"] = world.next_root(lambda root: root["x-rogatory-network"].update(new=1), world.founders)
    world.refused(codes.DIRECTORY_FIELD)


def test_DIR_20_unknown_role(world: World) -> None:
    def change(root: Json) -> None:
        root["roles"]["mirrors"] = root["roles"]["snapshot"]

    world.served["2.root.json"] = world.next_root(change, world.founders)
    world.refused(codes.DIRECTORY_ROLE)


def test_DIR_20_unknown_delegated_role(world: World) -> None:
    def change(signed: Json) -> None:
        signed["delegations"]["roles"][1]["name"] = "registrar"

    world.forge(world.targets(change))
    world.refused(codes.DIRECTORY_ROLE)


def test_DIR_20_snapshot_with_a_role_of_nobody(world: World) -> None:
    world.forge({}, more={"authority-xz-ca.json": {"version": 1, "length": 1, "hashes": {"sha256": "00" * 32}}})
    world.refused(codes.DIRECTORY_ROLE)


def test_DIR_20_unknown_field_in_timestamp_snapshot_targets_and_role(world: World) -> None:
    timestamp = signed_of(world.fetch("timestamp.json")) | {"x": 1}
    world.served["timestamp.json"] = signed_file(timestamp, *world.keepers)
    world.refused(codes.DIRECTORY_FIELD)
    world.served = {}
    world.forge(world.targets(lambda signed: signed.update(x=1)))
    world.refused(codes.DIRECTORY_FIELD)
    world.served = {}
    role = signed_of(world.fetch("1.authority-xb-ca.json")) | {"version": 2, "x": 1}
    world.forge({"2.authority-xb-ca.json": signed_file(role, world.made.role_keys["xb-ca"])})
    world.refused(codes.DIRECTORY_FIELD)


def test_DIR_20_unknown_field_in_an_entry(world: World) -> None:
    world.forge_entry("xb-ca", lambda entry: entry.update(clearance="top"))
    world.refused(codes.DIRECTORY_FIELD)


def test_DIR_20_a_json_key_twice(world: World) -> None:
    text = json.dumps(world.entry("xb-ca"))
    world.forge(world.role("xb-ca", (text[:-1] + ', "state": "YY"}').encode()))
    world.refused(codes.DIRECTORY_ENTRY_FORM)


@pytest.mark.parametrize(
    "change",
    [
        {"state": ""},
        {"name": "line\nbreak"},
        {"name": "\u202exb"},
        {"name": "x" * 401},
        {"active": 1},
        {"preservation_default_days": 0},
        {"preservation_default_days": True},
        {"certificates": []},
        {"certificates": ["AA"]},
        {"accepted_languages": ["en", "en"]},
        {"format": "rogatory/authority/v2"},
        {"network": "other.example"},
    ],
)
def test_entry_form(world: World, change: Json) -> None:
    world.forge_entry("xb-ca", lambda entry: entry.update(change))
    world.refused(codes.DIRECTORY_ENTRY_FORM)


def test_entry_with_a_certificate_that_is_none(world: World) -> None:
    world.forge_entry("xb-ca", lambda entry: entry.update(certificates=["AAAA"]))
    world.refused(codes.DIRECTORY_CERTIFICATE)


def test_entry_larger_than_its_limit(world: World) -> None:
    text = json.dumps(world.entry("xb-ca"))
    world.forge(world.role("xb-ca", (text + " " * limits.DIRECTORY_ENTRY).encode()))
    world.refused(codes.DIRECTORY_TOO_LARGE)


@pytest.mark.parametrize("weak", [bytes(32), bytes([1]) + bytes(31), b"\xff" * 32])
def test_entry_with_a_weak_ed25519_key(world: World, weak: bytes) -> None:
    world.forge_entry("xb-ca", lambda e: e["witness"].update(ed25519=base64.b64encode(weak).decode()))
    world.refused(codes.DIRECTORY_KEY_FORM)


@pytest.mark.parametrize(
    "witnesses, quorum", [(["xb-ca"], 1), (["xz-ca"], 1), (["xa-ca", "xc-ca"], 1), (["xa-ca"], 2), (["xa-ca"], -1), ([], 1)]
)
def test_witnesses_that_are_not_possible(world: World, witnesses: list[str], quorum: int) -> None:
    world.forge_entry("xb-ca", lambda e: e["logs"][1].update(witnesses=witnesses, quorum=quorum))
    world.refused(codes.DIRECTORY_WITNESSES)


def test_witnesses_are_chosen_by_rule_not_by_friends() -> None:
    names = [f"x{c}-ca" for c in "abcdefghijk"]
    assert choose_witnesses(NETWORK, "xa-ca", names[:1]) == ((), 0)
    assert choose_witnesses(NETWORK, "xa-ca", names[:4])[1] == 3
    assert [len(choose_witnesses(NETWORK, "xa-ca", names[:n])[0]) for n in (5, 6, 7, 8, 11)] == [4, 4, 4, 7, 7]
    chosen, quorum = choose_witnesses(NETWORK, "xa-ca", names)
    assert quorum == 5
    assert "xa-ca" not in chosen
    assert choose_witnesses(NETWORK, "xa-ca", reversed(names)) == (chosen, quorum)


def test_DIR_21_exercise_root_in_production(world: World, tmp_path: Path) -> None:
    with pytest.raises(LocalError) as caught:
        trust.anchor(tmp_path / "new", world.made.root_file, Kind.PRODUCTION)
    assert caught.value.code is codes.DIRECTORY_KIND
    assert not (tmp_path / "new").exists()
    world.refused(codes.DIRECTORY_KIND, kind=Kind.PRODUCTION)
    with pytest.raises(LocalError) as caught:
        trust.load(world.node, Kind.PRODUCTION)
    assert caught.value.code is codes.DIRECTORY_KIND


def test_DIR_21_production_root_with_private_ranges(tmp_path: Path) -> None:
    holders = [Holder.generate(str(i)) for i in range(6)]
    keys = [h.public() for h in holders]
    charter = found.Charter("example.org", Kind.PRODUCTION, ("10.0.0.0/8",), tuple(keys[:3]), 2, tuple(keys[3:]), 2)
    with pytest.raises(ProtocolError) as caught:
        found.found(tmp_path / "repo", charter, holders[:3], holders[3:], NOW)
    assert caught.value.code is codes.DIRECTORY_RANGES
    assert not (tmp_path / "repo").exists()


def test_DIR_21_a_root_cannot_turn_an_exercise_into_production(world: World) -> None:
    def change(root: Json) -> None:
        root["x-rogatory-network"] |= {"name": "other.example"}

    world.served["2.root.json"] = world.next_root(change, world.founders)
    world.refused(codes.DIRECTORY_NETWORK_CHANGED)


@pytest.mark.parametrize(
    "ranges", [["0.0.0.0/0"], ["169.254.0.0/16"], ["10.0.0.1/8"], ["8.8.8.0/24"], ["x"], "10.0.0.0/8", [1]]
)
def test_DIR_21_ranges_that_no_network_may_allow(world: World, ranges: object) -> None:
    def change(root: Json) -> None:
        root["x-rogatory-network"]["address_ranges"] = ranges

    world.served["2.root.json"] = world.next_root(change, world.founders)
    world.refused(codes.DIRECTORY_RANGES)


@pytest.mark.parametrize("seed", [known.seeds()[0], bytes(32), bytes([7]) * 32, bytes(range(32))])
def test_DIR_22_known_keys(world: World, seed: bytes) -> None:
    """A production directory with a member whose witness keys follow from a public seed; the same in an exercise passes."""
    witness = {
        "ed25519": base64.b64encode(Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()).decode(),
        "mldsa44": base64.b64encode(MLDSA44PrivateKey.from_seed_bytes(seed).public_key().public_bytes_raw()).decode(),
    }
    for name, value in witness.items():
        entry = world.entry("xb-ca")
        entry["endpoint"] = None
        entry["logs"] = [log | {"witnesses": [], "quorum": 0} for log in entry["logs"]]
        entry["witness"][name] = value
        member = parse_entry(json.dumps(entry).encode(), NETWORK, "xb-ca")
        check_members({"xb-ca": member}, Kind.EXERCISE, (), [])
        with pytest.raises(ProtocolError) as caught:
            check_members({"xb-ca": member}, Kind.PRODUCTION, (), [])
        assert caught.value.code is codes.DIRECTORY_KEY_KNOWN


def test_DIR_22_known_role_keys(tmp_path: Path) -> None:
    holders = [Holder.generate(str(i)) for i in range(5)] + [Holder("default", bytes([1]) * 32, bytes([2]) * 32)]
    keys = [h.public() for h in holders]
    charter = found.Charter("example.org", Kind.PRODUCTION, (), tuple(keys[:3]), 2, tuple(keys[3:]), 2)
    with pytest.raises(ProtocolError) as caught:
        found.found(tmp_path / "repo", charter, holders[:3], holders[3:], NOW)
    assert caught.value.code is codes.DIRECTORY_KEY_KNOWN


def test_DIR_22_rfc_8032_seeds_are_the_rfcs() -> None:
    public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    assert known.is_known(public)
    assert not known.is_known(Holder.generate("new").signers()[0].public_key.keyval["public"].encode())


def test_a_member_more_than_the_limit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DIRECTORY_MEMBERS", 2)
    with pytest.raises(ProtocolError) as caught:
        world.load()
    assert caught.value.code is codes.DIRECTORY_MEMBERS


def test_offices_are_looked_up(world: World) -> None:
    member = world.load().member("xb-ca")
    assert member.office(Office("xb-ca", "247")).phone_24h == "+99 2"
    with pytest.raises(ProtocolError) as caught:
        member.office(Office("xb-ca", "mla"))
    assert caught.value.code is codes.DIRECTORY_UNKNOWN_OFFICE


def test_entry_reads_back_equal(world: World) -> None:
    for member in world.load().members.values():
        assert parse_entry(dump_entry(NETWORK, member), NETWORK, member.authority) == member


def test_join_request_is_parsed_and_refused(world: World) -> None:
    request, _holder = _request("xd-ca", 8450)
    bundle, member = selfentry.parse_bundle(request.dump(), NETWORK)
    assert bundle.dump() == request.dump()
    assert bundle.fingerprint() == request.fingerprint()
    assert len(bundle.fingerprint()) == 79
    assert member.authority == "xd-ca"
    value = json.loads(request.dump())
    role = json.loads(value["role"])
    role["signatures"].pop()
    cases = [
        (value | {"role": json.dumps(role)}, codes.DIRECTORY_EDGE),
        (value | {"entry": value["entry"] + " "}, codes.DIRECTORY_MIXED),
        (value | {"extra": 1}, codes.DIRECTORY_FIELD),
        (value | {"keys": {}}, codes.DIRECTORY_KEY_FORM),
        (value | {"authority": "XD"}, codes.DIRECTORY_NAME),
        (value | {"format": "?"}, codes.DIRECTORY_FORM),
    ]
    for case, code in cases:
        with pytest.raises(RogatoryError) as caught:
            selfentry.parse_bundle(json.dumps(case).encode(), NETWORK)
        assert caught.value.code is code
    found.admit(world.repo, [bundle], world.founders, world.keepers, NOW)
    assert world.update().member("xd-ca") == member
    with pytest.raises(LocalError) as refused:
        found.admit(world.repo, [bundle], world.founders, world.keepers, NOW)
    assert refused.value.code is codes.DIRECTORY_NAME_TAKEN


def test_common_fields_are_what_python_tuf_writes(world: World) -> None:
    """The forger's metadata differs from honest metadata only where a test says so."""
    honest = signed_of(world.fetch("timestamp.json"))
    assert set(common("timestamp", 1, {"meta": {}})) == set(honest)


def _request(authority: str, port: int) -> tuple[selfentry.Bundle, Holder]:
    holder = Holder.generate(authority)
    names = ["xa-ca", "xb-ca", "xc-ca", authority]
    return selfentry.join_request(holder, NETWORK, exercise.member_of(seat(authority, port), NETWORK, names)), holder
