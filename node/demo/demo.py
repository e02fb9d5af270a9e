"""`rogatory demo`: three authorities on this machine exchange real requests, and every proof is verified as an auditor would."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from exchange.auditor.examination import verify_bundle
from node.clock import SystemClock, monotonic_ms
from node.demo import content
from node.demo.picture import carrying, farewell, picture
from node.demo.stage import Actor, Told, await_receipts, raised

AUTHORITIES = ("xa-ca", "xb-ca", "xc-ca")


@click.command(epilog="Exit codes: 0 every proof was verified, 1 something was refused or got stuck, 2 usage.")
@click.option("--once", is_flag=True, help="End by itself when everything is verified, also on a terminal.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Leave the proofs here, one folder per message."
)
@click.option("--json", "as_json", is_flag=True, help="Only one JSON object, on the last line.")
def demo(once: bool, out: Path | None, as_json: bool) -> None:
    """See everything work: three authorities, six messages, 200 MiB of evidence, every proof verified.

    \b
    rogatory demo
    rogatory demo --once --out proofs --json
    """
    stay = sys.stdin.isatty() and not once and not as_json
    screen = Console(stderr=as_json, quiet=as_json, highlight=False)
    with (
        tempfile.TemporaryDirectory(prefix="rogatory-demo-") as temporary,
        nullcontext(out) if out else tempfile.TemporaryDirectory(prefix="rogatory-proofs-") as proofs,
    ):
        folder = Path(temporary)
        result = _play(folder, Path(proofs or ""), screen, stay=stay, kept=out is not None)
    if as_json:
        click.echo(json.dumps(result))
    if not result["verified"]:
        raise SystemExit(1)


def _play(folder: Path, out: Path, screen: Console, *, stay: bool, kept: bool) -> dict[str, Any]:
    started = monotonic_ms()
    with screen.status("writing the evidence: 200 MiB, a PDF, a picture …"):
        files = content.make_files(folder / "files")
    with screen.status("founding an exercise network and starting three nodes …") as status, raised(
        folder / "world", AUTHORITIES
    ) as (world, actors):
        status.stop()
        screen.print("[bold]An exercise network[/bold]: three authorities, each with a node and a log of its own.\n")
        told = [_verified(each, actors, world.root_file, out) for each in _story(actors, files, screen)]
        (out / "root.json").write_bytes(world.root_file.read_bytes())
        picture(screen, told, actors)
        result = _result(told, out, monotonic_ms() - started)
        farewell(screen, actors["xa-ca"], out, stay=stay, kept=kept, verified=bool(result["verified"]))
        if stay:
            sys.stdin.readline()
    return result


def _story(actors: dict[str, Actor], files: dict[str, content.File], screen: Console) -> list[Told]:
    """Six messages in the order of a real case."""
    xa, xb, xc = (actors[name] for name in AUTHORITIES)
    evidence = [files[name] for name in ("order.pdf", "payments.png", "server-image.bin")]
    records = [files[name] for name in ("C-0933-1-statements.pdf", "C-0933-2-access-log.csv")]
    told: list[Told] = []

    def tell(actor: Actor, to: str, kind: str, form: dict[str, Any], about: str, **more: Any) -> str:
        number = len(told) + 1
        before = monotonic_ms()
        with carrying(screen, f"{number}. {kind} from {actor.place.authority} to {to} …") as watch:
            message = {"from": f"{actor.place.authority}/{more.pop('office')}", "to": [to], "kind": kind, "form": form, **more}
            sent = actor.send(message)
            done = await_receipts(actor, sent["message_id"], watch)
        took = monotonic_ms() - before
        told.append(Told(number, actor.place.authority, to, kind, more.get("lane", "routine"), about, {**sent, **done}, took))
        screen.print(f"  {number}  [bold]{kind}[/bold]  {actor.place.authority} ──▶ {to}  [dim]{took} ms[/dim]")
        screen.print(f"     {about}")
        return str(sent["message_id"])

    asked = tell(xa, "xb-ca/247", "EE_PRESERVE", content.form("preserve"), "keep this account's data; approved by a second person",
                 office="247", lane="urgent")  # fmt: skip
    tell(xb, "xa-ca/247", "PRESERVATION_REPLY", content.form("preserve-reply"), "one item preserved for 60 days, one not held",
         office="247", lane="urgent", answers=asked)  # fmt: skip
    wanted = tell(xa, "xc-ca/mla", "MLA_RECORDS", content.records_request(evidence),
                  "bank records; with an order, a picture, 200 MiB of evidence",
                  office="mla", attachments=_attachments(evidence))  # fmt: skip
    tell(xc, "xa-ca/mla", "ACKNOWLEDGEMENT", content.form("acknowledgement"), "registered, with a case officer",
         office="mla", answers=wanted)  # fmt: skip
    handed = tell(xc, "xa-ca/mla", "EVIDENCE_HANDOVER", content.handover(records), "statements and an access log, under conditions",
                  office="mla", answers=wanted, attachments=_attachments(records))  # fmt: skip
    tell(xa, "xc-ca/mla", "EVIDENCE_RECEIPT", content.receipt(records), "every digest verified, conditions accepted",
         office="mla", answers=handed)  # fmt: skip
    return told


def _attachments(files: list[content.File]) -> list[dict[str, str]]:
    return [
        {"path": str(file.path), "filename": file.path.name, "media_type": file.media_type, "role": file.role} for file in files
    ]


def _verified(told: Told, actors: dict[str, Actor], root_file: Path, out: Path) -> Told:
    """Export the message at its sender, and verify the folder as an auditor who has nothing but the root file."""
    folder = out / f"{told.number}-{told.kind.lower().replace('_', '-')}"
    out.mkdir(parents=True, exist_ok=True)
    client: Callable[..., Any] = actors[told.sender].client.post
    client(f"/v1/messages/{told.message['message_id']}/export", {"out": str(folder.absolute()), "disclose": []})
    report = verify_bundle(folder, root_file.read_bytes(), SystemClock().now())
    return replace(told, verdict=str(report.verdict))


def _result(told: list[Told], out: Path, ms: int) -> dict[str, Any]:
    return {
        "verified": all(each.verdict == "proven" for each in told),
        "out": str(out),
        "trust": str(out / "root.json"),
        "seconds": round(ms / 1000, 1),
        "messages": [
            {
                "number": each.number, "kind": each.kind, "from": each.sender, "to": each.recipient, "lane": each.lane,
                "message_id": each.message["message_id"], "verdict": each.verdict, "ms": each.ms,
                "folder": f"{each.number}-{each.kind.lower().replace('_', '-')}",
            }
            for each in told
        ],
    }  # fmt: skip
