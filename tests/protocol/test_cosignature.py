"""Cosignatures: what is signed, and what a witness's line may not say."""

from __future__ import annotations

import pytest

from keys.suite import SUITE
from protocol import codes, cosignature
from protocol.errors import ProtocolError
from protocol.note import Note, verify_note
from protocol.vkey import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, ED25519, Signature
from tests.protocol.c2sp import LOG, ORIGIN, SMALL, TIME, Pair

HEAD = SMALL.checkpoint()
BOTH = pytest.mark.parametrize("algorithm", [COSIGNATURE_ED25519, COSIGNATURE_MLDSA44])
WITNESS = Pair("witness")
NAME = "example.org/xb-ca/witness"


def code_of(line: Signature, algorithm: int, name: str = NAME, text: bytes = HEAD.text()) -> str:
    """The code that a note with this line alone is refused with; empty when it is good."""
    try:
        assert verify_note(Note(text, (line,)), [WITNESS.vkey(name, algorithm)], SUITE) == (line,)
    except ProtocolError as refused:
        return refused.code.code
    return ""


def with_time(line: Signature, time_s: int) -> Signature:
    return Signature(line.name, line.key_id, time_s.to_bytes(8, "big") + line.blob[8:])


def test_message_0x04_is_the_example_of_the_specification() -> None:
    text = b"example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    assert cosignature.message_0x04(1679315147, text) == b"cosignature/v1\ntime 1679315147\n" + text


def test_message_0x06_byte_by_byte() -> None:
    made = cosignature.message_0x06("wit", 258, "log", 0, 259, b"r" * 32)
    assert made == (b"subtree/v1\n\0\x03wit\0\0\0\0\0\0\x01\x02\x03log\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x03" + b"r" * 32)


@BOTH
def test_cosigned_and_verified(algorithm: int) -> None:
    line = WITNESS.cosign(NAME, algorithm, HEAD)
    assert code_of(line, algorithm) == ""
    assert cosignature.unpack(line.blob)[0] == TIME
    assert code_of(line, algorithm, text=HEAD.text().replace(b"/1\n", b"/2\n")) == "NOTE-SIGNATURE"
    assert code_of(line, algorithm, text=HEAD.text().replace(b"\n13\n", b"\n14\n")) == "NOTE-SIGNATURE"


def test_cosign_wants_a_key_for_it() -> None:
    with pytest.raises(ValueError, match="0x01"):
        cosignature.cosign(LOG.vkey(ORIGIN, ED25519), HEAD, TIME, LOG.sign_ed25519)


@BOTH
@pytest.mark.parametrize("time_s", [0, 2**63, 2**64 - 1])
def test_LOG_13_witness_time_zero_or_beyond_2_63(algorithm: int, time_s: int) -> None:
    line = WITNESS.cosign(NAME, algorithm, HEAD)
    assert code_of(with_time(line, time_s), algorithm) == "NOTE-TIME"
    with pytest.raises(ProtocolError) as refused:
        WITNESS.cosign(NAME, algorithm, HEAD, time_s)
    assert refused.value.code is codes.NOTE_TIME
    for good in (1, 2**63 - 1):
        assert code_of(WITNESS.cosign(NAME, algorithm, HEAD, good), algorithm) == ""


@BOTH
def test_LOG_13_witness_time_altered(algorithm: int) -> None:
    line = WITNESS.cosign(NAME, algorithm, HEAD)
    assert code_of(with_time(line, TIME + 1), algorithm) == "NOTE-SIGNATURE"


def test_LOG_13_0x06_line_copied_from_another_cosigner_name() -> None:
    """One key under two names: 0x06 signs the name, so the line of one does not serve as the other's."""
    theirs = WITNESS.cosign("example.org/xc-ca/witness", COSIGNATURE_MLDSA44, HEAD)
    copied = Signature(NAME, WITNESS.vkey(NAME, COSIGNATURE_MLDSA44).key_id, theirs.blob)
    assert code_of(copied, COSIGNATURE_MLDSA44) == "NOTE-SIGNATURE"


def test_LOG_13_0x04_line_copied_from_another_cosigner_name_is_why_keys_are_not_shared() -> None:
    """0x04 does not sign the name: policies therefore refuse one key under two names (LOG-17)."""
    theirs = WITNESS.cosign("example.org/xc-ca/witness", COSIGNATURE_ED25519, HEAD)
    copied = Signature(NAME, WITNESS.vkey(NAME, COSIGNATURE_ED25519).key_id, theirs.blob)
    assert code_of(copied, COSIGNATURE_ED25519) == ""


def test_LOG_14_0x06_message_with_start_not_zero() -> None:
    for start in (1, -1, 2**63):
        with pytest.raises(ProtocolError) as refused:
            cosignature.message_0x06(NAME, TIME, ORIGIN, start, 13, SMALL.root)
        assert refused.value.code is codes.NOTE_SUBTREE


def test_LOG_14_0x06_signature_over_a_part_of_the_tree() -> None:
    """A note cannot say where a subtree starts; a signature over another start is simply not good."""
    whole = cosignature.message_0x06(NAME, TIME, ORIGIN, 0, 13, SMALL.root)
    at = len(whole) - 32 - 8 - 8
    part = whole[:at] + (8).to_bytes(8, "big") + whole[at + 8 :]
    for message, expected in ((whole, ""), (part, "NOTE-SIGNATURE")):
        blob = cosignature.pack(TIME, WITNESS.sign_mldsa44(message))
        line = Signature(NAME, WITNESS.vkey(NAME, COSIGNATURE_MLDSA44).key_id, blob)
        assert code_of(line, COSIGNATURE_MLDSA44) == expected


def test_a_line_of_one_type_is_not_one_of_another() -> None:
    """The Ed25519 key of a log and of a witness: neither message can be read as the other."""
    text = HEAD.text()
    plain = Signature(NAME, WITNESS.vkey(NAME, COSIGNATURE_ED25519).key_id, bytes(8) + WITNESS.sign_ed25519(text))
    assert code_of(with_time(plain, TIME), COSIGNATURE_ED25519) == "NOTE-SIGNATURE"


@pytest.mark.parametrize("length", [0, 7, 8, 71, 73, 2427, 2429])
def test_unpack_wants_a_whole_signature(length: int) -> None:
    with pytest.raises(ProtocolError) as refused:
        cosignature.unpack(b"\1" * length)
    assert refused.value.code is codes.NOTE_FORM
