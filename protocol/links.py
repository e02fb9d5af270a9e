"""Links between heads of one log, as it gives them to whoever asks: ``GET /v1/links?n=1&size=9&old=3,7``.

    [[hash, hash...], [hash...]]     CBOR: one full consistency path for each ``old``, in order, each to ``size``

A full path begins with a hash of the newer tree even where the older size is a power of two: both roots follow from it alone, so it
links the heads or shows that they are of two histories. (SPEC.md section 3.11)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from protocol import cbor, codes, limits
from protocol.errors import ProtocolError
from protocol.merkle import HASH

LINKS: Final = 48  # paths that are asked for in one call: they fit one CBOR value
_HASHES: Final = 2 * limits.PROOF_LINES  # of one path


def encode_links(paths: Iterable[Iterable[bytes]]) -> bytes:
    """The answer's bytes."""
    return cbor.encode([list(path) for path in paths])


def parse_links(answer: bytes, count: int) -> list[list[bytes]]:
    """So many full consistency paths, nothing checked but the form. Raises LINK-FORM."""
    try:
        value = cbor.decode(answer)
    except ProtocolError as error:
        raise ProtocolError(codes.LINK_FORM, error.detail) from None
    if type(value) is not list or len(value) != count:
        raise ProtocolError(codes.LINK_FORM, "other paths than were asked for")
    return [_path(each) for each in value]


def _path(value: cbor.Value) -> list[bytes]:
    if type(value) is not list or len(value) > _HASHES:
        raise ProtocolError(codes.LINK_FORM, "a path")
    path = [node for node in value if type(node) is bytes and len(node) == HASH]
    if len(path) != len(value):
        raise ProtocolError(codes.LINK_FORM, "a hash")
    return path
