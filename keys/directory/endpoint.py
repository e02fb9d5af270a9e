"""Where an authority can be called: ``https://host:port`` and nothing else, inside what the network allows (DIR-19).

    https://node.xa.example:8443     any network
    https://127.0.0.1:8443           only where the root's address ranges hold the address: exercise and test networks

A name may still point anywhere when it is dialled: the node compares the connected address with ``may_dial`` too.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final, TypeAlias

from keys.directory import codes
from keys.directory.view import Kind
from protocol.errors import ProtocolError

Address: TypeAlias = tuple[str, int]

_URL: Final = re.compile(r"https://(\[[0-9a-f:.]{2,45}\]|[a-z0-9.-]{1,253}):([1-9][0-9]{0,4})\Z", re.ASCII)
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z", re.ASCII)
# Public for Python's ``is_global``, and yet no public host: translated, tunnelled and site-local addresses lead inside (NET-9).
_INDIRECT: Final = tuple(
    ipaddress.ip_network(n)
    for n in ("192.0.0.0/24", "192.88.99.0/24", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", "fec0::/10", "::/96")
)
_NEVER: Final = tuple(ipaddress.ip_network(n) for n in ("0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "fe80::/10", "ff00::/8"))


def parse_endpoint(text: object) -> Address:
    """(host, port). Port 443 or from 1024: at others are services that a peer could be made to speak to. DIRECTORY-ENDPOINT."""
    match = _URL.match(text) if isinstance(text, str) else None
    if match is None:
        raise ProtocolError(codes.DIRECTORY_ENDPOINT, repr(text)[:120])
    host, port = match[1].strip("[]"), int(match[2])
    if port > 65535 or (port < 1024 and port != 443):
        raise ProtocolError(codes.DIRECTORY_ENDPOINT, f"port {port}")
    literal = literal_of(host)
    if literal is None and not _is_name(host):
        raise ProtocolError(codes.DIRECTORY_ENDPOINT, repr(host))
    if literal is not None and str(literal) != host:
        raise ProtocolError(codes.DIRECTORY_ENDPOINT, f"another spelling of {literal}")
    return host, port


def format_endpoint(address: Address) -> str:
    """The URL of (host, port)."""
    host, port = address
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


def check_endpoint(address: Address, kind: Kind, ranges: tuple[str, ...]) -> None:
    """Refuse an address literal outside the network's ranges, and single-label names in production. DIRECTORY-ENDPOINT."""
    host, _ = address
    if literal_of(host) is not None:
        if not any(_inside(host, r) for r in ranges):
            raise ProtocolError(codes.DIRECTORY_ENDPOINT, f"{host} is outside the network's address ranges")
    elif kind is Kind.PRODUCTION and "." not in host:
        raise ProtocolError(codes.DIRECTORY_ENDPOINT, f"{host} is not a full name")


def may_dial(ip: str, ranges: tuple[str, ...]) -> bool:
    """Whether a connection may go to this address: public, or inside the network's ranges. For the node, at connect time."""
    address = literal_of(ip)
    if address is None:
        return False
    public = address.is_global and not address.is_multicast and not any(address in network for network in _INDIRECT)
    return public or any(_inside(ip, r) for r in ranges)


def check_ranges(ranges: object, kind: Kind) -> tuple[str, ...]:
    """The root's address ranges: none in production; else private or loopback CIDR in its one spelling. DIRECTORY-RANGES."""
    if not isinstance(ranges, list) or len(ranges) > 64 or not all(isinstance(r, str) for r in ranges):
        raise ProtocolError(codes.DIRECTORY_RANGES, "a list of CIDR ranges")
    if kind is Kind.PRODUCTION and ranges:
        raise ProtocolError(codes.DIRECTORY_RANGES, ", ".join(ranges)[:120])
    for text in ranges:
        try:
            network = ipaddress.ip_network(text)
        except ValueError:
            raise ProtocolError(codes.DIRECTORY_RANGES, repr(text[:60])) from None
        if str(network) != text or not network.is_private or any(_overlap(network, n) for n in _NEVER):
            raise ProtocolError(codes.DIRECTORY_RANGES, repr(text[:60]))
    return tuple(ranges)


def literal_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address when the host is a literal, else None."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_name(host: str) -> bool:
    labels = host.split(".")
    # a last label that begins with a digit is read as an IPv4 address by some resolvers: 127.1, 0x7f.1
    return all(_LABEL.match(label) for label in labels) and not labels[-1][0].isdigit()


def _inside(ip: str, cidr: str) -> bool:
    return ipaddress.ip_address(ip) in ipaddress.ip_network(cidr)


def _overlap(a: ipaddress.IPv4Network | ipaddress.IPv6Network, b: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    return a.version == b.version and a.overlaps(b)
