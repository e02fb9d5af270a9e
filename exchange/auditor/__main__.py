"""The auditor alone, for a machine that has nothing else of rogatory: `python -m exchange.auditor BUNDLE --trust ROOT`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from exchange.auditor.command import examine, render, render_error
from exchange.auditor.report import EXIT_USAGE
from protocol.errors import LocalError

EPILOG = (
    "Exit codes: 0 proven, 1 refuted, 2 usage, 3 not anchored (no trust root given), 4 pending (a recipient has not answered)."
)


def main(argv: list[str] | None = None) -> int:
    """Examine what the arguments name, print the report, give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m exchange.auditor", description="Verify offline.", epilog=EPILOG)
    parser.add_argument("bundle", type=Path, help="an exported message, an exported log, or one .tlog-proof file")
    parser.add_argument(
        "--trust", type=Path, metavar="ROOT", help="the network's first root file, from elsewhere than the bundle"
    )
    parser.add_argument("--policy", type=Path, metavar="FILE", help="a C2SP policy: for a log or a single proof")
    parser.add_argument("--json", action="store_true", help="one verdict per numbered check, as JSON")
    given = parser.parse_args(argv)
    try:
        now = time.time_ns() // 1_000_000  # this program runs without node and its clock
        report = examine(given.bundle, given.trust, given.policy, now)
    except LocalError as error:
        sys.stderr.write(render_error(error, given.json))
        return EXIT_USAGE
    sys.stdout.write(render(report, given.json))
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main())
