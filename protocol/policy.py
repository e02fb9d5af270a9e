"""C2SP tlog-policy: which logs are trusted, and which witnesses must have seen a head.

    log example.org/xa-ca/log/1+530d903a+AekyeRrm...
    witness self example.org/xa-ca/log/1+c8a7e6f0+BqT...
    witness example.org/xb-ca/witness example.org/xb-ca/witness+1f2e3d4c+BmJ...
    group witnesses 1 example.org/xb-ca/witness
    group all-of-them all self witnesses
    quorum all-of-them

The log's ML-DSA-44 key stands as a witness named ``self``: two ``log`` lines would accept either signature alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from protocol import codes, limits
from protocol.canonical import decimal
from protocol.checkpoint import LogKeys, parse_checkpoint
from protocol.errors import ProtocolError
from protocol.note import Note, verify_note
from protocol.ports import Verifier
from protocol.vkey import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, ED25519, VKey

NONE: Final = "none"
SELF: Final = "self"

_LOG_TYPES: Final = (ED25519, COSIGNATURE_MLDSA44)
_WITNESS_TYPES: Final = (COSIGNATURE_ED25519, COSIGNATURE_MLDSA44)


@dataclass(frozen=True, slots=True)
class Log:
    """A trusted log; its key is named after its origin."""

    vkey: VKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Witness:
    """A trusted witness under the name it has in this policy."""

    name: str
    vkey: VKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Counts as having seen a head when at least ``k`` of its members have; members are witnesses and earlier groups."""

    name: str
    k: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """A whole policy, its names resolved. Raises POLICY-FORM and POLICY-DUPLICATE."""

    logs: tuple[Log, ...]
    witnesses: tuple[Witness, ...]
    groups: tuple[Group, ...]
    quorum: str

    def __post_init__(self) -> None:
        _check_keys("logs", [log.vkey for log in self.logs], _LOG_TYPES)
        _check_keys("witnesses", [witness.vkey for witness in self.witnesses], _WITNESS_TYPES)
        _check_names(self)

    def check(self, note: Note, verifier: Verifier) -> frozenset[str]:
        """The names of the witnesses that signed this head, when they satisfy the quorum.

        Raises what ``verify_note`` does for the keys listed, POLICY-LOG unless a listed log signed under its own origin,
        POLICY-QUORUM with what is missing (LOG-16).
        """
        origin = parse_checkpoint(note.text).origin
        lines = verify_note(note, self._vkeys(), verifier)
        signed = {(line.name, line.key_id) for line in lines}
        if not any(log.vkey.name == origin and (origin, log.vkey.key_id) in signed for log in self.logs):
            raise ProtocolError(codes.POLICY_LOG, origin)
        seen = {w.name for w in self.witnesses if (w.vkey.name, w.vkey.key_id) in signed}
        self._require_quorum(frozenset(seen))
        return frozenset(seen)

    def _vkeys(self) -> list[VKey]:
        """Every key once: one key may stand as a log and as a witness."""
        return list(dict.fromkeys([log.vkey for log in self.logs] + [witness.vkey for witness in self.witnesses]))

    def _require_quorum(self, seen: frozenset[str]) -> None:
        counted = set(seen) | {NONE}
        for group in self.groups:
            if sum(member in counted for member in group.members) >= group.k:
                counted.add(group.name)
        if self.quorum not in counted:
            missing = ", ".join(w.name for w in self.witnesses if w.name not in seen)
            raise ProtocolError(codes.POLICY_QUORUM, f"{self.quorum} is not reached; not seen by {missing}")


def policy_for(keys: LogKeys, witnesses: Sequence[VKey], k: int) -> Policy:
    """The policy of a bundle: both signatures of this log, and ``k`` of these witnesses, each under its key's name.

    Raises POLICY-FORM when there are fewer than ``k``, POLICY-DUPLICATE for one key or name twice (LOG-17).
    """
    ed25519, mldsa44 = keys.vkeys
    listed = (Witness(SELF, mldsa44), *(Witness(vkey.name, vkey) for vkey in witnesses))
    if k == 0:
        return Policy((Log(ed25519),), listed, (), SELF)
    groups = Group("witnesses", k, tuple(vkey.name for vkey in witnesses)), Group("all-of-them", 2, (SELF, "witnesses"))
    return Policy((Log(ed25519),), listed, groups, "all-of-them")


def parse_policy(data: bytes) -> Policy:
    """Parse a policy file. Raises POLICY-FORM with the line's number, POLICY-DUPLICATE, NOTE-VKEY."""
    if len(data) > limits.POLICY:
        raise ProtocolError(codes.POLICY_FORM, f"{len(data)} bytes")
    if any((c < 0x20 and c not in b"\t\n") or c == 0x7F for c in data):
        raise ProtocolError(codes.POLICY_FORM, "a control character")
    if not data.endswith(b"\n"):
        raise ProtocolError(codes.POLICY_FORM, "no newline at the end")
    reading = _Reading()
    # octets beyond ASCII are opaque: surrogateescape keeps every byte string apart from every other
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), 1):
        items = [item for item in line.replace("\t", " ").split(" ") if item]
        if items and not items[0].startswith("#"):
            reading.line(number, items)
    return reading.policy()


def format_policy(policy: Policy) -> bytes:
    """A policy file that parses to the same policy."""
    lines = [_join("log", str(log.vkey), log.url) for log in policy.logs]
    lines += [_join("witness", w.name, str(w.vkey), w.url) for w in policy.witnesses]
    lines += [_join("group", group.name, str(group.k), *group.members) for group in policy.groups]
    lines.append(_join("quorum", policy.quorum))
    return "".join(line + "\n" for line in lines).encode("utf-8", "surrogateescape")


class _Reading:
    """What the lines so far have defined."""

    __slots__ = ("groups", "logs", "names", "quorum", "witnesses")

    def __init__(self) -> None:
        self.logs: list[Log] = []
        self.witnesses: list[Witness] = []
        self.groups: list[Group] = []
        self.names: set[str] = set()
        self.quorum: str | None = None

    def line(self, number: int, items: Sequence[str]) -> None:
        match items:
            case ["log", vkey, *url] if len(url) <= 1:
                self.logs.append(Log(VKey.parse(vkey), url[0] if url else None))
            case ["witness", name, vkey, *url] if len(url) <= 1:
                self.witnesses.append(Witness(name, VKey.parse(vkey), url[0] if url else None))
                self.names.add(name)
            case ["group", name, k, *members] if self.names.issuperset(members):
                self.groups.append(Group(name, _threshold(k, len(members)), tuple(members)))
                self.names.add(name)
            case ["quorum", name] if self.quorum is None and (name == NONE or name in self.names):
                self.quorum = name
            case _:
                raise ProtocolError(
                    codes.POLICY_FORM, f"line {number} is no log, witness, group or quorum of names defined above"
                )

    def policy(self) -> Policy:
        if self.quorum is None:
            raise ProtocolError(codes.POLICY_FORM, "no quorum line")
        return Policy(tuple(self.logs), tuple(self.witnesses), tuple(self.groups), self.quorum)


def _threshold(k: str, count: int) -> int:
    return {"any": 1, "all": count}.get(k) or decimal(k, codes.POLICY_FORM, "a group's threshold")


def _join(*items: str | None) -> str:
    return " ".join(item for item in items if item is not None)


def _check_keys(what: str, vkeys: Sequence[VKey], types: tuple[int, ...]) -> None:
    if len(vkeys) > limits.POLICY_LINES:
        raise ProtocolError(codes.POLICY_FORM, f"{len(vkeys)} {what}")
    if any(vkey.algorithm not in types for vkey in vkeys):
        raise ProtocolError(codes.POLICY_FORM, f"a signature type that is not for {what}")
    if len({vkey.public_key for vkey in vkeys}) != len(vkeys):
        raise ProtocolError(codes.POLICY_DUPLICATE, f"one public key twice among the {what}")


def _check_names(policy: Policy) -> None:
    """Names: defined once, before they are used, and members of at most one group (LOG-17)."""
    defined = [witness.name for witness in policy.witnesses] + [group.name for group in policy.groups]
    members = [member for group in policy.groups for member in group.members]
    if len(policy.groups) > limits.POLICY_LINES:
        raise ProtocolError(codes.POLICY_FORM, f"{len(policy.groups)} groups")
    for names, what in ((defined, "defined"), (members, "listed as a member")):
        if len(set(names)) != len(names):
            raise ProtocolError(codes.POLICY_DUPLICATE, f"a name is {what} twice")
    if any(not name or not set(name).isdisjoint(" \t\n") for name in defined):
        raise ProtocolError(codes.POLICY_FORM, "a name that is empty or has a space in it")
    if NONE in defined or policy.quorum not in (*defined, NONE):
        raise ProtocolError(codes.POLICY_FORM, f"{NONE!r} is defined, or {policy.quorum[:80]!r} is not")
    known = {witness.name for witness in policy.witnesses}
    for group in policy.groups:
        if not known.issuperset(group.members) or not 1 <= group.k <= len(group.members):
            raise ProtocolError(
                codes.POLICY_FORM, f"group {group.name[:80]!r} asks {group.k} of {len(group.members)} names defined before it"
            )
        known.add(group.name)
