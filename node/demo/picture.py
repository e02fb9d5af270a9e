"""What the demo prints at its end: who logged what, who holds which proof, and how to go on by hand. 80 columns are enough."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from node.cli.screen import size
from node.demo.stage import Actor, Told


@contextmanager
def carrying(screen: Console, title: str) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A line while one message is on its way: with a bar and bytes when it has attachments. Nothing without a terminal."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[bytes]}"))
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bars:
        task = bars.add_task(title, total=None, bytes="")

        def watch(message: dict[str, Any]) -> None:
            sent = sum(each["bytes_sent"] for each in message["deliveries"])
            total = sum(each["bytes_total"] for each in message["deliveries"])
            bars.update(task, completed=sent, total=total or None, bytes=f"{size(sent)} of {size(total)}" if total else "")

        yield watch


def picture(screen: Console, told: Sequence[Told], actors: Mapping[str, Actor]) -> None:
    """One line per message, from the entry in the sender's log to the entry in the recipient's; then who holds what."""
    screen.print("\n[bold]Who logged what[/bold]  (entry numbers in each authority's own log)\n")
    for each in told:
        recipient = _authority(each)
        sent, kept = f"{each.sender} #{each.message['log']['index']}", f"{recipient} #{_receipt(each, recipient)}"
        colour = "green" if each.verdict == "proven" else "red"
        screen.print(
            f"  {each.number}  {each.kind:<19} {sent:>9} submitted ──▶ {kept:>9} consigned   [{colour}]{each.verdict}[/{colour}]"
        )
    screen.print("\n[bold]Who holds which proof[/bold]\n")
    for name, actor in actors.items():
        sent = ", ".join(str(each.number) for each in told if each.sender == name) or "none"
        came = ", ".join(str(each.number) for each in told if _authority(each) == name) or "none"
        log = actor.client.get("/v1/status")["log"]
        screen.print(f"  {name}  receipts for {sent};  proofs of what was sent to it: {came}")
        screen.print(f"         [dim]log of {log['size']} entries, head {log['root'][:16]}…, two signatures[/dim]")
    screen.print()


def farewell(screen: Console, actor: Actor, out: Path, *, stay: bool, kept: bool, verified: bool) -> None:
    """The verdict, and the commands for the next message. ``kept``: whether the proofs stay where they are."""
    colour, word = ("green", "Every proof was verified offline") if verified else ("red", "NOT every proof could be verified")
    screen.print(f"[bold {colour}]{word}[/bold {colour}], by the network's root file alone.\n")
    if not stay and not kept:
        screen.print("With --out DIR the proofs stay, for you to verify; on a terminal the nodes stay too.")
        return
    rogatory = command()
    screen.print("Do it yourself:")
    screen.print(f"  {rogatory} verify {out}/1-ee-preserve --trust {out}/root.json", soft_wrap=True)
    if not stay:
        return
    people = actor.people
    screen.print("\nThe three nodes are still running. Send the next request by hand, in another terminal:")
    screen.print(f"  export ROGATORY_HOME={actor.place.home.path}", soft_wrap=True)
    screen.print(f"  {rogatory} forms example EE_PRESERVE > request.json")
    send = f"{rogatory} send --from xa-ca/247 --to xb-ca/247 --kind EE_PRESERVE --form request.json --urgent --as"
    screen.print(f"  {send} {people['officer', 'xa-ca/247'][:8]}", soft_wrap=True)
    screen.print(f"  {rogatory} approve DRAFT --as {people['approver', 'xa-ca/247'][:8]}", soft_wrap=True)
    screen.print(f"  {rogatory} outbox list")
    screen.print("\nPress Enter here to stop the nodes and remove everything.", end=" ")


def command() -> str:
    """How this program is called from here: by name where it is on the path, by its place otherwise."""
    return "rogatory" if shutil.which("rogatory") else sys.argv[0]


def _authority(each: Told) -> str:
    return each.recipient.partition("/")[0]


def _receipt(each: Told, recipient: str) -> object:
    for delivery in each.message["deliveries"]:
        if delivery["authority"] == recipient:
            return delivery.get("receipt_index", "?")
    return "?"
