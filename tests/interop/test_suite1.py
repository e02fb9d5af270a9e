"""Suite 1 against Go's crypto/hpke, crypto/mldsa, crypto/hkdf and AES-GCM, both ways, and on the committed vectors."""

from __future__ import annotations

import json
import os
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from keys.logkeys import LogKeyPair
from keys.suite import SUITE, PrekeySecret, open_wrap
from protocol.envelope import parse_envelope, wrap_info
from protocol.parts import BODY_MEDIA_TYPE, PartName, open_part
from tests.vectors.hpke.letters import Case, cases

Ask = Callable[[Sequence[dict[str, Any]]], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def ask(build_go: Callable[[str], Path]) -> Ask:
    program = build_go("suite1")

    def ask(questions: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        raw = json.dumps([{key: text(value) for key, value in question.items()} for question in questions])
        ran = subprocess.run([program], input=raw.encode(), capture_output=True, check=True)
        answers: list[dict[str, Any]] = json.loads(ran.stdout)
        assert len(answers) == len(questions)
        return [{"Error": a["Error"], "Bytes": b64decode(a["Bytes"] or "")} for a in answers]

    return ask


def text(value: str | bytes) -> str:
    return b64encode(value).decode() if isinstance(value, bytes) else value


def good(answers: list[dict[str, Any]]) -> list[bytes]:
    assert [a["Error"] for a in answers] == [""] * len(answers)
    return [a["Bytes"] for a in answers]


def read(case: Case, wrap: bytes) -> dict[str, Any]:
    e = parse_envelope(case.envelope)
    return {
        "Do": "read", "Seed": case.seed, "Envelope": case.envelope, "Network": e.network_id, "MessageID": e.message_id,
        "Recipient": case.recipient, "Wrap": wrap, "Body": case.body,
    }  # fmt: skip


def test_both_make_the_same_prekey_of_a_seed(ask: Ask) -> None:
    seeds = [os.urandom(32) for _ in range(10)]
    assert good(ask([{"Do": "prekey", "Seed": seed} for seed in seeds])) == [PrekeySecret(seed).public for seed in seeds]


@pytest.mark.parametrize("length", [0, 1, 96, 5_000])
def test_fresh_wraps_of_ours_are_opened_by_go(ask: Ask, length: int) -> None:
    seed, info, plain = os.urandom(32), os.urandom(80), os.urandom(length)
    sealed = SUITE.seal(PrekeySecret(seed).public, info, plain)
    assert good(ask([{"Do": "open", "Seed": seed, "Info": info, "Sealed": sealed}])) == [plain]


@pytest.mark.parametrize("length", [0, 1, 96, 5_000])
def test_fresh_wraps_of_go_are_opened_by_us(ask: Ask, length: int) -> None:
    seed, info, plain = os.urandom(32), os.urandom(80), os.urandom(length)
    (sealed,) = good(ask([{"Do": "seal", "Public": PrekeySecret(seed).public, "Info": info, "Plaintext": plain}]))
    assert open_wrap(seed, info, sealed) == plain
    assert open_wrap(seed, info + b"x", sealed) is None


def test_go_refuses_what_we_refuse(ask: Ask) -> None:
    seed, info = os.urandom(32), b"info"
    sealed = SUITE.seal(PrekeySecret(seed).public, info, b"x" * 96)
    wrong = [sealed[:-1], sealed[:1120], b"", sealed[:-1] + bytes([sealed[-1] ^ 1]), bytes([sealed[0] ^ 1]) + sealed[1:]]
    answers = ask([{"Do": "open", "Seed": seed, "Info": info, "Sealed": s} for s in wrong])
    assert all(a["Error"] for a in answers)
    assert [open_wrap(seed, info, s) for s in wrong] == [None] * len(wrong)


def test_go_reads_envelopes_that_we_sealed(ask: Ask) -> None:
    """The whole way: info from the envelope's bytes, wrap, content key, part 0, padding."""
    table = cases()
    assert len(table) >= 20
    assert good(ask([read(case, case.wrap_by_us) for case in table])) == [case.letter for case in table]


def test_go_reads_envelopes_that_it_wrapped_again(ask: Ask) -> None:
    table = cases()
    assert good(ask([read(case, case.wrap_by_go) for case in table])) == [case.letter for case in table]


def test_we_read_envelopes_that_go_wrapped() -> None:
    for case in cases():
        e = parse_envelope(case.envelope)
        prekey = PrekeySecret(case.seed)
        for wrap in (case.wrap_by_go, case.wrap_by_us):
            secret = prekey.open(wrap_info(e.raw, case.recipient, case.prekey_id), wrap)
            assert secret == case.secret
            name = PartName(e.network_id, e.message_id, 0)
            assert open_part(SUITE, name, e.parts[0], secret, BODY_MEDIA_TYPE, case.body) == case.letter


def test_go_refuses_the_wrap_of_another_envelope(ask: Ask) -> None:
    table = cases()
    wrong = [read(case, other.wrap_by_us) for case, other in zip(table, table[1:] + table[:1], strict=True)]
    assert all(a["Error"] for a in ask(wrong))


def test_ml_dsa_44_both_ways(ask: Ask) -> None:
    pairs = [LogKeyPair.generate() for _ in range(5)]
    messages = [os.urandom(length) for length in (0, 1, 100, 4_000, 70_000)]
    seeds = [{"Seed": pair.secret[32:]} for pair in pairs]
    assert good(ask([{"Do": "mldsa public", **seed} for seed in seeds])) == [pair.mldsa44 for pair in pairs]
    theirs = good(ask([{"Do": "mldsa sign", "Message": m, **seed} for m, seed in zip(messages, seeds, strict=True)]))
    for pair, message, signature in zip(pairs, messages, theirs, strict=True):
        assert SUITE.verify_mldsa44(pair.mldsa44, signature, message)
        assert not SUITE.verify_mldsa44(pair.mldsa44, signature, message + b"x")
    ours = [
        {"Do": "mldsa verify", "Public": pair.mldsa44, "Message": message, "Signature": pair.sign_mldsa44(message)}
        for pair, message in zip(pairs, messages, strict=True)
    ]
    good(ask(ours))
    assert all(a["Error"] for a in ask([{**question, "Message": b"another"} for question in ours]))
