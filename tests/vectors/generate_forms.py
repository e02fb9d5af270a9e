"""Writes the failing forms of ``forms/`` and their ``index.json``: each is a valid example with a few fields changed.

    python -m tests.vectors.generate_forms

The files are committed and frozen; this program says how they came about. Edits map a JSON Pointer to a new value; ``GONE``
removes the field. ``expect`` is the complete list of [loc, code]. ``declared`` is what the reader knows from elsewhere.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from tests.vectors.forms_answers import OTHERS, REPLIES
from tests.vectors.forms_case import GONE, KIND
from tests.vectors.forms_requests import ELECTRONIC, ENVELOPE, SHAPES

FORMS = Path(__file__).parent / "forms"
EXAMPLES = Path(__file__).parents[2] / "protocol" / "forms" / "examples"
CASES = [*SHAPES, *ENVELOPE, *ELECTRONIC, *REPLIES, *OTHERS]


def changed(tree: Any, edits: dict[str, Any]) -> Any:
    """A copy of a tree with these edits."""
    tree = copy.deepcopy(tree)
    for pointer, value in edits.items():
        *path, last = [int(step) if step.isdigit() else step for step in pointer[1:].split("/")]
        place = tree
        for step in path:
            place = place[step]
        if value is GONE:
            place.pop(last, None)
        else:
            place[last] = value
    return tree


def main() -> None:
    """Write every file again."""
    index = []
    for each in CASES:
        example = json.loads((EXAMPLES / f"{each.example}.json").read_text())
        name = f"{each.example}-fail-{each.name}.json"
        text = json.dumps(changed(example, each.edits), ensure_ascii=True, indent=1)
        (FORMS / name).write_text(text + "\n")
        row = {"file": name, "kind": KIND[each.example], "code": "FORM-INVALID", "expect": each.expect}
        index.append({**row, "declared": each.declared} if each.declared else row)
    lines = ",\n".join(json.dumps(row) for row in index)
    (FORMS / "index.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
