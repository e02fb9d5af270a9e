"""Failing system calls on real nodes: twenty here, every write and fsync of a message in the campaign."""

from __future__ import annotations

import pytest

from tests.faults.stage import stage
from tests.faults.syscalls import Failing, at_syscall, available

_WRITES = [(where, error, n) for n in (1, 2, 3) for where in ("sender", "recipient") for error in ("ENOSPC", "EIO")]
_SYNCS = [(where, error, n) for n in (1, 2) for where in ("sender", "recipient") for error in ("ENOSPC", "EIO")]
CHOSEN = [Failing(where, "pwrite64", error, n) for where, error, n in _WRITES] + [Failing(where, "fdatasync", *rest) for where, *rest in _SYNCS]


@pytest.mark.skipif(bool(available()), reason=available())
def test_system_calls_that_fail(tmp_path) -> None:
    with stage(tmp_path) as on:
        seen = [at_syscall(on, failing) for failing in CHOSEN]
    missed = [str(one.failing) for one in seen if not one.times]
    assert len(seen) == 20
    assert not missed, f"these calls were not met: {missed}"
    print(f"\n{len(seen)} calls failed, {sum(one.ended is not None for one in seen)} of them ended the process")
