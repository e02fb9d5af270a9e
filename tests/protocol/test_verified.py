"""Nobody but a verification function makes a Verified."""

from __future__ import annotations

import copy
import dataclasses
import re
from pathlib import Path

import pytest

from protocol.verified import Verified, vouch

ROOT = Path(__file__).parents[2]

# modules whose verify_ functions may call vouch; a reviewer looks at every addition
MAY_VOUCH = {"protocol/verified.py", "protocol/checkpoint.py", "protocol/proof.py"}


def test_made_by_vouch() -> None:
    made = vouch(7)
    assert made.value == 7
    assert made == vouch(7)
    assert repr(made) == "Verified(value=7)"


def test_not_made_by_hand() -> None:
    with pytest.raises(TypeError, match="only a verification function"):
        Verified(7, object())
    with pytest.raises(TypeError):
        Verified(7)  # type: ignore[call-arg]


def test_not_altered() -> None:
    made = vouch(7)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.value = 8  # type: ignore[misc]
    with pytest.raises((TypeError, ValueError)):
        dataclasses.replace(made, value=8)  # type: ignore[call-arg]
    assert copy.copy(made) == made


def test_only_these_modules_vouch() -> None:
    callers = {
        str(path.relative_to(ROOT))
        for folder in ("protocol", "keys", "exchange", "node")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"\bvouch\b", path.read_text())
    }
    assert callers == MAY_VOUCH
