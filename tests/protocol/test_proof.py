"""Proof files: an entry, its place, its path and the head."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.suite import SUITE
from protocol import codes, limits
from protocol.checkpoint import verify_head
from protocol.errors import Code, ProtocolError
from protocol.proof import TlogProof, format_proof, parse_proof, verify_entry_proof, verify_logged, verify_proof
from tests.protocol.c2sp import KEYS, ORIGIN, SMALL, TIME, Pair

ENTRY = SMALL.entries[5]
PROOF = TlogProof(ENTRY, 5, SMALL.path(5), SMALL.head())
RAW = format_proof(PROOF)


def refuse(code: Code, proof: TlogProof) -> None:
    with pytest.raises(ProtocolError) as refused:
        verify_entry_proof(proof, KEYS, SUITE)
    assert refused.value.code is code


def refuse_parse(raw: bytes) -> None:
    with pytest.raises(ProtocolError) as refused:
        parse_proof(raw)
    assert refused.value.code is codes.PROOF_FORM


def test_a_proof_holds_for_every_entry() -> None:
    head = verify_head(PROOF.note, KEYS, SUITE)
    for index, entry in enumerate(SMALL.entries):
        proof = TlogProof(entry, index, SMALL.path(index), PROOF.note)
        assert parse_proof(format_proof(proof)) == proof
        logged = verify_logged(entry, index, proof.path, head).value
        assert (logged.origin, logged.index, logged.size, logged.root) == (ORIGIN, index, SMALL.size, SMALL.root)
        assert (logged.entry, logged.time) == (entry, TIME)
    assert verify_entry_proof(PROOF, KEYS, SUITE).value.entry == ENTRY


def test_without_extra_the_entry_comes_from_elsewhere() -> None:
    proof = replace(PROOF, extra=None)
    assert parse_proof(format_proof(proof)) == proof
    assert verify_proof(proof, ENTRY, KEYS, SUITE).value.entry == ENTRY
    refuse(codes.PROOF_EXTRA, proof)


def test_RCP_4_extra_altered() -> None:
    for extra in (ENTRY + b"\0", ENTRY[:-1], bytes((ENTRY[0] ^ 1, *ENTRY[1:])), SMALL.entries[4]):
        refuse(codes.PROOF_INCLUSION, replace(PROOF, extra=extra))
        with pytest.raises(ProtocolError) as refused:
            verify_proof(replace(PROOF, extra=extra), ENTRY, KEYS, SUITE)
        assert refused.value.code is codes.PROOF_EXTRA


def test_RCP_2_index_beyond_the_checkpoint() -> None:
    for index in (SMALL.size, SMALL.size + 5, 2**63 - 1):
        refuse(codes.PROOF_INCLUSION, replace(PROOF, index=index))


def test_RCP_3_valid_proof_of_another_leaf() -> None:
    with pytest.raises(ProtocolError) as refused:
        verify_proof(replace(PROOF, extra=None), SMALL.entries[6], KEYS, SUITE)
    assert refused.value.code is codes.PROOF_INCLUSION


def test_LOG_7_inclusion_proof_hash_flipped() -> None:
    for place, h in enumerate(PROOF.path):
        path = (*PROOF.path[:place], bytes((h[0] ^ 1, *h[1:])), *PROOF.path[place + 1 :])
        refuse(codes.PROOF_INCLUSION, replace(PROOF, path=path))


def test_LOG_7_inclusion_proof_hash_missing_extra_or_moved() -> None:
    for path in (PROOF.path[:-1], PROOF.path[1:], (*PROOF.path, PROOF.path[0]), PROOF.path[::-1], ()):
        refuse(codes.PROOF_INCLUSION, replace(PROOF, path=path))


@pytest.mark.parametrize("index", ["05", "+5", "-5", "5 ", " 5", "", "0x5", "٥", "5.0", str(2**63)])
def test_LOG_7_index_written_otherwise(index: str) -> None:
    refuse_parse(RAW.replace(b"index 5", f"index {index}".encode()))


def test_LOG_7_more_than_63_lines() -> None:
    line = RAW.split(b"\n")[3] + b"\n"
    at = RAW.index(line)
    longest = RAW[:at] + line * (limits.PROOF_LINES - len(PROOF.path)) + RAW[at:]
    assert len(parse_proof(longest).path) == limits.PROOF_LINES
    refuse_parse(longest[:at] + line + longest[at:])


def test_another_logs_head() -> None:
    refuse(codes.NOTE_UNSIGNED, replace(PROOF, note=SMALL.head(Pair("thief"))))
    refuse(codes.CHECKPOINT_ORIGIN, replace(PROOF, note=SMALL.head(origin="example.org/xa-ca/log/2")))


def test_longest_extra_is_an_entry() -> None:
    for size in (1, limits.ENTRY):
        assert parse_proof(format_proof(replace(PROOF, extra=bytes(size)))).extra == bytes(size)
    for extra in (b"", bytes(limits.ENTRY + 1)):
        with pytest.raises(ProtocolError) as refused:
            replace(PROOF, extra=extra)
        assert refused.value.code is codes.PROOF_FORM


def test_proofs_made_by_hand_are_checked_too() -> None:
    for change in ({"path": (bytes(32),) * 64}, {"path": (bytes(31),)}, {"index": -1}, {"index": 2**63}, {"note": b""}):
        with pytest.raises(ProtocolError) as refused:
            replace(PROOF, **change)
        assert refused.value.code is codes.PROOF_FORM
    assert len(replace(PROOF, path=(bytes(32),) * 63).path) == limits.PROOF_LINES
    assert len(replace(PROOF, note=bytes(limits.NOTE)).note) == limits.NOTE
    with pytest.raises(ProtocolError) as refused:
        replace(PROOF, note=bytes(limits.NOTE + 1))
    assert refused.value.code is codes.PROOF_FORM


def test_a_proof_cut_short_anywhere() -> None:
    for end in range(RAW.index(b"\n\n") + 2):
        refuse_parse(RAW[:end])
    for lines in (b"", b"c2sp.org/tlog-proof@v1", b"c2sp.org/tlog-proof@v1\nextra AA=="):
        refuse_parse(lines + b"\n\n" + PROOF.note)


@given(st.data())
def test_a_proof_with_some_bytes_changed_never_proves_another_entry(data: st.DataObject) -> None:
    raw = bytearray(RAW)
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, RAW.index(b"\n\n") + 100))] = data.draw(st.integers(0, 255))
    try:
        proof = parse_proof(bytes(raw))
        assert format_proof(proof) == bytes(raw)
        logged = verify_entry_proof(proof, KEYS, SUITE).value
    except ProtocolError:
        return
    assert (logged.entry, logged.index) == (ENTRY, 5)
