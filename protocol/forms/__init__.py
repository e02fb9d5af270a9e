"""Typed forms: what authorities say to each other, complete, strict and the same bytes every time.

    form = parse_form("EE_PRESERVE", raw)      every wrong field at once, in FormError.errors
    raw = render_form(form)                    canonical JSON
    for advice in warnings(form): ...          what practice would add
    json_schema("EE_PRESERVE")                 for the people who fill it in

README.md beside this file begins with an example. Fields and rules follow UNTOC, the Budapest Convention and the practice
of central authorities; each field's description names its clause.
"""

from protocol.forms.form import Declarations, Form
from protocol.forms.problems import FormError, Problem, Wrong
from protocol.forms.registry import KINDS, json_schema, parse_form, render_form, warnings

__all__ = [
    "KINDS",
    "Declarations",
    "Form",
    "FormError",
    "Problem",
    "Wrong",
    "json_schema",
    "parse_form",
    "render_form",
    "warnings",
]
