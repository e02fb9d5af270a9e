"""Signing pairs: of a log and of a witness."""

from __future__ import annotations

import pytest

from keys.logkeys import LogKeyPair, WitnessKeyPair
from keys.suite import SUITE, check_ed25519, check_mldsa44
from protocol.checkpoint import Checkpoint, parse_checkpoint, sign_head, verify_head
from protocol.cosignature import cosign, verify

ORIGIN = "example.org/xa-ca/log/1"


def test_a_head_signed_by_a_pair_verifies_under_its_log_keys() -> None:
    pair = LogKeyPair.generate()
    keys = pair.log_keys(ORIGIN)
    check_ed25519(keys.ed25519)
    check_mldsa44(keys.mldsa44)
    note = sign_head(Checkpoint(ORIGIN, 3, bytes(32)), 1_795_500_000, pair, keys)
    assert verify_head(note, keys, SUITE).value.size == 3


def test_a_pair_is_its_secret() -> None:
    pair = LogKeyPair.generate(lambda n: bytes(range(n)))
    again = LogKeyPair(bytes(range(64)))
    assert (pair.ed25519, pair.mldsa44, pair.secret) == (again.ed25519, again.mldsa44, again.secret)
    assert LogKeyPair.generate().secret != LogKeyPair.generate().secret
    assert pair.secret.hex() not in repr(pair)


@pytest.mark.parametrize("length", [0, 32, 63, 65])
def test_a_secret_of_wrong_length_is_a_mistake_of_ours(length: int) -> None:
    with pytest.raises(ValueError, match="64 bytes"):
        LogKeyPair(bytes(length))


def test_a_witness_cosigns_in_both_forms() -> None:
    pair = WitnessKeyPair.generate()
    lattice, classical = pair.vkeys("example.org/xb-ca/witness")
    head = parse_checkpoint(Checkpoint(ORIGIN, 3, bytes(32)).text())
    for key, sign in ((lattice, pair.sign_mldsa44), (classical, pair.sign_ed25519)):
        line = cosign(key, head, 1_795_500_000, sign)
        assert verify(key, line.blob, head.text(), SUITE)
        assert not verify(key, line.blob, Checkpoint(ORIGIN, 4, bytes(32)).text(), SUITE)
