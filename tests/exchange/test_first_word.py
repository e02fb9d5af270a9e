"""A log begins with ``opened``, whatever comes in between its release and its beginning; and what a token raises has a code of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from exchange.exchange import Exchange, Identity
from keys.prekeys import PrekeyStore
from keys.suite import SUITE
from protocol.entries import Filler, Opened, parse_entry
from protocol.errors import LocalError, PassingError
from tests.world import make_world


def test_nothing_is_said_before_opened(tmp_path: Path) -> None:
    world = make_world(tmp_path / "w", ("xa-ca", "xb-ca"))
    holding, record = world.holdings["xa-ca"], world.directory.log_in_force("xa-ca")
    identity = Identity(record.origin, record.keys, holding.log, PrekeyStore(tmp_path / "prekeys", b"p" * 32), holding.storage, holding.witness)
    fresh = Exchange(tmp_path / "data", tmp_path / "guard", identity, lambda: world.directory, SUITE, world.clock, held=True)
    fresh.release()
    with pytest.raises(PassingError, match="LOG-UNSURE"):
        fresh.writer.run(lambda tx: tx.append(Filler))
    fresh.begin()
    assert isinstance(parse_entry(fresh.log.entry(0)), Opened)
    fresh.writer.run(lambda tx: tx.append(Filler))
    fresh.close()
    world.close()


class Pulled:
    def sign_ed25519(self, message: bytes) -> bytes:
        raise RuntimeError("the token was pulled")

    sign_mldsa44 = sign_ed25519


def test_LOG_SIGN_outside_the_writer_too(tmp_path: Path) -> None:
    world = make_world(tmp_path, ("xa-ca", "xb-ca"))
    log = world.exchanges["xa-ca"].log
    log.signer, log.signed = Pulled(), None
    with pytest.raises(LocalError, match="LOG-SIGN"):
        log.sign()
    world.close()
