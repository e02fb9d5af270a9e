"""`rogatory show`: one message with its proofs' places; its content and its parts for the officer who says why."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from node import codes
from node.cli.bars import Tell, bars
from node.cli.client import NodeClient
from node.cli.content import form_lines
from node.cli.ids import message_id, person_id
from node.cli.inbox import bracket
from node.cli.options import PATH, home_of, home_option, json_option
from node.cli.screen import at, pairs, size, table
from node.cli.screen import show as show_value
from protocol.errors import LocalError

_NAME: Final = 120  # characters of a file name that every system takes


@click.command(epilog="Exit codes: 0 shown, 1 refused, 2 usage, 5 no node is running.")
@home_option
@click.argument("message")
@click.option("--content", is_flag=True, help="Show what it says. Logged as accessed, before it is shown.")
@click.option(
    "--save-parts", type=PATH, metavar="DIR", help="Save its attachments into a new or empty folder. Logged as handed over."
)
@click.option("--purpose", metavar="TEXT", help="Why; needed for content and parts.")
@click.option("--as", "person", metavar="PERSON", help="Who reads; needed for content and parts.")
@json_option
def show(
    home: Path, message: str, content: bool, save_parts: Path | None, purpose: str | None, person: str | None, as_json: bool
) -> None:
    """Show one message; with --content what it says.

    \b
    rogatory show --home DIR 5f2c81
    rogatory show --home DIR 5f2c81 --content --purpose "case A-12" --as PERSON
    rogatory show --home DIR 5f2c81 --save-parts evidence --purpose "case A-12" --as PERSON
    """
    reads = content or save_parts is not None
    if reads and not (purpose and person):
        raise click.UsageError("Reading content needs --purpose TEXT and --as PERSON: both are logged.")
    place = home_of(home)
    node = NodeClient(place.path)
    whole = message_id(node, message)
    why = {"purpose": purpose, "actor": person_id(node, person)} if reads and person else {}
    query = {"content": 1, **why} if reads else {}
    found: dict[str, Any] = node.get(f"/v1/messages/{whole}", **query)
    saved = [] if save_parts is None else _save(node, whole, found, save_parts, why, quiet=as_json)
    value = {**found, **({"saved": saved} if save_parts is not None else {})}
    show_value(value, lambda: _lines(found, content, saved), as_json=as_json, home=place.path)


def _save(
    node: NodeClient, whole: str, found: dict[str, Any], folder: Path, query: dict[str, Any], *, quiet: bool
) -> list[dict[str, Any]]:
    """Save every attachment under its own name made harmless, each in one pass. What is not whole or is altered is removed again."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise LocalError(codes.HOME_EXISTS, str(folder))
    saved = []
    with bars(quiet=quiet) as tell:
        for number, part in enumerate(found["content"]["attachments"], 1):
            path = folder / f"{number}-{_harmless(str(part['filename']))}"
            pieces = _told(node.stream(f"/v1/messages/{whole}/parts/{number}", **query), tell, path.name, part["length"])
            try:
                saved.append({"part": number, "file": str(path), "sha256": _write(path, pieces, number, part["sha256"])})
            except BaseException:
                path.unlink(missing_ok=True)
                raise
    return saved


def _told(pieces: Iterator[bytes], tell: Tell, name: str, length: int) -> Iterator[bytes]:
    done = 0
    for piece in pieces:
        yield piece
        done += len(piece)
        tell(name, name, done, length)


def _write(path: Path, pieces: Iterator[bytes], number: int, sha256: str) -> str:
    """The SHA-256 of what was written. Raises PART-ALTERED when it is another than the letter says."""
    digest = hashlib.sha256()
    with path.open("xb") as file:
        for piece in pieces:
            digest.update(piece)
            file.write(piece)
    if digest.hexdigest() != sha256:
        raise LocalError(codes.PART_ALTERED, f"part {number}")
    return digest.hexdigest()


def _harmless(name: str) -> str:
    """A stranger's file name without folders, control characters or a leading dot."""
    text = "".join(c if c.isprintable() and c not in '/\\:*?"<>|' else "_" for c in name).lstrip(". ")
    return text[-_NAME:] or "part"


def _lines(found: dict[str, Any], content: bool, saved: list[dict[str, Any]]) -> list[str]:
    facts = {
        "message": found["message_id"],
        "direction": found["direction"],
        "from": found["sender"],
        "to": ", ".join(found["recipients"]),
        "lane": found["lane"],
        "time": at(found["time"]),
        "expires": at(found["expires"]),
        "logged": found.get("index"),
        "submission": found["submitted"]["grade"],
        "first shown": bracket(found["submitted"]),
        "envelope": found["envelope_hash"],
        "conversation": found["conversation"],
    }
    rows = [
        (d["authority"], d["state"], d["attempts"], d.get("last_code") or "-", d.get("grade") or "-", bracket(d))
        for d in found["deliveries"]
    ]
    lines = [*pairs(facts), "", *table(rows, ("authority", "state", "tries", "last code", "receipt", "shown"), "")]
    letter = found.get("content")
    if letter and content:
        parts = [
            (n, a["filename"], a["media_type"], a["role"], size(a["length"])) for n, a in enumerate(letter["attachments"], 1)
        ]
        lines += [
            "",
            *pairs(
                {
                    "kind": letter["kind"],
                    "office": letter["from"],
                    "to": ", ".join(letter["to"]),
                    "answers": letter.get("answers"),
                }
            ),
        ]
        lines += ["", *form_lines(letter["form"])]
        lines += ["", *table(parts, ("part", "file", "type", "role", "size"), "no attachments")]
    return [*lines, *(f"saved  {each['file']}" for each in saved)]
