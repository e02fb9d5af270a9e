"""Check 13: the policy files beside the proofs say what the directory says; foreign tools judge by them alone.

policy-<authority>-<n>.txt   both keys of log n of that authority; the quorum of witnesses too when its proof reached it
policy.txt                   the Ed25519 keys of the same logs, quorum none, for tools that know no other kind
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from exchange.auditor import codes
from exchange.auditor.folder import Folder
from exchange.auditor.proofs import SignedHead, policy_of
from keys.directory.view import Directory
from protocol.errors import ProtocolError
from protocol.grades import Grade
from protocol.policy import NONE, parse_policy

SIMPLE: Final = "policy.txt"


def policy_name(signed: SignedHead) -> str:
    """The file that speaks of this log."""
    origin = signed.record.origin
    return f"policy-{origin.authority}-{origin.n}.txt"


def check_policies(folder: Folder, directory: Directory, proofs: Sequence[SignedHead]) -> tuple[int, str]:
    """Every proof's log has its policy and no other log has one. Raises BUNDLE-MISSING, BUNDLE-POLICY, POLICY-*, NOTE-VKEY."""
    named = {policy_name(signed): signed for signed in proofs}
    for name, signed in named.items():
        # a closing head may have its quorum or not: what its witnesses signed decides
        reached = signed.record.quorum and len(signed.witnesses) >= signed.record.quorum
        wanted = policy_of(signed.record, directory, Grade.WITNESSED if reached else Grade.LOGGED)
        if parse_policy(folder.read(name)) != wanted:
            raise ProtocolError(codes.BUNDLE_POLICY, name)
    for name in folder.sizes:
        if name.startswith("policy-") and name not in named:
            raise ProtocolError(codes.BUNDLE_POLICY, f"{name} belongs to no proof here")
    simple = parse_policy(folder.read(SIMPLE))
    keys = {signed.record.keys.vkeys[0] for signed in proofs}
    if {log.vkey for log in simple.logs} != keys or simple.witnesses or simple.groups or simple.quorum != NONE:
        raise ProtocolError(codes.BUNDLE_POLICY, SIMPLE)
    return len(named), f"{len(named) + 1} policy files say what the directory says"
