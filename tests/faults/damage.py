"""What a disk, a colleague or a second process does to a node's data: refused or lived through, and nothing wrong is ever served.

    harm(folder, "locked")
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

from node.cli.boundary import AnsweredError
from protocol.errors import RogatoryError
from tests.faults.launching import Fault
from tests.faults.ledger import demand
from tests.faults.stage import RECIPIENT, SENDER, FaultNode, Stage, stage, wait_until

KINDS = ("locked", "full", "small disk", "twice", "entry", "tile", "head", "page", "part sent", "part received")
_ROOM = 3 << 20  # bytes that are left on the small disk
_FLIPS = {
    "entry": ("UPDATE entry SET bytes=? WHERE n=1 AND idx=?", "SELECT bytes, idx FROM entry WHERE n=1 ORDER BY idx"),
    "tile": ("UPDATE tile SET hashes=? WHERE n=1 AND level=0 AND idx=?", "SELECT hashes, idx FROM tile WHERE n=1 AND level=0"),
    "head": ("UPDATE head SET root=? WHERE size=?", "SELECT root, size FROM head ORDER BY size DESC LIMIT 1"),
}


def harm(folder: Path, kind: str, seed: int = 1) -> None:
    """Do it to the sender's node, and look at what becomes of it."""
    with stage(folder) as on:
        for _ in range(3):
            on[SENDER].submit(RECIPIENT)
        on.settle()
        acts = {"locked": _locked, "full": _full, "small disk": _small_disk, "twice": _twice, "page": _page}
        act = _part if kind.startswith("part") else acts.get(kind, _flipped)
        act(on, kind, random.Random(seed))


def unavailable(kind: str) -> str:
    """Why this cannot be done here; empty when it can."""
    return "mounting a small disk needs root" if kind == "small disk" and os.geteuid() else ""


def _locked(on: Stage, kind: str, choose: random.Random) -> None:
    """A second connection holds the write lock: what comes meanwhile is refused or waits, and afterwards all goes on."""
    node = on[SENDER]
    other = sqlite3.connect(_database(node), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    key, body = node.order(RECIPIENT)
    refused = node.refusal(RECIPIENT, key, body)
    other.execute("ROLLBACK")
    other.close()
    demand("LOCKED", refused in ("STORE-WRITE", "NODE-ANSWER", ""), f"refused with {refused}")
    _again(on)
    node.insist(RECIPIENT, key, body)
    on.settle()
    on.check()


def _full(on: Stage, kind: str, choose: random.Random) -> None:
    """No file may grow: refused with STORE-WRITE; with room again all goes on."""
    node = on[SENDER]
    node.stop()
    size = max(path.stat().st_size for path in node.home.rglob("*") if path.is_file())
    node.start(Fault(largest=size + 65_536))
    codes = set()
    for _ in range(60):
        codes.add(node.refusal(RECIPIENT, *node.order(RECIPIENT)))
        if codes - {""}:
            break
    demand("FULL", codes - {""} <= {"STORE-WRITE", "NODE-ANSWER", "NODE-NOT-RUNNING"} and codes != {""}, f"answered {codes}")
    if node.alive():
        node.kill()
    else:
        node.await_end()
    node.start()
    node.submit(RECIPIENT)
    on.settle()
    on.check()


def _small_disk(on: Stage, kind: str, choose: random.Random) -> None:
    """The database's disk is full for real (SQLITE_FULL): refused with STORE-WRITE; with room again the same process goes on."""
    node = on[SENDER]
    node.stop()
    data, aside = node.place.home.data, node.home / "aside"
    data.rename(aside)
    data.mkdir()
    size = sum(path.stat().st_size for path in aside.rglob("*") if path.is_file()) + _ROOM
    _run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(data))
    try:
        shutil.copytree(aside, data, dirs_exist_ok=True)
        node.start()
        key, body = node.order(RECIPIENT)
        urgent = {"lane": "urgent"}  # what can wait is refused before, for the sake of this
        problem = wait_until(lambda: _problem(node, "STORE-WRITE", urgent), "the disk to be full")
        demand("FULL", "database or disk is full" in str(problem), f"it was refused for another reason: {problem}")
        process = node.process
        _run("mount", "-o", f"remount,size={size + (2 << 30)}", str(data))
        node.insist(RECIPIENT, key, body)
        demand("FULL", node.process is process and node.alive(), "it did not outlive a full disk")
        on.settle()
        on.check()
    finally:
        node.kill()
        _run("umount", "--lazy", str(data))


def _problem(node: FaultNode, code: str, more: dict[str, Any]) -> dict[str, Any] | None:
    """Post one message; what refused it with this code."""
    try:
        node.post(RECIPIENT, *node.order(RECIPIENT, **more))
    except AnsweredError as error:
        if error.problem["code"] == code:
            return dict(error.problem)
    return None


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"


def _twice(on: Stage, kind: str, choose: random.Random) -> None:
    """A second process on the same home ends at once, and the first goes on."""
    node = on[SENDER]
    first, node.process = node.process, None
    node.start(wait=False)
    code = node.await_end()
    node.process = first
    demand("IN-USE", code == 1 and "STORE-IN-USE" in node.log.read_text(), f"the second process ended with {code}")
    node.submit(RECIPIENT)
    on.settle()
    on.check()


def _flipped(on: Stage, kind: str, choose: random.Random) -> None:
    """One bit of a row of the log: the node does not start, or its own examination or whoever is served finds it."""
    node = on[SENDER]
    node.stop()
    db = sqlite3.connect(_database(node), isolation_level=None)
    update, query = _FLIPS[kind]
    raw, key = choose.choice(db.execute(query).fetchall())
    flipped = bytearray(raw)
    flipped[choose.randrange(len(flipped))] ^= 1 << choose.randrange(8)
    db.execute(update, (bytes(flipped), key))
    db.close()
    _must_be_found(on, node, kind)


def _page(on: Stage, kind: str, choose: random.Random) -> None:
    """One bit of the database file, in a page of the log's entries."""
    node = on[SENDER]
    node.stop()
    path = _database(node)
    raw = bytearray(path.read_bytes())
    entry = sqlite3.connect(path).execute("SELECT bytes FROM entry WHERE n=1 AND idx=2").fetchone()[0]
    raw[raw.index(entry) + choose.randrange(len(entry))] ^= 1 << choose.randrange(8)
    path.write_bytes(raw)
    _must_be_found(on, node, kind)


def _part(on: Stage, kind: str, choose: random.Random) -> None:
    """One bit of a part's ciphertext at rest: never given out as whole, never receipted, and named by whoever reads it; the rest goes on."""
    sender, recipient = on[SENDER], on[RECIPIENT]
    plain = on.world.folder / "evidence"
    plain.write_bytes(choose.randbytes(300_000))
    order = sender.order(RECIPIENT, attachments=[{"path": str(plain), "filename": "scan.bin"}])
    if kind == "part sent":
        recipient.kill()
        message = sender.insist(RECIPIENT, *order)
        _flip(next((sender.place.home.data / "parts" / "out").iterdir()), choose)
        recipient.start()
        wait_until(lambda: "PART-DAMAGED" in sender.log.read_text(), "the sender to notice")
        del on.ledger.accepted[order[0]]  # it was accepted, is not lost, and waits for a human: it cannot be receipted any more
        states = [each["state"] for each in sender.client.get(f"/v1/messages/{message}")["deliveries"]]
        demand("DAMAGE", states != ["delivered"], "a damaged part was receipted")
        owner = sender
    else:
        message = sender.insist(RECIPIENT, *order)
        on.settle()
        owner = recipient
        for _ in range(2):  # as it was, and with one bit changed
            got = _read_part(recipient, message)
            demand("DAMAGE", got in (plain.read_bytes(), None), "something else than was sent is given out as whole")
            if got is not None:
                _flip(next((recipient.place.home.data / "parts" / "in").iterdir()), choose)
        demand("DAMAGE", got is None, "a flipped bit of a part was not found")
    found = owner.client.post("/v1/backup", {"out": str(on.world.folder / "backup")})["damaged"]
    demand("DAMAGE", len(found) == 1, f"a backup leaves out {found}")
    named = owner.client.get("/v1/inspection")["named"]
    demand("DAMAGE", len(named) == 1 and named[0].startswith("parts/"), f"the examination says {named}")
    sender.submit(RECIPIENT)
    on.settle()
    on.check()


def _read_part(node: FaultNode, message: str) -> bytes | None:
    """The attachment as the node gives it out; None when it refuses, or is cut off."""
    try:
        return b"".join(node.client.stream(f"/v1/messages/{message}/parts/1", purpose="examination", actor=node.duty))
    except RogatoryError:
        return None


def _flip(path: Path, choose: random.Random) -> None:
    raw = bytearray(path.read_bytes())
    raw[choose.randrange(len(raw))] ^= 1 << choose.randrange(8)
    path.write_bytes(raw)


def _must_be_found(on: Stage, node: FaultNode, kind: str) -> None:
    node.start(wait=False)
    process = node.process
    assert process is not None
    process.join(3)
    if process.exitcode is not None:
        demand("DAMAGE", node.await_end() != 0, f"it ended well on a damaged {kind}")
        return
    node.await_answer()
    try:
        node.check()
    except (AssertionError, Exception):  # noqa: BLE001 - whatever refuses it has found it
        return
    demand("DAMAGE", False, f"a flipped bit of a {kind} was not found")


def _again(on: Stage) -> None:
    """Whether it goes on or ends is the node's choice; when it has ended it is started again."""
    node = on[SENDER]
    wait_until(lambda: not node.alive() or not node.refusal(RECIPIENT, *node.order(RECIPIENT)), "the node to go on or to end")
    if not node.alive():
        node.await_end()
        node.start()


def _database(node: FaultNode) -> Path:
    return node.place.home.data / "exchange.sqlite"
