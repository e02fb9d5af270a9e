"""The forms there are, and the four things done with them: parse, render, warn, print the schema.

Adding a kind: write its class beside the others (fields and rules) and name it in ``KINDS``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from protocol import codes
from protocol.forms import tree
from protocol.forms.acknowledgement import Acknowledgement
from protocol.forms.evidence import EvidenceHandover, EvidenceReceipt
from protocol.forms.form import Declarations, Form, mark_of
from protocol.forms.preservation import EePreserve, PreservationReply
from protocol.forms.problems import FormError, Problem, Wrong
from protocol.forms.records import MlaRecords
from protocol.forms.tree import Node

_FORMS: tuple[type[Form], ...] = (EePreserve, PreservationReply, MlaRecords, Acknowledgement, EvidenceHandover, EvidenceReceipt)
KINDS: Final[Mapping[str, type[Form]]] = MappingProxyType({form.kind: form for form in _FORMS})

NOTHING_DECLARED: Final = Declarations()


def parse_form(kind: str, raw: bytes, declared: Declarations = NOTHING_DECLARED) -> Form:
    """The form of these JSON bytes. ``declared``: facts of directory and treaty table that rules need.

    Raises FormError: FORM-KIND for a kind without a form or another kind inside, FORM-JSON for bytes that are not strict
    JSON, FORM-INVALID with every wrong field in ``errors``.
    """
    model = _model(kind)
    value = tree.read(raw)
    said = value.pop("kind", None)
    if said is not None and said != kind:
        raise FormError(codes.FORM_KIND, f"asked for {kind}, the form says another")
    missing = [Node(None, "/kind").wrong(Wrong.MISSING, "is required")] if said is None and model.kind_required else []
    return _checked(model, value, declared, missing)


def render_form(form: Form, declared: Declarations = NOTHING_DECLARED) -> bytes:
    """The canonical JSON of a form: names sorted, no spaces, UTF-8, absent fields left out, ``kind`` always in.

    ``parse_form(form.kind, render_form(form)) == form``. Raises FORM-INVALID for a form made by hand that breaks a rule:
    the constructor checks fields one by one, the rules about several run here.
    """
    value = _plain(form)
    if _checked(type(form), value, declared, []) != form:
        raise FormError(codes.FORM_INVALID, "the form does not survive its own JSON")
    return tree.write({**value, "kind": form.kind})


def warnings(form: Form, declared: Declarations = NOTHING_DECLARED) -> list[Problem]:
    """Advice, sorted by place: fields that practice asks for and that are missing, and what looks unwise. Blocks nothing."""
    root = Node(_plain(form))
    said = [problem for rule in form.advice for problem in rule(root, declared)]
    places = {problem.loc for problem in said}
    missing = [problem for problem in _practice(form, "") if problem.loc not in places]
    return sorted({*said, *missing})


def json_schema(kind: str) -> dict[str, object]:
    """The JSON Schema (2020-12) of a kind: shapes, marks and sources. Rules about several fields are beyond it.

    Raises FORM-KIND.
    """
    model = _model(kind)
    schema: dict[str, Any] = model.model_json_schema(by_alias=True)
    required = ["kind", *schema.get("required", [])] if model.kind_required else schema.get("required", [])
    properties = {"kind": {"const": kind, "title": "Kind", "description": "Kind of form. Source: domain 1.0, 1.10"}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:rogatory:form:{kind}",
        **schema,
        "title": kind,
        "properties": {**properties, **schema["properties"]},
        "required": required,
    }


def _model(kind: str) -> type[Form]:
    model = KINDS.get(kind)
    if model is None:
        raise FormError(codes.FORM_KIND, f"kinds: {', '.join(KINDS)}")
    return model


def _checked(model: type[Form], value: dict[str, object], declared: Declarations, wrong: list[Problem]) -> Form:
    """Fields and rules in one pass, so that everything wrong is told at once; what a field says about itself comes first."""
    root = Node(value)
    problems = [*wrong, *tree.texts(root)]
    form: Form | None = None
    try:
        form = model.model_validate_json(tree.write(value), by_alias=True, by_name=False)
    except ValidationError as error:
        problems += _of_fields(error)
    known = {problem.loc for problem in problems}
    for rule in model.rules:
        problems += [problem for problem in rule(root, declared) if problem.loc not in known]
    if problems or form is None:
        raise FormError(codes.FORM_INVALID, errors=problems)
    return form


_CODES: Final[Mapping[str, tuple[Wrong, str]]] = {
    "missing": (Wrong.MISSING, "is required"),
    "extra_forbidden": (Wrong.UNKNOWN_FIELD, "is no field of this form"),
    "enum": (Wrong.NOT_IN_LIST, "is not on the list"),
    "literal_error": (Wrong.NOT_IN_LIST, "is not on the list"),
    "too_short": (Wrong.LENGTH, "has too few elements"),
    "too_long": (Wrong.LENGTH, "has too many elements"),
    "greater_than_equal": (Wrong.RANGE, "is too small"),
    "less_than_equal": (Wrong.RANGE, "is too large"),
}
_LISTED = frozenset({"enum", "literal_error"})


def _of_fields(error: ValidationError) -> Iterator[Problem]:
    own = {code.value for code in Wrong}
    errors = error.errors(include_url=False, include_input=False)
    above = {found["loc"][:depth] for found in errors for depth in range(len(found["loc"]))}
    for found in errors:
        kind = found["type"]
        if kind == "too_short" and found["loc"] in above:
            continue  # pydantic counts sound elements only; the unsound one is told already
        if kind in own:
            code, says = Wrong(kind), found["msg"]
        else:
            code, says = _CODES.get(kind, (Wrong.WRONG_TYPE, "is of another type"))
        if kind in _LISTED:
            says = f"is not one of {found['ctx']['expected']}"
        elif kind not in own and code in (Wrong.WRONG_TYPE, Wrong.RANGE):
            says = f"{says}: {found['msg'].lower()}"
        yield Problem(tree.pointer(found["loc"]), code, says)


def _plain(form: Form) -> dict[str, object]:
    value: dict[str, object] = form.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return value


def _practice(block: BaseModel, loc: str) -> Iterator[Problem]:
    for name, field in type(block).model_fields.items():
        value = getattr(block, name)
        place = f"{loc}/{field.alias or name}"
        if value in (None, ()) and mark_of(field) == "P":
            yield Problem(place, Wrong.PRACTICE_MISSING, "is missing; practice asks for it")
        for step, child in _blocks(value, place):
            yield from _practice(child, step)


def _blocks(value: object, place: str) -> Iterator[tuple[str, BaseModel]]:
    if isinstance(value, BaseModel):
        yield place, value
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            if isinstance(item, BaseModel):
                yield f"{place}/{index}", item
