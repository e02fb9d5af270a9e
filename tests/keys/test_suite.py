"""Suite 1 as the core sees it: what verifies, what seals and opens, which keys are refused at enrolment."""

from __future__ import annotations

import os
import statistics
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa, x25519
from nacl.bindings import crypto_core_ed25519_is_valid_point

from keys import codes
from keys.suite import (
    PREKEY_PUBLIC,
    SUITE,
    WRAP_OVERHEAD,
    PrekeySecret,
    _of_prime_order,
    check_ed25519,
    check_mldsa44,
    check_prekey,
    open_wrap,
    sound_prekey,
)
from protocol import codes as protocol_codes
from protocol.errors import ProtocolError
from protocol.ports import Stream
from tests.keys.vectors import cctv_ed25519_keys, cctv_mlkem768_keys

ORDER = 2**252 + 27742317777372353535851937790883648493
# RFC 7748 section 6.1 and 5: the points of low order, reduced and not
LOW_ORDER_X25519 = [
    bytes(32),
    bytes([1]) + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    (2**255 - 20).to_bytes(32, "little"),
    (2**255 - 19).to_bytes(32, "little"),
    (2**255 - 18).to_bytes(32, "little"),
]


@pytest.fixture(scope="module")
def secret() -> PrekeySecret:
    return PrekeySecret(os.urandom(32))


def test_sealed_opens_and_has_the_stated_length(secret: PrekeySecret) -> None:
    assert len(secret.public) == PREKEY_PUBLIC
    wrap = SUITE.seal(secret.public, b"info", b"x" * 96)
    assert len(wrap) == 96 + WRAP_OVERHEAD
    assert secret.open(b"info", wrap) == b"x" * 96
    assert SUITE.seal(secret.public, b"info", b"x" * 96) != wrap


def test_ENC_1_wrap_for_another_prekey_does_not_open(secret: PrekeySecret) -> None:
    other = PrekeySecret(os.urandom(32))
    assert other.open(b"info", SUITE.seal(secret.public, b"info", b"x" * 96)) is None


@pytest.mark.parametrize("length", [0, 100, 1119, 1120, 1135, 1136, 1231])
def test_ENC_2_truncated_wrap_does_not_open(secret: PrekeySecret, length: int) -> None:
    wrap = SUITE.seal(secret.public, b"info", b"x" * 96)
    assert secret.open(b"info", wrap[:length]) is None


@pytest.mark.parametrize("point", LOW_ORDER_X25519)
def test_ENC_3_low_order_share_in_a_wrap_does_not_open(secret: PrekeySecret, point: bytes) -> None:
    wrap = SUITE.seal(secret.public, b"info", b"x" * 96)
    assert secret.open(b"info", wrap[:1088] + point + wrap[1120:]) is None


@pytest.mark.parametrize("point", LOW_ORDER_X25519)
def test_ENC_3_low_order_share_in_a_prekey_is_refused(secret: PrekeySecret, point: bytes) -> None:
    weak = secret.public[:1184] + point
    with pytest.raises(ProtocolError) as caught:
        check_prekey(weak)
    assert caught.value.code is codes.KEY_WEAK
    with pytest.raises(ProtocolError) as caught:
        SUITE.seal(weak, b"info", b"x")
    assert caught.value.code is codes.KEY_WEAK


def test_ENC_4_every_unreduced_mlkem_key_is_refused(secret: PrekeySecret) -> None:
    keys = cctv_mlkem768_keys()
    assert len(keys) == 780
    for key in keys:
        assert not sound_prekey(key + secret.public[1184:])
    check_prekey(secret.public)


@pytest.mark.parametrize("length", [0, 32, 1184, 1215, 1217])
def test_prekey_of_wrong_length_is_refused(length: int) -> None:
    with pytest.raises(ProtocolError) as caught:
        check_prekey(bytes(length))
    assert caught.value.code is codes.KEY_WEAK


def test_ENC_5_wrap_of_another_message_does_not_open(secret: PrekeySecret) -> None:
    assert secret.open(b"this message", SUITE.seal(secret.public, b"another message", b"x" * 96)) is None


def test_ENC_8_random_wraps_all_fail_alike(secret: PrekeySecret) -> None:
    for _ in range(10_000):
        assert secret.open(b"info", os.urandom(1232)) is None


def test_TIM_1_failing_early_and_late_take_like_time(secret: PrekeySecret) -> None:
    """Medians of three kinds of failure, taken in turns so that a busy machine slows them alike; the bound is generous."""
    wrap = SUITE.seal(secret.public, b"info", b"x" * 96)
    kinds = [os.urandom(1232), wrap[:-1] + bytes([wrap[-1] ^ 1]), bytes([wrap[0] ^ 1]) + wrap[1:]]
    took: list[list[int]] = [[], [], []]
    for _ in range(1_500):
        for kind, times in zip(kinds, took, strict=True):
            start = time.perf_counter_ns()
            assert secret.open(b"info", kind) is None
            times.append(time.perf_counter_ns() - start)
    medians = [statistics.median(times) for times in took]
    assert max(medians) < 1.25 * min(medians)


def test_open_wrap_takes_the_seed() -> None:
    seed = os.urandom(32)
    wrap = SUITE.seal(PrekeySecret(seed).public, b"info", b"content key")
    assert open_wrap(seed, b"info", wrap) == b"content key"
    assert open_wrap(os.urandom(32), b"info", wrap) is None


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_seed_of_wrong_length_is_a_mistake_of_ours(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        PrekeySecret(bytes(length))


def test_SIG_1_flipped_bits_do_not_verify() -> None:
    classical, lattice = ed25519.Ed25519PrivateKey.generate(), mldsa.MLDSA44PrivateKey.generate()
    pairs = [
        (SUITE.verify_ed25519, classical.public_key().public_bytes_raw(), classical.sign(b"m")),
        (SUITE.verify_mldsa44, lattice.public_key().public_bytes_raw(), lattice.sign(b"m")),
    ]
    for verify, key, signature in pairs:
        assert verify(key, signature, b"m")
        assert not verify(key, signature, b"n")
        for bit in range(0, 8 * len(signature), 8 * len(signature) // 64):
            altered = bytearray(signature)
            altered[bit // 8] ^= 1 << bit % 8
            assert not verify(key, bytes(altered), b"m")


def test_SIG_2_signatures_and_keys_of_other_lengths_do_not_verify() -> None:
    for length in (0, 31, 33, 63, 64, 65, 1311, 1312, 1313, 2419, 2420, 2421, 3309):
        junk = bytes(length)
        assert not SUITE.verify_ed25519(junk, bytes(64), b"m")
        assert not SUITE.verify_ed25519(bytes([3]) * 32, junk, b"m")
        assert not SUITE.verify_mldsa44(junk, bytes(2420), b"m")
        assert not SUITE.verify_mldsa44(bytes([3]) * 1312, junk, b"m")


def test_SIG_8_malleated_ed25519_signature_does_not_verify() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    public, signature = key.public_key().public_bytes_raw(), key.sign(b"m")
    s = int.from_bytes(signature[32:], "little") + ORDER
    assert SUITE.verify_ed25519(public, signature, b"m")
    assert not SUITE.verify_ed25519(public, signature[:32] + s.to_bytes(32, "little"), b"m")


def test_SIG_9_low_order_and_non_canonical_keys_are_refused() -> None:
    keys = [key for key, flags in cctv_ed25519_keys().items() if flags & {"low_order_A", "non_canonical_A"}]
    assert len(keys) == 14
    for key in keys:
        _refused_ed25519(key)


def test_SIG_10_mixed_order_keys_are_refused() -> None:
    table = cctv_ed25519_keys()
    mixed = [key for key, flags in table.items() if "low_order_component_A" in flags and "low_order_A" not in flags]
    sound = [key for key, flags in table.items() if not flags]
    assert mixed
    assert sound
    for key in mixed:
        _refused_ed25519(key)
    for key in sound:
        check_ed25519(key)


def test_SIG_10_each_of_the_two_checks_of_order_suffices() -> None:
    """So that a fault in one, as libsodium once had, lets nothing through."""
    for key, flags in cctv_ed25519_keys().items():
        assert _of_prime_order(key) == crypto_core_ed25519_is_valid_point(key) == (not flags)


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(33), bytes([2]) + bytes(31), bytes([255]) * 32])
def test_ed25519_keys_that_are_no_points_are_refused(key: bytes) -> None:
    _refused_ed25519(key)


def test_own_ed25519_keys_are_sound() -> None:
    for _ in range(50):
        check_ed25519(ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw())


def test_mldsa44_keys_at_enrolment() -> None:
    check_mldsa44(mldsa.MLDSA44PrivateKey.generate().public_key().public_bytes_raw())
    for key in (b"", bytes(1312), bytes([1]) * 32 + bytes(1280), os.urandom(1311), os.urandom(1952)):
        with pytest.raises(ProtocolError) as caught:
            check_mldsa44(key)
        assert caught.value.code is codes.KEY_WEAK


def test_SIG_19_mldsa_signature_under_another_context_or_parameter_set_does_not_verify() -> None:
    key = mldsa.MLDSA44PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    assert SUITE.verify_mldsa44(public, key.sign(b"m"), b"m")
    assert not SUITE.verify_mldsa44(public, key.sign(b"m", b"another context"), b"m")
    assert not SUITE.verify_mldsa44(public, mldsa.MLDSA65PrivateKey.generate().sign(b"m"), b"m")


def test_part_streams_round_trip_and_refuse() -> None:
    key, text = os.urandom(32), os.urandom(70_000)
    sealed = _run(SUITE.encryptor(key, b"part 0"), text)
    assert _run(SUITE.decryptor(key, b"part 0"), sealed) == text
    altered = bytearray(sealed)
    altered[60] ^= 1
    wrong = [
        (key, b"part 1", sealed),
        (bytes(32), b"part 0", sealed),
        (key, b"part 0", b""),
        (key, b"part 0", sealed[:-1]),
        (key, b"part 0", sealed[: 56 + 16_400]),
        (key, b"part 0", sealed + b"x"),
        (key, b"part 0", bytes(altered)),
    ]
    for other_key, context, stream in wrong:
        with pytest.raises(ProtocolError) as caught:
            _run(SUITE.decryptor(other_key, context), stream)
        assert caught.value.code is protocol_codes.PART_CONTENT


def test_the_probe_for_low_order_points_is_nobodys_key() -> None:
    """X25519 against the probe refuses the points of low order and nothing else that a real key can be."""
    for _ in range(20):
        public = x25519.X25519PrivateKey.generate().public_key().public_bytes_raw()
        assert sound_prekey(PrekeySecret(os.urandom(32)).public[:1184] + public)


def _refused_ed25519(key: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        check_ed25519(key)
    assert caught.value.code is codes.KEY_WEAK


def _run(stream: Stream, data: bytes) -> bytes:
    return stream.update(data) + stream.finalize()
