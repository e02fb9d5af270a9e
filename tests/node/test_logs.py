"""Logs: one line per message and stage, and three nets that keep content, keys and names out (OPS-1, OPS-2)."""

from __future__ import annotations

import io
import json
import logging
import threading

import pytest
import structlog

from node import logs

CANARY = "CANARY-7f3a-and-some-more-words-of-a-secret-text"


@pytest.fixture
def lines():
    """Logs into a buffer; everything as it was afterwards."""
    root, hook = logging.getLogger(), threading.excepthook
    before = (root.handlers[:], root.level)
    stream = io.StringIO()
    logs.set_up("debug", "auto", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    structlog.reset_defaults()
    root.handlers[:], threading.excepthook = before[0], hook
    root.setLevel(before[1])


def test_one_canonical_line_of_json(lines):
    logs.stage("submitted", message_id=bytes(16), peer="xb-ca", outcome="sent", ms=12)
    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "message", "level": "info", "stage": "submitted", "message_id": "00" * 16, "peer": "xb-ca", "outcome": "sent",
        "ms": 12, "code": "",
    }  # fmt: skip


def test_OPS_1_bytes_objects_and_long_texts_are_dropped(lines):
    log = structlog.get_logger("x")
    log.debug("tried", key=CANARY.encode(), array=[CANARY], table={"a": CANARY}, error=ValueError(CANARY), words=CANARY, count=3)
    (line,) = lines()
    assert CANARY not in json.dumps(line)
    assert line["count"] == 3
    assert line["words"] == f"({len(CANARY)} characters dropped)"
    assert {"key", "array", "table", "error"}.isdisjoint(line)


def test_OPS_2_tracebacks_show_kind_and_place_only(lines):
    secret = CANARY
    try:
        raise ValueError(secret)
    except ValueError:
        structlog.get_logger("x").exception("failed")
        logging.getLogger("aiohttp.server").exception("Error handling request from %s", secret)
    found = lines()
    assert CANARY not in json.dumps(found)
    assert [line["error"] for line in found] == ["ValueError"] * 2
    assert all(line["place"].startswith("test_logs.py:") for line in found)


def test_OPS_2_libraries_lose_arguments_and_further_lines(lines):
    told = f"Task exception was never retrieved\nfuture: <Task exception=ValueError('{CANARY}')>"
    logging.getLogger("asyncio").error(told)
    logging.getLogger("lib").warning("value %s", CANARY)
    logging.getLogger("lib").warning({"a": CANARY})
    found = lines()
    assert [line["event"] for line in found] == ["Task exception was never retrieved", "value %s", "dict"]
    assert CANARY not in json.dumps(found)


def test_OPS_2_a_thread_that_ends_with_an_exception(lines):
    def fail():
        raise ValueError(CANARY)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    (line,) = lines()
    assert (line["event"], line["error"]) == ("thread.ended", "ValueError")
    assert CANARY not in json.dumps(line)


def test_level_by_setting():
    stream = io.StringIO()
    root, hook = logging.getLogger(), threading.excepthook
    before = (root.handlers[:], root.level)
    try:
        logs.set_up("warning", "json", stream)
        structlog.get_logger("x").info("not this")
        structlog.get_logger("x").warning("this")
        logging.getLogger("lib").info("nor this")
        assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["this"]
    finally:
        structlog.reset_defaults()
        root.handlers[:], threading.excepthook = before[0], hook
        root.setLevel(before[1])


@pytest.mark.parametrize("level", ["debug", "info"])
def test_what_libraries_chat_about_is_left_out(level):
    stream = io.StringIO()
    root, hook = logging.getLogger(), threading.excepthook
    before = (root.handlers[:], root.level)
    try:
        logs.set_up(level, "json", stream)
        logging.getLogger("tuf.api._payload").info("No signature for keyid %s", "k")
        assert not stream.getvalue()
        logging.getLogger("tuf.api._payload").warning("this")
        assert json.loads(stream.getvalue())["event"] == "this"
    finally:
        structlog.reset_defaults()
        root.handlers[:], threading.excepthook = before[0], hook
        root.setLevel(before[1])
        logging.getLogger("tuf").setLevel(logging.NOTSET)


def test_text_for_people():
    stream = io.StringIO()
    root, hook = logging.getLogger(), threading.excepthook
    before = (root.handlers[:], root.level)
    try:
        logs.set_up("info", "text", stream)
        structlog.get_logger("x").info("node.started", size=3)
        assert "node.started" in stream.getvalue()
        assert "size=3" in stream.getvalue()
    finally:
        structlog.reset_defaults()
        root.handlers[:], threading.excepthook = before[0], hook
        root.setLevel(before[1])
