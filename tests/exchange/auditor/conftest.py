"""One world for all tests of the auditor: founding takes a fifth of a second, exporting a few milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from exchange.export.bundle import Materials
from tests.exchange.auditor.export import Export
from tests.exchange.auditor.world import World


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A founded network of three."""
    return World(tmp_path_factory.mktemp("network"))


@pytest.fixture
def export(world: World, tmp_path: Path) -> Callable[..., Export]:
    """Exports materials; without any, an exchange answered by both recipients with everything disclosed."""
    count = iter(range(100))

    def write(materials: Materials | None = None) -> Export:
        if materials is None:
            materials = world.exchange(world.seal(("xb-ca", "xc-ca")), ["xb-ca", "xc-ca"], disclose=[0, 1, 2])
        return Export(world, materials, tmp_path / f"bundle-{next(count)}")

    return write
