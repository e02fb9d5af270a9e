"""One authority's entry, ``authorities/<name>.json``: what it says about itself, signed by itself.

    {"format": "rogatory/authority/v1", "network": "example.org", "authority": "xa-ca", "state": "XA", "name": "...",
     "endpoint": "https://node.xa.example:8443" or null, "active": true, "logs": [...], "witness": {...}, ...}

Bytes are base64 (RFC 4648 section 4). Everything is checked as it is read; nothing unknown is skipped.
"""

from __future__ import annotations

import json
from typing import Any, Final, TypeVar

from keys.directory import certificate, codes, endpoint
from keys.directory.rolekeys import check_ed25519
from keys.directory.strict import Json, fields, read_json
from keys.directory.view import LogRecord, LogState, Member, OfficeRecord, WitnessKeys
from keys.suite import check_mldsa44
from protocol import limits
from protocol.canonical import from_base64, to_base64
from protocol.checkpoint import LogKeys
from protocol.errors import ProtocolError
from protocol.names import Office, Origin

FORMAT: Final = "rogatory/authority/v1"
CERTIFICATES: Final = 3  # this, the next, and for a day the one before
OFFICES: Final = 256
TEXT: Final = 400  # characters of one text field

_FIELDS = frozenset(
    {"format", "network", "authority", "state", "name", "endpoint", "active", "logs", "witness", "certificates", "offices"}
    | {"accepted_languages", "preservation_default_days", "dual_criminality_reservation", "contact"}
)
_OFFICE = frozenset({"office", "name", "functions", "languages", "zone", "phone", "phone_24h"})
_LOG = frozenset({"origin", "ed25519", "mldsa44", "state", "witnesses", "quorum", "closing"})
_FORM: Final = codes.DIRECTORY_ENTRY_FORM
_T = TypeVar("_T")


def dump_entry(network: str, member: Member) -> bytes:
    """The entry's bytes, to be signed by the authority. ``parse_entry`` reads them back to an equal member."""
    value = {
        "format": FORMAT,
        "network": network,
        "authority": member.authority,
        "state": member.state,
        "name": member.name,
        "endpoint": None if member.address is None else endpoint.format_endpoint(member.address),
        "active": member.active,
        "logs": [dump_log(log) for log in member.logs],
        "witness": {"mldsa44": to_base64(member.witness.mldsa44), "ed25519": to_base64(member.witness.ed25519)},
        "certificates": [to_base64(der) for der in member.certificates],
        "offices": [_dump_office(office) for office in member.offices],
        "accepted_languages": list(member.accepted_languages),
        "preservation_default_days": member.preservation_default_days,
        "dual_criminality_reservation": member.dual_criminality_reservation,
        "contact": member.contact,
    }
    return json.dumps(value, indent=1, ensure_ascii=False).encode() + b"\n"


def parse_entry(data: bytes, network: str, authority: str) -> Member:
    """A member from its entry's bytes. Which endpoint, keys and witnesses a network allows is checked by ``members``.

    Raises DIRECTORY-TOO-LARGE, DIRECTORY-ENTRY-FORM, DIRECTORY-FIELD, DIRECTORY-NAME, DIRECTORY-ENDPOINT, DIRECTORY-KEY-FORM,
    DIRECTORY-CERTIFICATE, DIRECTORY-LOGS.
    """
    value = fields(read_json(data, limits.DIRECTORY_ENTRY, _FORM), _FIELDS, form=_FORM)
    if value["format"] != FORMAT or value["network"] != network:
        raise ProtocolError(_FORM, "another format or network")
    if value["authority"] != authority:
        raise ProtocolError(codes.DIRECTORY_NAME, f"{str(value['authority'])[:80]!r} under the name {authority}")
    ders = tuple(_bytes(der, "a certificate") for der in _list(value["certificates"], 1, CERTIFICATES, "certificates"))
    logs = tuple(parse_log(log, network, authority) for log in _list(value["logs"], 1, 256, "logs"))
    check_logs(logs)
    return Member(
        authority=authority,
        state=_text(value["state"], "state"),
        name=_text(value["name"], "name"),
        address=None if value["endpoint"] is None else endpoint.parse_endpoint(value["endpoint"]),
        logs=logs,
        witness=_witness(value["witness"]),
        certificates=ders,
        spki=tuple(certificate.spki_sha256(der) for der in ders),
        offices=_offices(value["offices"], authority),
        accepted_languages=_texts(value["accepted_languages"], "accepted_languages"),
        preservation_default_days=_days(value["preservation_default_days"]),
        dual_criminality_reservation=_is(value["dual_criminality_reservation"], bool, "dual_criminality_reservation"),
        contact=_text(value["contact"], "contact", empty=True),
        active=_is(value["active"], bool, "active"),
    )


def dump_log(log: LogRecord) -> Json:
    """One log as entries and rulings write it."""
    return {
        "origin": str(log.origin),
        "ed25519": to_base64(log.keys.ed25519),
        "mldsa44": to_base64(log.keys.mldsa44),
        "state": log.state.value,
        "witnesses": list(log.witnesses),
        "quorum": log.quorum,
        "closing": None if log.closing is None else [log.closing[0], to_base64(log.closing[1])],
    }


def parse_log(value: Any, network: str, authority: str) -> LogRecord:
    """One log of ``authority``. Raises DIRECTORY-ENTRY-FORM, -FIELD, -KEY-FORM, -LOGS, NAME-ORIGIN."""
    line = fields(value, _LOG, form=_FORM)
    origin = Origin.parse(_text(line["origin"], "origin"))
    if (origin.network, origin.authority) != (network, authority):
        raise ProtocolError(codes.DIRECTORY_LOGS, f"{origin} is not a log of {authority} in {network}")
    if line["state"] not in set(LogState):
        raise ProtocolError(_FORM, "a log's state is standby, in_force or closed")
    keys = LogKeys(str(origin), _ed25519(line["ed25519"]), _mldsa44(line["mldsa44"]))
    quorum = _is(line["quorum"], int, "quorum")
    return LogRecord(
        keys, origin, LogState(line["state"]), _texts(line["witnesses"], "witnesses"), quorum, _closing(line["closing"])
    )


def check_logs(logs: tuple[LogRecord, ...]) -> None:
    """A possible list: numbered 1, 2, 3…, closed ones before the one in force before standby ones. DIRECTORY-LOGS.

    So which standby log comes next is never in question; one that shall never come is withdrawn: closed without a head.
    """
    if [log.origin.n for log in logs] != list(range(1, len(logs) + 1)):
        raise ProtocolError(codes.DIRECTORY_LOGS, "numbered otherwise than 1, 2, 3")
    rest = [log for log in logs if log.state is not LogState.CLOSED]
    if any(log.state is LogState.IN_FORCE for log in rest[1:]):
        raise ProtocolError(codes.DIRECTORY_LOGS, "two in force, or a standby log before the one in force")
    for log in logs:
        if log.closing is not None and log.state is not LogState.CLOSED:
            raise ProtocolError(codes.DIRECTORY_LOGS, f"{log.origin} has a closing head and is not closed")


def _closing(value: Any) -> tuple[int, bytes] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2 or type(value[0]) is not int or not 1 <= value[0] < 2**63:
        raise ProtocolError(_FORM, "a closing head is [size, root]")
    return value[0], _bytes(value[1], "a closing root", 32)


def _witness(value: Any) -> WitnessKeys:
    line = fields(value, {"mldsa44", "ed25519"}, form=_FORM)
    return WitnessKeys(_mldsa44(line["mldsa44"]), _ed25519(line["ed25519"]))


def _offices(value: Any, authority: str) -> tuple[OfficeRecord, ...]:
    offices = tuple(_office(item, authority) for item in _list(value, 0, OFFICES, "offices"))
    if len({o.office for o in offices}) != len(offices):
        raise ProtocolError(_FORM, "one office twice")
    return offices


def _office(value: Any, authority: str) -> OfficeRecord:
    line = fields(value, _OFFICE, form=_FORM)
    office = Office.parse(_text(line["office"], "office"))
    if office.authority != authority:
        raise ProtocolError(_FORM, f"{office} is not an office of {authority}")
    return OfficeRecord(
        office,
        _text(line["name"], "an office's name"),
        _texts(line["functions"], "functions"),
        _texts(line["languages"], "languages"),
        _text(line["zone"], "zone"),
        _text(line["phone"], "phone", empty=True),
        _text(line["phone_24h"], "phone_24h", empty=True),
    )


def _dump_office(office: OfficeRecord) -> Json:
    return {
        "office": str(office.office),
        "name": office.name,
        "functions": list(office.functions),
        "languages": list(office.languages),
        "zone": office.zone,
        "phone": office.phone,
        "phone_24h": office.phone_24h,
    }


def _ed25519(value: Any) -> bytes:
    raw = _bytes(value, "an Ed25519 key", 32)
    check_ed25519(raw, "Ed25519 of an entry")
    return raw


def _mldsa44(value: Any) -> bytes:
    raw = _bytes(value, "an ML-DSA-44 key", 1312)
    try:
        check_mldsa44(raw)
    except ProtocolError:
        raise ProtocolError(codes.DIRECTORY_KEY_FORM, "ML-DSA-44 of an entry") from None
    return raw


def _bytes(value: Any, what: str, length: int | None = None) -> bytes:
    data = from_base64(_is(value, str, what), _FORM, what)
    if length is not None and len(data) != length:
        raise ProtocolError(_FORM, f"{what} has {len(data)} bytes, not {length}")
    return data


def _days(value: Any) -> int | None:
    if value is None:
        return None
    days = _is(value, int, "preservation_default_days")
    if not 1 <= days <= 3660:
        raise ProtocolError(_FORM, "preservation_default_days is from 1 to 3660, or null")
    return days


def _text(value: Any, what: str, *, empty: bool = False) -> str:
    text = _is(value, str, what)
    if not (text or empty) or len(text) > TEXT or not text.isprintable():
        raise ProtocolError(_FORM, f"{what} is one line of at most {TEXT} characters")
    return text


def _texts(value: Any, what: str) -> tuple[str, ...]:
    texts = tuple(_text(item, what) for item in _list(value, 0, 256, what))
    if len(set(texts)) != len(texts):
        raise ProtocolError(_FORM, f"{what} names one thing twice")
    return texts


def _list(value: Any, least: int, most: int, what: str) -> list[Any]:
    if not isinstance(value, list) or not least <= len(value) <= most:
        raise ProtocolError(_FORM, f"{what} is a list of {least} to {most}")
    return value


def _is(value: Any, kind: type[_T], what: str) -> _T:
    if type(value) is not kind:
        raise ProtocolError(_FORM, f"{what} is missing or of another type")
    return value
