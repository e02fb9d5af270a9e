"""The worked examples, and valid forms drawn from the JSON Schema around them."""

from __future__ import annotations

import json
import unicodedata
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

import protocol.forms
from protocol.forms import json_schema
from tests.vectors.forms_case import KIND

EXAMPLES = Path(protocol.forms.__file__).parent / "examples"
VECTORS = Path(__file__).parents[2] / "vectors" / "forms"

# fields that no rule ties to another: any drawn value keeps the form valid
_OF_REQUESTS = [
    "requesting_reference",
    "requested_reference",
    "originating_authority",
    "contact_person",
    "alternate_confirmation_contact",
    "proceeding_stage",
    "facts_summary",
    "procedures_requested",
    "persons",
    "purpose",
    "undertakings",
    "oral_first",
    "channel_required",
    "cost_note",
    "prior_contacts",
    "data_protection_note",
]
_OF_ANSWERS = ["requesting_reference", "requested_reference", "contact_person", "language", "remarks"]
FREE = {
    "preserve": [
        *_OF_REQUESTS,
        "subject_matter",
        "necessity",
        "mla_planned_date",
        "provider_contact_done",
    ],
    "preserve-reply": [*_OF_ANSWERS, "user_notified", "accepted_mla_languages", "costs", "reply_by", "questions"],
    "mla-records": [*_OF_REQUESTS, "subject_matter", "assistance_description"],
    "acknowledgement": [*_OF_ANSWERS, "case_officer", "next_step", "urgency_reclassified"],
    "evidence-handover": [*_OF_ANSWERS, "handover_id", "container", "sealed_copy_kept_until"],
    "evidence-receipt": [*_OF_ANSWERS, "verified_by", "verified_at"],
}


def raw(example: str) -> bytes:
    """The bytes of a worked example."""
    return (EXAMPLES / f"{example}.json").read_bytes()


def tree(example: str) -> dict[str, Any]:
    """A worked example as a tree, to be changed."""
    value: dict[str, Any] = json.loads(raw(example))
    return value


@st.composite
def forms(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A kind and a valid form of it: an example with some of its free fields drawn anew."""
    example = draw(st.sampled_from(sorted(KIND)))
    schema: Any = json_schema(KIND[example])
    value = tree(example)
    for name in draw(st.lists(st.sampled_from(FREE[example]), unique=True, max_size=6)):
        value[name] = draw(_of(schema["properties"][name], schema["$defs"]))
    return KIND[example], value


def _text(most: int, inline: bool) -> st.SearchStrategy[str]:
    kept = st.characters(exclude_categories=["Cs", "Cc", "Cn"], include_characters="" if inline else "\n\t")
    return (
        st.text(kept, min_size=1, max_size=40)
        .map(lambda text: unicodedata.normalize("NFC", text))
        .filter(lambda text: bool(text.strip()) and len(text) <= most)
    )


def _instant() -> st.SearchStrategy[str]:
    zones = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
    moments = st.datetimes(datetime(1950, 1, 1), datetime(2200, 1, 1), timezones=zones)
    return moments.map(lambda moment: moment.isoformat(timespec="milliseconds"))


def _string(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    pattern, most = schema["pattern"], schema["maxLength"]
    if schema.get("format") == "date-time":
        return st.one_of(_instant(), st.just(datetime(2026, 3, 29, 1, 0, tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")))
    if schema.get("format") == "date":
        return st.dates(date(1900, 1, 1), date(2999, 12, 31)).map(date.isoformat)
    if pattern.startswith("^(?:UTC|"):
        return st.sampled_from(["UTC", "Europe/Berlin", "America/Argentina/Ushuaia", "Pacific/Apia"])
    if most == 129:
        return st.sampled_from(["xa-ca/mla", "xb-ca/247", "xc.ca/a-1"])
    if pattern in (r"^(?:[^\n\t]*[^\s][^\n\t]*)$", r"^(?:[\s\S]*[^\s][\s\S]*)$"):
        return _text(most, inline="\\n" in pattern)
    plain = st.characters(codec="ascii", categories=["L", "N", "P", "S"])
    drawn = st.from_regex(pattern.replace("\\s", " "), fullmatch=True, alphabet=plain)
    return drawn.filter(lambda text: 0 < len(text) <= most)


def _of(schema: dict[str, Any], defs: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values of a piece of JSON Schema, as far as our schemas use it."""
    if "$ref" in schema:
        return _of(defs[schema["$ref"].rpartition("/")[2]], defs)
    if "anyOf" in schema:
        return st.one_of(*(_of(option, defs) for option in schema["anyOf"]))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "const" in schema:
        return st.just(schema["const"])
    kind = schema["type"]
    if kind == "null":
        return st.none()
    if kind == "boolean":
        return st.booleans()
    if kind == "integer":
        return st.integers(schema.get("minimum", 0), schema.get("maximum", 1000))
    if kind == "array":
        return st.lists(_of(schema["items"], defs), min_size=schema.get("minItems", 0), max_size=3)
    if kind == "string":
        return _string(schema)
    needed = set(schema.get("required", []))
    fields = {name: _of(field, defs) for name, field in schema["properties"].items()}
    return st.fixed_dictionaries(
        {name: field for name, field in fields.items() if name in needed},
        optional={name: field for name, field in fields.items() if name not in needed},
    )
