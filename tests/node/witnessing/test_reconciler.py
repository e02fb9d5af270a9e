"""A log that is held because no witness was there is opened by the first one that calls."""

import asyncio

from exchange import codes
from exchange.reconcile import Verdict
from node.clock import SystemClock
from node.witnessing import reconciler
from node.witnessing.reconciler import Reconciler
from node.witnessing.witnesses import Witnesses
from tests.node.peers import peers, until


async def test_a_witness_that_calls_is_asked_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(reconciler, "_EVERY", 600.0)
    async with peers(tmp_path, carry=False) as net:
        here, there = net["xa-ca"], net["xb-ca"]
        await there.stop_listening()
        witnesses = Witnesses(here.directory, here.client)
        asking = Reconciler(here.exchange, witnesses, here.directory, tmp_path, SystemClock())
        here.exchange.log.keep_held(codes.LOG_UNSURE, takes=False)
        assert (await asking.first()).verdict is Verdict.ALONE
        assert here.exchange.log.hold is codes.LOG_ALONE
        await there.listen()
        running = asyncio.create_task(asking.run())
        try:
            asking.called()
            await until(lambda: here.exchange.log.hold is None, "the log is open")
        finally:
            running.cancel()
            await witnesses.close()
