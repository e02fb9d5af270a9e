"""What is compiled is what is written (docs/decisions/0019-the-protocol-in-machine-code.md)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from deploy.compile import MODULES, SUFFIX, why_not
from tests.tidy.source import ROOT, tracked


def test_what_runs_here_is_compiled_from_the_source_as_it_is() -> None:
    """Everything else that is tested says nothing about the source otherwise. `make` compiles after every change."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    source, made = ([(ROOT / "protocol" / f"{name}{suffix}").stat().st_mtime for name in MODULES] for suffix in (".py", SUFFIX))
    assert max(source) <= min(made)
    for name in MODULES:
        assert Path(import_module(f"protocol.{name}").__file__).name == f"{name}{SUFFIX}"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The source tree, nothing of it compiled."""
    for path in tracked():
        target = tmp_path / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    return tmp_path


def _run(copy: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=copy, env=os.environ | env, check=False, capture_output=True, text=True, timeout=300)


def _imported(copy: Path) -> str:
    return _run(copy, "-c", "import protocol.cbor; print(protocol.cbor.__file__)").stdout.strip()


def test_the_source_passes_the_same_tests_where_nothing_is_compiled(copy: Path) -> None:
    assert _imported(copy) == str(copy / "protocol/cbor.py")
    done = _run(copy, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "tests/protocol")
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.parametrize(
    "compiler, says", [("/nowhere/cc", "setup: no C compiler"), ("false", "setup: the C compiler failed")], ids=["missing", "failing"]
)
def test_without_a_compiler_that_works_setup_goes_on_with_the_source(copy: Path, compiler: str, says: str) -> None:
    done = _run(copy, "deploy/compile.py", CC=compiler)
    assert done.returncode == 0, done.stderr
    assert says in done.stderr
    assert not done.stdout
    assert _imported(copy) == str(copy / "protocol/cbor.py")
