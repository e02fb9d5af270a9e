"""Two authorities that have met, fresh for each test: making them takes 25 ms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.exchange.forgery import Forger
from tests.world import World, make_world


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[World]:
    """xa-ca and xb-ca, each with the other's prekeys."""
    world = make_world(tmp_path, ("xa-ca", "xb-ca"))
    world.exchange_prekeys()
    yield world
    world.close()


@pytest.fixture
def three(tmp_path: Path) -> Iterator[World]:
    """xa-ca, xb-ca and xc-ca, each with the others' prekeys."""
    world = make_world(tmp_path)
    world.exchange_prekeys()
    yield world
    world.close()


@pytest.fixture
def forger(pair: World) -> Forger:
    """xa-ca, which may break any rule towards xb-ca."""
    return Forger(pair)
