"""Couriers between real listeners over TLS: what is sent arrives and is proven, whatever happens on the way."""

import pytest

from protocol.entries import Lane
from tests.node.peers import peers


@pytest.mark.parametrize("lane", list(Lane))
async def test_a_message_is_carried_and_receipted(tmp_path, lane):
    async with peers(tmp_path) as net:
        sent = net.world.send("xa-ca", "xb-ca", b"{}", lane=lane)
        await net.settled(sent.hash)
        assert net.world.exchanges["xb-ca"].messages.find(sent.hash).index is not None
