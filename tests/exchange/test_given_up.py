"""Who submits may go away before the writer comes to it: then nothing was submitted, and nobody is told."""

from __future__ import annotations

import logging
import threading

import pytest

from exchange.outgoing.sealing import Draft
from protocol import limits
from protocol.errors import LocalError
from protocol.names import Office
from tests.world import START, World


def test_a_submission_that_was_given_up_in_time_never_was(pair: World, caplog: pytest.LogCaptureFixture) -> None:
    exchange, told, go_on = pair.exchanges["xa-ca"], [], threading.Event()
    exchange.outbox.on_queued = lambda peer, lane: told.append(peer)
    sealed = exchange.outbox.seal(Draft("247", (Office("xb-ca", "247"),), "EE_PRESERVE", b"{}", START + limits.DAY))
    busy = exchange.writer.submit(lambda tx: go_on.wait(20))
    with caplog.at_level(logging.ERROR):
        given_up = exchange.outbox.submit(sealed)
        assert given_up.cancel()
        go_on.set()
        assert busy.result(20)
    assert told == []
    assert caplog.records == []
    with pytest.raises(LocalError, match="MESSAGE-UNKNOWN"):
        exchange.messages.find(sealed.envelope.hash)
