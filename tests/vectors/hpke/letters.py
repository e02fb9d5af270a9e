"""Reading the vectors of this folder. Each file is one envelope, a JSON object of base64 strings and one text."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Case:
    """One envelope: what opens it, what it is, and what it says.

    ``seed`` (32) of the prekey, ``prekey_id``, ``recipient``; ``envelope`` (E); ``secret`` (CEK || r); ``wrap_by_us`` and
    ``wrap_by_go`` of that secret; ``body``: the ciphertext of part 0; ``letter``: its plaintext.
    """

    name: str
    recipient: str
    seed: bytes
    prekey_id: bytes
    envelope: bytes
    secret: bytes
    wrap_by_us: bytes
    wrap_by_go: bytes
    body: bytes
    letter: bytes


def cases() -> list[Case]:
    """Every vector of this folder, by name."""
    return [_case(path) for path in sorted(Path(__file__).parent.glob("*.json"))]


def _case(path: Path) -> Case:
    table = json.loads(path.read_text("utf-8"))
    recipient = table.pop("recipient")
    return Case(path.stem, recipient, **{field: b64decode(text) for field, text in table.items()})
