"""What the network's threshold says about members, over their own heads: ``rulings.json``, a target of the offline role.

    {"format": "rogatory/rulings/v1", "authorities": {"xb-ca": {"active": false, "logs": [a log as entries write it, ...]}}}

A ruling revokes a member, closes a log at a named point (theft), or allows what an authority may not do alone: a successor that
never was standby, other witnesses. It wins over the entry unless the entry has moved on from it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from keys.directory import codes
from keys.directory.entry import check_logs, dump_log, parse_log
from keys.directory.strict import fields, read_json
from keys.directory.view import LogRecord, LogState, Member
from protocol.errors import ProtocolError

FORMAT: Final = "rogatory/rulings/v1"
ORDER: Final = {LogState.STANDBY: 0, LogState.IN_FORCE: 1, LogState.CLOSED: 2}


@dataclass(frozen=True, slots=True)
class Ruling:
    """The threshold's word about one member. ``logs``: records that hold unless the entry says a later state."""

    active: bool = True
    logs: tuple[LogRecord, ...] = ()


def dump_rulings(rulings: Mapping[str, Ruling]) -> bytes:
    """The file's bytes."""
    authorities = {name: {"active": r.active, "logs": [dump_log(log) for log in r.logs]} for name, r in sorted(rulings.items())}
    return json.dumps({"format": FORMAT, "authorities": authorities}, indent=1).encode() + b"\n"


def parse_rulings(data: bytes, network: str) -> dict[str, Ruling]:
    """Rulings by authority. Raises DIRECTORY-FORM, DIRECTORY-FIELD, DIRECTORY-ENTRY-FORM, DIRECTORY-LOGS."""
    value = fields(read_json(data), {"format", "authorities"})
    if value["format"] != FORMAT or not isinstance(value["authorities"], dict):
        raise ProtocolError(codes.DIRECTORY_FORM, "not rulings")
    return {name: _ruling(item, network, name) for name, item in value["authorities"].items()}


def overrule(member: Member, ruling: Ruling) -> Member:
    """The member as it counts: its entry under the ruling. Raises DIRECTORY-LOG-DROPPED, DIRECTORY-LOGS."""
    logs = {log.origin: log for log in member.logs}
    for ruled in ruling.logs:
        stated = logs.get(ruled.origin)
        if stated is not None and stated.keys != ruled.keys:
            raise ProtocolError(codes.DIRECTORY_LOG_DROPPED, f"{ruled.origin} with other keys than the founders ruled")
        if stated is None or ORDER[ruled.state] >= ORDER[stated.state]:
            logs[ruled.origin] = ruled
    ordered = tuple(sorted(logs.values(), key=lambda log: log.origin.n))
    check_logs(ordered)
    return replace(member, active=member.active and ruling.active, logs=ordered)


def _ruling(value: Any, network: str, authority: str) -> Ruling:
    line = fields(value, {"active", "logs"})
    if type(line["active"]) is not bool or not isinstance(line["logs"], list):
        raise ProtocolError(codes.DIRECTORY_FORM, f"the ruling on {authority[:80]!r}")
    return Ruling(line["active"], tuple(parse_log(log, network, authority) for log in line["logs"]))
