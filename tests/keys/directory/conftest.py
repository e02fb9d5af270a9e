"""A founded exercise network and a node that has its directory: made once, copied for every test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.keys.directory.world import World


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, World]:
    """The one that is copied."""
    folder = tmp_path_factory.mktemp("founded")
    return folder, World.create(folder)


@pytest.fixture
def world(founded: tuple[Path, World], tmp_path: Path) -> World:
    """Three authorities, three founders of whom two must sign, one keeper, one node."""
    folder, original = founded
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return World(tmp_path, original.made)
