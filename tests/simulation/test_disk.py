"""The disk that loses power, under the real store: hundreds of seeds, none loses what was spoken; and each way to lose it is found."""

from __future__ import annotations

import os

import pytest

from tests.simulation.disk import crash, crash_seeds

COUNT = int(os.environ.get("CRASH_SEEDS", "300"))

# connections to a disk that lost its power cannot close their files: whoever collects them says so
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def test_nothing_that_was_spoken_is_lost() -> None:
    found = crash_seeds(range(COUNT))
    assert found.failing == []
    assert found.crashes >= COUNT
    assert found.spoken >= COUNT
    print(f"\n{found.as_dict()}")


@pytest.mark.parametrize(("mistake", "lies"), [("synchronous=NORMAL", False), ("synchronous=OFF", False), ("", True)])
def test_a_receipt_before_its_fsync_is_found(mistake: str, lies: bool) -> None:
    """Settings that the store refuses, and a disk that says it has written what it has not: the planted mistakes of this disk."""
    for seed in range(2000):
        _, violation = crash(seed, mistake, lies=lies)
        if violation is not None:
            assert violation.invariant in ("I1", "I3", "I4"), violation
            print(f"\n{mistake or 'a lying disk'}: seed {seed}, {violation}")
            return
    raise AssertionError("not found")
