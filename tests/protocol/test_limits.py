"""Limits: they are positive, documented, and fit each other; a limit that contradicts another would refuse what is allowed."""

from __future__ import annotations

from pathlib import Path

from protocol import limits
from protocol.entries import Lane
from protocol.envelope import build_envelope
from protocol.parts import PartHead, sealed_length

DECLARED = {name: value for name, value in vars(limits).items() if name.isupper() or name.endswith("iB")}


def test_every_limit_is_a_positive_whole_number() -> None:
    assert len(DECLARED) > 40
    assert not [name for name, value in DECLARED.items() if type(value) is not int or value <= 0]


def test_nothing_else_is_on_the_screen() -> None:
    source = Path(limits.__file__).read_text(encoding="utf-8")
    assert source.count(": Final = ") == len(DECLARED)
    assert source.count("\n") <= 120


def test_units() -> None:
    assert (limits.KiB, limits.MiB, limits.GiB) == (2**10, 2**20, 2**30)
    assert (limits.SECOND, limits.MINUTE, limits.HOUR, limits.DAY) == (1000, 60_000, 3_600_000, 86_400_000)


def test_what_is_carried_fits_into_what_carries_it() -> None:
    assert limits.ENVELOPE < limits.POUCH
    assert limits.POUCH_HEAD < limits.POUCH
    assert limits.ENTRY <= 65_535  # an entry bundle has two bytes of length
    assert limits.BODY <= limits.PART <= limits.MESSAGE
    assert limits.URGENT_MESSAGE <= limits.BODY  # an urgent message is its body
    assert limits.DIRECTORY_ENTRY < limits.DIRECTORY


def test_an_envelope_with_every_part_and_recipient_fits() -> None:
    body, part = (PartHead(sealed_length(size), bytes(32), bytes(32)) for size in (limits.BODY, 200 * limits.MiB))
    full = build_envelope(
        network_id=bytes(32),
        message_id=b"\1" * 16,
        sender="s" * limits.AUTHORITY_NAME,
        recipients=tuple(f"{n:02}".ljust(limits.AUTHORITY_NAME, "r") for n in range(limits.RECIPIENTS)),
        created=2**41,
        expires=2**41 + limits.TTL,
        lane=Lane.ROUTINE,
        part_heads=(body, *[part] * (limits.PARTS - 1)),
    )
    assert len(full.raw) <= limits.ENVELOPE
    assert (len(full.parts), len(full.recipients)) == (limits.PARTS, limits.RECIPIENTS)


def test_c2sp_asks_for_at_least() -> None:
    assert limits.NOTE_SIGNATURES >= 16
    assert limits.POLICY_LINES >= 32
    assert limits.PROOF_LINES == 63
    # a checkpoint with as many ML-DSA-44 lines as signatures may be there, each 2,420 bytes in base64
    assert limits.NOTE_SIGNATURES * 1600 < limits.NOTE


def test_prekeys_fit_an_entry_and_outlive_their_use() -> None:
    assert limits.PREKEY_SET * 40 < limits.ENTRY
    assert limits.PREKEY_AHEAD < limits.PREKEY_SET
    assert limits.PREKEY_GRACE >= limits.PREKEY_LIFE


def test_waiting_ends_before_the_message() -> None:
    assert limits.SKEW < limits.HOUR < limits.TTL
    assert limits.DIRECTORY_GRACE < limits.TTL


def test_the_encoding_holds_the_largest_things() -> None:
    assert limits.CBOR_KEY == 24  # one byte each
    assert limits.CBOR_ITEMS >= 2 * limits.PARTS + 2 * limits.RECIPIENTS + limits.CBOR_KEY
    assert limits.CBOR_ITEMS >= 8 * limits.POUCH_ITEMS
