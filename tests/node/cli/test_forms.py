"""`rogatory forms`: kinds, schemas and checking, without a node; and what `send` takes for a form and an attachment."""

from __future__ import annotations

import json

import pytest

from tests.node.cli.conftest import ROOT, call

EXAMPLES = ROOT / "protocol" / "forms" / "examples"


def test_list_names_every_kind():
    kinds = {item["kind"] for item in call("forms", "list", "--json").value["items"]}
    assert {"EE_PRESERVE", "PRESERVATION_REPLY", "MLA_RECORDS", "ACKNOWLEDGEMENT", "EVIDENCE_HANDOVER", "EVIDENCE_RECEIPT"} <= kinds


def test_schema_is_a_json_schema():
    schema = call("forms", "schema", "EE_PRESERVE").value
    assert schema["$schema"].endswith("2020-12/schema")
    assert "items" in schema["required"]


def test_schema_of_an_unknown_kind():
    said = call("forms", "schema", "LOVE_LETTER", "--json")
    assert (said.code, said.error) == (1, "FORM-KIND")


def test_check_tells_every_wrong_field_at_once(tmp_path):
    path = tmp_path / "request.json"
    path.write_text(json.dumps({"kind": "EE_PRESERVE", "facts_summary": 7, "unknown": 1}))
    said = call("forms", "check", "EE_PRESERVE", path, "--json")
    assert (said.code, said.error) == (1, "FORM-INVALID")
    places = {problem["loc"]: problem["code"] for problem in said.value["error"]["errors"]}
    assert places["/items"] == "MISSING"
    assert places["/facts_summary"] == "WRONG-TYPE"
    assert places["/unknown"] == "UNKNOWN-FIELD"
    text = call("forms", "check", "EE_PRESERVE", path)
    assert "  /items: is required [MISSING]\n" in text.err


def test_check_takes_the_worked_example():
    said = call("forms", "check", "EE_PRESERVE", EXAMPLES / "preserve.json", "--json")
    assert (said.code, said.value["valid"]) == (0, True)


def test_check_of_no_json(tmp_path):
    path = tmp_path / "request.json"
    path.write_text("{'kind': 1}")
    said = call("forms", "check", "EE_PRESERVE", path, "--json")
    assert (said.code, said.error) == (1, "FORM-JSON")


SEND = ["--from", "xa-ca/247", "--to", "xb-ca/247", "--kind", "EE_PRESERVE", "--as", "P1"]


@pytest.mark.parametrize("text, where", [("{", ", line 1"), ("[]", ""), ("\n\n{]", ", line 3"), ("[" * 100_000, "")])
def test_send_of_a_malformed_form_file(member, text, where):
    path = member.folder / "form.json"
    path.write_text(text)
    said = call("send", "--home", member.home(), *SEND, "--form", path)
    assert said.code == 1
    assert said.err.startswith(f"rogatory: FORM-FILE: this file is not one JSON object ({path}{where}). You must act: look at")


def test_send_of_no_form_file(member):
    said = call("send", "--home", member.home(), *SEND, "--form", member.folder / "none.json", "--json")
    assert (said.code, said.error) == (2, "USAGE")


@pytest.mark.parametrize("option, value", [("--attach", "no-such-file"), ("--expires", "soon"), ("--expires", "0d")])
def test_send_refuses_usage(member, option, value):
    said = call("send", "--home", member.home(), *SEND, "--form", "-", option, value, "--json", stdin="{}")
    assert (said.code, said.error) == (2, "USAGE")


def test_every_kind_has_an_example_that_is_taken(tmp_path):
    for item in call("forms", "list", "--json").value["items"]:
        said = call("forms", "example", item["kind"])
        assert said.code == 0, said
        path = tmp_path / "form.json"
        path.write_text(said.out)
        assert call("forms", "check", item["kind"], path).code == 0
