"""A request from one node to another and back, by commands alone: real processes, real sockets, real TLS."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack

import pytest

from node.exercise import found_world, free_ports
from tests.node.cli.conftest import ROOT, call
from tests.node.cli.test_run import running

NOW = int(time.time() * 1000)
EXAMPLES = ROOT / "protocol" / "forms" / "examples"


class House:
    """Two running nodes and their people, for the whole module; each test sends messages of its own."""

    def __init__(self, folder):
        self.world = found_world(folder, ("xa-ca", "xb-ca"), NOW)
        self.folder = folder

    def home(self, authority="xa-ca"):
        return self.world.places[authority].home.path

    def ask(self, *args, of="xa-ca"):
        return call(*args, "--home", self.home(of), "--json")

    def hire(self, authority, *roles, office="247", system=False):
        """A person with these roles; the id."""
        person = self.ask("people", "add", "--name", "N. N.", *(["--system"] if system else []), of=authority).value["id"]
        for role in roles:
            said = self.ask("people", "grant", person, "--office", f"{authority}/{office}", "--role", role, of=authority)
            assert said.code == 0, said
        return person

    def send(self, *options, kind="EE_PRESERVE", form="preserve.json", person, of="xa-ca", to="xb-ca/247", wait=True):
        args = ["--from", f"{of}/247", "--to", to, "--kind", kind, "--form", self.form(form, of, to), "--as", person]
        return self.ask("send", *args, *(["--wait"] if wait else []), *options, of=of)

    def sent(self):
        """How many messages were sent, and what waits."""
        return len(self.ask("outbox", "list", "--limit", "1000").value["items"]), self.ask("drafts").value

    def form(self, name, of, to):
        """A worked example between these two."""
        value = json.loads((EXAMPLES / name).read_text())
        if "requesting_authority" in value:
            value |= {"requesting_authority": f"{of}/247", "requested_authority": to}
        path = self.folder / f"{name}-{of}.json"
        path.write_text(json.dumps(value))
        return path


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    made = House(tmp_path_factory.mktemp("house"))
    with ExitStack() as stack:
        for authority in ("xa-ca", "xb-ca"):
            stack.enter_context(running(made.home(authority)))
        made.duty = made.hire("xa-ca", "duty")
        made.officer = made.hire("xa-ca", "officer")
        made.approver = made.hire("xa-ca", "approver")
        made.other_duty = made.hire("xb-ca", "duty")
        yield made


def test_status_and_doctor(house):
    status = house.ask("status").value
    assert (status["authority"], status["network"]["kind"]) == ("xa-ca", "exercise")
    assert call("status", "--home", house.home()).out.startswith("*** EXERCISE network exercise.example")
    said = house.ask("doctor")
    assert said.value["running"] is True
    assert {check["check"] for check in said.value["checks"]} >= {"clock", "disk", "guard", "log", "peer xb-ca"}
    assert (said.code == 0) == said.value["ok"]


def test_a_request_there_and_its_proofs(house, tmp_path):
    said = house.send(person=house.duty)
    assert said.code == 0, said
    whole = said.value["message_id"]
    assert [delivery["state"] for delivery in said.value["deliveries"]] == ["delivered"]

    arrived = house.ask("inbox", of="xb-ca").value["items"]
    assert whole in [message["message_id"] for message in arrived]
    shown = house.ask("show", whole[:10], "--content", "--purpose", "case A-12", "--as", house.other_duty[:8], of="xb-ca")
    assert shown.code == 0, shown
    assert (shown.value["content"]["kind"], shown.value["content"]["from"]) == ("EE_PRESERVE", "xa-ca/247")

    out = tmp_path / "proofs"
    exported = house.ask("export", "--message", whole[:10], "--out", out)
    assert exported.code == 0, exported
    assert {"envelope.cbor", "origin.tlog-proof", "receipt.tlog-proof", "manifest.json"} <= {path.name for path in out.iterdir()}
    assert call("verify", out, "--trust", house.world.root_file, "--json").code == 0
    assert call("verify", out, "--json").code == 3
    again = house.ask("export", "--message", whole, "--out", out)
    assert (again.code, again.error) == (1, "EXPORT-FOLDER")


def test_the_whole_log_and_its_policy(house, tmp_path):
    assert house.send(person=house.duty).code == 0
    out = tmp_path / "log"
    exported = house.ask("export", "--log", "--out", out)
    assert exported.code == 0, exported
    assert exported.value["origin"] == "exercise.example/xa-ca/log/1"
    assert (out / "checkpoint").read_text().splitlines()[:2] == [exported.value["origin"], str(exported.value["size"])]
    assert "self" in (out / "policy.txt").read_text()
    assert call("verify", out, "--policy", out / "policy.txt", "--json").code == 0
    assert call("verify", out, "--json").code == 3
    bundle = next(path for path in (out / "tile" / "entries").rglob("*") if path.is_file())
    raw = bundle.read_bytes()
    bundle.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    assert call("verify", out, "--policy", out / "policy.txt", "--json").code == 1
    again = house.ask("export", "--log", "--out", out)
    assert (again.code, again.error) == (1, "EXPORT-FOLDER")
    unknown = house.ask("export", "--log", "--n", 7, "--out", tmp_path / "other")
    assert unknown.code == 1, unknown
    assert not (tmp_path / "other").exists()
    text = call("export", "--home", house.home(), "--log", "--out", tmp_path / "third")
    assert "rogatory verify" in text.out


@pytest.mark.parametrize("options", [(), ("--log", "--message", "5f2c"), ("--log", "--disclose", "0"), ("--message", "5f2c", "--n", "1")])
def test_export_needs_one_thing_to_export(house, tmp_path, options):
    assert call("export", "--home", house.home(), "--out", tmp_path / "out", *options).code == 2


def test_the_text_of_every_list(house):
    house.send(person=house.duty)
    for command in (["inbox"], ["outbox", "list"], ["outbox", "list", "--open"], ["drafts"], ["people", "list"], ["keys", "api-key", "list"]):
        for authority in ("xa-ca", "xb-ca"):
            said = call(*command, "--home", house.home(authority))
            assert said.code == 0, said
            assert said.out.startswith("*** EXERCISE")
    whole = house.ask("outbox", "list").value["items"][0]["message_id"]
    text = call("outbox", "show", whole[:8], "--home", house.home()).out
    assert "xb-ca" in text
    assert "delivered" in text
    assert " UTC" in text


def test_a_second_person_approves(house):
    said = house.send(person=house.officer)
    assert said.code == 0, said
    draft = said.value["draft_id"]
    assert draft in [item["draft_id"] for item in house.ask("drafts").value["items"]]
    shown = call("drafts", "show", draft[:8], "--home", house.home(), "--as", house.approver)
    assert shown.code == 0, shown
    assert "facts_summary" in shown.out
    own = house.ask("approve", draft[:8], "--as", house.officer)
    assert (own.code, own.error) == (1, "SECOND-PERSON")
    strange = house.ask("approve", draft[:8], "--as", house.duty)
    assert (strange.code, strange.error) == (1, "ROLE-MISSING")
    approved = house.ask("approve", draft[:8], "--as", house.approver[:8])
    assert (approved.code, approved.value["state"]) == (0, "submitted")
    assert draft not in [item["draft_id"] for item in house.ask("drafts").value["items"]]


def test_a_draft_is_rejected(house):
    draft = house.send(person=house.officer).value["draft_id"]
    said = house.ask("drafts", "reject", draft[:8], "--as", house.approver, "--reason", "wrong office")
    assert said.code == 0, said
    late = house.ask("approve", draft, "--as", house.approver)
    assert (late.code, late.error) == (1, "DRAFT-STATE")


def test_attachments_arrive_under_harmless_names(house, tmp_path):
    picture = tmp_path / "..payments:2026.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4096)
    said = house.send("--attach", f"{picture}:image/png:photo", "--attach", picture, person=house.duty)
    assert said.code == 0, said
    whole = said.value["message_id"]
    saved = tmp_path / "saved"
    shown = house.ask("show", whole, "--save-parts", saved, "--purpose", "case A-12", "--as", house.other_duty, of="xb-ca")
    assert shown.code == 0, shown
    files = sorted(saved.iterdir())
    assert [path.name for path in files] == ["1-payments_2026.png", "2-payments_2026.png"]
    assert all(path.read_bytes() == picture.read_bytes() for path in files)
    kinds = [(each["media_type"], each["role"]) for each in shown.value["content"]["attachments"]]
    assert kinds == [("image/png", "photo"), ("image/png", "enclosure")]
    again = house.ask("show", whole, "--save-parts", saved, "--purpose", "case A-12", "--as", house.other_duty, of="xb-ca")
    assert (again.code, again.error) == (1, "HOME-EXISTS")


def test_content_needs_a_purpose_and_a_role(house):
    whole = house.send(person=house.duty).value["message_id"]
    assert house.ask("show", whole, "--content").code == 2
    said = house.ask("show", whole, "--content", "--purpose", "curiosity", "--as", house.hire("xa-ca"))
    assert (said.code, said.error) == (1, "ROLE-MISSING")
    assert "content" not in said.out.replace("content of", "")


def test_disclosing_needs_a_person_and_shows_the_part(house, tmp_path):
    whole = house.send(person=house.duty).value["message_id"]
    assert house.ask("export", "--message", whole, "--out", tmp_path / "a", "--disclose", "0").code == 2
    said = house.ask("export", "--message", whole, "--out", tmp_path / "b", "--disclose", "0", "--as", house.duty)
    assert said.code == 0, said
    assert (tmp_path / "b" / "disclosed" / "part-0").is_file()
    said = house.ask("export", "--message", whole, "--out", tmp_path / "c", "--disclose", "7", "--as", house.duty)
    assert (said.code, said.error) == (1, "PART-NUMBER")
    assert not (tmp_path / "c").exists()


def test_an_answer_names_what_it_answers(house):
    whole = house.send(person=house.duty).value["message_id"]
    said = house.send(
        "--answers", whole[:10], kind="PRESERVATION_REPLY", form="preserve-reply.json", person=house.other_duty, of="xb-ca", to="xa-ca/247"
    )
    assert said.code == 0, said
    reply = said.value["message_id"]
    shown = house.ask("show", reply, "--content", "--purpose", "case A-12", "--as", house.duty).value
    assert shown["content"]["answers"] == whole
    text = call("show", reply[:8], "--home", house.home(), "--content", "--purpose", "case A-12", "--as", house.duty).out
    assert "PRESERVATION_REPLY" in text
    assert "decision: preserved_partial" in text


def test_the_same_key_sends_once(house):
    first = house.send("--once", "order-4711", "--expires", "2026-12-01T00:00:00Z", person=house.duty, wait=False)
    again = house.send("--once", "order-4711", "--expires", "2026-12-01T00:00:00Z", person=house.duty, wait=False)
    assert first.code == 0, first
    assert first.value["message_id"] == again.value["message_id"]


def test_a_malformed_form_names_every_wrong_field(house):
    path = house.folder / "malformed.json"
    path.write_text('{"kind": "EE_PRESERVE", "facts_summary": 7}')
    args = ["--from", "xa-ca/247", "--to", "xb-ca/247", "--kind", "EE_PRESERVE", "--form", path, "--as", house.duty]
    before = house.sent()
    said = call("send", *args, "--home", house.home())
    assert said.code == 1
    assert said.err.startswith("rogatory: FORM-INVALID: ")
    assert "  /items: is required [MISSING]\n" in said.err
    assert house.ask("send", *args).error == "FORM-INVALID"
    assert house.sent() == before


@pytest.mark.parametrize(
    "change, code",
    [
        ({"to": "xz-ca/247"}, "DIRECTORY-UNKNOWN-AUTHORITY"),
        ({"to": "xb-ca/999"}, "DIRECTORY-UNKNOWN-OFFICE"),
        ({"to": "xb-ca"}, "NAME-OFFICE"),
        ({"kind": "LOVE_LETTER"}, "KIND-NOT-TAKEN"),
    ],
)
def test_a_wrong_address_is_refused(house, change, code):
    options = {"to": "xb-ca/247", "kind": "EE_PRESERVE", **change}
    args = ["--from", "xa-ca/247", "--to", options["to"], "--kind", options["kind"], "--form", EXAMPLES / "preserve.json", "--as", house.duty]
    said = house.ask("send", *args)
    assert (said.code, said.error) == (1, code)


def test_unknown_ids(house):
    assert house.ask("show", "00000000").error == "ID-UNKNOWN"
    assert house.ask("show", "0" * 32).error == "MESSAGE-UNKNOWN"
    assert house.ask("approve", "0" * 32, "--as", house.approver).error == "DRAFT-UNKNOWN"
    assert house.ask("people", "deactivate", "0" * 32).error == "PERSON-UNKNOWN"
    whole = house.send(person=house.duty).value["message_id"]
    assert house.ask("outbox", "retry", whole, "xb-ca").error == "DELIVERY-STATE"


def test_people_and_keys(house):
    person = house.hire("xa-ca", "officer", "intake")
    roles = {p["id"]: p["roles"] for p in house.ask("people", "list").value["items"]}[person]
    assert [role["role"] for role in roles] == ["intake", "officer"]
    assert len(house.ask("people", "revoke", person, "--office", "xa-ca/247", "--role", "intake").value["roles"]) == 1
    system = house.hire("xa-ca", "officer", system=True)
    made = house.ask("keys", "api-key", "add", "--system", system, "--office", "xa-ca/247").value
    assert made["key"].startswith("rog_")
    listed = house.ask("keys", "api-key", "list")
    assert made["id"] in [key["id"] for key in listed.value["items"]]
    assert made["key"] not in listed.out
    assert house.ask("keys", "api-key", "end", made["id"]).value["ended"] is True
    assert house.ask("people", "deactivate", person).value["active"] is False
    said = house.send(person=person)
    assert (said.code, said.error) == (1, "PERSON-INACTIVE")


def test_homes_made_by_init_speak_to_each_other(network, tmp_path):
    ports = free_ports(4)
    for authority, peer, local in (("xa-ca", *ports[:2]), ("xb-ca", *ports[2:])):
        assert network.init(authority, peer, local_listen=f"127.0.0.1:{local}").code == 0
        assert network.admit(authority).code == 0
    for authority in ("xa-ca", "xb-ca"):
        assert network.update(authority).code == 0
    with running(network.home("xa-ca")), running(network.home("xb-ca")):
        duty = call("people", "add", "--name", "N. N.", "--home", network.home(), "--json").value["id"]
        call("people", "grant", duty, "--office", "xa-ca/247", "--role", "duty", "--home", network.home())
        args = ["--from", "xa-ca/247", "--to", "xb-ca/247", "--kind", "EE_PRESERVE", "--form", EXAMPLES / "preserve.json", "--as", duty]
        said = call("send", *args, "--wait", "--home", network.home(), "--json")
        assert said.code == 0, said
        exported = call("export", "--message", said.value["message_id"], "--out", tmp_path / "out", "--home", network.home(), "--json")
        assert exported.code == 0, exported
    assert call("verify", tmp_path / "out", "--trust", network.root, "--json").code == 0
