"""`rogatory export`: the proofs of one message, or our whole log, as a folder that anybody can verify offline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from node.cli.client import NodeClient
from node.cli.ids import message_id, person_id
from node.cli.options import PATH, home_of, home_option, json_option
from node.cli.screen import pairs, show


@click.command(epilog="Exit codes: 0 written, 1 refused, nothing was left behind, 2 usage, 5 no node is running.")
@home_option
@click.option("--message", metavar="ID", help="The message; the beginning of its id is enough.")
@click.option("--log", "whole_log", is_flag=True, help="Our whole log as C2SP tiles instead, with its policy beside it.")
@click.option("--messages", is_flag=True, help="With --log: every envelope and the other side's proofs too.")
@click.option("--n", type=click.IntRange(1), metavar="N", help="With --log: an earlier log of ours, by its number.")
@click.option("--out", type=PATH, required=True, metavar="DIR", help="A new or empty folder.")
@click.option(
    "--disclose",
    type=click.IntRange(0, 511),
    multiple=True,
    metavar="PART",
    help="Add the plaintext of this part; 0 is the form.",
)
@click.option("--as", "person", metavar="PERSON", help="Who discloses; needed with --disclose.")
@click.option("--purpose", default="export", metavar="TEXT", help="Why it is disclosed, at most 64 characters; logged.")
@json_option
def export(
    home: Path,
    message: str | None,
    whole_log: bool,
    messages: bool,
    n: int | None,
    out: Path,
    disclose: Sequence[int],
    person: str | None,
    purpose: str,
    as_json: bool,
) -> None:
    """Write the proofs of one message into a folder. Without --disclose nothing in it says what the message says.

    \b
    rogatory export --home DIR --message 5f2c81 --out proofs
    rogatory verify proofs --trust root.json
    rogatory export --home DIR --log --out log
    rogatory verify log --policy log/policy.txt
    rogatory export --home DIR --log --messages --out record
    rogatory verify record --trust root.json
    """
    if whole_log == (message is not None) or (whole_log and (disclose or person)) or ((n or messages) and not whole_log):
        raise click.UsageError("Name either --message ID or --log; --disclose and --as go with a message, --n and --messages with --log.")
    if disclose and not person:
        raise click.UsageError("Disclosing content needs --as PERSON: it is logged.")
    place = home_of(home)
    node = NodeClient(place.path)
    if message is None:
        _export_log(node, place.path, out, n, messages=messages, as_json=as_json)
        return
    whole = message_id(node, message)
    body: dict[str, Any] = {"out": str(out.absolute()), "disclose": list(disclose)}
    if person:
        body |= {"actor": person_id(node, person), "purpose": purpose}
    answer: dict[str, Any] = node.post(f"/v1/messages/{whole}/export", body) or {}
    value = {"message_id": whole, "out": str(out.absolute()), **answer}
    facts = {"message": whole, "written": out.absolute(), "verify": f"rogatory verify {out} --trust ROOT"}
    show(value, lambda: pairs(facts), as_json=as_json, home=place.path)


def _export_log(node: NodeClient, home: Path, out: Path, n: int | None, *, messages: bool, as_json: bool) -> None:
    body = {"out": str(out.absolute()), "messages": messages} | ({} if n is None else {"n": n})
    answer: dict[str, Any] = node.post("/v1/log/export", body)
    facts = {
        "log": answer["origin"], "entries": answer["size"], "written": out.absolute(),
        "verify": f"rogatory verify {out} --trust ROOT" if messages else f"rogatory verify {out} --policy {out / 'policy.txt'}",
    }  # fmt: skip
    show(answer, lambda: pairs(facts), as_json=as_json, home=home)
