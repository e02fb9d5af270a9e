"""CPU time and memory of running processes, from /proc (Linux)."""

from __future__ import annotations

import os
import re
from array import array
from contextlib import suppress
from pathlib import Path
from statistics import linear_regression
from typing import Final

from node.clock import monotonic_ms
from protocol import limits

_TICK: Final = 1e6 / os.sysconf("SC_CLK_TCK")


def cpu_us(pid: int) -> float:
    """User and system time so far of a process and those that it started and that live, in microseconds; steps of a clock tick (10 ms)."""
    return sum(_spent(each) for each in _family(pid)) * _TICK


def resident(pid: int) -> int:
    """Resident memory (VmRSS) of a process and those that it started, in bytes; one that has ended takes none."""
    return sum(_resident(each) for each in _family(pid))


def _family(pid: int) -> list[int]:
    children: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended since
            children += map(int, path.read_text().split())
    return [pid, *(each for child in children for each in _family(child))]


def _spent(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _resident(pid: int) -> int:
    with suppress(FileNotFoundError, ProcessLookupError):
        status = Path(f"/proc/{pid}/status").read_text()
        found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
        return 1024 * int(found[1]) if found else 0
    return 0


class Slope:
    """How resident memory of a process grows: a line of least squares through what was seen at each ``look``."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._times, self._sizes = array("q"), array("q")  # small: one of both may be this process

    def look(self) -> None:
        """Look now."""
        self._times.append(monotonic_ms())
        self._sizes.append(resident(self._pid))

    def mib_per_minute(self) -> float:
        """The slope; 0 without two looks at two times."""
        if len(set(self._times)) < 2:
            return 0.0
        return linear_regression(self._times, self._sizes).slope * limits.MINUTE / limits.MiB
