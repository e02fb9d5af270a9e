"""A directory, or one member of it, for the screen and as JSON."""

from __future__ import annotations

from typing import Any

from keys.directory.view import Directory, Member
from node.cli.screen import at, pairs, table
from node.clock import SystemClock


def about(view: Directory) -> dict[str, Any]:
    """Which directory this is."""
    return {
        "network": view.network,
        "kind": view.kind.value,
        "network_id": view.network_id.hex(),
        "version": view.version,
        "expires": view.expires,
        "members": sorted(view.members),
    }


class DirectoryScreen:
    """A directory, or one member of it, for the screen."""

    def __init__(self, view: Directory, member: Member | None) -> None:
        self._view = view
        self._member = member

    def value(self) -> dict[str, Any]:
        """As JSON."""
        if self._member is not None:
            return {"network": self._view.network, "kind": self._view.kind.value, **_member_value(self._member)}
        members = [_member_value(member) for _, member in sorted(self._view.members.items())]
        standing = self._view.standing(SystemClock().now()).value
        return {**about(self._view), "standing": standing, "members": members}

    def lines(self) -> list[str]:
        """As text."""
        view = self._view
        head = [f"{view.network}, version {view.version}, {view.standing(SystemClock().now()).value} until {at(view.expires)}"]
        if self._member is None:
            rows = [
                (
                    m.authority,
                    "member" if m.active else "left",
                    _endpoint(m),
                    len(m.logs),
                    ", ".join(o.office.office for o in m.offices),
                    m.name,
                )
                for _, m in sorted(view.members.items())
            ]
            return [*head, *table(rows, ("authority", "standing", "address", "logs", "offices", "name"), "no members yet")]
        member = self._member
        facts = {
            "authority": member.authority,
            "state": member.state,
            "name": member.name,
            "address": _endpoint(member),
            "standing": "member" if member.active else "left",
            "languages": ", ".join(member.accepted_languages) or None,
            "contact": member.contact or None,
        }
        offices = [(o.office, o.name, o.zone, o.phone_24h or o.phone or "-", ", ".join(o.functions)) for o in member.offices]
        logs = [(log.origin, log.state.value, log.keys.ed25519.hex()[:16]) for log in member.logs]
        return [
            *head,
            *pairs(facts),
            "",
            *table(offices, ("office", "name", "zone", "telephone", "forms"), "no offices"),
            "",
            *table(logs, ("log", "state", "ed25519"), "no logs"),
        ]


def _endpoint(member: Member) -> str:
    return "-" if member.address is None else f"{member.address[0]}:{member.address[1]}"


def _member_value(member: Member) -> dict[str, Any]:
    return {
        "authority": member.authority,
        "state": member.state,
        "name": member.name,
        "address": _endpoint(member),
        "active": member.active,
        "contact": member.contact,
        "accepted_languages": list(member.accepted_languages),
        "spki_sha256": [pin.hex() for pin in member.spki],
        "offices": [
            {
                "office": str(o.office),
                "name": o.name,
                "functions": list(o.functions),
                "languages": list(o.languages),
                "zone": o.zone,
                "phone": o.phone,
                "phone_24h": o.phone_24h,
            }
            for o in member.offices
        ],
        "logs": [
            {
                "origin": str(log.origin),
                "state": log.state.value,
                "ed25519": log.keys.ed25519.hex(),
                "witnesses": list(log.witnesses),
                "quorum": log.quorum,
                "closing_size": log.closing[0] if log.closing else None,
            }
            for log in member.logs
        ],
    }
