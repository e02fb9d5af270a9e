"""`rogatory send`: a form and its attachments to the running node; with --wait until every recipient has it."""

from __future__ import annotations

import json
import mimetypes
import os
import re
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from node import codes
from node.cli.bars import bars
from node.cli.boundary import clean
from node.cli.client import NodeClient
from node.cli.ids import message_id, person_id
from node.cli.options import Span, home_of, home_option, json_option
from node.cli.screen import pairs, short, show
from node.clock import SystemClock
from protocol.delivery import OPEN, State
from protocol.errors import LocalError

_MEDIA: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}\Z")
_ROLE: Final = re.compile(r"[a-z0-9_-]{1,64}\Z")
_POLL: Final = 0.5  # seconds


class Attachment(click.ParamType[dict[str, str]]):
    """FILE[:media/type[:role]]. Gives what the API takes: the node reads the file itself."""

    name = "attachment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, str]:
        """Raises a usage error for a file that is not there."""
        if isinstance(value, dict):
            return value
        path, media_type, role = _pieces(value)
        file = Path(path)
        if not file.is_file():
            self.fail(f"there is no file {path!r}.", param, ctx)
        guessed = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return {
            "path": str(file.absolute()),
            "filename": file.name,
            "media_type": media_type or guessed,
            "role": role or "enclosure",
        }


@click.command(
    epilog="Exit codes: 0 submitted (--wait: delivered to all), 1 refused or not delivered, 2 usage, 5 no node is running."
)
@home_option
@click.option("--from", "sender", required=True, metavar="OFFICE", help="Our office: xa-ca/247.")
@click.option(
    "--to", "recipients", multiple=True, required=True, metavar="OFFICE", help="Their office: xb-ca/247. May be repeated."
)
@click.option("--kind", required=True, help="The kind of form: see `rogatory forms list`.")
@click.option("--form", type=click.File("rb"), required=True, metavar="FILE", help="The form as JSON; - for standard input.")
@click.option(
    "--attach",
    "attachments",
    type=Attachment(),
    multiple=True,
    metavar="FILE[:media/type[:role]]",
    help="A file. May be repeated.",
)
@click.option("--urgent", is_flag=True, help="By the urgent lane: the duty officer is called. Without attachments.")
@click.option("--expires", type=Span(), metavar="WHEN", help="When to give up: 36h, 10d, or a time with its zone; 30d at most.")
@click.option("--as", "person", required=True, metavar="PERSON", help="Who sends: an id of `rogatory people list`.")
@click.option("--answers", metavar="ID", help="The message that this one answers.")
@click.option("--once", metavar="KEY", help="A key of yours, 8 characters at least: the same command with it sends once.")
@click.option("--wait", is_flag=True, help="Stay until every recipient has taken it, or it expired.")
@json_option
def send(
    home: Path,
    sender: str,
    recipients: Sequence[str],
    kind: str,
    form: Any,
    attachments: Sequence[dict[str, str]],
    urgent: bool,
    expires: int | str | None,
    person: str,
    answers: str | None,
    once: str | None,
    wait: bool,
    as_json: bool,
) -> None:
    """Send a request or an answer.

    \b
    rogatory send --home DIR --from xa-ca/247 --to xb-ca/247 --kind EE_PRESERVE --form request.json --as PERSON --wait

    Where the office needs a second person, the message becomes a draft: see `rogatory approve`.
    """
    node = NodeClient(home_of(home).path)
    body: dict[str, Any] = {
        "from": sender,
        "to": list(recipients),
        "kind": kind,
        "form": read_form(form),
        "lane": "urgent" if urgent else "routine",
        "actor": person_id(node, person),
        "attachments": list(attachments),
    }
    if expires is not None:
        body["expires"] = expires if isinstance(expires, str) else _rfc3339(SystemClock().now() + expires)
    if answers:
        body["answers"] = message_id(node, answers)
    answer = node.post("/v1/messages", body, once=once or os.urandom(16).hex())
    if "draft_id" in answer:
        show(answer, lambda: _draft_lines(answer), as_json=as_json, home=home)
        return
    if not wait:
        show(answer, lambda: _submitted_lines(answer), as_json=as_json, home=home)
        return
    message = await_receipts(node, answer["message_id"], quiet=as_json)
    show(message, lambda: [*_submitted_lines(answer), *delivery_lines(message)], as_json=as_json, home=home)
    if any(delivery["state"] != State.DELIVERED for delivery in message["deliveries"]):
        raise SystemExit(1)


def read_form(file: Any) -> dict[str, Any]:
    """The JSON object in this file. The node checks what it says. Raises FORM-FILE."""
    try:
        form = json.load(file)
    except (ValueError, RecursionError) as error:
        where = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise LocalError(codes.FORM_FILE, f"{file.name}{where}") from None
    if not isinstance(form, dict):
        raise LocalError(codes.FORM_FILE, file.name)
    return form


def await_receipts(node: NodeClient, whole_id: str, *, quiet: bool) -> dict[str, Any]:
    """Wait until no delivery is open; the message as it is then. Shows how far the attachments have come on a terminal."""
    with bars(quiet=quiet) as tell:
        while True:
            message: dict[str, Any] = node.get(f"/v1/messages/{whole_id}")
            for each in message["deliveries"]:
                name = each["authority"]
                tell(name, f"{name} {each['state']}", each.get("bytes_sent") or 0, each.get("bytes_total"))
            if not any(delivery["state"] in OPEN for delivery in message["deliveries"]):
                return message
            time.sleep(_POLL)  # noqa: TID251 - nothing to wait on: the change happens in another process


def delivery_lines(message: dict[str, Any]) -> Iterator[str]:
    """One line for each recipient."""
    for delivery in message["deliveries"]:
        code = f"  {delivery['last_code']}" if delivery.get("last_code") else ""
        yield f"{delivery['authority']}  {delivery['state']}{code}"


def _pieces(text: str) -> tuple[str, str, str]:
    """Path, media type and role; a path may hold colons itself."""
    path, colon, last = text.rpartition(":")
    if not colon or Path(text).is_file():
        return text, "", ""
    if _MEDIA.match(last):
        return path, last, ""
    before, colon, media_type = path.rpartition(":")
    if colon and _MEDIA.match(media_type) and _ROLE.match(last):
        return before, media_type, last
    return text, "", ""


def _draft_lines(answer: dict[str, Any]) -> list[str]:
    facts = {"draft": answer["draft_id"], "state": "waits for a second person"}
    return [*pairs(facts), f"next: rogatory approve {short(answer['draft_id'])} --as PERSON", *_advice(answer)]


def _submitted_lines(answer: dict[str, Any]) -> list[str]:
    log = answer["log"]
    facts = {"message": answer["message_id"], "state": answer["state"], "logged": f"{log['origin']} entry {log['index']}"}
    return [*pairs(facts), *_advice(answer)]


def _advice(answer: dict[str, Any]) -> Iterator[str]:
    for each in answer.get("advice") or ():
        yield f"advice  {clean(each['loc'] or '/')}: {clean(each['msg'])} [{clean(each['code'])}]"


def _rfc3339(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
