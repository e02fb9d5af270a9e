"""Blocks ahead: while somebody works on a block, a thread of its own makes the next ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

_AHEAD: Final = 3  # so that neither side waits where one block takes longer than another


def ahead(blocks: Iterator[bytes]) -> Generator[bytes, None, None]:
    """The same blocks, made by a thread while those before them are used; four are in memory at most. An empty one is the end.

    What ``blocks`` raises is raised here, in its place. Close it when you stop before its end: then its thread has ended.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
        coming = deque(pool.submit(next, blocks, b"") for _ in range(_AHEAD))
        while block := coming.popleft().result():
            coming.append(pool.submit(next, blocks, b""))
            yield block
