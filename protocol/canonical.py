"""The one way to write a number or bytes in a C2SP line: decimals without leading zeros, base64 without play in it.

Two spellings of one thing would be two byte strings under one meaning; so every other spelling is refused.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from protocol.errors import Code, ProtocolError

MAX_NUMBER: Final = 2**63 - 1  # what the tools and databases of others hold in a signed 64-bit integer

_DECIMAL = re.compile(r"(?:0|[1-9][0-9]{0,18})\Z")


def decimal(text: str, code: Code, what: str) -> int:
    """A number from 0 to 2^63 - 1 in its only spelling. Raises ``code``."""
    if not _DECIMAL.match(text) or int(text) > MAX_NUMBER:
        raise ProtocolError(code, f"{what} is not a number from 0 to 2^63 - 1 without leading zeros")
    return int(text)


def from_base64(text: str, code: Code, what: str) -> bytes:
    """Bytes from RFC 4648 section 4 base64, padded, with all unused bits zero. Raises ``code``."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ProtocolError(code, f"{what} is not base64") from None
    if to_base64(data) != text:
        raise ProtocolError(code, f"{what} is base64 in another spelling than the only one")
    return data


def to_base64(data: bytes) -> str:
    """RFC 4648 section 4 base64 with padding."""
    return base64.b64encode(data).decode("ascii")
