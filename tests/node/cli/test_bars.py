"""Bars: on a terminal, and nowhere else."""

import os
import sys

import pytest

from node.cli.bars import bars


def _shown(monkeypatch: pytest.MonkeyPatch, quiet: bool) -> str:
    ours, theirs = os.openpty()
    monkeypatch.setenv("TERM", "xterm")
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with bars(quiet=quiet) as tell:
            tell("1", "evidence [bold].bin", 1 << 20, 2 << 20)
        terminal.write("end")
        terminal.flush()
        said = os.read(ours, 65_536).decode()
        while "end" not in said:
            said += os.read(ours, 65_536).decode()
    os.close(ours)
    return said


def test_a_bar_says_how_far_it_is(monkeypatch):
    said = _shown(monkeypatch, quiet=False)
    assert "evidence [bold].bin" in said
    assert "1.0 MiB of 2.0 MiB" in said


def test_nothing_when_quiet(monkeypatch):
    assert _shown(monkeypatch, quiet=True) == "end"


def test_nothing_when_nobody_looks(capsys):
    with bars(quiet=False) as tell:
        tell("1", "evidence.bin", 1, 2)
    assert capsys.readouterr().err == ""
