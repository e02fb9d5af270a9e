"""How the C library keeps the memory of a node: one heap for all threads, no store for each of them, and apart from it what is large.

Pouches are made by one thread and let go by another. With a heap of its own for each thread (glibc's default) they left holes in all of
them, with stores for each thread they keep what nobody asks for, and what is large leaves holes that small things fill. Memory grew for a
minute under load, and by a megabyte in each after it. (docs/decisions/0021-what-a-pouch-leaves-in-memory.md)

The C library reads this when a program begins: so a node begins twice, within the same process. Who has set it keeps what he has set.
"""

from __future__ import annotations

import os
import sys
from typing import Final

_VARIABLE: Final = "GLIBC_TUNABLES"
_TUNABLES: Final = "glibc.malloc.arena_max=1:glibc.malloc.tcache_count=0:glibc.malloc.mmap_threshold=131072"


def begin_with_it() -> None:
    """Begin this command anew with it, unless it has begun so. Before it has opened or started anything."""
    if settle_children():
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ)  # noqa: S606 - ourselves


def settle_children() -> bool:
    """Processes that are started from now on begin with it; whether that is new."""
    if _VARIABLE in os.environ:
        return False
    os.environ[_VARIABLE] = _TUNABLES
    return True
