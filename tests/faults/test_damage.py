"""What disks do to the data of real nodes: a share here, every kind in the campaign."""

from __future__ import annotations

import pytest

from tests.faults.damage import harm, unavailable


@pytest.mark.parametrize("kind", ["part sent", "part received", "small disk"])
def test_refused_or_lived_through(tmp_path, kind) -> None:
    if why := unavailable(kind):
        pytest.skip(why)
    harm(tmp_path, kind)
