"""The options that commands share, and values that several of them take."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from node import codes
from node.home import Home
from protocol import limits
from protocol.errors import LocalError

FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER: Final = click.Path(file_okay=False, path_type=Path)
PATH: Final = click.Path(path_type=Path)

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text; refusals too.")
home_option = click.option(
    "--home", type=PATH, required=True, envvar="ROGATORY_HOME", show_envvar=True, metavar="DIR", help="The node's folder."
)
person_option = click.option(
    "--as", "person", required=True, metavar="PERSON", help="Who acts: an id of `rogatory people list`."
)
folder_option = click.option(
    "--folder", type=FOLDER, required=True, metavar="DIR", help="The network's folder, as founders and keepers have it."
)

_SPAN: Final = re.compile(r"([1-9][0-9]{0,5})([mhd])\Z")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)\Z", re.ASCII)
_UNITS: Final = {"m": limits.MINUTE, "h": limits.HOUR, "d": limits.DAY}


class Span(click.ParamType[int | str]):
    """A span of time from now on: 90m, 36h, 10d, given as ms; or a time with its zone (RFC 3339), given as it is."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """Raises a usage error for anything else."""
        if isinstance(value, int):
            return value
        if _TIME.match(value):
            return str(value)
        match = _SPAN.match(value)
        if match is None:
            self.fail(f"{value!r} is no span of time like 90m, 36h or 10d, and no time like 2026-11-30T12:00:00Z.", param, ctx)
        return int(match[1]) * _UNITS[match[2]]


class Address(click.ParamType[tuple[str, int]]):
    """HOST:PORT, an IPv6 address in brackets. Gives (host, port)."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Raises a usage error for anything else."""
        if isinstance(value, tuple):
            return value
        host, _, port = value.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            self.fail(f"{value!r} is not HOST:PORT.", param, ctx)
        return host.strip("[]"), int(port)


def home_of(path: Path) -> Home:
    """The home in this folder. Raises HOME-MISSING when `init` never made one there."""
    home = Home(path.absolute())
    if not home.settings.is_file():
        raise LocalError(codes.HOME_MISSING, str(path))
    return home


def passphrases(files: Sequence[Path], names: Sequence[str], *, twice: bool = False) -> list[bytes]:
    """One passphrase for each name: from its own file, one file for all, or asked for. A usage error for another number."""
    from keys.passphrase import passphrase_from

    if len(files) not in (0, 1, len(names)):
        raise click.UsageError(f"Give one passphrase file for all, or one for each of {', '.join(names)}, in this order.")
    chosen = [files[0] if len(files) == 1 else files[place] if files else None for place in range(len(names))]
    return [
        passphrase_from(file, prompt=f"Passphrase of {name}: ", twice=twice) for file, name in zip(chosen, names, strict=True)
    ]
