"""Checkpoints and heads: three lines, two signatures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.suite import SUITE
from protocol import codes, cosignature
from protocol.checkpoint import Checkpoint, LogKeys, parse_checkpoint, sign_head, verify_head
from protocol.errors import Code, ProtocolError
from protocol.note import format_note, parse_note
from protocol.vkey import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, ED25519, Signature
from tests.protocol.c2sp import KEYS, LOG, ORIGIN, SMALL, TIME, Pair, Tree, with_lines

ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
HEAD = SMALL.head()


def refuse(code: Code, note: bytes, keys: LogKeys = KEYS) -> None:
    with pytest.raises(ProtocolError) as refused:
        verify_head(note, keys, SUITE)
    assert refused.value.code is code


def test_the_example_of_the_specification() -> None:
    text = f"example.com/behind-the-sofa\n20852163\n{ROOT}\n".encode()
    checkpoint = parse_checkpoint(text)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.text() == text


def test_a_head_signed_is_a_head_verified() -> None:
    head = verify_head(HEAD, KEYS, SUITE).value
    assert (head.origin, head.size, head.root) == (ORIGIN, SMALL.size, SMALL.root)
    assert (head.time, head.note) == (TIME, HEAD)
    assert len(parse_note(HEAD).signatures) == 2


def test_witness_lines_are_let_through_unread() -> None:
    """Good or bad: whoever trusts witnesses asks a policy."""
    bad = Signature("w", b"\0\0\0\0", bytes(72))
    good = Pair("w").cosign("w", COSIGNATURE_ED25519, SMALL.checkpoint())
    note = with_lines(HEAD, bad, good)
    head = verify_head(note, KEYS, SUITE).value
    assert head.note == note


@pytest.mark.parametrize(
    "text",
    [
        f"{ORIGIN}\n013\n{ROOT}\n",
        f"{ORIGIN}\n00\n{ROOT}\n",
        f"{ORIGIN}\n+13\n{ROOT}\n",
        f"{ORIGIN}\n-1\n{ROOT}\n",
        f"{ORIGIN}\n1_3\n{ROOT}\n",
        f"{ORIGIN}\n١٣\n{ROOT}\n",
        f"{ORIGIN}\n0xd\n{ROOT}\n",
        f"{ORIGIN}\n13 \n{ROOT}\n",
        f"{ORIGIN}\n\n{ROOT}\n",
        f"{ORIGIN}\n{2**63}\n{ROOT}\n",
        f"{ORIGIN}\n13\n{ROOT}",
        f"{ORIGIN}\r\n13\r\n{ROOT}\r\n",
        f"{ORIGIN}\n13\n{ROOT}\nextension\n",
        f"{ORIGIN}\n13\n{ROOT}\nextension",
        f"{ORIGIN}\n13\n{ROOT}\n\n",
        f"{ORIGIN}\n13\n{ROOT[:-1]}\n",
        f"{ORIGIN}\n13\n{ROOT[:-2]}J=\n",
        f"{ORIGIN}\n13\nAAAA{ROOT}\n",
        f"{ORIGIN}\n13\n\n",
        f"{ORIGIN}\n13\n",
        f"{ORIGIN}\x00\n13\n{ROOT}\n",
        f"\n13\n{ROOT}\n",
        f"two words\n13\n{ROOT}\n",
        f"{'x' * 201}\n13\n{ROOT}\n",
        "",
    ],
)
def test_LOG_1_checkpoint_written_otherwise(text: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        parse_checkpoint(text.encode())
    assert refused.value.code is codes.CHECKPOINT_FORM


@pytest.mark.parametrize(
    ("old", "new"), [(b"\n13\n", b"\r\n13\n"), (b"\n13\n", b"\n13\x00\n"), (b"\n13\n", b"\n\t13\n"), (b"\n13\n", b"\n13\x0b\n")]
)
def test_LOG_1_control_character_in_a_head(old: bytes, new: bytes) -> None:
    refuse(codes.NOTE_FORM, HEAD.replace(old, new))


def test_LOG_1_missing_final_newline() -> None:
    refuse(codes.NOTE_FORM, HEAD[:-1])


def test_LOG_1_extension_line_signed_by_the_log() -> None:
    """Ed25519 would cover it, ML-DSA-44 does not: nobody may read it."""
    text = SMALL.checkpoint().text() + b"extension\n"
    lines = (LOG.line(ORIGIN, ED25519, text), LOG.cosign(ORIGIN, COSIGNATURE_MLDSA44, SMALL.checkpoint()))
    refuse(codes.CHECKPOINT_FORM, format_note(text, lines))


def test_sizes_at_the_limits() -> None:
    for size in (0, 2**63 - 1):
        checkpoint = Checkpoint(ORIGIN, size, bytes(32))
        assert parse_checkpoint(checkpoint.text()) == checkpoint
    for size, root in ((-1, bytes(32)), (2**63, bytes(32)), (1, bytes(31))):
        with pytest.raises(ProtocolError) as refused:
            Checkpoint(ORIGIN, size, root)
        assert refused.value.code is codes.CHECKPOINT_FORM


def test_origin_at_the_limit() -> None:
    assert Checkpoint("x" * 200, 1, bytes(32)).origin == "x" * 200
    for origin in ("x" * 201, "é" * 101):
        with pytest.raises(ProtocolError) as refused:
            Checkpoint(origin, 1, bytes(32))
        assert refused.value.code is codes.CHECKPOINT_FORM


def test_text_that_is_not_utf_8() -> None:
    with pytest.raises(ProtocolError) as refused:
        parse_checkpoint(b"\xff\n1\n" + ROOT.encode() + b"\n")
    assert refused.value.code is codes.CHECKPOINT_FORM


def test_LOG_6_checkpoint_of_another_origin_with_the_same_key() -> None:
    other = "example.org/xa-ca/log/2"
    refuse(codes.CHECKPOINT_ORIGIN, SMALL.head(origin=other))
    # the other log's text under lines that bear our log's name
    checkpoint = SMALL.checkpoint(other)
    lines = (LOG.line(ORIGIN, ED25519, checkpoint.text()), LOG.cosign(ORIGIN, COSIGNATURE_MLDSA44, checkpoint))
    refuse(codes.CHECKPOINT_ORIGIN, format_note(checkpoint.text(), lines))
    # our text under lines that bear the other log's name
    checkpoint = SMALL.checkpoint()
    lines = (LOG.line(other, ED25519, checkpoint.text()), LOG.cosign(other, COSIGNATURE_MLDSA44, checkpoint))
    refuse(codes.NOTE_UNSIGNED, format_note(checkpoint.text(), lines))


@pytest.mark.parametrize("place", [0, 1])
def test_both_lines_are_required(place: int) -> None:
    note = parse_note(HEAD)
    refuse(codes.CHECKPOINT_SIGNATURES, format_note(note.text, [note.signatures[place]]))


@pytest.mark.parametrize("place", [0, 1])
def test_both_lines_must_be_good(place: int) -> None:
    lines = list(parse_note(HEAD).signatures)
    blob = lines[place].blob
    lines[place] = Signature(ORIGIN, lines[place].key_id, blob[:-1] + bytes((blob[-1] ^ 1,)))
    refuse(codes.NOTE_SIGNATURE, format_note(SMALL.checkpoint().text(), lines))


@pytest.mark.parametrize("place", [0, 1])
def test_NOTE_1_a_line_of_the_log_twice(place: int) -> None:
    refuse(codes.NOTE_REPEATED, with_lines(HEAD, parse_note(HEAD).signatures[place]))


def test_lines_of_a_thief_under_the_logs_name() -> None:
    thief = Pair("thief")
    refuse(codes.NOTE_UNSIGNED, SMALL.head(thief))


def test_head_of_size_0() -> None:
    text = Tree([]).checkpoint().text()
    lines = (LOG.line(ORIGIN, ED25519, text), LOG.cosign(ORIGIN, COSIGNATURE_MLDSA44, Tree([]).checkpoint()))
    refuse(codes.CHECKPOINT_EMPTY, format_note(text, lines))
    with pytest.raises(ProtocolError) as refused:
        sign_head(Tree([]).checkpoint(), TIME, LOG, KEYS)
    assert refused.value.code is codes.CHECKPOINT_EMPTY


def test_a_head_is_signed_for_its_own_log_only() -> None:
    with pytest.raises(ProtocolError) as refused:
        sign_head(SMALL.checkpoint("example.org/xb-ca/log/1"), TIME, LOG, KEYS)
    assert refused.value.code is codes.CHECKPOINT_ORIGIN


@pytest.mark.parametrize("time_s", [0, -1, 2**63])
def test_LOG_13_head_with_time_zero_or_too_large(time_s: int) -> None:
    with pytest.raises(ProtocolError) as refused:
        sign_head(SMALL.checkpoint(), time_s, LOG, KEYS)
    assert refused.value.code is codes.NOTE_TIME
    if time_s >= 0:
        lines = list(parse_note(HEAD).signatures)
        lines[1] = Signature(ORIGIN, lines[1].key_id, time_s.to_bytes(8, "big") + lines[1].blob[8:])
        refuse(codes.NOTE_TIME, format_note(SMALL.checkpoint().text(), lines))


def test_the_time_of_a_head_is_signed() -> None:
    lines = list(parse_note(HEAD).signatures)
    lines[1] = Signature(ORIGIN, lines[1].key_id, cosignature.pack(TIME + 1, lines[1].blob[8:]))
    refuse(codes.NOTE_SIGNATURE, format_note(SMALL.checkpoint().text(), lines))


@given(st.binary(max_size=150) | st.lists(st.text(max_size=30), max_size=5).map(lambda lines: "\n".join(lines).encode()))
def test_any_text_is_a_checkpoint_or_refused(text: bytes) -> None:
    try:
        assert parse_checkpoint(text).text() == text
    except ProtocolError as refused:
        assert refused.code is codes.CHECKPOINT_FORM


@given(st.from_regex(r"[a-z0-9/.-]{1,200}", fullmatch=True), st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_checkpoints_parse_back(origin: str, size: int, root: bytes) -> None:
    checkpoint = Checkpoint(origin, size, root)
    assert parse_checkpoint(checkpoint.text()) == checkpoint
