"""Generic names of packages stay harmless in another program's environment (docs/decisions/0001-package-names.md)."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from deploy.compile import MODULES, SUFFIX, why_not
from tests.tidy.source import FOLDERS, ROOT

FOREIGN = "raise SystemExit('a foreign package was imported')\n"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)], cwd=ROOT, check=True, capture_output=True)
    return next(out.glob("*.whl"))


def test_the_wheel_has_one_top_level_name(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"rogatory"}
    assert {f"rogatory/{folder}/__init__.py" for folder in FOLDERS} <= set(names)
    assert "rogatory/bench/floor.py" in names


def test_the_wheel_brings_the_machine_code_and_the_source(wheel: Path) -> None:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    names = zipfile.ZipFile(wheel).namelist()
    assert {f"rogatory/protocol/{name}{suffix}" for name in MODULES for suffix in (".py", SUFFIX)} <= set(names)
    assert not wheel.name.endswith("-any.whl")


def test_foreign_packages_of_the_same_names_are_never_imported(wheel: Path, tmp_path: Path) -> None:
    """Beside us in the environment and in the working directory."""
    site, here = tmp_path / "site", tmp_path / "here"
    zipfile.ZipFile(wheel).extractall(site)
    for place in (site, here):
        for name in FOLDERS:
            (place / name).mkdir(parents=True)
            (place / name / "__init__.py").write_text(FOREIGN)
    program = f"""
import sys
sys.path[:0] = ["", {str(site)!r}]
sys.argv = ["rogatory", "verify", "nowhere"]
import rogatory
rogatory.main()
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=here, check=False, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "nowhere" in done.stderr
    assert "foreign" not in done.stderr


def test_another_program_does_not_reach_ours(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    program = f"""
import sys
from importlib.util import find_spec
sys.path[:] = [{str(tmp_path)!r}, *(place for place in sys.path if "site-packages" not in place and "lib" in place)]
import rogatory
print([name for name in {FOLDERS!r} if find_spec(name)])
"""
    done = subprocess.run([sys.executable, "-I", "-c", program], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"
