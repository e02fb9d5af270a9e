"""A real node process with canaries in everything that is secret: found nowhere but in what is asked for (OPS-1 to OPS-5)."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from node.cli.boundary import AnsweredError
from node.cli.client import NodeClient
from node.clock import SystemClock
from node.exercise import found_world
from protocol.errors import LocalError
from tests.house import form

CANARY = "CANARY-7f3a9c"
SOURCE = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One node at DEBUG, used: a name, a form, an attachment, an upload, a draft, a refusal, a read. Gives its home, log, pid."""
    folder = tmp_path_factory.mktemp("ops")
    (folder / "world").mkdir()
    world = found_world(folder / "world", ("xa-ca", "xb-ca"), SystemClock().now())
    home = world.places["xa-ca"].home
    home.settings.write_text(home.settings.read_text() + '\n[log]\nlevel = "debug"\nformat = "json"\n')
    temporary, log = folder / "temporary", folder / "log"
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(SOURCE)}
    environment.pop("GLIBC_TUNABLES", None)  # a bench that ran in this process has set it
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "node.cli", "run", "--home", str(home.path)], stdout=out, stderr=out, env=environment, cwd=folder
        )
        try:
            node = NodeClient(home.path)
            wait_for(node, process)
            use(node, folder)
            yield home, log, process.pid, temporary
        finally:
            process.terminate()
            process.wait(20)


def wait_for(node, process):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            node.get("/v1/status")
        except LocalError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"the node did not start: {process.poll()}")


def use(node, folder):
    """Give the node every kind of secret, and make it fail on some."""
    person = node.post("/v1/people", {"name": f"{CANARY} Name"})["id"]
    for office, role in (("xa-ca/247", "duty"), ("xa-ca/mla", "officer")):
        node.post(f"/v1/people/{person}/roles", {"office": office, "role": role})
    evidence = folder / "evidence"
    evidence.write_text(CANARY * 100_000)
    attachment = {"path": str(evidence), "filename": f"{CANARY}.pdf"}
    base = {"from": "xa-ca/247", "to": ["xb-ca/247"], "kind": "EE_PRESERVE", "actor": person}
    sent = node.post("/v1/messages", {**base, "form": form("preserve", purpose=CANARY), "attachments": [attachment]})
    records = {"from": "xa-ca/mla", "to": ["xb-ca/mla"], "kind": "MLA_RECORDS", "actor": person}
    draft = node.post("/v1/messages", {**records, "form": form("mla-records", purpose=CANARY)})["draft_id"]
    node.post(f"/v1/drafts/{draft}/reject", {"actor": person, "reason": CANARY})
    with pytest.raises(AnsweredError):
        node.post("/v1/messages", {**base, "form": form("preserve", purpose=[CANARY], **{CANARY: CANARY})})
    with pytest.raises(AnsweredError):
        node.post("/v1/messages", {**base, "form": {}, CANARY: CANARY})
    with pytest.raises(AnsweredError):
        node.get(f"/v1/messages/{CANARY}")
    query = {"content": 1, "purpose": "test", "actor": person}
    assert node.get(f"/v1/messages/{sent['message_id']}", **query)["content"]["form"]["purpose"] == CANARY
    part = b"".join(node.stream(f"/v1/messages/{sent['message_id']}/parts/1", purpose="test", actor=person))
    assert CANARY.encode() in part


def files_with(folder, word):
    return [path for path in folder.rglob("*") if path.is_file() and word in path.read_bytes()]


def test_OPS_1_no_content_in_the_log_at_debug(run):
    _, log, _, _ = run
    text = log.read_text()
    assert '"stage": "submitted"' in text
    assert CANARY not in text


def test_OPS_2_no_traceback_in_the_log(run):
    _, log, _, _ = run
    assert "Traceback" not in log.read_text()


def test_OPS_3_no_content_in_temporary_folders(run):
    _, _, _, temporary = run
    assert files_with(temporary, CANARY.encode()) == []


def test_OPS_4_no_content_in_database_journal_or_parts(run):
    home, _, _, _ = run
    assert (home.data / "exchange.sqlite-wal").stat().st_size > 0
    assert files_with(home.path, CANARY.encode()) == []


def test_OPS_5_no_secret_in_environment_or_arguments(run):
    home, _, pid, _ = run
    secret = (home.path / "passphrase").read_bytes().strip()
    assert len(secret) > 20
    for name in ("environ", "cmdline"):
        raw = Path("/proc", str(pid), name).read_bytes()
        assert raw
        assert secret not in raw
        assert CANARY.encode() not in raw


def test_OPS_5_no_secret_in_the_log(run):
    home, log, _, _ = run
    assert (home.path / "passphrase").read_bytes().strip() not in log.read_bytes()


def test_all_threads_share_one_heap(run):
    """glibc gives a thread a heap of 64 MiB of addresses, at a multiple of it, unless it was told not to when the program began."""
    _, _, pid, _ = run
    assert b"GLIBC_TUNABLES=glibc.malloc.arena_max=1" in Path(f"/proc/{pid}/environ").read_bytes()
    maps = [line.split()[:2] for line in Path(f"/proc/{pid}/maps").read_text().splitlines() if len(line.split()) == 5]
    spans = [[int(end, 16) for end in where.split("-")] for where, _ in maps]
    size = 64 << 20
    heaps = [a for (a, b), (c, d) in pairwise(spans) if a % size == 0 and b == c and d - a == size]
    assert len(list(Path(f"/proc/{pid}/task").iterdir())) > 3
    assert not heaps
