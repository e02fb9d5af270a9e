"""The pair of the next log: made ahead, enrolled as standby, kept offline in sealed files by two people.

A set of shares, each sealed under a passphrase of its own; every share is needed, one alone says nothing about the pair.
The last share is the pair's secret XORed with the others, which are random. One share is a plain sealed copy. Inside each:

    [set id (16), n, number of this share, how many, share (64), SHA-256 of the two public keys]
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias, cast

from keys import codes
from keys.logkeys import SECRET, LogKeyPair
from keys.sealedfile import Profile, open_file, seal_file
from protocol import cbor
from protocol.errors import LocalError, ProtocolError

Sealing: TypeAlias = tuple[Path, bytes]  # where a share lies, and its passphrase

_SHARES: Final = 8


def export_standby(
    n: int,
    pair: LogKeyPair,
    shares: Sequence[Sealing],
    profile: Profile = Profile.MODERATE,
    rand: Callable[[int], bytes] = os.urandom,
) -> None:
    """Seal the pair of log n into 1 to 8 files. Raises SEALED-FILE-EXISTS, STANDBY-SHARES for a wrong number of files."""
    if not 1 <= len(shares) <= _SHARES or len({path for path, _ in shares}) != len(shares):
        raise LocalError(codes.STANDBY_SHARES, f"{len(shares)} files")
    set_id = rand(16)
    pieces = [rand(SECRET) for _ in shares[1:]]
    pieces.append(_xor([pair.secret, *pieces]))
    for number, ((path, passphrase), piece) in enumerate(zip(shares, pieces, strict=True), 1):
        plain = cbor.encode([set_id, n, number, len(shares), piece, _digest(pair)])
        seal_file(path, plain, passphrase, profile)


def import_standby(shares: Sequence[Sealing]) -> tuple[int, LogKeyPair]:
    """(n, pair) from every share of one set, in any order.

    Raises STANDBY-FORM, STANDBY-SHARES, SEALED-FILE-FORM, SEALED-FILE-PASSPHRASE, KEY-FILE-MODE, KEY-FILE-READ.
    """
    rows = [_row(path, passphrase) for path, passphrase in shares]
    numbers = sorted(cast("int", row[2]) for row in rows)
    sets = {(row[0], row[1], row[3], row[5]) for row in rows}
    if len(sets) != 1 or numbers != list(range(1, cast("int", rows[0][3]) + 1)):
        raise LocalError(codes.STANDBY_SHARES, f"{len(rows)} of {rows[0][3] if rows else 'none'}")
    pair = LogKeyPair(_xor([cast("bytes", row[4]) for row in rows]))
    if _digest(pair) != rows[0][5]:
        raise LocalError(codes.STANDBY_SHARES, "they give another pair")
    return cast("int", rows[0][1]), pair


def _row(path: Path, passphrase: bytes) -> list[object]:
    try:
        row = cbor.decode(open_file(path, passphrase))
    except FileNotFoundError:
        raise LocalError(codes.KEY_FILE_READ, f"there is no {path.name}") from None
    except ProtocolError:
        raise LocalError(codes.STANDBY_FORM, path.name) from None
    kinds = [bytes, int, int, int, bytes, bytes]
    if type(row) is not list or [type(item) for item in row] != kinds or len(cast("bytes", row[4])) != SECRET:
        raise LocalError(codes.STANDBY_FORM, path.name)
    return cast("list[object]", row)


def _digest(pair: LogKeyPair) -> bytes:
    return hashlib.sha256(pair.ed25519 + pair.mldsa44).digest()


def _xor(pieces: Sequence[bytes]) -> bytes:
    total = 0
    for piece in pieces:
        total ^= int.from_bytes(piece, "big")
    return total.to_bytes(SECRET, "big")
