"""``entry.toml``: what an authority says about itself in the directory, as people edit it. Keys and logs come from elsewhere.

state = "XA"
name = "Central Authority of Alpha"
address = "node.xa.example:8443"
[[office]]
id = "247"
name = "24/7 contact point"
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from keys.directory.endpoint import parse_endpoint
from keys.directory.view import Member, OfficeRecord
from node import codes
from protocol.errors import LocalError, ProtocolError
from protocol.names import Office

_NEEDED: Final[Mapping[str, type]] = {"state": str, "name": str, "address": str}
_TAKEN: Final[Mapping[str, type]] = {
    **_NEEDED,
    "contact": str,
    "accepted_languages": list,
    "preservation_default_days": int,
    "dual_criminality_reservation": bool,
    "office": list,
}
_OFFICE_NEEDED: Final[Mapping[str, type]] = {"id": str, "name": str}
_OFFICE_TAKEN: Final[Mapping[str, type]] = {
    **_OFFICE_NEEDED,
    "functions": list,
    "languages": list,
    "zone": str,
    "phone": str,
    "phone_24h": str,
}

_TEXT: Final = """\
# What the directory says about {authority}. After a change: rogatory directory request --home DIR --role-key FILE,
# and send what it writes to the keepers of the network.

# The State or territory, as the network names it.
state = {state}
name = {name}
# host:port of the peer port as others reach it; "" when nobody can call this node.
address = {address}
# How to reach the operators.
contact = ""
# Languages of requests, UNTOC 18(14).
accepted_languages = ["en"]
# What the law here gives where no treaty sets a number of days.
preservation_default_days = 90
# Declared under Budapest 29(4).
dual_criminality_reservation = false
"""
_OFFICE_TEXT: Final = """
# {authority}/{plain}: forms it takes, IANA time zone, telephones in international form.
[[office]]
id = {id}
name = {name}
functions = {functions}
languages = ["en"]
zone = {zone}
phone = ""
phone_24h = ""
"""


@dataclass(frozen=True, slots=True)
class Particulars:
    """What people say about their authority."""

    state: str
    name: str
    address: tuple[str, int] | None
    contact: str = ""
    accepted_languages: tuple[str, ...] = ()
    preservation_default_days: int | None = None
    dual_criminality_reservation: bool = False
    offices: tuple[OfficeRecord, ...] = ()

    def apply(self, member: Member) -> Member:
        """The member with these particulars; its keys, logs and certificates stay."""
        return replace(
            member,
            state=self.state,
            name=self.name,
            address=self.address,
            contact=self.contact,
            offices=self.offices,
            accepted_languages=self.accepted_languages,
            preservation_default_days=self.preservation_default_days,
            dual_criminality_reservation=self.dual_criminality_reservation,
        )


def entry_text(
    authority: str, state: str, name: str, address: str, offices: Mapping[str, str], zone: str, functions: tuple[str, ...]
) -> str:
    """A first ``entry.toml`` with comments. ``offices``: id -> name."""
    quoted = {"state": _quote(state), "name": _quote(name), "address": _quote(address)}
    text = _TEXT.format(authority=authority, **quoted)
    for office, title in offices.items():
        text += _OFFICE_TEXT.format(
            authority=authority,
            id=_quote(office),
            plain=office,
            name=_quote(title),
            zone=_quote(zone),
            functions=json.dumps(list(functions)),
        )
    return text


def read_entry(path: Path, authority: str) -> Particulars:
    """The particulars in this file. Raises ENTRY-FILE with every wrong field, FILE-ACCESS by OSError."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LocalError(codes.ENTRY_FILE, f"{path.name}: {error}") from None
    offices = table.get("office", [])
    wrong = list(_wrong(table, _NEEDED, _TAKEN, ""))
    if isinstance(offices, list):
        for number, office in enumerate(offices, 1):
            if isinstance(office, dict):
                wrong += _wrong(office, _OFFICE_NEEDED, _OFFICE_TAKEN, f"office {number}: ")
            else:
                wrong.append(f"office {number} is no table")
    if wrong:
        raise LocalError(codes.ENTRY_FILE, f"{path.name}: {'; '.join(wrong)}")
    try:
        return _particulars(table, authority)
    except ProtocolError as error:
        raise LocalError(codes.ENTRY_FILE, f"{path.name}: {error.code}: {error.detail}") from None


def _particulars(table: Mapping[str, Any], authority: str) -> Particulars:
    address = table["address"]
    return Particulars(
        state=table["state"],
        name=table["name"],
        address=parse_endpoint(f"https://{address}") if address else None,
        contact=table.get("contact", ""),
        accepted_languages=tuple(table.get("accepted_languages", ())),
        preservation_default_days=table.get("preservation_default_days"),
        dual_criminality_reservation=table.get("dual_criminality_reservation", False),
        offices=tuple(_office(office, authority) for office in table.get("office", ())),
    )


def _office(office: Mapping[str, Any], authority: str) -> OfficeRecord:
    return OfficeRecord(
        Office.parse(f"{authority}/{office['id']}"),
        office["name"],
        tuple(office.get("functions", ())),
        tuple(office.get("languages", ())),
        office.get("zone", "UTC"),
        office.get("phone", ""),
        office.get("phone_24h", ""),
    )


def _wrong(table: Mapping[str, Any], needed: Mapping[str, type], taken: Mapping[str, type], where: str) -> Iterator[str]:
    for name in needed:
        if name not in table:
            yield f"{where}{name} is missing"
    for name, value in table.items():
        if name not in taken:
            yield f"{where}{name} is unknown"
        elif type(value) is not taken[name]:
            yield f"{where}{name} is of another type"
        elif isinstance(value, list) and name != "office" and not all(isinstance(item, str) for item in value):
            yield f"{where}{name} is a list of texts"


def _quote(text: str) -> str:
    """As a TOML string: JSON's escapes of quotes and backslashes are TOML's too; anything that does not print is refused."""
    if not text.isprintable():
        raise LocalError(codes.ENTRY_FILE, "texts are one printable line")
    return json.dumps(text, ensure_ascii=False)
