"""Translates the modules that every message passes many times into machine code, by mypyc: same source, same behaviour, less time.

    python deploy/compile.py        in the source tree, beside the modules that stay as they are

It is also the build hook of the wheel. Without a C compiler that works nothing is made, and Python runs the source as always: a
message then takes a sixth more CPU. (docs/decisions/0019-the-protocol-in-machine-code.md)
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from mypyc.build import mypycify
from setuptools import Distribution
from setuptools.errors import BaseError, CCompilerError

ROOT = Path(__file__).resolve().parents[1]
MODULES = ("body", "cbor", "envelope", "merkle", "names", "parts", "pouch")
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")  # of this Python and platform
GROUP = "protocol.machine"  # one shared library inside the package, so that these modules call each other without Python


def why_not() -> str | None:
    """What is missing for it on this machine."""
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    if shutil.which(compiler.split()[0]) is None:
        return "no C compiler (Debian: gcc and libc6-dev)"
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        return "no Python.h (Debian: python3-dev)"
    return None


def compile_into(package: Path) -> list[Path]:
    """Put the machine code of MODULES into this folder; the files. None, and a word on standard error, where this machine cannot."""
    for old in package.glob(f"*{SUFFIX}"):
        old.unlink()
    reason = why_not()
    if reason is None:
        print("setup: compiling the protocol", file=sys.stderr)
        try:
            return _compile(package)
        except (BaseError, CCompilerError):
            reason = "the C compiler failed, see above"
    print(f"setup: {reason}: Python runs the protocol as it is, slower", file=sys.stderr)
    return []


def _compile(package: Path) -> list[Path]:
    os.chdir(ROOT)  # mypyc finds the names of modules from here
    with tempfile.TemporaryDirectory() as scratch:
        extensions = mypycify(
            ["--config-file=", f"--cache-dir={os.devnull}", *(f"protocol/{name}.py" for name in MODULES)],
            opt_level="2", debug_level="0", target_dir=scratch, group_name=GROUP,
        )  # fmt: skip
        command: Any = Distribution({"name": "protocol", "ext_modules": extensions}).get_command_obj("build_ext")
        command.build_lib, command.build_temp, command.parallel = scratch, scratch, os.cpu_count()
        command.ensure_finalized()
        command.run()
        return [Path(shutil.copy2(one, package)) for one in sorted(Path(scratch, "protocol").glob(f"*{SUFFIX}"))]


class Hook(BuildHookInterface[Any]):
    """Puts the machine code into a wheel, which is then for this Python and this platform alone."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before the files are gathered."""
        if version == "editable":
            return
        folder = Path(self.directory, "machine")
        folder.mkdir(parents=True, exist_ok=True)
        if made := compile_into(folder):
            build_data["force_include"] |= {str(one): f"rogatory/protocol/{one.name}" for one in made}
            build_data["pure_python"], build_data["infer_tag"] = False, True


if __name__ == "__main__":
    compile_into(ROOT / "protocol")
