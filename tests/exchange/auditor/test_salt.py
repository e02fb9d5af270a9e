"""SALT-1: a path shows the neighbour's leaf hash; without the neighbour's salt nobody can test a guess about it."""

from __future__ import annotations

import os
from collections.abc import Callable

from protocol.entries import Submitted, parse_entry
from protocol.merkle import leaf_hash
from tests.exchange.auditor.export import Export
from tests.exchange.auditor.world import NOW, MemoryLog, World


def test_SALT_1_neighbour_guess_fails(world: World, export: Callable[..., Export]) -> None:
    log: MemoryLog = world.parties["xa-ca"].log
    secret = world.seal(("xc-ca",)).envelope
    if len(log.entries) % 2:
        log.append(world.submitted(world.seal(("xb-ca",)).envelope))
    neighbour = log.append(world.submitted(secret, NOW + 500))
    assert neighbour % 2 == 0  # its sibling is the next entry, whose proof shows this leaf
    bundle = export(world.exchange(world.seal(("xb-ca",)), ["xb-ca"], fillers=0))
    proof = bundle.proof("origin.tlog-proof")
    assert proof.index == neighbour + 1
    shown = proof.path[0]
    assert shown == leaf_hash(log.entries[neighbour])  # everything about the neighbour is here, under 128 unknown bits
    true = world.submitted(secret, NOW + 500)

    def guess(salt: bytes) -> bytes:
        return leaf_hash(
            Submitted(NOW + 500, salt, secret.hash, secret.message_id, secret.lane, secret.expires, true.recipients).encode()
        )

    guesses = [bytes(16), b"\xff" * 16, *(os.urandom(16) for _ in range(2_000)), *(n.to_bytes(16, "big") for n in range(2_000))]
    assert all(guess(salt) != shown for salt in guesses)


def test_SALT_1_every_entry_has_a_salt_of_its_own(world: World) -> None:
    """The guess above succeeds for whoever knows the salt, so it must not be one that another entry shows."""
    salts = [parse_entry(raw).salt for party in world.parties.values() for raw in party.log.entries]
    assert len(set(salts)) == len(salts) > 3
