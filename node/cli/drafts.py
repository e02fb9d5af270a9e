"""`rogatory drafts` and `rogatory approve`: messages that wait for a second person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from node.cli.client import NodeClient
from node.cli.content import form_lines
from node.cli.ids import draft_id, person_id
from node.cli.options import home_of, home_option, json_option, person_option
from node.cli.screen import at, pairs, short, show, table


@click.group(invoke_without_command=True)
@click.pass_context
@click.option(
    "--home",
    type=click.Path(path_type=Path),
    envvar="ROGATORY_HOME",
    show_envvar=True,
    metavar="DIR",
    help="The node's folder.",
)
@json_option
def drafts(ctx: click.Context, home: Path | None, as_json: bool) -> None:
    """Messages that wait for a second person.

    \b
    rogatory drafts --home DIR
    rogatory drafts show --home DIR 5f2c81
    rogatory drafts reject --home DIR 5f2c81 --as PERSON --reason "wrong office"
    """
    if ctx.invoked_subcommand is not None:
        return
    if home is None:
        raise click.UsageError("Missing option '--home' (env var: 'ROGATORY_HOME').")
    place = home_of(home)
    items = list(NodeClient(place.path).items("/v1/drafts"))
    rows = [
        (short(d["draft_id"]), d["kind"] or "-", d["from"], ", ".join(d["to"]), short(d["actor"]), at(d["created"]))
        for d in items
    ]
    show(
        {"items": items},
        lambda: table(rows, ("draft", "kind", "from", "to", "written by", "since"), "no drafts wait"),
        as_json=as_json,
        home=place.path,
    )


@drafts.command("show")
@home_option
@click.argument("draft")
@click.option("--as", "person", metavar="PERSON", help="Who reads. Default: the operator of the node.")
@json_option
def show_draft(home: Path, draft: str, person: str | None, as_json: bool) -> None:
    """Everything that DRAFT would say, for the person who approves it. That it was read is logged."""
    place = home_of(home)
    node = NodeClient(place.path)
    reader = person_id(node, person) if person else None
    found: dict[str, Any] = node.get(f"/v1/drafts/{draft_id(node, draft)}", actor=reader)
    show(found, lambda: _lines(found), as_json=as_json, home=place.path)


@drafts.command(epilog="Exit codes: 0 rejected, 1 refused, 2 usage, 5 no node is running.")
@home_option
@click.argument("draft")
@person_option
@click.option("--reason", required=True, help="Why, for the one who wrote it.")
@json_option
def reject(home: Path, draft: str, person: str, reason: str, as_json: bool) -> None:
    """Reject DRAFT: it is never sent."""
    place = home_of(home)
    node = NodeClient(place.path)
    whole = draft_id(node, draft)
    answer = node.post(f"/v1/drafts/{whole}/reject", {"actor": person_id(node, person), "reason": reason})
    show(
        answer or {"draft_id": whole, "state": "rejected"},
        lambda: [f"draft {short(whole)} is rejected"],
        as_json=as_json,
        home=place.path,
    )


@click.command(epilog="Exit codes: 0 approved and submitted, 1 refused, 2 usage, 5 no node is running.")
@home_option
@click.argument("draft")
@person_option
@json_option
def approve(home: Path, draft: str, person: str, as_json: bool) -> None:
    """Approve DRAFT; it is sent at once. Nobody approves what they wrote themselves.

    \b
    rogatory approve --home DIR 5f2c81 --as PERSON
    """
    place = home_of(home)
    node = NodeClient(place.path)
    answer: dict[str, Any] = node.post(f"/v1/drafts/{draft_id(node, draft)}/approve", {"actor": person_id(node, person)})
    log = answer.get("log") or {}
    facts = {
        "message": answer.get("message_id"),
        "state": answer.get("state"),
        "logged": f"{log['origin']} entry {log['index']}" if log else None,
    }
    show(answer, lambda: pairs(facts), as_json=as_json, home=place.path)


def _lines(found: dict[str, Any]) -> list[str]:
    facts = {
        "draft": found["draft_id"],
        "kind": found["kind"],
        "from": found["from"],
        "to": ", ".join(found["to"]),
        "lane": found.get("lane"),
        "written by": short(found["actor"]),
        "since": at(found.get("created")),
    }
    attachments = [(a.get("filename"), a.get("media_type"), a.get("role")) for a in found.get("attachments") or []]
    shown = table(attachments, ("file", "type", "role"), "") if attachments else []
    return [*pairs(facts), *shown, "", *form_lines(found.get("form") or {})]
