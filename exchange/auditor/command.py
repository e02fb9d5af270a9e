"""What `rogatory verify` and `python -m exchange.auditor` do: read what the caller trusts, examine, print, tell the exit."""

from __future__ import annotations

import json
from pathlib import Path

from exchange.auditor import codes
from exchange.auditor.anchor import Trust
from exchange.auditor.examination import verify_bundle
from exchange.auditor.folder import read_file
from exchange.auditor.logfolder import Told, audit_log, is_log, quiet
from exchange.auditor.report import Report
from exchange.auditor.single import verify_proof_file
from protocol import limits
from protocol.errors import LocalError, RogatoryError


def examine(path: Path, trust: Path | None, policy: Path | None, now_ms: int, told: Told = quiet) -> Report:
    """The report on a bundle, an exported log, or one proof file. ``trust``: a root file; ``policy``: a C2SP policy.

    ``told``: how many entries of a log were read so far.
    Raises AUDIT-FOLDER and AUDIT-TRUST for what the caller named wrongly: exit code 2, nothing was examined.
    """
    root = _trusted(trust, limits.DIRECTORY)
    rules = _trusted(policy, limits.POLICY)
    if path.is_file():
        if rules is None:
            raise LocalError(codes.AUDIT_TRUST, "a single proof is judged by a policy: --policy FILE")
        return verify_proof_file(path, rules)
    if not path.is_dir():
        raise LocalError(codes.AUDIT_FOLDER, path.name)
    if is_log(path):
        return audit_log(path, rules, trust=Trust(root, now_ms), told=told)
    return verify_bundle(path, root, now_ms)


def render(report: Report, as_json: bool) -> str:
    """The report for a program or for people."""
    return json.dumps(report.as_dict(), indent=1) + "\n" if as_json else report.text()


def render_error(error: RogatoryError, as_json: bool) -> str:
    """A usage error in the same form."""
    return (
        json.dumps({"verdict": "usage", "exit_code": 2, "error": error.as_dict()}, indent=1) + "\n" if as_json else f"{error}\n"
    )


def _trusted(path: Path | None, limit: int) -> bytes | None:
    """A file that the caller names as trusted: links are followed, it is the caller's own word."""
    if path is None:
        return None
    try:
        return read_file(path.resolve(strict=True), limit)
    except (OSError, RogatoryError):
        raise LocalError(codes.AUDIT_TRUST, path.name) from None
