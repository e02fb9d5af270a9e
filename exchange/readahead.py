"""One block ahead: while somebody works on a block, a thread of its own makes the next one."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor


def ahead(blocks: Iterator[bytes]) -> Generator[bytes, None, None]:
    """The same blocks, each made by a thread while the one before it is used; two are in memory at most. An empty one is the end.

    What ``blocks`` raises is raised here, in its place. Close it when you stop before its end: then its thread has ended.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
        coming = pool.submit(next, blocks, b"")
        while block := coming.result():
            coming = pool.submit(next, blocks, b"")
            yield block
