"""Translates the modules that every message passes many times into machine code, by mypyc: same source, same behaviour, less time.

    python deploy/compile.py        in the source tree, beside the modules that stay as they are

It is also the build hook of the wheel. Without a C compiler nothing is made, and Python runs the source as always: a message then
takes a sixth more CPU. (docs/decisions/0019-the-protocol-in-machine-code.md)
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
from setuptools.errors import BaseError

ROOT = Path(__file__).resolve().parents[1]
MODULES = ("body", "cbor", "envelope", "merkle", "names", "parts", "pouch")
GROUP = "protocol.machine"  # one shared library inside the package, so that these modules call each other without Python


def why_not() -> str | None:
    """What is missing for it on this machine."""
    if shutil.which(os.environ.get("CC", "cc")) is None:
        return "no C compiler (Debian: gcc and libc6-dev)"
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        return "no Python.h (Debian: python3-dev)"
    return None


def remove(package: Path) -> None:
    """Take away what an earlier run of this Python made."""
    for old in package.glob(f"*{sysconfig.get_config_var('EXT_SUFFIX')}"):
        old.unlink()


def compile_into(package: Path) -> list[Path]:
    """Make the machine code of MODULES in this folder; the files."""
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
        made = sorted(Path(scratch, "protocol").glob(f"*{command.get_ext_filename('')}"))
        return [Path(shutil.copy2(one, package)) for one in made]


class Hook(BuildHookInterface[Any]):
    """Puts the machine code into a wheel, which is then for this Python and this platform alone."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before the files are gathered."""
        if version == "editable" or why_not() is not None:
            return
        folder = Path(self.directory, "machine")
        folder.mkdir(parents=True, exist_ok=True)
        build_data["force_include"] |= {str(one): f"rogatory/protocol/{one.name}" for one in compile_into(folder)}
        build_data["pure_python"], build_data["infer_tag"] = False, True


def main() -> None:
    """Compile in the source tree, or say why not; setup goes on either way."""
    here = ROOT / "protocol"
    remove(here)
    reason = why_not()
    if reason is None:
        print("setup: compiling the protocol", file=sys.stderr)
        try:
            compile_into(here)
        except BaseError as error:  # of the C compiler or the linker
            reason = str(error)
    if reason is not None:
        print(f"setup: {reason}: Python runs the protocol as it is, slower", file=sys.stderr)


if __name__ == "__main__":
    main()
