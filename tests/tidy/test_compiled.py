"""What is compiled is what is written (docs/decisions/0019-the-protocol-in-machine-code.md)."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from importlib import import_module
from pathlib import Path

import pytest

from deploy.compile import MODULES, why_not
from tests.tidy.source import ROOT, tracked

SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")


def test_what_runs_here_is_compiled_from_the_source_as_it_is() -> None:
    """Everything else that is tested says nothing about the source otherwise. `make` compiles after every change."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    source, made = ([(ROOT / "protocol" / f"{name}{suffix}").stat().st_mtime for name in MODULES] for suffix in (".py", SUFFIX))
    assert max(source) <= min(made)
    for name in MODULES:
        assert Path(import_module(f"protocol.{name}").__file__).name == f"{name}{SUFFIX}"


def test_the_source_passes_the_same_tests_where_nothing_is_compiled(tmp_path: Path) -> None:
    for path in tracked():
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
    where = subprocess.run(
        [sys.executable, "-c", "import protocol.cbor; print(protocol.cbor.__file__)"], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout.strip()
    assert where == str(tmp_path / "protocol/cbor.py")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "tests/protocol"]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]
