"""The shape of directory metadata, held strictly: what TUF libraries let pass for compatibility is refused here.

No duplicate JSON keys, no floats, no unknown fields, full digests everywhere, key ids that are their key's digest, thresholds
that their keys can reach and that the keys of one algorithm alone cannot (SPEC.md section 6). Runs before any signature is
looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any, Final

from keys.directory import codes, rolekeys
from protocol import limits
from protocol.errors import Code, ProtocolError
from protocol.names import parse_authority

VERSION: Final = 2**32 - 1  # a version a second for 136 years; keepers' stolen keys cannot jump further
SIGNATURES: Final = 128
NETWORK: Final = "x-rogatory-network"  # the root's own field: {"name", "kind", "suite", "address_ranges"}
RULINGS: Final = "rulings.json"
ROLE_PREFIX: Final = "authority-"
TOP_ROLES: Final = frozenset({"root", "targets", "snapshot", "timestamp"})

_HEX = re.compile(r"(?:[0-9a-f]{2})+\Z")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z")
_COMMON = frozenset({"_type", "spec_version", "version", "expires"})
_FIELDS: Final = {
    "root": _COMMON | {"consistent_snapshot", "keys", "roles", NETWORK},
    "timestamp": _COMMON | {"meta"},
    "snapshot": _COMMON | {"meta"},
    "targets": _COMMON | {"targets"},
}

Json = dict[str, Any]


def read_json(data: bytes, limit: int = limits.DIRECTORY, code: Code = codes.DIRECTORY_FORM) -> Json:
    """A JSON object without duplicate keys and floats. Raises DIRECTORY-TOO-LARGE above ``limit`` bytes, else ``code``."""
    if len(data) > limit:
        raise ProtocolError(codes.DIRECTORY_TOO_LARGE, f"more than {limit} bytes")
    try:
        value = json.loads(data.decode(), object_pairs_hook=_once, parse_float=_no, parse_constant=_no)
    except (ValueError, RecursionError):
        raise ProtocolError(code, "not JSON of our profile") from None
    if not isinstance(value, dict):
        raise ProtocolError(code, "not a JSON object")
    return value


def fields(value: Any, required: Collection[str], optional: Collection[str] = (), form: Code = codes.DIRECTORY_FORM) -> Json:
    """An object with all required and no unknown fields. Raises DIRECTORY-FIELD for an unknown one, else ``form``."""
    if not isinstance(value, dict):
        raise ProtocolError(form, "an object was expected")
    for name in value:
        if name not in required and name not in optional:
            raise ProtocolError(codes.DIRECTORY_FIELD, repr(str(name)[:40]))
    for name in required:
        if name not in value:
            raise ProtocolError(form, f"{name} is missing")
    return value


def check_metadata(data: bytes, kind: str) -> Json:
    """The ``signed`` object of one metadata file of type ``kind``, its shape checked. No signature is verified here.

    Raises DIRECTORY-TOO-LARGE, DIRECTORY-FORM, DIRECTORY-FIELD, DIRECTORY-ROLE, DIRECTORY-VERSION-BEYOND,
    DIRECTORY-SIGNATURE-TWICE, DIRECTORY-KEY-*, DIRECTORY-THRESHOLD-*.
    """
    envelope = fields(read_json(data), {"signed", "signatures"})
    _signatures(envelope["signatures"])
    signed = fields(envelope["signed"], _FIELDS[kind], {"delegations"} if kind == "targets" else ())
    if signed["_type"] != kind or not isinstance(signed["spec_version"], str):
        raise ProtocolError(codes.DIRECTORY_FORM, f"not {kind} metadata")
    number(signed["version"])
    if not isinstance(signed["expires"], str) or not _TIME.match(signed["expires"]):
        raise ProtocolError(codes.DIRECTORY_FORM, "expires is not a UTC time")
    _PARTS[kind](signed)
    return signed


def number(value: Any) -> int:
    """A version number from 1 to the limit. Raises DIRECTORY-FORM, DIRECTORY-VERSION-BEYOND."""
    if type(value) is not int or value < 1:
        raise ProtocolError(codes.DIRECTORY_FORM, "a version is a whole number from 1")
    if value > VERSION:
        raise ProtocolError(codes.DIRECTORY_VERSION_BEYOND, str(value)[:24])
    return value


def authority_of(role: str) -> str:
    """The authority whose delegated role this is: ``authority-xa-ca`` -> ``xa-ca``. Raises DIRECTORY-ROLE."""
    if not role.startswith(ROLE_PREFIX):
        raise ProtocolError(codes.DIRECTORY_ROLE, repr(role[:80]))
    try:
        return parse_authority(role[len(ROLE_PREFIX) :])
    except ProtocolError:
        raise ProtocolError(codes.DIRECTORY_NAME, repr(role[:80])) from None


def _once(pairs: list[tuple[str, Any]]) -> Json:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice")
    return result


def _no(text: str) -> None:
    raise ValueError(f"{text[:20]} is not a whole number")


def _signatures(value: Any) -> None:
    if not isinstance(value, list) or len(value) > SIGNATURES:
        raise ProtocolError(codes.DIRECTORY_FORM, f"signatures are a list of at most {SIGNATURES}")
    seen: set[str] = set()
    for item in value:
        line = fields(item, {"keyid", "sig"})
        if not all(isinstance(v, str) and _HEX.match(v) for v in line.values()):
            raise ProtocolError(codes.DIRECTORY_FORM, "a signature is a key id and its bytes, in hexadecimal")
        if line["keyid"] in seen:
            raise ProtocolError(codes.DIRECTORY_SIGNATURE_TWICE, line["keyid"][:16])
        seen.add(line["keyid"])


def _root(signed: Json) -> None:
    if signed["consistent_snapshot"] is not True:
        raise ProtocolError(codes.DIRECTORY_FORM, "consistent_snapshot is always true")
    algorithms = _keys(signed["keys"])
    if not isinstance(signed["roles"], dict) or set(signed["roles"]) != TOP_ROLES:
        raise ProtocolError(codes.DIRECTORY_ROLE, "a root has the roles root, targets, snapshot, timestamp")
    for name, role in signed["roles"].items():
        _threshold(name, fields(role, {"keyids", "threshold"}), algorithms)


def _timestamp(signed: Json) -> None:
    meta = fields(signed["meta"], {"snapshot.json"})
    _file(meta["snapshot.json"], {"version", "length", "hashes"})


def _snapshot(signed: Json) -> None:
    meta = signed["meta"]
    if not isinstance(meta, dict) or "targets.json" not in meta:
        raise ProtocolError(codes.DIRECTORY_FORM, "a snapshot names targets.json")
    for name, line in meta.items():
        if name != "targets.json":
            if not name.endswith(".json"):
                raise ProtocolError(codes.DIRECTORY_ROLE, repr(name[:80]))
            authority_of(name.removesuffix(".json"))
        # an authority's role is as small as its entry: 4,096 of them must not add up to endless data
        _file(line, {"version", "length", "hashes"}, limits.DIRECTORY if name == "targets.json" else limits.DIRECTORY_ENTRY)


def _targets(signed: Json) -> None:
    if not isinstance(signed["targets"], dict):
        raise ProtocolError(codes.DIRECTORY_FORM, "targets is an object")
    for line in signed["targets"].values():
        _file(line, {"length", "hashes"})
    if "delegations" in signed:
        delegations = fields(signed["delegations"], {"keys", "roles"})
        algorithms = _keys(delegations["keys"])
        _delegated(delegations["roles"], algorithms)


_PARTS: Final = {"root": _root, "timestamp": _timestamp, "snapshot": _snapshot, "targets": _targets}


def _file(value: Any, required: set[str], limit: int = limits.DIRECTORY) -> None:
    line = fields(value, required)
    if "version" in required:
        number(line["version"])
    length = line["length"]
    if type(length) is not int or length < 1:
        raise ProtocolError(codes.DIRECTORY_FORM, "a length is a whole number from 1")
    if length > limit:
        raise ProtocolError(codes.DIRECTORY_TOO_LARGE, f"announced as {str(length)[:24]} bytes")
    digest = fields(line["hashes"], {"sha256"})["sha256"]
    if not isinstance(digest, str) or len(digest) != 64 or not _HEX.match(digest):
        raise ProtocolError(codes.DIRECTORY_FORM, "a digest is SHA-256 in hexadecimal")


def _keys(value: Any) -> dict[str, str]:
    """Key id -> algorithm, of keys that are sound, unique, and named by their digest."""
    if not isinstance(value, dict):
        raise ProtocolError(codes.DIRECTORY_FORM, "keys is an object")
    algorithms: dict[str, str] = {}
    seen: set[bytes] = set()
    for keyid, item in value.items():
        key = fields(item, {"keytype", "scheme", "keyval"})
        fields(key["keyval"], {"public"})
        algorithm, raw = rolekeys.check(keyid, key)
        if raw in seen:
            raise ProtocolError(codes.DIRECTORY_KEY_TWICE, keyid[:16])
        seen.add(raw)
        algorithms[keyid] = algorithm
    return algorithms


def _threshold(name: str, role: Json, algorithms: dict[str, str]) -> None:
    keyids, threshold = role["keyids"], role["threshold"]
    if not isinstance(keyids, list) or not all(isinstance(k, str) and k in algorithms for k in keyids):
        raise ProtocolError(codes.DIRECTORY_FORM, f"{name} names a key that is not listed")
    if len(set(keyids)) != len(keyids):
        raise ProtocolError(codes.DIRECTORY_KEY_TWICE, name)
    if type(threshold) is not int:
        raise ProtocolError(codes.DIRECTORY_FORM, f"the threshold of {name} is not a whole number")
    if threshold < 1:
        raise ProtocolError(codes.DIRECTORY_THRESHOLD_ZERO, name)
    if threshold > len(keyids):
        raise ProtocolError(codes.DIRECTORY_THRESHOLD_UNREACHABLE, name)
    of_one_kind = max(sum(algorithms[k] == a for k in keyids) for a in rolekeys.ALGORITHMS)
    if threshold <= of_one_kind:
        raise ProtocolError(codes.DIRECTORY_THRESHOLD_ONE_KIND, name)


def _delegated(value: Any, algorithms: dict[str, str]) -> None:
    if not isinstance(value, list):
        raise ProtocolError(codes.DIRECTORY_FORM, "delegated roles are a list")
    if len(value) > limits.DIRECTORY_MEMBERS:
        raise ProtocolError(codes.DIRECTORY_MEMBERS, str(len(value)))
    seen: set[str] = set()
    for item in value:
        role = fields(item, {"name", "keyids", "threshold", "terminating", "paths"})
        if not isinstance(role["name"], str):
            raise ProtocolError(codes.DIRECTORY_FORM, "a role's name is text")
        name = authority_of(role["name"])
        if role["paths"] != [f"authorities/{name}.json"] or role["terminating"] is not True:
            raise ProtocolError(codes.DIRECTORY_EDGE, name)
        if name in seen:
            raise ProtocolError(codes.DIRECTORY_NAME_TAKEN, name)
        seen.add(name)
        _threshold(role["name"], role, algorithms)
