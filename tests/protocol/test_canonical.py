"""One spelling for a number and for bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import codes
from protocol.canonical import decimal, from_base64, to_base64
from protocol.errors import ProtocolError


@given(st.integers(0, 2**63 - 1))
def test_numbers(n: int) -> None:
    assert decimal(str(n), codes.PROOF_FORM, "n") == n


@pytest.mark.parametrize(
    "text", ["", "00", "01", "+1", "-1", " 1", "1 ", "1\n", "1_0", "1e3", "0x1", "\u0661", str(2**63), "9" * 20]
)
def test_numbers_refused(text: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        decimal(text, codes.PROOF_FORM, "n")
    assert refused.value.code is codes.PROOF_FORM


def test_the_largest_number() -> None:
    assert decimal("9223372036854775807", codes.PROOF_FORM, "n") == 2**63 - 1


@given(st.binary(max_size=50))
def test_bytes(data: bytes) -> None:
    assert from_base64(to_base64(data), codes.PROOF_FORM, "b") == data


@pytest.mark.parametrize(
    "text", ["A", "AA", "AA=", "AB==", "AAB=", "AA==\n", "AA ==", " AA==", "AA==AA==", "A===", "__==", "\u00c4A=="]
)
def test_base64_refused(text: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        from_base64(text, codes.PROOF_FORM, "b")
    assert refused.value.code is codes.PROOF_FORM


@given(st.text(alphabet="AB/=_ \n", max_size=8))
def test_any_text_is_the_one_base64_of_its_bytes_or_refused(text: str) -> None:
    try:
        assert to_base64(from_base64(text, codes.PROOF_FORM, "b")) == text
    except ProtocolError as refused:
        assert refused.code is codes.PROOF_FORM
