"""Whether an identifier's value can be one of its type: syntax and check digits, nothing looked up."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Final

from protocol.forms.codelists_evidence import IdentifierType, RecordIdentifierType

_EVERYTHING = frozenset(
    {
        "*",
        "%",
        "-",
        "?",
        "all",
        "any",
        "every",
        "everything",
        "all data",
        "all accounts",
        "all users",
        "any data",
        "none",
        "n/a",
        "unknown",
    }
)
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?"


def means_everything(value: str) -> bool:
    """Whether a value names no one thing: such a request is a search of everybody's data (domain 1.9.1)."""
    return value.strip(" .").casefold() in _EVERYTHING or value.strip() in ("0.0.0.0/0", "::/0")


def fits(kind: str, value: str) -> bool:
    """Whether a value can be an identifier of this type. True for types without a public syntax, and for unknown types."""
    check = _CHECKS.get(kind)
    return check is None or check(value)


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda value: compiled.fullmatch(value) is not None


def _address(version: int) -> Callable[[str], bool]:
    def check(value: str) -> bool:
        try:
            address = ipaddress.ip_address(value)
        except ValueError:
            return False
        return address.version == version and "%" not in value

    return check


def _range(value: str) -> bool:
    first, dash, last = value.partition("-")
    try:
        low, high = ipaddress.ip_address(first), ipaddress.ip_address(last)
    except ValueError:
        return False
    return bool(dash) and low.version == high.version and int(low) <= int(high)


def _blocks(value: str) -> bool:
    try:
        return "/" in value and bool(ipaddress.ip_network(value))
    except ValueError:
        return False


def _mod_97(text: str) -> bool:
    """ISO 7064 MOD 97-10, letters as 10 to 35: the rule of IBAN (after turning) and LEI."""
    return int("".join(str(int(letter, 36)) for letter in text)) % 97 == 1


def _iban(value: str) -> bool:
    return bool(re.fullmatch(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", value)) and _mod_97(value[4:] + value[:4])


def _lei(value: str) -> bool:
    return bool(re.fullmatch(r"[A-Z0-9]{18}[0-9]{2}", value)) and _mod_97(value)


_CHECKS: Final[Mapping[str, Callable[[str], bool]]] = {
    IdentifierType.IPV_4: _address(4),
    IdentifierType.IPV_6: _address(6),
    IdentifierType.IP_ADDRESS_RANGE: _range,
    IdentifierType.IP_BLOCKS: _blocks,
    IdentifierType.EMAIL: _matches(r"[^\s@]+@[^\s@]+\.[^\s@.]+"),
    IdentifierType.PHONE_NUMBER: _matches(r"[+][1-9][0-9]{6,14}"),
    IdentifierType.IMEI_NUMBER: _matches(r"[0-9]{14,16}"),
    IdentifierType.MAC_ADDRESS: _matches(r"[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}"),
    IdentifierType.IMSI: _matches(r"[0-9]{6,15}"),
    IdentifierType.ICCID: _matches(r"89[0-9]{16,20}"),
    IdentifierType.URL: _matches(r"[a-z][a-z0-9+.-]*://[^\s/]+\S*"),
    IdentifierType.DOMAIN: _matches(rf"(?i:{_LABEL}(?:\.{_LABEL})+)"),
    IdentifierType.HOSTNAME: _matches(rf"(?i:{_LABEL}(?:\.{_LABEL})*)"),
    IdentifierType.FILE_HASH: _matches(r"(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})"),
    IdentifierType.ASN: _matches(r"AS[1-9][0-9]{0,9}"),
    RecordIdentifierType.IBAN: _iban,
    RecordIdentifierType.BIC: _matches(r"[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?"),
    RecordIdentifierType.LEI: _lei,
}
