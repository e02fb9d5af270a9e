"""The table of all codes: `python -m tests.tidy.errors` prints docs/errors.md, `make errors` writes it."""

from __future__ import annotations

import importlib

from protocol.errors import Code
from tests.tidy.source import modules

HEAD = """\
# Errors

Every refusal carries one of these codes: on the command line, in the log, in an answer to a peer (`code` of the problem
document). A code is never renamed, and never used again for another reason. *Check* is the number in `protocol/SPEC.md`, or the
name of the check. *Who acts* answers whose turn it is. Wrong fields of a form have codes of their own beside their path
(`protocol/forms/README.md`).

This page is written by `make errors` from the `codes.py` of each folder.
"""


def by_module() -> dict[str, dict[str, Code]]:
    """Module -> constant -> code, in the order of the files."""
    found = {}
    for module in modules():
        if module.path.name == "codes.py":
            declared = vars(importlib.import_module(module.name)).items()
            found[module.name] = {constant: value for constant, value in declared if isinstance(value, Code)}
    return found


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for name, found in by_module().items():
        folder = name.removesuffix(".codes").replace(".", "/")
        parts.append(f"\n## {folder}\n\n| code | check | says | who acts | what to do |\n| --- | --- | --- | --- | --- |\n")
        parts.extend(_row(code) for code in sorted(found.values(), key=lambda code: code.code))
    return "".join(parts)


def _row(code: Code) -> str:
    cells = (f"`{code.code}`", code.check, code.says, str(code.actor), code.todo)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    print(page(), end="")
