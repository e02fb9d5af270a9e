"""Make the vectors of our own formats: ``python -m tests.vectors.generate_formats`` from the root of the repository.

One file per case in the folders of FOLDERS: header lines, a blank line, the bytes. The vectors are frozen: a changed file is a
changed protocol. tests/vectors/FORMATS.md says how to read them.
"""

from __future__ import annotations

from tests.vectors.c2sp.signing import VECTORS, keep_signatures
from tests.vectors.formats import bodies, collects, dossiers, encodings, entries, envelopes, forks, heads, pouches, sealedparts

FOLDERS = (
    "cbor", "entry", "envelope", "part", "body", "pouch", "answer", "fork", "collect", "add-checkpoint", "size", "lines", "links", "dossier",
)  # fmt: skip
CASES = (
    *encodings.CASES, *entries.CASES, *envelopes.CASES, *sealedparts.CASES, *bodies.CASES, *pouches.POUCHES, *pouches.ANSWERS,
    *forks.CASES, *collects.CASES, *heads.CASES, *dossiers.CASES,
)  # fmt: skip


def main() -> None:
    """Write every vector; take away those that are no longer made."""
    made = vectors()
    for folder in FOLDERS:
        (VECTORS / folder).mkdir(exist_ok=True)
        for path in (VECTORS / folder).glob("*"):
            if f"{folder}/{path.name}" not in made:
                path.unlink()
    for name, data in made.items():
        (VECTORS / name).write_bytes(data)
    keep_signatures()
    print(f"{len(made)} files")


def vectors() -> dict[str, bytes]:
    """Every file by its path under tests/vectors."""
    made: dict[str, bytes] = {}
    for case in CASES:
        assert case.path not in made, case.path
        made[case.path] = case.file()
    return made


if __name__ == "__main__":
    main()
