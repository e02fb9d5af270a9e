"""Logs: what the node writes about its own work. One line per message and stage; never content, keys or names of people.

    {"event": "message", "stage": "submitted", "message_id": "6f0c...", "peer": "xb-ca", "outcome": "queued", "ms": 12, ...}

Three nets keep secrets out. Bytes, lists and objects are dropped whoever logs them; a text under a name not known here is
dropped when it is long; of an exception only its kind and place are written, never its words. Libraries' records pass the same
nets: of theirs only the first line of the template is kept, without its arguments.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Mapping, MutableMapping
from types import TracebackType
from typing import Any, Final, TextIO

import structlog

_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_LOUD: Final = ("tuf",)  # tells of every key that did not sign, although enough did
_KNOWN: Final = frozenset(
    {
        "event", "level", "timestamp", "logger", "stage", "message_id", "draft_id", "peer", "outcome", "authority", "kind", "lane",
        "code", "detail", "resource", "method", "error", "place", "origin",
    }
)  # fmt: skip
_LONGEST: Final = 200  # characters under a known name
_LONGEST_UNKNOWN: Final = 40
_LONGEST_FOREIGN: Final = 100
_FRAMES: Final = 8

_log = structlog.get_logger("message")


def set_up(level: str = "info", form: str = "auto", stream: TextIO | None = None) -> None:
    """Begin to log to ``stream`` (standard error): ``form`` is auto, json or text."""
    out = sys.stderr if stream is None else stream
    as_json = form == "json" or (form == "auto" and not out.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            place_of_exception,
            only_public,
            structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=out.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Foreign()]
    root.setLevel(max(_LEVELS[level], logging.INFO if level == "debug" else logging.WARNING))  # libraries talk much
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.WARNING)
    threading.excepthook = lambda args: _unhandled(args.exc_value)


def stage(stage: str, *, message_id: bytes, outcome: str, ms: int, peer: str = "", code: str = "") -> None:
    """The one line of a message's stage: drafted, approved, rejected, submitted, receipted, undelivered, consigned, accessed."""
    _log.info("message", stage=stage, message_id=message_id.hex(), peer=peer, outcome=outcome, ms=ms, code=code)


def only_public(_: Any, __: str, line: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Processor: keep numbers and short texts, drop everything else."""
    return {name: kept for name, value in line.items() if (kept := _public(name, value)) is not None}


def place_of_exception(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Processor: of an exception its kind and the lines it passed; its words could be content."""
    found = line.pop("exc_info", None)
    error = sys.exc_info()[1] if found is True else found[1] if isinstance(found, tuple) else found
    line.pop("stack_info", None)
    if isinstance(error, BaseException):
        line["error"] = type(error).__name__
        line["place"] = place(error.__traceback__)
    return line


def place(trace: TracebackType | None) -> str:
    """The innermost lines of a trace: ``messages.py:98 < routes.py:40``."""
    frames = traceback.extract_tb(trace)[-_FRAMES:]
    return " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames))[:_LONGEST]


def _public(name: str, value: Any) -> str | int | float | bool | None:
    if isinstance(value, bool | int | float):
        return value
    if not isinstance(value, str):
        return None
    if name in _KNOWN:
        return str(value)[:_LONGEST]
    return str(value) if len(value) <= _LONGEST_UNKNOWN else f"({len(value)} characters dropped)"


class _Foreign(logging.Handler):
    """Records of libraries: which library, how grave, the first line of the template, and the place of an exception."""

    def emit(self, record: logging.LogRecord) -> None:
        template = record.msg.partition("\n")[0] if isinstance(record.msg, str) else type(record.msg).__name__
        logger = structlog.get_logger(record.name)
        logger.log(record.levelno, template[:_LONGEST_FOREIGN], logger=record.name, exc_info=record.exc_info)


def _unhandled(error: BaseException | None) -> None:
    structlog.get_logger("thread").error("thread.ended", exc_info=error)
