"""SIG-16: nine kinds of object, and no bytes of one are ever taken for another: every ordered pair."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from keys.suite import SUITE
from protocol import cbor, pouch
from protocol.body import Addressing, parse_body
from protocol.checkpoint import verify_head
from protocol.entries import parse_entry
from protocol.envelope import parse_envelope
from protocol.errors import ProtocolError
from protocol.heads import parse_fork_proof
from protocol.proof import parse_proof
from tests.protocol.c2sp import KEYS, LOG, Tree
from tests.vectors.c2sp.proofs import proof_of
from tests.vectors.formats import bodies, entries, envelopes, forks, pouches

ADDRESSING = Addressing.of(parse_envelope(envelopes.envelope()))


def _pouch(data: bytes) -> object:
    _, start = pouch.parse_head(data)
    return pouch.parse_items(data, start)


OBJECTS: dict[str, tuple[bytes, Callable[[bytes], object]]] = {
    "entry": (entries.SUBMITTED.encode(), parse_entry),
    "envelope": (envelopes.envelope(), parse_envelope),
    "body": (cbor.encode(bodies.FIELDS), lambda data: parse_body(ADDRESSING, 1, data)),
    "item": (pouch.encode_item(pouches.ITEM), pouch.parse_item),
    "answer": (pouch.encode_answer(pouch.Receipt(pouches.PROVEN)), pouch.parse_answer),
    "pouch": (pouch.encode_pouch(pouches.HEAD, []), _pouch),
    "fork": (forks.SIZES.encode(), parse_fork_proof),
    "head": (Tree([b"x"]).head(LOG), lambda data: verify_head(data, KEYS, SUITE)),
    "proof": (proof_of(), parse_proof),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_each_is_what_it_is(name: str) -> None:
    data, parse = OBJECTS[name]
    parse(data)


@pytest.mark.parametrize(("given", "wanted"), list(itertools.permutations(OBJECTS, 2)))
def test_SIG_16_no_kind_for_another(given: str, wanted: str) -> None:
    with pytest.raises(ProtocolError):
        OBJECTS[wanted][1](OBJECTS[given][0])


def test_SIG_16_the_labels_under_hashes_and_keys_differ() -> None:
    """What is hashed, wrapped or sealed begins with a label of its own, so that none of them can stand for another."""
    from protocol.envelope import LABEL, WRAP_LABEL, wrap_info
    from protocol.parts import PartName

    name = PartName(bytes(32), bytes(16), 1)
    labels = {LABEL, WRAP_LABEL, cbor.decode(name.context())[0], cbor.decode(wrap_info(b"", "xb-ca", bytes(32)))[0]}  # type: ignore[index]
    assert labels == {"rogatory/envelope/v1", "rogatory/wrap/v1", "rogatory/part/v1"}
    assert name.opening(bytes(64)) != PartName(bytes(32), bytes(16), 2).opening(bytes(64))
    assert name.commitment("a/b", bytes(32)).digest() != name.commitment("a/c", bytes(32)).digest()
