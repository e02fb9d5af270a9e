"""The commands and the boundary around them: what is refused becomes one clear sentence with its code, and an exit code.

    rogatory: CODE: what is wrong (detail). WHO must act: what to do.        on standard error, exit code 1
    {"error": {"code": ..., "check": ..., "says": ..., "detail": ..., "actor": ..., "todo": ...}}     with --json, standard output

A fault of the program itself shows its kind and place, never its values, which could be content.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import click

from node import codes
from protocol.errors import Actor, LocalError, RogatoryError

EXIT_REFUSED: Final = 1
EXIT_USAGE: Final = 2
EXIT_NO_NODE: Final = 5

# name -> (module:attribute, help in the list). In the order of a node's life.
COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "demo": ("node.demo.demo:demo", "See everything work: three authorities on this machine."),
    "init": ("node.cli.init:init", "Make a node's home, its keys and its request to join a network."),
    "run": ("node.cli.run:run", "Run the node of a home until it is stopped."),
    "status": ("node.cli.status:status", "What the running node is doing."),
    "doctor": ("node.cli.doctor:doctor", "Check a node and its home; say how to mend what is wrong."),
    "send": ("node.cli.send:send", "Send a request or an answer."),
    "drafts": ("node.cli.drafts:drafts", "Messages that wait for a second person."),
    "approve": ("node.cli.drafts:approve", "Approve a draft; it is sent at once."),
    "inbox": ("node.cli.inbox:inbox", "List what came."),
    "outbox": ("node.cli.outbox:outbox", "List what was sent; hold, retry or give up deliveries."),
    "show": ("node.cli.show:show", "Show one message, and its content to whoever may read it."),
    "export": ("node.cli.export:export", "Write the proofs of one message into a folder."),
    "verify": ("node.cli.verify:verify", "Verify an exported message, offline."),
    "forms": ("node.cli.forms:forms", "The kinds of form, their fields, and checking a form."),
    "people": ("node.cli.people:people", "Officers, as pseudonyms, and what they may do."),
    "keys": ("node.cli.keys:keys", "Show and change the keys of a node."),
    "backup": ("node.cli.backup:backup", "Back up a node, also while it runs; verify a backup."),
    "restore": ("node.cli.backup:restore", "Make a new home of a backup."),
    "log": ("node.cli.log:log", "When the log signs nothing: open it by hand, or replace it."),
    "directory": ("node.cli.directory:directory", "Found a network, join it, keep it, leave it."),
    "bench": ("node.benches.command:bench", "Measure this machine."),
}


class Commands(click.Group):
    """The group of all commands: imports one when it is called, and is the boundary where refusals end."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        return cast("click.Command", getattr(importlib.import_module(module), name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, says) for name, (_, says) in COMMANDS.items()])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Remember whether errors are wanted as JSON: also those that end the parsing."""
        ctx.meta["rogatory.json"] = "--json" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; say what is refused."""
        as_json = bool(ctx.meta["rogatory.json"])
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            if not as_json:
                raise
            _say_usage(error)
            ctx.exit(EXIT_USAGE)
        except (click.ClickException, click.exceptions.Exit, click.Abort, EOFError, BrokenPipeError):
            raise
        except Exception as error:
            refusal = _refusal_in(error)
            if refusal is None:
                if os.environ.get("ROGATORY_DEBUG"):
                    raise
                refusal = LocalError(codes.PROGRAM_FAULT, _place(error))
            say(refusal, as_json=as_json)
            ctx.exit(exit_code(refusal))


class AnsweredError(RogatoryError):
    """The running node refused: its problem document, as it came. ``errors``: every wrong field of a form."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        self.problem = problem
        super().__init__(codes.NODE_ANSWER, str(problem.get("detail", "")))

    def as_dict(self) -> dict[str, Any]:
        """The node's words."""
        found = {name: str(self.problem.get(name) or "") for name in ("code", "check", "detail", "actor", "todo")}
        found["says"] = str(self.problem.get("says") or self.problem.get("title") or "")
        errors = self.problem.get("errors")
        return {**found, "errors": errors} if errors else found


def say(error: RogatoryError, *, as_json: bool) -> None:
    """Print a refusal."""
    found: dict[str, Any] = dict(error.as_dict())
    errors = getattr(error, "errors", ())
    if errors and "errors" not in found:
        found["errors"] = [problem.as_dict() for problem in errors]
    if as_json:
        click.echo(json.dumps({"error": found}))
        return
    for line in _lines(found):
        click.echo(clean(line), err=True)


def clean(text: object) -> str:
    """Text from elsewhere, safe for a terminal: control and direction characters as escapes."""
    return "".join(c if c.isprintable() or c == " " else c.encode("unicode_escape").decode() for c in str(text))


def exit_code(error: RogatoryError) -> int:
    """5 when no node runs, else 1."""
    return EXIT_NO_NODE if error.code is codes.NODE_NOT_RUNNING else EXIT_REFUSED


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    errors = found.get("errors") or []
    detail = f" ({found['detail']})" if found["detail"] and not errors else ""
    who = "you" if found["actor"] == Actor.CALLER else found["actor"].partition(":")[0]
    act = f" {who[:1].upper()}{who[1:]} must act: {found['todo']}." if found["todo"] else ""
    yield f"rogatory: {found['code']}: {found['says']}{detail}.{act}"
    for problem in errors:
        yield f"  {problem.get('loc') or '/'}: {problem.get('msg', '')} [{problem.get('code') or problem.get('type', '')}]"


def _say_usage(error: click.UsageError) -> None:
    says = error.format_message().rstrip(".")
    click.echo(
        json.dumps(
            {
                "error": {
                    "code": "USAGE",
                    "check": "usage",
                    "says": says,
                    "detail": "",
                    "actor": str(Actor.CALLER),
                    "todo": "look at --help",
                }
            }
        )
    )


def _refusal_in(error: BaseException) -> RogatoryError | None:
    """The refusal to show: itself, the first one in a group, or a file that the machine would not give."""
    if isinstance(error, RogatoryError):
        return error
    if isinstance(error, BaseExceptionGroup):
        return next((found for each in error.exceptions if (found := _refusal_in(each)) is not None), None)
    if not isinstance(error, OSError):
        return None
    what = error.strerror or type(error).__name__
    return LocalError(codes.FILE_ACCESS, f"{error.filename}: {what}" if error.filename else what)


def _place(error: BaseException) -> str:
    """Kind and innermost line of a fault; in a group those of the first one."""
    if isinstance(error, BaseExceptionGroup):
        return _place(error.exceptions[0])
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {os.path.relpath(frame.filename, sys.path[0] or '.')}:{frame.lineno}"
