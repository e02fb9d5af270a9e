"""Starts the program: puts the folder of the four packages first on the path, then calls the command line.

In the wheel that folder is this one; in the source tree it is the top. No other module of ours is reachable by a bare name from a
program that only shares the environment with us, and no other package called `protocol` or `node` can take the place of ours.
(docs/decisions/0001-package-names.md)
"""

from __future__ import annotations

import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
HOME = _HERE if (_HERE / "node").is_dir() else _HERE.parents[2]


def main() -> None:
    """The command `rogatory`. Ends the process with a documented exit code."""
    sys.path.insert(0, str(HOME))
    from node.cli import main as command

    command(prog_name="rogatory")
