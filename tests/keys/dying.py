"""A process that dies at its k-th durable step: for tests of what a crash leaves behind."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

_STEPS = ("fsync", "replace", "rename", "unlink")
DIED = 9


def crashes(work: Callable[[], object], prepare: Callable[[], object]) -> Iterator[tuple[int, bool]]:
    """Run ``work`` in child processes that die before, then after, each durable step; yields (step, after) when one has died.

    ``prepare`` runs before each child. Ends when a child survived: then every step has had its turn.
    """
    step = 0
    while True:
        for after in (False, True):
            prepare()
            if _survives(work, step, after):
                return
            yield step, after
        step += 1


def _survives(work: Callable[[], object], step: int, after: bool) -> bool:
    child = os.fork()
    if child == 0:
        try:
            _arm(step, after)
            work()
        except BaseException:  # noqa: BLE001 - whatever it was, the child ends here
            os._exit(3)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, DIED)
    return status == 0


def _arm(step: int, after: bool) -> None:
    count = -1

    def armed(real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **named: object) -> object:
            nonlocal count
            count += 1
            if count == step and not after:
                os._exit(DIED)
            result = real(*args, **named)
            if count == step:
                os._exit(DIED)
            return result

        return call

    for name in _STEPS:
        setattr(os, name, armed(getattr(os, name)))
