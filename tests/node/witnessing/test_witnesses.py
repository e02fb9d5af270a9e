"""Witnesses, asked over real connections for the heads that they hold."""

import asyncio
import contextlib

from node.witnessing import grading
from node.witnessing.visits import Visits
from node.witnessing.witnesses import Shown, Witnesses
from protocol.entries import Filler
from protocol.treehead import stated_checkpoint
from tests.node.peers import peers, until


@contextlib.asynccontextmanager
async def visiting(place, stolen):
    """The visits of one place, running."""
    witnesses = Witnesses(place.directory, place.client)
    visits = Visits(place.exchange, witnesses, stolen.append)
    task = asyncio.get_running_loop().create_task(visits.run())
    try:
        yield visits, witnesses
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await witnesses.close()


async def test_a_head_gets_its_quorum_and_peers_learn_of_it(tmp_path):
    async with peers(tmp_path, "xa-ca", "xb-ca", "xc-ca", visit=False) as net:
        a, b = net["xa-ca"], net["xb-ca"]
        async with visiting(a, []) as (visits, _), visiting(b, []) as (_, witnesses):
            origin = a.exchange.log.origin
            await until(lambda: a.exchange.heads.newest(origin), "the quorum")
            await until(lambda: not visits.pending(), "the visits to be over")  # the quorum counts before the last answer is booked
            net.world.send("xb-ca", "xa-ca", b"{}")  # routine: waits for prekeys under a witnessed head, then goes
            sent = net.world.send("xa-ca", "xb-ca", b"{}")
            await net.settled(sent.hash)
            await until(lambda: b.exchange.heads.newest(origin), "xb-ca to hear of it")
            before = a.exchange.heads.newest(origin).size
            a.exchange.writer.run(lambda tx: tx.append(Filler))
            await until(lambda: a.exchange.heads.newest(origin).size > before, "the log that moved")
            async with asyncio.timeout(30):
                while not b.exchange.heads.wanted():  # once a round has carried the head that the message came with
                    await grading.ask(b.exchange, witnesses, "xa-ca")
                    await asyncio.sleep(0.1)
            for wanted in b.exchange.heads.wanted():
                assert await grading.fetch(b.exchange, witnesses, wanted)
            assert not b.exchange.heads.wanted()


async def test_a_witness_that_is_away_holds_up_nothing(tmp_path):
    async with peers(tmp_path, "xa-ca", "xb-ca", "xc-ca") as net:
        a = net["xa-ca"]
        await net["xc-ca"].stop()
        net.world.exchange_prekeys()
        sent = net.world.send("xa-ca", "xb-ca", b"{}")
        async with visiting(a, []) as (visits, _):
            await net.settled(sent.hash)
            await until(lambda: visits.standings.get("xb-ca") and visits.standings["xb-ca"].signed, "xb-ca to sign")
            await until(lambda: visits.pending().get("xc-ca") and visits.pending()["xc-ca"].code, "xc-ca to fail")
            await net["xc-ca"].listen()
            visits.hasten("xc-ca")
            await until(lambda: not visits.pending(), "xc-ca to sign", limit=40)


async def test_who_answers_is_heard_and_who_does_not_is_left_out(tmp_path):
    async with peers(tmp_path, "xa-ca", "xb-ca", "xc-ca", carry=False, visit=False) as net:
        a, b = net["xa-ca"], net.world.exchanges["xb-ca"]
        witnesses = Witnesses(a.directory, a.client)
        net.world.tell_prekeys("xa-ca", "xb-ca")
        origin = a.exchange.log.origin
        try:
            shown = {each.witness: each.note for each in await witnesses.heads_of(origin)}
            assert stated_checkpoint(shown["xb-ca"]).size == b.peers.greatest("xa-ca")
            assert shown["xc-ca"] is None  # it answers, and knows of none
            await net["xc-ca"].stop_listening()
            assert [each.witness for each in await witnesses.heads_of(origin)] == ["xb-ca"]
            assert await witnesses.heads_of(origin, among=["xb-ca"]) == [Shown("xb-ca", shown["xb-ca"])]
        finally:
            await witnesses.close()
