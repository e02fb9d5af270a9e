"""The ground under every form: strict, frozen, closed models whose fields say what they mean and where the rule comes from.

A field is declared with one of four marks of the domain folder: ``R`` required (blocks), ``C`` required under a condition
(a rule blocks), ``P`` required by practice (warns), ``O`` optional. The mark and the source clause stand in the JSON Schema.
Rules about several fields are functions over the tree (``tree.Node``), listed in ``Form.rules`` and ``Form.advice``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from protocol.forms.codelists import Instrument
from protocol.forms.problems import Problem
from protocol.forms.tree import Node


@dataclass(frozen=True, slots=True)
class Declarations:
    """What a rule must know from outside the form: facts of the directory and of the treaty table, never of the form.

    ``in_force``: those of ``AWAITED`` that bind both States today; ``accepted_languages``: of the requested authority for this
    kind (UNTOC 18(14)), None when unknown; ``dual_criminality_reservation``: the requested State declared Budapest 29(4).
    """

    in_force: frozenset[Instrument] = frozenset()
    accepted_languages: frozenset[str] | None = None
    dual_criminality_reservation: bool = False


AWAITED = frozenset({Instrument.UNCYBER_2024, Instrument.BUDAPEST_2AP_2022})  # not in force unless the data says so

Rule: TypeAlias = Callable[[Node, Declarations], Iterator[Problem]]


class Block(BaseModel, frozen=True):
    """A group of fields: nothing unknown, nothing converted, nothing changed afterwards."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        validate_by_name=True,
        validate_by_alias=True,
    )


class Form(Block, frozen=True):
    """Base of all forms. ``kind`` names the form; ``kind_required``: whether its JSON must repeat the kind."""

    kind: ClassVar[str]
    kind_required: ClassVar[bool] = False
    rules: ClassVar[tuple[Rule, ...]] = ()
    advice: ClassVar[tuple[Rule, ...]] = ()


def required(says: str, source: str, **more: Any) -> Any:
    """A required field."""
    return _field("R", says, source, more)


def conditional(says: str, source: str, **more: Any) -> Any:
    """A field required under a condition, which a rule holds."""
    return _field("C", says, source, more)


def practice(says: str, source: str, **more: Any) -> Any:
    """A field that practice asks for: its absence warns."""
    return _field("P", says, source, more)


def optional(says: str, source: str, **more: Any) -> Any:
    """An optional field."""
    return _field("O", says, source, more)


def mark_of(field: FieldInfo) -> str:
    """The mark of a declared field: R, C, P or O."""
    extra = field.json_schema_extra
    return str(extra["x-requirement"]) if isinstance(extra, dict) else "O"


def _field(mark: str, says: str, source: str, more: dict[str, Any]) -> Any:
    return Field(description=f"{says}. Source: {source}", json_schema_extra={"x-requirement": mark}, **more)
