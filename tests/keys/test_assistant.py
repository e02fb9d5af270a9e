"""The assistant: what it seals opens, and without it everything goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from keys import assistant
from keys.assistant import AssistedSuite
from keys.suite import PrekeySecret
from protocol.errors import ProtocolError

BATCH = [(b"info %d" % n, os.urandom(96)) for n in range(64)]


@pytest.fixture
def suite() -> Iterator[AssistedSuite]:
    made = AssistedSuite()
    yield made
    made.close()


@pytest.fixture
def secret() -> PrekeySecret:
    return PrekeySecret(os.urandom(32))


def _opens(secret: PrekeySecret, wraps: list[bytes], batch: list[tuple[bytes, bytes]] = BATCH) -> None:
    assert [secret.open(info, wrap) for (info, _), wrap in zip(batch, wraps, strict=True)] == [plain for _, plain in batch]


def test_batches_are_sealed_by_another_process(suite: AssistedSuite, secret: PrekeySecret) -> None:
    _opens(secret, suite.seal_all(secret.public, BATCH))
    process = suite._process
    assert process is not None
    before = time.process_time()
    for _ in range(20):
        _opens(secret, suite.seal_all(secret.public, BATCH)[:1], BATCH[:1])
    ours = time.process_time() - before
    before = time.process_time()
    for _ in range(20):
        super(AssistedSuite, suite).seal_all(secret.public, BATCH)
    assert ours < (time.process_time() - before) / 2
    assert suite._process is process


def test_a_batch_is_longer_than_a_pipe_holds(suite: AssistedSuite, secret: PrekeySecret) -> None:
    large = [(os.urandom(300), os.urandom(96)) for _ in range(1000)]
    suite.seal_all(secret.public, BATCH)
    process = suite._process
    assert process is not None
    _opens(secret, suite.seal_all(secret.public, large), large)
    assert process is suite._process
    assert process.poll() is None


def test_few_wraps_start_nothing(suite: AssistedSuite, secret: PrekeySecret) -> None:
    _opens(secret, suite.seal_all(secret.public, BATCH[:4]), BATCH[:4])
    assert suite.seal_all(secret.public, []) == []
    assert suite._process is None


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_an_assistant_that_died_is_replaced(suite: AssistedSuite, secret: PrekeySecret, how: int) -> None:
    for _ in range(3):
        _opens(secret, suite.seal_all(secret.public, BATCH))
        assert suite._process is not None
        suite._process.send_signal(how)
        _opens(secret, suite.seal_all(secret.public, BATCH))


def test_an_assistant_that_stands_still_is_ended(suite: AssistedSuite, secret: PrekeySecret, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while it reads nothing: a large batch does not fit into the pipe."""
    monkeypatch.setattr(assistant, "_PATIENCE", 0.5)
    large = [(os.urandom(300), os.urandom(96)) for _ in range(1000)]
    suite.seal_all(secret.public, BATCH)
    assert suite._process is not None
    suite._process.send_signal(signal.SIGSTOP)
    _opens(secret, suite.seal_all(secret.public, large), large)
    assert suite._process is None


def test_an_answer_that_is_none_is_not_taken(suite: AssistedSuite, secret: PrekeySecret) -> None:
    suite._process = subprocess.Popen([sys.executable, "-c", "print('\\0\\0\\0\\2\\xff\\xff')"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    _opens(secret, suite.seal_all(secret.public, BATCH))


def test_a_weak_key_is_refused_as_without_it(suite: AssistedSuite, secret: PrekeySecret) -> None:
    for _ in range(3):
        with pytest.raises(ProtocolError) as caught:
            suite.seal_all(bytes(1216), BATCH)
        assert caught.value.code.code == "KEY-WEAK"


def test_it_ends_with_the_node_however_that_ends() -> None:
    script = (
        "import os, sys, time; from keys.assistant import AssistedSuite; from keys.suite import PrekeySecret\n"
        "suite, key = AssistedSuite(), PrekeySecret(os.urandom(32)).public\n"
        "for _ in range(2): suite.seal_all(key, [(b'', bytes(96))] * 32)\n"
        "print(suite._process.pid, flush=True); time.sleep(60)"
    )
    node = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert node.stdout is not None
    child = Path("/proc") / node.stdout.readline().strip()
    assert b"keys.assistant" in (child / "cmdline").read_bytes()
    node.kill()
    node.communicate()
    for _ in range(200):
        if not child.exists() or b"keys.assistant" not in (child / "cmdline").read_bytes():
            return
        time.sleep(0.05)
    raise AssertionError("it still runs")
