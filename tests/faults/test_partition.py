"""Links that fail under real nodes: a share here, every kind in the campaign."""

from __future__ import annotations

import pytest

from tests.faults.links import trouble
from tests.faults.partition import split, unavailable


@pytest.mark.parametrize("kind", ["both ways", "half open"])
def test_what_was_accepted_arrives_once_the_link_is_well_again(tmp_path, kind) -> None:
    trouble(tmp_path, kind)


@pytest.mark.skipif(bool(unavailable()), reason=f"no network namespaces: {unavailable()}")
def test_a_partition_that_the_kernel_makes(tmp_path) -> None:
    split(tmp_path, "half open")
