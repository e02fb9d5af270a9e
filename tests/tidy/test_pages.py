"""Pages name everything that they are about: every command, every local route with its query and its fields, every call of peers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import click
import pytest

from node.cli.boundary import Commands
from node.local.routes import ROUTES
from tests.tidy.source import ROOT, modules

SHOWN = ("node.local.views", "node.local.holding", "node.local.outbox", "node.local.operation", "node.local.uploading", "node.inspecting")
LOGGED = {"envelope"}  # of an act, never shown
_CALL = re.compile(r"^\| `([A-Z]+) (/[^` ]+)`((?: [SI])*) \|(.*)\|$", re.MULTILINE)
_ADDED = re.compile(r'add_(get|head|post|put)\(\s*"([^"]+)"')


def _page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _commands(command: click.Command, name: str) -> Iterator[str]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for each in command.list_commands(context):
            found = command.get_command(context, each)
            assert found is not None
            yield from _commands(found, f"{name} {each}")
        if not command.invoke_without_command:
            return
    yield name


def _plain(path: str) -> str:
    """A path whose variable pieces have lost their patterns."""
    return re.sub(r"\{(\w+):(?:[^{}]|\{[^{}]*\})*\}", r"{\1}", path)


@pytest.mark.parametrize("command", [*_commands(Commands(name="rogatory"), "rogatory")])
def test_every_command_stands_on_its_page(command: str) -> None:
    assert re.search(rf"^    {re.escape(command)}\b", _page("docs/commands.md"), re.MULTILINE)


def test_the_page_of_the_local_api_has_every_route_and_no_other() -> None:
    told = {(method, path): flags.split() for method, path, flags, _ in _CALL.findall(_page("docs/local-api.md"))}
    real = {(r.method, _plain(r.path)): ["S"] * r.socket + ["I"] * r.once for r in ROUTES}
    assert told == real


def test_each_route_names_what_its_query_knows() -> None:
    rows = {(method, path): text for method, path, _, text in _CALL.findall(_page("docs/local-api.md"))}
    missing = [(r.path, name) for r in ROUTES for name in r.query if f"`{name}" not in rows[r.method, _plain(r.path)]]
    assert not missing


def test_the_page_of_the_local_api_names_every_field_that_is_shown() -> None:
    fields = set()
    for module in modules():
        if module.name in SHOWN:
            tables = [node for node in ast.walk(module.tree) if isinstance(node, ast.Dict)]
            fields |= {key.value for table in tables for key in table.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
    assert len(fields) > 80, "the test looks in the wrong place"
    page = _page("docs/local-api.md")
    assert not [name for name in sorted(fields - LOGGED) if not re.search(rf"[`\"]{name}[`=\[\"]", page)]


def test_the_specification_names_every_call_of_peers() -> None:
    added = {(method.upper(), _plain(path)) for m in modules() if m.name.startswith("node.") and m.name.endswith("server")
             for method, path in _ADDED.findall(m.text)}  # fmt: skip
    assert len(added) >= 12, "the test looks in the wrong place"
    rows = [line for line in _page("protocol/SPEC.md").splitlines() if line.startswith("| `")]
    for method, path in added:
        steps = [r"<[^>]+>" if step.startswith("{") else re.escape(step) for step in path.split("/")]
        wanted = re.compile(rf"\b{method}\b[A-Z`, ]* {'/'.join(steps)}(?![\w/])")
        assert any(wanted.search(row) for row in rows), f"{method} {path}"
