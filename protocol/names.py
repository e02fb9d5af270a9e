"""Names: networks, authorities, offices, logs.

    network     example.org                     a DNS name its founders own
    authority   xa-ca                           one node, one log at a time
    office      xa-ca/247                       a mailbox inside an authority
    origin      example.org/xa-ca/log/1         one log of one authority, compared as bytes
    witness     example.org/xa-ca/witness       the key name under which an authority cosigns other logs' heads

SPEC.md section 2. A name is parsed once, at the edge; inside it is the string as received.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from protocol import codes, limits
from protocol.errors import ProtocolError

_NETWORK = re.compile(r"(?=.{1,120}\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*\Z")
_AUTHORITY = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,62}[a-z0-9])?\Z")
_NUMBER = re.compile(r"[1-9][0-9]{0,8}\Z")


def parse_network(text: str) -> str:
    """Check a network's DNS name, lower case, at most 120 characters. Raises NAME-NETWORK."""
    if not _NETWORK.match(text):
        raise ProtocolError(codes.NAME_NETWORK, repr(text[:80]))
    return text


def parse_authority(text: str) -> str:
    """Check an authority's name, ``[a-z0-9.-]{1,64}``, starting and ending with a letter or digit. Raises NAME-AUTHORITY."""
    if not _AUTHORITY.match(text) or ".." in text:
        raise ProtocolError(codes.NAME_AUTHORITY, repr(text[:80]))
    return text


@dataclass(frozen=True, slots=True, order=True)
class Office:
    """A mailbox inside an authority: ``xa-ca/247``."""

    authority: str
    office: str

    def __str__(self) -> str:
        return f"{self.authority}/{self.office}"

    @classmethod
    def parse(cls, text: str) -> Office:
        """Parse ``authority/office``. Raises NAME-OFFICE or NAME-AUTHORITY."""
        authority, slash, office = text.partition("/")
        if not slash or not _AUTHORITY.match(office) or ".." in office:
            raise ProtocolError(codes.NAME_OFFICE, repr(text[:140]))
        return cls(parse_authority(authority), office)


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """One log: the ``n``-th of an authority in a network (n from 1)."""

    network: str
    authority: str
    n: int

    def __str__(self) -> str:
        return f"{self.network}/{self.authority}/log/{self.n}"

    @classmethod
    def parse(cls, text: str) -> Origin:
        """Parse ``<network>/<authority>/log/<n>``, at most 200 bytes. Raises NAME-ORIGIN."""
        pieces = text.split("/")
        if len(text) > limits.ORIGIN or len(pieces) != 4 or pieces[2] != "log" or not _NUMBER.match(pieces[3]):
            raise ProtocolError(codes.NAME_ORIGIN, repr(text[:80]))
        return cls(parse_network(pieces[0]), parse_authority(pieces[1]), int(pieces[3]))


def witness_name(network: str, authority: str) -> str:
    """The key name under which an authority cosigns other logs' heads."""
    return f"{network}/{authority}/witness"
