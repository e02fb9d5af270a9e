"""Notes: the form, who signed, and keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.suite import SUITE
from protocol import codes, limits
from protocol.errors import Code, ProtocolError
from protocol.note import Note, format_note, parse_note, verify_note
from protocol.vkey import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, ED25519, Signature, VKey
from tests.protocol.c2sp import KEYS, LOG, ORIGIN, SMALL, Pair, with_lines

TEXT = b"This is an example message.\n"
KEY = LOG.vkey("example.com/foo", ED25519)
LINE = LOG.line("example.com/foo", ED25519, TEXT)

# from C2SP signed-note
THEIR_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
THEIR_NOTE = (
    "This is an example message.\n\n\N{EM DASH} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuw"
    "HjG1Yu72IneyaQM=\n"
).encode()


def refuse(code: Code, note: Note, *keys: VKey) -> None:
    with pytest.raises(ProtocolError) as refused:
        verify_note(note, keys, SUITE)
    assert refused.value.code is code


def refuse_parse(code: Code, data: bytes) -> None:
    with pytest.raises(ProtocolError) as refused:
        parse_note(data)
    assert refused.value.code is code


def test_the_example_of_the_specification() -> None:
    key = VKey.parse(THEIR_VKEY)
    assert str(key) == THEIR_VKEY
    note = parse_note(THEIR_NOTE)
    assert note.text == TEXT
    assert verify_note(note, [key], SUITE) == note.signatures
    assert format_note(note.text, note.signatures) == THEIR_NOTE


def test_text_may_hold_empty_lines() -> None:
    text = b"a\n\n\nb\n\n\n"
    note = parse_note(format_note(text, [LINE]))
    assert note == Note(text, (LINE,))


def test_every_line_that_verified_is_returned_in_order() -> None:
    other = Pair("other")
    lines = (other.line("example.com/bar", ED25519, TEXT), LINE)
    note = parse_note(format_note(TEXT, lines))
    assert verify_note(note, [KEY, other.vkey("example.com/bar", ED25519)], SUITE) == lines
    assert verify_note(note, [KEY], SUITE) == (LINE,)


def test_LOG_2_note_with_no_known_signature() -> None:
    note = parse_note(format_note(TEXT, [LINE]))
    refuse(codes.NOTE_UNSIGNED, note)
    refuse(codes.NOTE_UNSIGNED, note, Pair("other").vkey("example.com/foo", ED25519))
    refuse_parse(codes.NOTE_FORM, TEXT + b"\n")


@pytest.mark.parametrize("algorithm", [ED25519, COSIGNATURE_ED25519, COSIGNATURE_MLDSA44])
def test_LOG_3_known_key_and_bad_signature(algorithm: int) -> None:
    """A bad line refuses the note, good lines of other known keys beside it or not."""
    head = SMALL.checkpoint()
    if algorithm == ED25519:
        good = LOG.line("w", ED25519, head.text())
    else:
        good = LOG.cosign("w", algorithm, head)
    key = LOG.vkey("w", algorithm)
    beside = Pair("beside").line("b", ED25519, head.text())
    for blob in (good.blob[:-1] + bytes((good.blob[-1] ^ 1,)), good.blob[:-1], good.blob + b"\0", b"\0" * len(good.blob[8:])):
        note = Note(head.text(), (beside, Signature("w", key.key_id, blob)))
        refuse(codes.NOTE_SIGNATURE, note, key, Pair("beside").vkey("b", ED25519))
    assert verify_note(Note(head.text(), (good,)), [key], SUITE) == (good,)
    refuse(codes.NOTE_SIGNATURE, Note(head.text().replace(b"13", b"14"), (good,)), key)


def test_LOG_4_64_signatures_are_taken_65_are_not() -> None:
    others = [Signature(f"w{i}", b"\0\0\0\0", bytes(64)) for i in range(limits.NOTE_SIGNATURES)]
    note = parse_note(format_note(TEXT, [*others[1:], LINE]))
    assert verify_note(note, [KEY], SUITE) == (LINE,)
    with pytest.raises(ProtocolError) as refused:
        format_note(TEXT, [*others, LINE])
    assert refused.value.code is codes.NOTE_SIZE


def test_LOG_4_10_000_signatures_are_refused_by_size() -> None:
    refuse_parse(codes.NOTE_SIZE, TEXT + b"\n" + f"{LINE}\n".encode() * 10_000)


def test_LOG_4_size_at_the_limit() -> None:
    note = format_note(TEXT, [LINE])
    full = b"x" * (limits.NOTE - len(note)) + note
    assert parse_note(full).signatures == (LINE,)
    refuse_parse(codes.NOTE_SIZE, b"x" + full)


def test_LOG_5_a_known_id_under_another_name_is_ignored() -> None:
    collision = Signature("example.com/bar", KEY.key_id, bytes(64))
    note = Note(TEXT, (collision, LINE))
    assert verify_note(note, [KEY], SUITE) == (LINE,)
    refuse(codes.NOTE_UNSIGNED, Note(TEXT, (collision,)), KEY)


def test_LOG_5_an_unknown_id_under_a_known_name_is_ignored() -> None:
    note = Note(TEXT, (Signature(KEY.name, b"\0\0\0\0", bytes(64)), LINE))
    assert verify_note(note, [KEY], SUITE) == (LINE,)


def test_NOTE_1_repeated_line_of_one_key() -> None:
    refuse(codes.NOTE_REPEATED, Note(TEXT, (LINE, LINE)), KEY)
    unknown = Signature("example.com/bar", b"\0\0\0\0", bytes(64))
    assert verify_note(Note(TEXT, (unknown, LINE, unknown)), [KEY], SUITE) == (LINE,)
    head = with_lines(SMALL.head(), Pair("w").cosign("w", COSIGNATURE_MLDSA44, SMALL.checkpoint(), 5))
    twice = with_lines(head, Pair("w").cosign("w", COSIGNATURE_MLDSA44, SMALL.checkpoint(), 6))
    refuse(codes.NOTE_REPEATED, parse_note(twice), Pair("w").vkey("w", COSIGNATURE_MLDSA44))


def test_LOG_1_another_character_where_the_last_newline_belongs() -> None:
    refuse_parse(codes.NOTE_FORM, format_note(TEXT, [LINE])[:-1] + b"x")


def test_a_line_is_by_a_key_when_name_and_id_are() -> None:
    assert LINE.is_by(KEY)
    assert not Signature("example.com/bar", KEY.key_id, LINE.blob).is_by(KEY)
    assert not Signature(KEY.name, b"\0\0\0\0", LINE.blob).is_by(KEY)


def test_two_known_keys_of_one_name_and_id_are_refused() -> None:
    refuse(codes.NOTE_VKEY, Note(TEXT, (LINE,)), KEY, KEY)


def test_a_0x06_line_covers_nothing_but_a_checkpoint() -> None:
    line = LOG.cosign("w", COSIGNATURE_MLDSA44, SMALL.checkpoint())
    refuse(codes.CHECKPOINT_FORM, Note(TEXT, (line,)), LOG.vkey("w", COSIGNATURE_MLDSA44))


def test_format_refuses_what_would_read_back_otherwise() -> None:
    for text in (b"no newline", b"", b"tab\t\n", "ends in another note\n\n\N{EM DASH} w AAAAAAA=\n".encode()[:-1]):
        with pytest.raises(ProtocolError) as refused:
            format_note(text, [LINE])
        assert refused.value.code is codes.NOTE_FORM
    with pytest.raises(ProtocolError) as refused:
        format_note(TEXT, [])
    assert refused.value.code is codes.NOTE_FORM
    with pytest.raises(ProtocolError) as refused:
        format_note(TEXT, [Signature("two words", b"\0\0\0\0", b"\0")])
    assert refused.value.code is codes.NOTE_FORM


# keys


def test_vkeys_of_all_three_types() -> None:
    for algorithm in (ED25519, COSIGNATURE_ED25519, COSIGNATURE_MLDSA44):
        key = LOG.vkey(ORIGIN, algorithm)
        assert VKey.parse(str(key)) == key
        assert len(key.key_id) == 4
    assert len({LOG.vkey(ORIGIN, a).key_id for a in (ED25519, COSIGNATURE_ED25519, COSIGNATURE_MLDSA44)}) == 3
    assert [key.name for key in KEYS.vkeys] == [ORIGIN, ORIGIN]


GOOD = str(KEY)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com/foo",
        GOOD.replace("+", " "),
        GOOD.replace("example.com/foo", ""),
        GOOD.replace("example.com/foo", "example.com/bar"),  # the id is another's
        GOOD.replace("example.com", "example.\N{NO-BREAK SPACE}com"),
        GOOD.replace(KEY.key_id.hex(), KEY.key_id.hex().upper()),
        GOOD.replace(KEY.key_id.hex(), KEY.key_id.hex()[:6]),
        GOOD[:-1],
        GOOD + "\n",
        GOOD + "====",
        f"x+{'0' * 8}+",
        "x" * 256 + GOOD,
        "example.com/\udcff" + GOOD,
    ],
)
def test_vkeys_refused(text: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        VKey.parse(text)
    assert refused.value.code is codes.NOTE_VKEY


@pytest.mark.parametrize(
    ("algorithm", "length"), [(0, 32), (1, 31), (1, 1312), (2, 32), (4, 33), (6, 32), (6, 1313), (255, 32)]
)
def test_vkeys_of_other_types_and_lengths_refused(algorithm: int, length: int) -> None:
    with pytest.raises(ProtocolError) as refused:
        VKey("x", algorithm, bytes(length))
    assert refused.value.code is codes.NOTE_VKEY


def test_vkey_name_at_the_limit() -> None:
    for name in ("x" * 255, "é" * 127):
        assert VKey.parse(str(LOG.vkey(name, ED25519))).name == name
    for name in ("x" * 256, "é" * 128):
        with pytest.raises(ProtocolError) as refused:
            LOG.vkey(name, ED25519)
        assert refused.value.code is codes.NOTE_VKEY


# any bytes


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda t: t.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_a_note_or_refused(data: bytes) -> None:
    note_or_refused(data)


@given(st.data())
def test_a_note_with_some_bytes_changed_is_a_note_or_refused(data: st.DataObject) -> None:
    raw = bytearray(THEIR_NOTE)
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    note_or_refused(bytes(raw))


def note_or_refused(data: bytes) -> None:
    try:
        note = parse_note(data)
    except ProtocolError as refused:
        assert refused.code in (codes.NOTE_FORM, codes.NOTE_SIZE)
    else:
        assert format_note(note.text, note.signatures) == data
