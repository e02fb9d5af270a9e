"""`rogatory forms`: the kinds of form there are, what each must hold, and whether a form would be taken. Needs no node."""

from __future__ import annotations

import json
from pathlib import Path

import click

from node.cli.options import FILE, json_option
from node.cli.screen import show, table


@click.group()
def forms() -> None:
    """The kinds of form, their fields, and checking a form.

    \b
    rogatory forms list
    rogatory forms schema EE_PRESERVE
    rogatory forms example EE_PRESERVE > request.json
    rogatory forms check EE_PRESERVE request.json
    """


@forms.command("list")
@json_option
def list_forms(as_json: bool) -> None:
    """The kinds, and the fields that each requires."""
    from protocol.forms.registry import KINDS, json_schema

    found = {kind: list(json_schema(kind)["required"]) for kind in KINDS}  # type: ignore[call-overload]
    value = {"items": [{"kind": kind, "required": fields} for kind, fields in found.items()]}
    show(
        value,
        lambda: table([(k, len(f), ", ".join(f)) for k, f in found.items()], ("kind", "required", "fields"), ""),
        as_json=as_json,
    )


@forms.command()
@click.argument("kind")
@click.option("--json", "as_json", is_flag=True, help="The same: a schema is JSON.")
def schema(kind: str, as_json: bool) -> None:
    """Print the JSON Schema (2020-12) of KIND. Exit code 1: no such kind."""
    from protocol.forms.registry import json_schema

    click.echo(json.dumps(json_schema(kind), indent=None if as_json else 1))


@forms.command(epilog="Exit codes: 0 it would be taken, 1 it would not; every wrong field is named.")
@click.argument("kind")
@click.argument("file", type=FILE)
@json_option
def check(kind: str, file: Path, as_json: bool) -> None:
    """Check a form of KIND in FILE as a node would: every wrong field at once, and advice."""
    from protocol.forms.registry import parse_form, warnings

    advice = warnings(parse_form(kind, file.read_bytes()))
    value = {"kind": kind, "valid": True, "advice": [problem.as_dict() for problem in advice]}
    text = [f"{kind}: complete", *(f"  advice  {p.loc or '/'}: {p.msg} [{p.code}]" for p in advice)]
    show(value, lambda: text, as_json=as_json)


@forms.command()
@click.argument("kind")
@click.option("--json", "as_json", is_flag=True, help="The same: a form is JSON.")
def example(kind: str, as_json: bool) -> None:
    """Print a worked example of KIND, to begin with. Exit code 1: no such kind."""
    from importlib import resources

    from protocol.forms.registry import json_schema, parse_form

    json_schema(kind)
    folder = resources.files("protocol.forms").joinpath("examples")
    raw = folder.joinpath(_EXAMPLES[kind]).read_bytes()
    parse_form(kind, raw)
    click.echo(json.dumps(json.loads(raw)) if as_json else raw.decode().rstrip())


_EXAMPLES = {
    "EE_PRESERVE": "preserve.json",
    "PRESERVATION_REPLY": "preserve-reply.json",
    "MLA_RECORDS": "mla-records.json",
    "ACKNOWLEDGEMENT": "acknowledgement.json",
    "EVIDENCE_HANDOVER": "evidence-handover.json",
    "EVIDENCE_RECEIPT": "evidence-receipt.json",
}
