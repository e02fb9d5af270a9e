"""`rogatory outbox`: what was sent and where each delivery stands; hold one, try it again at once, give it up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from node.cli.client import NodeClient
from node.cli.ids import message_id
from node.cli.inbox import bracket, grades, limit_option, newest, states
from node.cli.options import home_of, home_option, json_option
from node.cli.screen import at, pairs, short, show, table

_STATES = ("queued", "wanted", "held", "undelivered", "refused", "rejected")


@click.group()
def outbox() -> None:
    """List what was sent; hold, retry or give up deliveries.

    \b
    rogatory outbox list --home DIR --state held
    rogatory outbox show --home DIR 5f2c81
    rogatory outbox retry --home DIR 5f2c81 xb-ca
    """


@outbox.command("list")
@home_option
@limit_option
@click.option("--open", "only_open", is_flag=True, help="Only deliveries that are not finished.")
@click.option("--state", type=click.Choice(_STATES), help="Only deliveries in this state.")
@click.option("--to", "recipient", help="Only deliveries to this authority.")
@click.option("--lane", type=click.Choice(["urgent", "routine"]), help="Only deliveries of this lane.")
@json_option
def list_outbox(
    home: Path, limit: int, only_open: bool, state: str | None, recipient: str | None, lane: str | None, as_json: bool
) -> None:
    """What was sent, newest first; with a filter, deliveries: how often they were tried, why they wait, and who must act."""
    place = home_of(home)
    node = NodeClient(place.path)
    narrowed = {name: value for name, value in (("state", state), ("recipient", recipient), ("lane", lane)) if value}
    rows: list[tuple[Any, ...]]
    head: tuple[str, ...]
    if only_open or narrowed:
        items = list(node.items("/v1/outbox", **narrowed))
        rows = [
            (short(d["message_id"]), d["recipient"], d["lane"], d["state"], d["attempts"], at(d.get("due")), at(d["expires"]),
             d.get("last_code") or "-", d.get("actor") or "-")
            for d in items
        ]  # fmt: skip
        head = ("message", "to", "lane", "state", "tries", "next try", "expires", "last code", "who must act")
        empty = "nothing waits"
    else:
        items = list(newest(node, "out", limit))
        rows = [
            (short(m["message_id"]), ", ".join(m["recipients"]), m["lane"], f"{states(m)} ({grades(m)})", at(m["time"]), at(m["expires"]))
            for m in items
        ]
        head, empty = ("message", "to", "lane", "state (receipt)", "sent", "expires"), "nothing was sent yet"
    show({"items": items}, lambda: table(rows, head, empty), as_json=as_json, home=place.path)


@outbox.command("show")
@home_option
@click.argument("message")
@json_option
def show_outbox(home: Path, message: str, as_json: bool) -> None:
    """Every delivery of MESSAGE: its state, tries, last refusal, next try."""
    place = home_of(home)
    node = NodeClient(place.path)
    found: dict[str, Any] = node.get(f"/v1/messages/{message_id(node, message)}")
    rows = [
        (d["authority"], d["state"], d["attempts"], d.get("last_code") or "-", at(d.get("due")), d.get("grade") or "-", bracket(d))
        for d in found["deliveries"]
    ]
    why = [
        f"{d['authority']}: {d['last_code']}: {d['says']}. {d['actor']} must act: {d['todo']}."
        for d in found["deliveries"]
        if d.get("says")
    ]
    head = pairs({"message": found["message_id"], "sent": at(found["time"]), "expires": at(found["expires"])})
    show(
        found,
        lambda: [*head, *table(rows, ("to", "state", "tries", "last code", "next try", "receipt", "shown"), ""), *why],
        as_json=as_json,
        home=place.path,
    )


def _command(action: str, says: str) -> Callable[..., None]:
    """One of the three things done with a delivery."""

    @outbox.command(action, help=says, epilog="Exit codes: 0 done, 1 refused, 2 usage, 5 no node is running.")
    @home_option
    @click.argument("message")
    @click.argument("recipient")
    @json_option
    def act(home: Path, message: str, recipient: str, as_json: bool) -> None:
        place = home_of(home)
        node = NodeClient(place.path)
        whole = message_id(node, message)
        answer = node.post(f"/v1/outbox/{whole}/{recipient}/{action}", {})
        value = answer or {"message_id": whole, "recipient": recipient, "done": action}
        show(value, lambda: [f"{short(whole)} to {recipient}: {action} done"], as_json=as_json, home=place.path)

    return act


hold = _command("hold", "Hold the delivery of MESSAGE to RECIPIENT until it is retried.")
retry = _command("retry", "Try the delivery of MESSAGE to RECIPIENT again at once.")
reject = _command("reject", "Give the delivery of MESSAGE to RECIPIENT up: it is logged as not delivered.")
