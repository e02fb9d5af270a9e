"""Forms: the worked examples, one failing file per rule, and what holds for any form and any bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import protocol.forms
from protocol import codes, limits
from protocol.errors import Code, ProtocolError
from protocol.forms import KINDS, Declarations, Form, FormError, Problem, Wrong, parse_form, render_form, warnings
from protocol.forms.acknowledgement import Acknowledgement
from protocol.forms.codelists import Instrument, MessageKind, RequestKind
from tests.protocol.forms.samples import VECTORS, forms, raw, tree
from tests.vectors.forms_case import KIND

INDEX: list[dict[str, Any]] = json.loads((VECTORS / "index.json").read_text())
ADVICE = {
    Wrong.PRACTICE_MISSING,
    Wrong.ROUTINE_DATE,
    Wrong.UNTOC_TRANSNATIONAL,
    Wrong.UNTOC_GROUP,
    Wrong.TIME_RANGE,
    Wrong.BELOW_MINIMUM,
    Wrong.NO_CUSTODY,
}
# A form beside another, or beside its files: tests of pairs, tests/exchange/casework/test_papers.py.
PAIRED = {Wrong.ANSWER_OTHER, Wrong.ANSWER_ITEM, Wrong.ANSWER_HASH, Wrong.ATTACHMENT_MISSING, Wrong.ATTACHMENT_OTHER}


def bytes_of(value: object) -> bytes:
    return json.dumps(value).encode()


def wrong(kind: str, data: bytes, declared: Declarations | None = None) -> list[tuple[str, str]]:
    with pytest.raises(FormError) as refused:
        parse_form(kind, data, declared or Declarations())
    assert refused.value.code is codes.FORM_INVALID
    return [(problem.loc, str(problem.code)) for problem in refused.value.errors]


def refuse(code: Code, kind: str, data: bytes) -> None:
    with pytest.raises(FormError) as refused:
        parse_form(kind, data)
    assert refused.value.code is code
    assert refused.value.errors == ()


def parsed(kind: str, data: bytes) -> Form | FormError:
    try:
        return parse_form(kind, data)
    except FormError as error:
        return error


def advised(form: Form) -> set[tuple[str, str]]:
    return {(problem.loc, str(problem.code)) for problem in warnings(form)}


@pytest.mark.parametrize("example", sorted(KIND))
def test_worked_example_is_valid_and_comes_back(example: str) -> None:
    form = parse_form(KIND[example], raw(example))
    rendered = render_form(form)
    assert parse_form(form.kind, rendered) == form
    assert render_form(parse_form(form.kind, rendered)) == rendered
    assert json.loads(rendered)["kind"] == KIND[example]


def test_example_of_the_readme_is_valid() -> None:
    readme = Path(protocol.forms.__file__).with_name("README.md").read_text()
    example = readme.partition("```json\n")[2].partition("```")[0]
    assert parse_form("EE_PRESERVE", example.encode())


def test_request_with_attachments_passes() -> None:
    file = {"filename": "ordonnance générale 2026.pdf", "media_type": "application/pdf", "size": 48211, "sha256": "0" * 64}
    attachments = [
        {**file, "attachment_id": "a1", "role": "domestic_order", "language": "fr", "certified": True, "pages": 3},
        {
            **file,
            "attachment_id": "a2",
            "role": "translation_certificate",
            "marking": {"confidentiality_request": False, "tlp": "GREEN"},
        },
    ]
    translations = [{"language": "en", "certified": True, "certificate": "a2"}]
    value = {**tree("preserve"), "attachments": attachments, "translations": translations}
    assert parse_form("EE_PRESERVE", bytes_of(value))


@pytest.mark.parametrize("case", INDEX, ids=[case["file"].removesuffix(".json") for case in INDEX])
def test_failing_file(case: dict[str, Any]) -> None:
    languages = case.get("declared", {}).get("accepted_languages")
    declared = Declarations(accepted_languages=frozenset(languages) if languages else None)
    assert wrong(case["kind"], (VECTORS / case["file"]).read_bytes(), declared) == [tuple(row) for row in case["expect"]]


def test_every_code_has_a_failing_file() -> None:
    shown = {code for case in INDEX for _, code in case["expect"]}
    assert shown == {str(code) for code in Wrong} - {str(code) for code in ADVICE | PAIRED}


def test_every_failing_file_is_in_the_index() -> None:
    assert {case["file"] for case in INDEX} == {path.name for path in VECTORS.glob("*-fail-*.json")}


def test_kinds_with_a_form_are_on_the_code_lists() -> None:
    assert set(KINDS) <= set(RequestKind) | set(MessageKind)
    assert set(KINDS) == set(KIND.values())
    assert all(form.kind == kind for kind, form in KINDS.items())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{} {}",
        b'{"purpose":"a","purpose":"b"}',
        b'{"urgency":{"level":"URGENT","level":"ROUTINE"}}',
        b'{"preserve_days_wanted":NaN}',
        b'{"preserve_days_wanted":-Infinity}',
        b'{"preserve_days_wanted":60.0}',
        b'{"preserve_days_wanted":6e1}',
        b'{"preserve_days_wanted":9007199254740992}',
        b'{"purpose":"\xff"}',
        b"\xef\xbb\xbf{}",
        b'{"purpose":"a',
        b'{"purpose":"' + b'\\"' * 100_000,
        b'{"a":' * 17 + b"1" + b"}" * 17,
        b"[" * 100_000,
        b'{"items":[' + b"1," * limits.FORM_VALUES + b"1]}",
        b'{"purpose":"' + b"a" * limits.BODY + b'"}',
    ],
)
def test_bytes_that_are_not_strict_json(data: bytes) -> None:
    refuse(codes.FORM_JSON, "EE_PRESERVE", data)


def test_brackets_inside_texts_are_not_counted() -> None:
    value = {**tree("preserve"), "purpose": '[{"\\' * 200}
    assert parse_form("EE_PRESERVE", bytes_of(value))


def test_kind_unknown_or_another() -> None:
    refuse(codes.FORM_KIND, "EXTRADITION", raw("preserve"))
    refuse(codes.FORM_KIND, "", raw("preserve"))
    refuse(codes.FORM_KIND, "MLA_RECORDS", raw("preserve"))
    refuse(codes.FORM_KIND, "ACKNOWLEDGEMENT", bytes_of({**tree("acknowledgement"), "kind": ["ACKNOWLEDGEMENT"]}))


def test_lone_surrogate_is_no_text() -> None:
    assert wrong("EE_PRESERVE", bytes_of({**tree("preserve"), "purpose": "\ud800"})) == [("/purpose", "CONTROL-CHARACTER")]


def test_summary_names_places_but_nothing_that_was_written() -> None:
    value = {**tree("preserve"), "the informant's name": 1, "purpose": "\u0007 secret", "language": "secret"}
    with pytest.raises(FormError) as refused:
        parse_form("EE_PRESERVE", bytes_of(value))
    assert "/language FORMAT" in refused.value.detail
    assert "secret" not in str(refused.value)
    assert "informant" not in str(refused.value)
    assert all("secret" not in problem.msg for problem in refused.value.errors)


def test_null_is_absence() -> None:
    value = {**tree("preserve"), "cost_note": None}
    assert parse_form("EE_PRESERVE", bytes_of(value)) == parse_form("EE_PRESERVE", raw("preserve"))


def test_offset_of_an_instant_is_kept() -> None:
    rendered = json.loads(render_form(parse_form("EE_PRESERVE", raw("preserve"))))
    assert rendered["items"][1]["identifier"]["observed_at"]["from"] == "2026-11-19T03:14:05+02:00"


def test_uncyber_counts_once_it_is_in_force() -> None:
    value = {**tree("preserve"), "legal_basis": [{"instrument": "UNCYBER_2024", "article": "42", "relation": "primary"}]}
    with pytest.raises(FormError) as refused:
        parse_form("EE_PRESERVE", bytes_of(value))
    assert [str(problem.code) for problem in refused.value.errors] == ["NOT-IN-FORCE"]
    assert "UNCYBER_2024" in refused.value.errors[0].msg
    declared = Declarations(in_force=frozenset({Instrument.UNCYBER_2024}))
    form = parse_form("EE_PRESERVE", bytes_of(value), declared)
    assert parse_form("EE_PRESERVE", render_form(form, declared), declared) == form


def test_dual_criminality_counts_where_the_state_reserved_it() -> None:
    value = {
        **tree("preserve-reply"),
        "decision": "refused",
        "items": [{"item_no": 1, "result": "refused"}],
        "grounds": ["DUAL_CRIMINALITY_RESERVATION"],
        "reasons": "the act is no offence here, and disclosure could not be granted",
    }
    assert wrong("PRESERVATION_REPLY", bytes_of(value)) == [("/grounds/0", "GROUND-RESERVATION")]
    assert parse_form("PRESERVATION_REPLY", bytes_of(value), Declarations(dual_criminality_reservation=True))


def test_translation_into_an_accepted_language_is_enough() -> None:
    assert parse_form("EE_PRESERVE", raw("preserve"), Declarations(accepted_languages=frozenset({"en"})))


def test_serious_crime_of_48_months_and_life_pass() -> None:
    value = tree("preserve")
    value["offences"] = [
        {"label": "a", "provision": "s. 1", "max_penalty_months": 48, "category": "SERIOUS_CRIME"},
        {"label": "b", "provision": "s. 2", "max_penalty_life": True, "category": "SERIOUS_CRIME"},
    ]
    assert parse_form("EE_PRESERVE", bytes_of(value))


def test_short_offence_without_untoc_passes() -> None:
    value = tree("preserve")
    value["offences"][0].update(category="SERIOUS_CRIME", max_penalty_months=12)
    value["legal_basis"].pop()
    assert parse_form("EE_PRESERVE", bytes_of(value))


def test_port_unknown_with_a_reason_passes() -> None:
    value = tree("preserve")
    del value["items"][1]["identifier"]["port"]
    value["items"][1]["identifier"]["port_unknown_reason"] = "the service does not log ports"
    assert parse_form("EE_PRESERVE", bytes_of(value))


def test_emergency_with_all_it_needs_passes() -> None:
    value = tree("preserve")
    value["emergency"] = True
    value["urgency"] = {
        "level": "EMERGENCY_LIFE",
        "emergency_facts": "a child has been missing for six hours",
        "data_relation": "the last login shows where",
        "senior_approver": {"name": "A. Amari", "post": "head of the central authority"},
    }
    assert parse_form("EE_PRESERVE", bytes_of(value))


def test_preservation_on_untoc_alone_with_article_18_passes() -> None:
    value = tree("preserve")
    value.update(
        legal_basis=[{"instrument": "UNTOC_2000", "article": "18(3)(i)", "relation": "primary"}],
        untoc_gate={"offence_scope": ["PROTOCOL_TIP"]},
        subject_matter="preservation of a mailbox",
        assistance_description="preservation of the items listed",
        use_limitation_ack=True,
        handling_marking={"confidentiality_request": True, "tlp": "AMBER"},
    )
    form = parse_form("EE_PRESERVE", bytes_of(value))
    found = advised(form)
    assert ("/untoc_gate/transnational", "UNTOC-TRANSNATIONAL") in found
    assert ("/untoc_gate/group_description", "UNTOC-GROUP") in found
    assert ("/untoc_gate/transnational", "PRACTICE-MISSING") not in found


def test_warnings_of_the_worked_request() -> None:
    assert advised(parse_form("EE_PRESERVE", raw("preserve"))) == {
        ("/contact_person", "PRACTICE-MISSING"),
        ("/items/0/relation_to_offence", "PRACTICE-MISSING"),
        ("/items/1/relation_to_offence", "PRACTICE-MISSING"),
        ("/persons", "PRACTICE-MISSING"),
        ("/prior_contacts", "PRACTICE-MISSING"),
    }


def test_warnings_of_time_range_routine_date_and_custody() -> None:
    value = tree("preserve")
    del value["items"][0]["time_range"]
    assert ("/items/0/time_range", "TIME-RANGE") in advised(parse_form("EE_PRESERVE", bytes_of(value)))
    value = tree("mla-records")
    value["urgency"] = {"level": "ROUTINE"}
    assert ("/deadline_suggested", "ROUTINE-DATE") in advised(parse_form("MLA_RECORDS", bytes_of(value)))
    value = tree("evidence-handover")
    value["custody"] = value["custody"][1:2]
    assert advised(parse_form("EVIDENCE_HANDOVER", bytes_of(value))) == {("/items/0/evidence_id", "NO-CUSTODY")}


def test_form_made_by_hand_is_checked_when_rendered() -> None:
    made = parse_form("ACKNOWLEDGEMENT", raw("acknowledgement"))
    assert isinstance(made, Acknowledgement)
    early = made.model_copy(update={"next_step_date": "2026-11-24T09:39:59Z"})
    with pytest.raises(FormError) as refused:
        render_form(early)
    assert [(problem.loc, problem.code) for problem in refused.value.errors] == [("/next_step_date", Wrong.ORDER)]


def test_form_cannot_be_changed() -> None:
    form = parse_form("ACKNOWLEDGEMENT", raw("acknowledgement"))
    with pytest.raises(ValueError, match="frozen"):
        form.requested_reference = "x"  # type: ignore[attr-defined]


def test_problem_as_json_object() -> None:
    assert Problem("/a", Wrong.MISSING, "is required").as_dict() == {"loc": "/a", "msg": "is required", "code": "MISSING"}


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(forms())
def test_any_valid_form_comes_back(drawn: tuple[str, dict[str, Any]]) -> None:
    kind, value = drawn
    form = parse_form(kind, bytes_of(value))
    rendered = render_form(form)
    assert parse_form(kind, rendered) == form
    assert render_form(parse_form(kind, rendered)) == rendered
    assert parse_form(kind, json.dumps(value, ensure_ascii=False, indent=2).encode()) == form


@settings(max_examples=200)
@given(st.sampled_from(sorted(KIND)), st.data())
def test_any_change_gives_a_form_or_form_error(example: str, data: st.DataObject) -> None:
    value = tree(example)
    place: Any = value
    while True:
        step = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[step], (dict, list)) or not place[step] or data.draw(st.booleans()):
            break
        place = place[step]
    leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.text())
    trees = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))
    place[step] = data.draw(trees)
    outcome = parsed(KIND[example], bytes_of(value))
    if isinstance(outcome, FormError):
        assert outcome.code in (codes.FORM_INVALID, codes.FORM_KIND, codes.FORM_JSON)
        assert outcome.errors or outcome.code is not codes.FORM_INVALID
    else:
        assert parse_form(outcome.kind, render_form(outcome)) == outcome
        warnings(outcome)


@given(st.binary(max_size=200), st.sampled_from([*KINDS, "", "X"]))
def test_any_bytes_give_a_form_or_protocol_error(data: bytes, kind: str) -> None:
    with pytest.raises(ProtocolError):
        parse_form(kind, data)
