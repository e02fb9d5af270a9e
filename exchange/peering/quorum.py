"""Whose lines stand under a head: those of its log, and of the witnesses that the directory names for it.

A line that is missing, of a stranger, or not good counts for nothing and spoils nothing: the log's own two lines must hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from keys.directory.view import Directory, LogRecord
from protocol import cosignature, grades
from protocol.errors import ProtocolError
from protocol.names import witness_name
from protocol.note import Note, Signature, VKey, format_note, parse_note, verify_note
from protocol.ports import Verifier
from protocol.vkey import COSIGNATURE_MLDSA44


class Bracket(NamedTuple):
    """What the witnesses of a head say of time (seconds): it was there by ``not_after``; at ``not_before`` nothing greater was.

    Both are 0 without a quorum.
    """

    not_after: int
    not_before: int


class Weighed(NamedTuple):
    """A note with its good lines and no others, and the time (seconds) of each witness's."""

    note: bytes
    times: Mapping[str, int]
    bracket: Bracket


def witness_keys(record: LogRecord, directory: Directory) -> dict[str, VKey]:
    """The 0x06 keys of a log's witnesses by authority, as far as the directory knows them. Never the log's own authority's."""
    return {
        name: VKey(witness_name(directory.network, name), COSIGNATURE_MLDSA44, directory.members[name].witness.mldsa44)
        for name in record.witnesses
        if name in directory.members and name != record.origin.authority
    }


def weigh(note: bytes, record: LogRecord, directory: Directory, verifier: Verifier) -> Weighed:
    """What a head of this log shows. Raises NOTE-* when the log's own lines do not hold."""
    parsed = parse_note(note)
    kept = list(verify_note(parsed, record.keys.vkeys, verifier))
    times: dict[str, int] = {}
    for name, vkey in witness_keys(record, directory).items():
        line = good_line(parsed, vkey, verifier)
        if line is not None:
            kept.append(line)
            times[name] = line_time(line)
    return Weighed(format_note(parsed.text, kept), times, bracket(record, times))


def good_line(note: Note, vkey: VKey, verifier: Verifier) -> Signature | None:
    """The line of this key, if there is exactly one and it is good."""
    try:
        return verify_note(note, (vkey,), verifier)[0]
    except ProtocolError:
        return None


def line_time(line: Signature) -> int:
    """When (seconds) a 0x04 or 0x06 line was made."""
    return cosignature.unpack(line.blob)[0]


def bracket(record: LogRecord, times: Mapping[str, int]) -> Bracket:
    """What these witnesses' times (seconds) under one head of this log say."""
    given = times.values(), len(record.witnesses), record.quorum
    return Bracket(grades.not_after(*given), grades.not_before(*given))
