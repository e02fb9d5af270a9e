"""JSON Schema: the examples hold, what has a wrong shape does not, and every field says its source."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from protocol import codes
from protocol.forms import KINDS, FormError, json_schema
from tests.protocol.forms.samples import VECTORS, tree
from tests.vectors.forms_case import KIND

SHAPES = {"UNKNOWN-FIELD", "WRONG-TYPE", "NOT-IN-LIST", "LENGTH", "RANGE", "FORMAT"}
INDEX: list[dict[str, Any]] = json.loads((VECTORS / "index.json").read_text())
SHAPED = [case for case in INDEX if any(code in SHAPES for _, code in case["expect"])]


def validator(kind: str) -> jsonschema.Draft202012Validator:
    schema = json_schema(kind)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("example", sorted(KIND))
def test_schema_holds_for_the_worked_example(example: str) -> None:
    validator(KIND[example]).validate(tree(example))


@pytest.mark.parametrize("case", SHAPED, ids=[case["file"] for case in SHAPED])
def test_schema_refuses_wrong_shapes(case: dict[str, Any]) -> None:
    assert not validator(case["kind"]).is_valid(json.loads((VECTORS / case["file"]).read_text()))


def test_schema_refuses_another_kind() -> None:
    assert not validator("EE_PRESERVE").is_valid({**tree("preserve"), "kind": "MLA_RECORDS"})


def fields(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, block in {"": schema, **schema["$defs"]}.items():
        for field, body in block.get("properties", {}).items():
            yield f"{name}.{field}", body


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_field_says_what_it_is_and_where_it_comes_from(kind: str) -> None:
    schema: Any = json_schema(kind)
    for name, body in fields(schema):
        assert "Source: " in body["description"], name
        assert name == ".kind" or body["x-requirement"] in ("R", "C", "P", "O"), name


def test_required_fields_of_the_schema_are_those_marked_r() -> None:
    for kind in KINDS:
        schema: Any = json_schema(kind)
        for name, block in {"": schema, **schema["$defs"]}.items():
            marked = {field for field, body in block.get("properties", {}).items() if body.get("x-requirement") == "R"}
            assert marked == set(block.get("required", [])) - {"kind"}, (kind, name)


def test_schema_of_an_unknown_kind() -> None:
    with pytest.raises(FormError) as refused:
        json_schema("EXTRADITION")
    assert refused.value.code is codes.FORM_KIND
