from __future__ import annotations

import json
import os
import threading

from click.testing import CliRunner

from node.benches.command import bench
from node.benches.sample import resident


def run(*arguments: str) -> dict:
    """The last line of a bench, in its smallest size: that it runs and says all it should, not how fast this machine is."""
    done = CliRunner().invoke(bench, [*arguments, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.output.splitlines()[-1])


def test_exchange() -> None:
    found = run("exchange", "--seconds", "2", "--in-flight", "64")
    assert found["messages_per_second"] > 0
    assert found["cpu_us_per_message"] > 100
    assert 0 < found["ratio_to_floor"] < 1
    assert 1 <= found["mean_pouch"] <= found["pouch_max"] <= 256
    assert 0 < found["idle_p50_ms"] <= found["idle_p99_ms"]
    assert set(found["rss_slope_mib_per_min"]) == {"sender", "recipient"}


def test_urgent() -> None:
    found = run("urgent", "--samples", "10", "--queue", "600", "--flood")
    for name in ("urgent_idle", "urgent", "flood_urgent"):
        assert found[f"{name}_samples"] == 10
        assert 0 < found[f"{name}_p50_ms"] <= found[f"{name}_p99_ms"]
    assert found["routine_messages_per_second"] > 0
    assert 0 < found["routine_queue_min"] <= 600
    assert found["flood_bytes_per_second"] > 0
    assert found["flood_handshakes_per_second"] > 0


def test_growth() -> None:
    found = run("growth", "--entries", "2000", "--young", "200", "--rounds", "2", "--messages", "32", "--queued", "300")
    assert 0.2 < found["ratio_1m_to_1k"] < 5
    assert found["inclusion_proof_ms"] > 0
    assert found["first_receipt_seconds"] > 0
    assert found["first_receipt_is_urgent"] is True


def test_verify() -> None:
    found = run("verify", "--entries", "1000", "--messages", "40", "--copies", "6", "--large-copies", "0")
    assert found["verify_seconds"] > 0
    assert (found["entries"], found["messages"], found["proofs"]) == (1000, 40, 40)
    assert found["checkpoints"] > 1
    assert (found["copies_found"], found["copies_missed"]) == (6, [])


def test_memory_is_read_while_threads_come_and_go() -> None:
    ended = threading.Event()

    def start_and_end() -> None:
        while not ended.is_set():
            thread = threading.Thread(target=lambda: None)
            thread.start()
            thread.join()

    busy = [threading.Thread(target=start_and_end) for _ in range(3)]
    for thread in busy:
        thread.start()
    try:
        assert min(resident(os.getpid()) for _ in range(3000)) > 0
    finally:
        ended.set()
        for thread in busy:
            thread.join()
