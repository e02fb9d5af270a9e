"""Failing requests: shapes of fields, the common envelope, electronic evidence."""

from __future__ import annotations

from tests.vectors.forms_case import GONE, M, P, Y, case

UNTOC_ONLY = [{"instrument": "UNTOC_2000", "article": "18(3)(i)", "relation": "primary"}]
ARTICLE_18 = {
    "/subject_matter": "preservation of a mailbox",
    "/assistance_description": "preservation of the items listed",
    "/use_limitation_ack": True,
    "/handling_marking": {"confidentiality_request": True, "tlp": "AMBER"},
    "/untoc_gate": {"offence_scope": ["PROTOCOL_TIP"]},
}
FILE = {
    "attachment_id": "a1",
    "filename": "order.pdf",
    "media_type": "application/pdf",
    "size": 10,
    "sha256": "0" * 64,
    "role": "domestic_order",
}

SHAPES = [
    case(P, "kind-missing", {"/kind": GONE}, "/kind MISSING"),
    case(P, "request-id-missing", {"/request_id": GONE}, "/request_id MISSING"),
    case(P, "request-id-version-1", {"/request_id": "018f6b1e-6f0a-1c3e-9b55-0d6a4f3c2b11"}, "/request_id FORMAT"),
    case(P, "requesting-reference-missing", {"/requesting_reference": GONE}, "/requesting_reference MISSING"),
    case(P, "requesting-authority-missing", {"/requesting_authority": GONE}, "/requesting_authority MISSING"),
    case(P, "requesting-authority-no-office", {"/requesting_authority": "xa-ca"}, "/requesting_authority FORMAT"),
    case(P, "requested-authority-missing", {"/requested_authority": GONE}, "/requested_authority MISSING"),
    case(P, "originating-authority-missing", {"/originating_authority": GONE}, "/originating_authority MISSING"),
    case(
        P,
        "originating-functions-missing",
        {"/originating_authority/functions": GONE},
        "/originating_authority/functions MISSING",
    ),
    case(P, "proceeding-stage-missing", {"/proceeding_stage": GONE}, "/proceeding_stage MISSING"),
    case(P, "proceeding-stage-other", {"/proceeding_stage": "gossip"}, "/proceeding_stage NOT-IN-LIST"),
    case(P, "legal-basis-missing", {"/legal_basis": GONE}, "/legal_basis MISSING"),
    case(P, "legal-basis-empty", {"/legal_basis": []}, "/legal_basis LENGTH"),
    case(P, "offences-missing", {"/offences": GONE}, "/offences MISSING"),
    case(P, "facts-summary-missing", {"/facts_summary": GONE}, "/facts_summary MISSING"),
    case(P, "facts-summary-blank", {"/facts_summary": "  \n "}, "/facts_summary FORMAT"),
    case(P, "facts-summary-null", {"/facts_summary": None}, "/facts_summary WRONG-TYPE"),
    case(P, "purpose-missing", {"/purpose": GONE}, "/purpose MISSING"),
    case(P, "urgency-missing", {"/urgency": GONE}, "/urgency MISSING"),
    case(P, "confidentiality-missing", {"/confidentiality": GONE}, "/confidentiality MISSING"),
    case(P, "language-missing", {"/language": GONE}, "/language MISSING"),
    case(P, "language-upper-case", {"/language": "FR"}, "/language FORMAT"),
    case(P, "necessity-missing", {"/necessity": GONE}, "/necessity MISSING"),
    case(P, "intends-mla-missing", {"/intends_mla": GONE}, "/intends_mla MISSING"),
    case(P, "intends-mla-false", {"/intends_mla": False}, "/intends_mla NOT-IN-LIST"),
    case(P, "items-missing", {"/items": GONE}, "/items MISSING"),
    case(P, "items-empty", {"/items": []}, "/items LENGTH"),
    case(P, "unknown-field", {"/mla_will_be_sent_by": "xa-ca/mla"}, "/mla_will_be_sent_by UNKNOWN-FIELD"),
    case(
        P,
        "field-of-python-name",
        {"/items/0/time_range/from_": "2026-09-01T00:00:00Z"},
        "/items/0/time_range/from_ UNKNOWN-FIELD",
    ),
    case(P, "number-as-text", {"/preserve_days_wanted": "60"}, "/preserve_days_wanted WRONG-TYPE"),
    case(P, "days-zero", {"/preserve_days_wanted": 0}, "/preserve_days_wanted RANGE"),
    case(P, "port-out-of-range", {"/items/1/identifier/port": 65536}, "/items/1/identifier/port RANGE"),
    case(P, "not-nfc", {"/purpose": "preuve a\u0301 charge"}, "/purpose NOT-NFC"),
    case(P, "control-character", {"/purpose": "a\u0007b"}, "/purpose CONTROL-CHARACTER"),
    case(P, "date-for-an-instant", {"/items/0/time_range/to": "2026-11-24"}, "/items/0/time_range/to INSTANT"),
    case(P, "instant-without-offset", {"/items/0/time_range/to": "2026-11-24T00:00:00"}, "/items/0/time_range/to INSTANT"),
    case(
        P, "instant-unknown-offset", {"/items/0/time_range/to": "2026-11-24T00:00:00-00:00"}, "/items/0/time_range/to INSTANT"
    ),
    case(
        P,
        "ambiguous-date",
        {"/items/1/identifier/observed_at/from": "05/06/2026 3:14"},
        "/items/1/identifier/observed_at/from INSTANT",
    ),
    case(P, "no-such-day", {"/mla_planned_date": "2026-02-30"}, "/mla_planned_date DAY"),
    case(P, "instant-for-a-day", {"/mla_planned_date": "2026-12-20T00:00:00Z"}, "/mla_planned_date DAY"),
    case(P, "notify-date-only", {"/notify_subject": "not_before:2027-01-01"}, "/notify_subject NOTIFY-SUBJECT"),
    case(Y, "no-such-zone", {"/items/0/zone": "Europe/Atlantis"}, "/items/0/zone ZONE"),
    case(P, "file-name-turned", {"/attachments": [{**FILE, "filename": "a\u202efdp.exe"}]}, "/attachments/0/filename FORMAT"),
    case(P, "file-name-folder", {"/attachments": [{**FILE, "filename": "../order.pdf"}]}, "/attachments/0/filename FORMAT"),
    case(P, "sha256-short", {"/attachments": [{**FILE, "sha256": "00"}]}, "/attachments/0/sha256 FORMAT"),
]

ENVELOPE = [
    case(P, "same-authority", {"/requested_authority": "xa-ca/247"}, "/requested_authority SAME-AUTHORITY"),
    case(P, "related-none", {"/related": [{"relation": "extends"}]}, "/related/0 RELATED-ONE"),
    case(
        P,
        "oral-record-missing",
        {"/related": [{"external_ref": "call of 24 November", "relation": "confirms_oral"}]},
        "/oral_first ORAL-FIRST",
    ),
    case(
        P,
        "basis-not-in-force",
        {"/legal_basis": [{"instrument": "UNCYBER_2024", "article": "42", "relation": "primary"}]},
        "/legal_basis/0/instrument NOT-IN-FORCE",
    ),
    case(
        P,
        "basis-only-supplementary",
        {"/legal_basis/0/relation": "supplementary"},
        "/legal_basis BASIS-PRIMARY",
    ),
    case(
        P,
        "basis-without-title",
        {"/legal_basis": [{"instrument": "BILATERAL", "article": "3", "relation": "primary"}]},
        "/legal_basis/0/title BASIS-TITLE",
    ),
    case(
        P,
        "reciprocity-without-assurance",
        {"/legal_basis": [{"instrument": "DOMESTIC_LAW", "article": "9", "relation": "reciprocity", "title": "MLA Act"}]},
        "/reciprocity_assurance RECIPROCITY",
    ),
    case(P, "penalty-missing", {"/offences/0/max_penalty_months": GONE}, "/offences/0/max_penalty_months PENALTY"),
    case(P, "penalty-twice", {"/offences/0/max_penalty_life": True}, "/offences/0/max_penalty_months PENALTY"),
    case(
        P,
        "serious-crime-47-months",
        {"/offences/0/category": "SERIOUS_CRIME", "/offences/0/max_penalty_months": 47},
        "/offences/0/max_penalty_months SERIOUS-CRIME",
    ),
    case(M, "untoc-gate-missing", {"/untoc_gate": GONE}, "/untoc_gate UNTOC-GATE"),
    case(
        M,
        "untoc-scope-none",
        {"/offences/0/category": "OTHER", "/offences/1/category": "OTHER", "/untoc_gate": {"offence_scope": ["SERIOUS_CRIME"]}},
        "/offences UNTOC-SCOPE",
        "/untoc_gate/offence_scope/0 UNTOC-SCOPE",
    ),
    case(M, "untoc-scope-other", {"/untoc_gate/offence_scope": ["ART8_CORRUPTION"]}, "/untoc_gate/offence_scope/0 UNTOC-SCOPE"),
    case(
        P,
        "untoc-18-15",
        {"/legal_basis": UNTOC_ONLY, "/untoc_gate": {"offence_scope": ["PROTOCOL_TIP"]}},
        "/subject_matter UNTOC-18-15",
        "/assistance_description UNTOC-18-15",
        "/use_limitation_ack UNTOC-18-15",
        "/handling_marking UNTOC-18-15",
    ),
    case(M, "deadline-without-reasons", {"/deadline_reasons": GONE}, "/deadline_reasons DEADLINE-REASONS"),
    case(
        M,
        "reasons-without-deadline",
        {"/deadline_suggested": GONE, "/deadline_kind": GONE, "/urgency/level": "ROUTINE"},
        "/deadline_suggested DEADLINE-DATE",
    ),
    case(P, "priority-without-date", {"/urgency": {"level": "PRIORITY"}}, "/deadline_suggested URGENCY-DATE"),
    case(P, "urgent-without-reason", {"/urgency/reason": GONE}, "/urgency/reason URGENCY-REASON"),
    case(
        P,
        "emergency-bare",
        {"/urgency": {"level": "EMERGENCY_LIFE"}},
        "/urgency/emergency_facts EMERGENCY-FACTS",
        "/urgency/data_relation EMERGENCY-FACTS",
        "/urgency/senior_approver SENIOR-APPROVER",
    ),
    case(
        P,
        "emergency-without-approver",
        {"/urgency": {"level": "EMERGENCY_LIFE", "emergency_facts": "a child is held", "data_relation": "last login"}},
        "/urgency/senior_approver SENIOR-APPROVER",
    ),
    case(
        P,
        "emergency-ci-outside-eu",
        {
            "/urgency": {
                "level": "EMERGENCY_CI",
                "emergency_facts": "a dam",
                "data_relation": "control account",
                "senior_approver": {"name": "A. Amari", "post": "head"},
            }
        },
        "/urgency/level EMERGENCY-EU",
    ),
    case(P, "emergency-flag", {"/emergency": True}, "/emergency EMERGENCY-FLAG"),
    case(P, "confidential-without-reason", {"/confidentiality/reason": GONE}, "/confidentiality/reason CONFIDENTIALITY-REASON"),
    case(P, "translation-same", {"/translations/0/language": "fr"}, "/translations/0/language TRANSLATION-SAME"),
    case(
        P,
        "translation-uncertified",
        {"/translations/0/certified": True},
        "/translations/0/certificate TRANSLATION-CERTIFICATE",
    ),
    case(P, "translation-needed", {"/translations": GONE}, "/translations TRANSLATION-NEEDED", accepted_languages=["en", "es"]),
    case(M, "marking-empty", {"/handling_marking": {"confidentiality_request": True}}, "/handling_marking MARKING-EMPTY"),
    case(P, "attachment-twice", {"/attachments": [FILE, FILE]}, "/attachments/1/attachment_id DUPLICATE"),
    case(
        P,
        "attachment-marking-empty",
        {"/attachments": [{**FILE, "marking": {"confidentiality_request": False}}]},
        "/attachments/0/marking MARKING-EMPTY",
    ),
]

ELECTRONIC = [
    case(P, "notify-missing", {"/notify_subject": GONE}, "/notify_subject MISSING"),
    case(
        P,
        "notify-conflict",
        {"/notify_subject": "allowed", "/notify_user_prohibited": True},
        "/notify_user_prohibited NOTIFY-CONFLICT",
    ),
    case(
        P, "all-data", {"/items/0/identifier": {"type": "USER_ID", "value": "All data"}}, "/items/0/identifier/value ALL-DATA"
    ),
    case(P, "no-identifier", {"/items/0/identifier": GONE}, "/items/0/identifier MISSING"),
    case(
        P, "email-without-at", {"/items/0/identifier/value": "user.example.org"}, "/items/0/identifier/value IDENTIFIER-VALUE"
    ),
    case(P, "ipv4-out-of-range", {"/items/1/identifier/value": "203.0.113.256"}, "/items/1/identifier/value IDENTIFIER-VALUE"),
    case(P, "ip-without-time", {"/items/1/identifier/observed_at": GONE}, "/items/1/identifier/observed_at IP-TIME"),
    case(P, "ip-without-port", {"/items/1/identifier/port": GONE}, "/items/1/identifier/port IP-PORT"),
    case(
        P,
        "observed-backwards",
        {"/items/1/identifier/observed_at/to": "2026-11-19T01:14:04Z"},
        "/items/1/identifier/observed_at/to ORDER",
    ),
    case(P, "range-backwards", {"/items/0/time_range/to": "2026-08-31T23:59:59Z"}, "/items/0/time_range/to ORDER"),
    case(P, "item-number-twice", {"/items/1/item_no": 1}, "/items/1/item_no DUPLICATE"),
    case(P, "custodian-unknown", {"/items/1/unknown_reason": GONE}, "/items/1/unknown_reason CUSTODIAN-REASON"),
    case(P, "custodian-missing", {"/items/0/service_provider": GONE}, "/items/0/unknown_reason CUSTODIAN-REASON"),
    case(
        P,
        "many-at-once",
        {
            "/request_id": "1",
            "/purpose": GONE,
            "/surprise": 1,
            "/urgency/reason": GONE,
            "/items/0/time_range/to": "2026-11-24",
            "/items/1/identifier/port": GONE,
            "/offences/0/category": "X",
            "/confidentiality/reason": GONE,
        },
        "/request_id FORMAT",
        "/purpose MISSING",
        "/surprise UNKNOWN-FIELD",
        "/urgency/reason URGENCY-REASON",
        "/items/0/time_range/to INSTANT",
        "/items/1/identifier/port IP-PORT",
        "/offences/0/category NOT-IN-LIST",
        "/confidentiality/reason CONFIDENTIALITY-REASON",
    ),
]
