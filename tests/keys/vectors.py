"""Where published test vectors lie: in the package cryptography-vectors, and in a folder beside the checkout.

The folder beside the checkout is not part of the project; a test that needs it is skipped where it is absent.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared" / "vectors"


def shared(name: str) -> bytes:
    """A gzipped file of the folder beside the checkout, unpacked. Skips the test where there is none."""
    path = SHARED / f"{name}.gz"
    if not path.is_file():
        pytest.skip(f"no {name} beside the checkout")
    return gzip.decompress(path.read_bytes())


def wycheproof(name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Every case of one Wycheproof file, with its group."""
    table = json.loads(shared(f"wycheproof_{name}_test.json"))
    cases = [(group, case) for group in table["testGroups"] for case in group["tests"]]
    assert len(cases) == table["numberOfTests"]
    return cases


def cctv_ed25519_keys() -> dict[bytes, set[str]]:
    """The public keys of the CCTV Ed25519 vectors, with their flags that speak of the key."""
    keys: dict[bytes, set[str]] = {}
    for vector in json.loads(shared("cctv_ed25519vectors.json")):
        flags = {flag for flag in vector["flags"] or [] if flag.endswith("_A")}
        keys.setdefault(bytes.fromhex(vector["key"]), set()).update(flags)
    return keys


def cctv_mlkem768_keys() -> list[bytes]:
    """ML-KEM-768 keys with a coefficient that is not reduced: each must be refused."""
    return [bytes.fromhex(line) for line in shared("cctv_mlkem768_modulus.txt").decode().split()]
