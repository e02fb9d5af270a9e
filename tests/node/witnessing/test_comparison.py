"""Comparison over real connections: a log that shows two histories is found, convicted and told of; our own name is watched."""

import asyncio
import contextlib

import pytest

from keys.suite import SUITE
from node.witnessing.comparison import Comparison
from node.witnessing.witnesses import Witnesses
from protocol.entries import Filler, Forked
from protocol.errors import LocalError
from protocol.heads import parse_fork_proof, verify_fork_proof
from tests.exchange.test_theft import Thief
from tests.node.peers import peers, until

NAMES = ("xa-ca", "xb-ca", "xc-ca", "xd-ca")


@contextlib.asynccontextmanager
async def comparing(place, stolen):
    """The comparison of one place, not running by itself but for what it tells."""
    witnesses = Witnesses(place.directory, place.client)
    comparison = Comparison(place.exchange, witnesses, stolen.append)
    comparison._loop = asyncio.get_running_loop()
    task = asyncio.get_running_loop().create_task(comparison._tell())
    try:
        yield comparison
    finally:
        task.cancel()
        await witnesses.close()


@contextlib.asynccontextmanager
async def split(tmp_path, sizes):
    """xa-ca shows one history to xb-ca and another, so many entries longer or shorter, to xc-ca."""
    async with peers(tmp_path / "net", *NAMES, carry=False, visit=False) as net:
        await net["xa-ca"].stop_listening()
        thief = Thief(net.world, tmp_path / "thief")
        await net["xa-ca"].listen()
        ours, theirs = sizes
        for _ in range(ours):
            thief.real.writer.run(lambda tx: tx.append(Filler))
        net.world.visit("xa-ca", "xb-ca")
        thief.show(net.world, "xc-ca", thief.grow(theirs), 0)
        try:
            yield net, thief
        finally:
            thief.world.close()


@pytest.mark.parametrize("sizes", [(3, 3), (5, 2), (2, 5)])
async def test_SPLIT_1_LOG_15_two_branches_are_found_within_one_comparison(tmp_path, sizes):
    async with split(tmp_path, sizes) as (net, thief):
        b = net["xb-ca"].exchange
        origin = thief.real.log.origin
        async with comparing(net["xb-ca"], []) as comparison:
            for _ in range(2):  # two witnesses a round, of three
                await comparison.compare()
            if sizes == (2, 5):  # the real node cannot link to a size that it has not: no proof, and it shows
                assert comparison._vain[origin]
                assert not b.peers.forks()
                return
            proof = b.peers.forks()[origin]
            verify_fork_proof(parse_fork_proof(proof), net.world.directory.log(origin).keys, SUITE)
            assert isinstance(net.world.entries("xb-ca")[-1], Forked)
            assert origin not in b.peers.origins()
            for name in ("xc-ca", "xd-ca"):  # its witnesses are told
                await until(lambda name=name: origin in net[name].exchange.peers.forks(), f"{name} to hear of it")


async def test_logs_that_agree_are_compared_and_nobody_is_accused(tmp_path):
    async with peers(tmp_path, *NAMES[:3]) as net:
        net.world.exchange_prekeys()
        a = net["xa-ca"].exchange
        a.writer.run(lambda tx: tx.append(Filler))
        net.world.visit("xa-ca", "xc-ca")  # one witness is ahead of what xb-ca has
        async with comparing(net["xb-ca"], []) as comparison:
            await comparison.compare()
            assert set(comparison.compared) == {a.log.origin, net["xc-ca"].exchange.log.origin}
            assert not comparison._vain
        assert not net["xb-ca"].exchange.peers.forks()


async def test_THEFT_3_our_own_name_is_watched(tmp_path):
    async with split(tmp_path, (1, 4)) as (net, thief):
        stolen = []
        async with comparing(net["xa-ca"], stolen) as comparison:
            with pytest.raises((LocalError, ExceptionGroup)):
                await comparison.watch_own()
        assert [error.code.code for error in stolen] == ["LOG-STOPPED"]
        assert thief.real.log.stopped
