"""Starting the program: help at once, usage, versions, and the boundary that turns refusals into sentences."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import click
import pytest

from node import codes
from node.cli import boundary, main
from node.cli.boundary import COMMANDS, AnsweredError, clean, exit_code, say
from protocol.errors import LocalError
from tests.node.cli.conftest import ROOT, call, process

HEAVY = {"aiohttp", "pydantic", "cryptography", "nacl", "tuf", "structlog", "rich", "sqlite3", "asyncio"}


def test_help_imports_nothing_heavy():
    program = "import sys; from node.cli import main\ntry: main(['--help'])\nexcept SystemExit: print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "Commands:" in out
    loaded = {name.partition(".")[0] for name in out.splitlines()[-1].split()}
    assert "click" in loaded
    assert loaded & HEAVY == set()


def test_help_comes_within_300_ms():
    taken = []
    for _ in range(5):
        started = time.perf_counter()
        assert process("--help").returncode == 0
        taken.append(time.perf_counter() - started)
    assert min(taken) < 0.3, taken


@pytest.mark.parametrize("name", [name for name, (where, _) in COMMANDS.items() if where.startswith("node.cli")])
def test_every_command_has_help_with_an_example_and_json(name):
    said = call(name, "--help")
    assert said.code == 0, said
    assert "rogatory " in said.out.partition("\n\n")[2]
    command = main.get_command(click.Context(main), name)
    leaves = list(command.commands.values()) if isinstance(command, click.Group) else [command]
    while leaves:
        leaf = leaves.pop()
        if isinstance(leaf, click.Group):
            leaves += leaf.commands.values()
        elif leaf.name != "run":
            assert any("--json" in option.opts for option in leaf.params), leaf.name


def test_commands_that_refuse_say_their_exit_codes():
    for name in ("init", "run", "send", "approve", "show", "export", "verify", "doctor"):
        assert "Exit codes: 0" in call(name, "--help").out, name


def test_version_is_one_line():
    said = call("--version")
    assert said.code == 0
    assert said.out.startswith("rogatory ")
    assert said.out.count("\n") == 1


def test_unknown_command_is_usage():
    said = call("sned")
    assert said.code == 2
    assert "sned" in said.err


def test_usage_errors_are_json_when_asked():
    said = call("send", "--json")
    assert said.code == 2
    assert said.error == "USAGE"
    assert said.err == ""


@pytest.mark.parametrize("command", [["status"], ["inbox"], ["outbox", "list"], ["outbox", "retry", "abcd", "xb-ca"], ["people", "list"],
                                     ["drafts"], ["approve", "abcd", "--as", "P1"], ["show", "abcd"]])  # fmt: skip
def test_no_node_is_exit_code_5(member, command):
    said = call(*command, "--home", member.home())
    assert said.code == 5
    assert said.out == ""
    assert said.err.startswith("rogatory: NODE-NOT-RUNNING: no node is running in this home (")
    assert said.err.endswith("You must act: start it with `rogatory run --home DIR`, or name another home.\n")
    asked = call(*command, "--home", member.home(), "--json")
    assert (asked.code, asked.error, asked.err) == (5, "NODE-NOT-RUNNING", "")


def test_a_socket_that_nobody_answers_is_no_node(member):
    import socket

    path = member.home() / "run" / "rogatory.sock"
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert call("status", "--home", member.home(), "--json").error == "NODE-NOT-RUNNING"


def test_a_folder_that_is_no_home(tmp_path):
    said = call("status", "--home", tmp_path, "--json")
    assert (said.code, said.error) == (1, "HOME-MISSING")


def test_home_is_taken_from_the_environment(member, monkeypatch):
    monkeypatch.setenv("ROGATORY_HOME", str(member.home()))
    assert call("status").code == 5


def test_home_is_asked_for():
    said = call("status")
    assert said.code == 2
    assert "ROGATORY_HOME" in said.err


def test_exercises_are_marked_on_every_screen(member):
    mark = "*** EXERCISE network exercise.example: nothing here is real ***\n"
    assert call("directory", "show", "--home", member.home()).out.startswith(mark)
    assert call("keys", "show", "--home", member.home()).out.startswith(mark)
    assert call("doctor", "--home", member.home()).out.startswith(mark)


def test_an_exception_group_shows_its_refusal(monkeypatch, capsys):
    group = BaseExceptionGroup("tasks", [ExceptionGroup("more", [LocalError(codes.PORT_BUSY, "127.0.0.1:1")])])
    _raise_in(monkeypatch, group)
    said = call("boom", "--json")
    assert (said.code, said.error) == (1, "PORT-BUSY")


def test_a_file_of_the_machine_is_named(monkeypatch):
    _raise_in(monkeypatch, PermissionError(13, "Permission denied", "/srv/x"))
    said = call("boom")
    assert said.code == 1
    assert said.err.startswith("rogatory: FILE-ACCESS: a file cannot be read or written (/srv/x: Permission denied).")


def test_a_mistake_of_the_program_shows_its_place_and_no_values(monkeypatch):
    monkeypatch.delenv("ROGATORY_DEBUG", raising=False)
    _raise_in(monkeypatch, KeyError("canary of a case"))
    said = call("boom")
    assert said.code == 1
    assert said.err.startswith("rogatory: PROGRAM-FAULT: this is a mistake in the program, not yours (KeyError at ")
    assert "test_start.py:" in said.err
    assert "canary" not in said.err + said.out


def test_a_mistake_inside_a_group_too(monkeypatch):
    monkeypatch.delenv("ROGATORY_DEBUG", raising=False)
    _raise_in(monkeypatch, ExceptionGroup("tasks", [_thrown(TypeError("canary of a case"))]))
    said = call("boom", "--json")
    assert (said.code, said.error) == (1, "PROGRAM-FAULT")
    assert said.value["error"]["detail"].startswith("TypeError at ")
    assert "canary" not in said.err + said.out


def test_a_refusal_of_the_node_is_shown_with_every_wrong_field(capsys):
    problem = {"type": "about:blank", "title": "this form is not complete", "status": 422, "code": "FORM-INVALID", "check": "form",
               "detail": "x", "actor": "the person or system that made the call", "todo": "correct the fields named",
               "errors": [{"loc": "/items/0/identifier", "msg": "is required", "code": "MISSING"}]}  # fmt: skip
    say(AnsweredError(problem), as_json=False)
    err = capsys.readouterr().err
    assert err == (
        "rogatory: FORM-INVALID: this form is not complete. You must act: correct the fields named.\n"
        "  /items/0/identifier: is required [MISSING]\n"
    )
    say(AnsweredError(problem), as_json=True)
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["errors"] == problem["errors"]
    assert exit_code(AnsweredError(problem)) == 1


def test_what_others_wrote_cannot_play_with_the_terminal():
    assert clean("a\x1b[31mb\r\n\u202ec\u200b") == "a\\x1b[31mb\\r\\n\\u202ec\\u200b"
    assert clean("Étude n° 5 – 请求") == "Étude n° 5 – 请求"


def test_no_color_and_no_terminal_mean_no_escapes(member):
    result = process("directory", "show", "--home", member.home(), NO_COLOR="1")
    assert result.returncode == 0, result.stderr
    assert "\x1b" not in result.stdout


def test_a_closed_pipe_is_silent(member):
    command = f"{sys.executable} -m node.cli directory show --home {member.home()} | true"
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    result = subprocess.run(["sh", "-c", command], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert result.stderr == ""


def _thrown(error: Exception) -> Exception:
    try:
        raise error
    except type(error) as caught:
        return caught


def _raise_in(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """A command `boom` that raises this."""

    @click.command()
    @click.option("--json", "as_json", is_flag=True)
    def boom(as_json: bool) -> None:
        raise error

    monkeypatch.setattr(sys.modules[__name__], "boom", boom, raising=False)
    monkeypatch.setattr(boundary, "COMMANDS", {**COMMANDS, "boom": (f"{__name__}:boom", "")})
