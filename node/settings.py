"""Settings: ``node.toml`` in the node's home. Few, each documented once, here; an unknown name is an error.

    authority = "xa-ca"
    passphrase_file = "/etc/rogatory/passphrase"
    [peer]
    listen = "0.0.0.0:8441"

No secret ever stands in this file, and none is taken from the environment.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from node import codes
from node.home import Home
from protocol import limits, names
from protocol.errors import LocalError, ProtocolError

Address: TypeAlias = tuple[str, int]


def _authority(text: str) -> str:
    try:
        return names.parse_authority(text)
    except ProtocolError:
        raise ValueError("is not an authority's name: a-z, 0-9, dot and hyphen") from None


def _listen(text: str) -> str:
    parse_address(text)
    return text


def parse_address(text: str) -> Address:
    """``host:port``, ``[::1]:port``. Raises ValueError, for pydantic."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError('is not "host:port"')
    return host.removeprefix("[").removesuffix("]"), int(port)


def _loopback(text: str) -> str:
    if parse_address(text)[0] not in ("127.0.0.1", "::1", "localhost"):
        raise ValueError("must be a loopback address: others reach it through a proxy of yours that knows who they are")
    return text


class _Table(BaseModel):
    """A table of the file: nothing unknown, nothing converted."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class Peer(_Table):
    """The peers' port: TLS 1.3, mutual."""

    listen: Annotated[str, AfterValidator(_listen)] = Field(
        default="127.0.0.1:8441", description="Where other authorities reach this node: the one port that the world may see."
    )
    urgent_per_hour: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=limits.URGENT_PER_HOUR, description="Urgent messages of each authority that may ring in an hour; others wait their turn."
    )


class Local(_Table):
    """The local API, for systems of the house."""

    listen: Annotated[str, AfterValidator(_loopback)] = Field(
        default="127.0.0.1:8442", description="Loopback only. Callers need an API key; the command line uses the socket."
    )


class Data(_Table):
    """What must not be lost."""

    guard: str | None = Field(
        default=None, description="The guard file, best on other hardware than the home. Default: guard/guard in the home."
    )
    disk_reserve_mib: Annotated[int, Field(ge=16, le=1 << 20)] = Field(
        default=256, description="MiB that routine messages leave free on the disk of data/; below it only urgent ones pass."
    )


class Log(_Table):
    """What the node writes about its work: never content, names or keys."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="How much is logged: debug, info, warning or error."
    )
    format: Literal["auto", "json", "text"] = Field(
        default="auto", description="auto: text on a terminal, else one JSON object a line."
    )


class Settings(_Table):
    """All settings of a node."""

    authority: Annotated[str, AfterValidator(_authority)] = Field(description="This node's name in the directory.")
    passphrase_file: Path | None = Field(
        default=None, strict=False,
        description="The keystore's passphrase: one line, mode 0600. Default: the credential rogatory-passphrase, or asked.",
    )  # fmt: skip
    peer: Peer = Peer()
    local: Local = Local()
    data: Data = Data()
    log: Log = Log()

    @property
    def peer_listen(self) -> Address:
        """Host and port of the peers' listener."""
        return parse_address(self.peer.listen)

    @property
    def local_listen(self) -> Address:
        """Host and port of the local listener."""
        return parse_address(self.local.listen)

    @property
    def log_level(self) -> str:
        """debug, info, warning or error."""
        return self.log.level

    @property
    def log_format(self) -> str:
        """auto, json or text."""
        return self.log.format

    def guard_path(self, home: Home) -> Path:
        """The guard file."""
        return home.guard if self.data.guard is None else home.path / self.data.guard


def load_settings(home: Home) -> Settings:
    """The settings of a home. Raises HOME-MISSING, SETTINGS-FORM, SETTINGS-UNKNOWN, SETTINGS-VALUE."""
    try:
        text = home.settings.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise LocalError(codes.HOME_MISSING, str(home.path)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise LocalError(codes.SETTINGS_FORM, f"{home.settings.name}: {type(error).__name__}") from None
    settings = parse_settings(text)
    path = settings.passphrase_file
    return settings if path is None else settings.model_copy(update={"passphrase_file": home.path / path})


def parse_settings(text: str) -> Settings:
    """Settings in TOML. Raises SETTINGS-FORM, SETTINGS-UNKNOWN, SETTINGS-VALUE."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise LocalError(codes.SETTINGS_FORM, str(error)) from None
    try:
        return Settings.model_validate(table)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
    unknown = [_dotted(found["loc"]) for found in errors if found["type"] == "extra_forbidden"]
    if unknown:
        raise LocalError(codes.SETTINGS_UNKNOWN, "; ".join(f"{name}{_meant(name)}" for name in unknown))
    raise LocalError(codes.SETTINGS_VALUE, "; ".join(_wrong(found) for found in errors))


def known_settings() -> Iterator[tuple[str, str, object]]:
    """Every setting: its dotted name, what it means, its default (None: has none)."""
    for name, field in Settings.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, _Table):
            for key, value in inner.model_fields.items():
                yield f"{name}.{key}", value.description or "", value.default
        else:
            yield name, field.description or "", None if field.is_required() else field.default


def example(authority: str = "xa-ca") -> str:
    """A commented node.toml with every setting; what has a default is commented out."""
    lines = ["# Settings of a Rogatory node. A name that is not known is an error. Secrets never stand in this file."]
    table = ""
    for dotted, says, default in known_settings():
        above, _, name = dotted.rpartition(".")
        if above != table:
            table = above
            lines += ["", f"[{table}]"]
        else:
            lines.append("")
        lines.append(f"# {says}")
        value = _EXAMPLES.get(dotted, default)
        lines.append(f'authority = "{authority}"' if dotted == "authority" else f"# {name} = {json.dumps(value)}")
    return "\n".join(lines) + "\n"


_EXAMPLES: Final[Mapping[str, str]] = {
    "passphrase_file": "/etc/rogatory/passphrase",
    "data.guard": "/srv/other-disk/guard",
}


def _dotted(place: tuple[int | str, ...]) -> str:
    return ".".join(str(step) for step in place)


def _meant(name: str) -> str:
    """The nearest known name: among those of its table first, by the last word alone otherwise."""
    known = [dotted for dotted, _, _ in known_settings()]
    tables = sorted({dotted.partition(".")[0] for dotted in known if "." in dotted})
    near = difflib.get_close_matches(name, known + tables, n=1, cutoff=0.6)
    if not near:
        last = {dotted.rpartition(".")[2]: dotted for dotted in known}
        near = [last[word] for word in difflib.get_close_matches(name.rpartition(".")[2], list(last), n=1, cutoff=0.7)]
    return f" (did you mean {near[0]}?)" if near else ""


def _wrong(found: Mapping[str, Any]) -> str:
    says = str(found["msg"]).removeprefix("Value error, ")
    return f"{_dotted(found['loc'])}: {'is required' if found['type'] == 'missing' else says}"
