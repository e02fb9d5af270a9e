"""The first ``node.toml`` of a home: every setting with its meaning, those set that `init` was told."""

from __future__ import annotations

import json
from pathlib import Path

from node.settings import Address, example, parse_settings


def settings_text(authority: str, peer: Address, local: Address, passphrase_file: Path | None) -> str:
    """The file's text. Raises SETTINGS-VALUE for what the node would refuse."""
    told = {"peer.listen": _listen(peer), "local.listen": _listen(local)}
    if passphrase_file is not None:
        told["passphrase_file"] = str(passphrase_file)
    text = "\n".join(_lines(example(authority).splitlines(), told)) + "\n"
    parse_settings(text)
    return text


def _lines(lines: list[str], told: dict[str, str]) -> list[str]:
    """The lines, with a value in place of each commented default that was told."""
    table, found = "", []
    for line in lines:
        if line.startswith("["):
            table = line.strip("[]") + "."
        name, equals, _ = line.removeprefix("# ").partition(" = ")
        value = told.get(table + name) if equals and line.startswith("# ") else None
        found.append(line if value is None else f"{name} = {json.dumps(value, ensure_ascii=False)}")
    return found


def _listen(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
