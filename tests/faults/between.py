"""Proxies that stand between two real nodes, on an event loop of their own thread, so that a test can wait and steer meanwhile.

    with between(on, latency=0.02) as proxies:
        proxies["xb-ca"].unanswered()        connections whose last byte was the caller's
        proxies["xb-ca"].hole = True
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

from tests.faults.stage import Stage
from tests.node.proxy import Proxy, proxy


@contextlib.contextmanager
def between(on: Stage, latency: float = 0.0) -> Iterator[dict[str, Proxy]]:
    """A proxy before each node of a stage that listens elsewhere; by the authority that is called through it."""
    proxies: dict[str, Proxy] = {}
    ready, end = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with contextlib.AsyncExitStack() as stack:
            for name, node in on.items():
                proxies[name] = await stack.enter_async_context(proxy(node.place.peer_port, on.ports[name], latency=latency))
            ready.set()
            await end.wait()

    def run() -> None:
        try:
            loop.run_until_complete(serve())
        finally:
            ready.set()
            loop.close()

    thread = threading.Thread(target=run, name="proxies", daemon=True)
    thread.start()
    ready.wait(10)
    assert proxies, "no proxy could listen"
    try:
        yield proxies
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(10)


def cut(one: Proxy) -> None:
    """Cut every connection of a proxy, from the test's thread."""
    one.loop.call_soon_threadsafe(one.cut)
