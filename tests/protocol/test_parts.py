"""Parts while they flow: any split gives the same part, nothing is judged too early, and Padmé is Padmé."""

from __future__ import annotations

import hashlib
import math
import random

import pytest

from keys.suite import SUITE
from protocol import limits
from protocol.errors import ProtocolError
from protocol.parts import (
    OpeningPart,
    PartHead,
    PartName,
    SealingPart,
    is_sealed_length,
    open_part,
    padme,
    seal_part,
    sealed_length,
    verify_opening,
)

NAME = PartName(bytes(32), b"m" * 16, 3)
SECRET = bytes(range(96))
CEK, R = SECRET[:32], SECRET[32:]
LENGTHS = (0, 1, 7, 8, 16_375, 16_376, 16_377, 32_752, 65_536, 100_003)


def _data(length: int) -> bytes:
    return bytes(i * 31 % 256 for i in range(length))


def _code(call: object, *arguments: object) -> str:
    with pytest.raises(ProtocolError) as caught:
        call(*arguments)  # type: ignore[operator]
    return caught.value.code.code


@pytest.mark.parametrize("length", LENGTHS)
def test_any_split_gives_the_same(length: int) -> None:
    choose = random.Random(length)
    data = _data(length)
    sealing = SealingPart(SUITE, NAME, CEK, R, "text/plain", length)
    out, at = b"", 0
    while at < length:
        step = choose.choice((1, 1000, 16_384, 30_000))
        out += sealing.update(data[at : at + step])
        at += step
    rest, head = sealing.finalize()
    out += rest
    assert (len(out), head.length) == (sealed_length(length),) * 2
    assert head.digest == hashlib.sha256(out).digest()
    assert is_sealed_length(len(out))
    whole = seal_part(SUITE, NAME, CEK, R, "text/plain", data)[1]
    assert (head.length, head.commitment) == (whole.length, whole.commitment)
    for steps in ((1, 5, 17), (16_400,), (7_777, 1, 1)):
        opening = OpeningPart(SUITE, NAME, head, CEK, R, "text/plain")
        opened, at, turn = b"", 0, 0
        while at < len(out):
            step = steps[turn % len(steps)] if turn < 50 else 20_000
            opened += opening.update(out[at : at + step])
            at, turn = at + step, turn + 1
        assert opened + opening.finalize() == data


def test_padme() -> None:
    """Against the formula of the page, and its bound."""
    for length in (*range(2, 5000), *(2**n + d for n in range(13, 38) for d in (-1, 0, 1, 12_345))):
        e = math.floor(math.log2(length)) if length < 2**40 else length.bit_length() - 1
        bits = e - (math.floor(math.log2(e)) + 1 if e else 0)
        unit = 2 ** max(0, bits)
        assert padme(length) == -(-length // unit) * unit
        assert length <= padme(length) <= length * 1.12
    assert [padme(n) for n in (0, 1, 2)] == [0, 1, 2]


def test_sealed_lengths_are_recognised_and_no_others() -> None:
    known = {sealed_length(n) for n in range(40_000)}
    assert all(is_sealed_length(n) == (n in known) for n in range(sealed_length(39_000)))
    for length in (limits.PART, limits.BODY, limits.URGENT_MESSAGE):
        assert is_sealed_length(sealed_length(length))
        assert not is_sealed_length(sealed_length(length) + 1)


def test_a_plaintext_of_another_length_than_announced() -> None:
    assert _code(SealingPart(SUITE, NAME, CEK, R, "text/plain", 3).update, b"four") == "PART-LENGTH"
    short = SealingPart(SUITE, NAME, CEK, R, "text/plain", 3)
    short.update(b"tw")
    assert _code(short.finalize) == "PART-LENGTH"


def test_length_and_digest_are_judged_before_content() -> None:
    """Whatever is wrong with the bytes, as long as they are not the ones named it is the way's fault."""
    ciphertext, head = seal_part(SUITE, NAME, CEK, R, "text/plain", _data(50_000))
    for at in (0, 30, 100, 20_000, len(ciphertext) - 1):
        altered = ciphertext[:at] + bytes([ciphertext[at] ^ 1]) + ciphertext[at + 1 :]
        assert _code(open_part, SUITE, NAME, head, SECRET, "text/plain", altered) == "PART-DIGEST"
        named = PartHead(head.length, hashlib.sha256(altered).digest(), head.commitment)
        assert _code(open_part, SUITE, NAME, named, SECRET, "text/plain", altered) == "PART-CONTENT"
    assert _code(open_part, SUITE, NAME, head, SECRET, "text/plain", ciphertext[:-1]) == "PART-LENGTH"
    opening = OpeningPart(SUITE, NAME, head, CEK, R, "text/plain")
    opening.update(ciphertext)
    assert _code(opening.update, b"x") == "PART-LENGTH"


def test_nothing_comes_out_once_a_chunk_has_failed() -> None:
    ciphertext, head = seal_part(SUITE, NAME, CEK, R, "text/plain", _data(50_000))
    altered = ciphertext[:100] + b"\0\0\0" + ciphertext[103:]
    opening = OpeningPart(SUITE, NAME, head, CEK, R, "text/plain")
    assert opening.update(altered[:40_000]) == b""
    assert opening.update(altered[40_000:]) == b""
    assert _code(opening.finalize) == "PART-DIGEST"


@pytest.mark.parametrize("what", ["part", "message", "network", "cek", "r", "media_type"])
def test_a_part_is_bound_to_everything(what: str) -> None:
    ciphertext, head = seal_part(SUITE, NAME, CEK, R, "text/plain", b"evidence")
    name = {
        "part": PartName(NAME.network_id, NAME.message_id, 4), "message": PartName(NAME.network_id, bytes(16), 3),
        "network": PartName(b"n" * 32, NAME.message_id, 3),
    }.get(what, NAME)  # fmt: skip
    secret = {"cek": bytes(32) + R, "r": CEK + bytes(64)}.get(what, SECRET)
    media_type = "text/html" if what == "media_type" else "text/plain"
    expected = "PART-COMMITMENT" if what in ("r", "media_type") else "PART-CONTENT"
    assert _code(open_part, SUITE, name, head, secret, media_type, ciphertext) == expected
    assert open_part(SUITE, NAME, head, SECRET, "text/plain", ciphertext) == b"evidence"


def test_one_opening_opens_one_part() -> None:
    _, head = seal_part(SUITE, NAME, CEK, R, "text/plain", b"evidence")
    opening = NAME.opening(R)
    verify_opening(NAME, head, "text/plain", opening, [b"evi", b"dence"])
    other = PartName(NAME.network_id, NAME.message_id, 4)
    assert other.opening(R) != opening
    for name, media_type, r, plaintext in (
        (other, "text/plain", opening, b"evidence"), (NAME, "text/html", opening, b"evidence"),
        (NAME, "text/plain", other.opening(R), b"evidence"), (NAME, "text/plain", opening, b"Evidence"),
    ):  # fmt: skip
        assert _code(verify_opening, name, head, media_type, r, [plaintext]) == "PART-COMMITMENT"


def test_two_seals_of_one_plaintext_differ() -> None:
    one, two = (seal_part(SUITE, NAME, CEK, R, "text/plain", b"evidence")[0] for _ in range(2))
    assert one != two
