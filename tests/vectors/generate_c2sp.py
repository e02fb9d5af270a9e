"""Make the vectors of the C2SP formats: ``python -m tests.vectors.generate_c2sp`` from the root of the repository.

One file per case in tests/vectors/{note,checkpoint,proof,policy}: header lines, a blank line, the bytes. Every failing case
differs from a good one in one thing, and is signed for real where a signature is not that thing. The vectors are frozen:
a changed file is a changed protocol. tests/vectors/C2SP.md says how to read them.

ML-DSA signatures are made with fresh randomness; those once made are kept in ``c2sp.signatures`` and used again.
"""

from __future__ import annotations

from tests.protocol.c2sp import KEYS
from tests.vectors.c2sp import checkpoints, notes, policies, proofs
from tests.vectors.c2sp.signing import VECTORS, WITNESSES, keep_signatures

FOLDERS = ("note", "checkpoint", "proof", "policy")


def main() -> None:
    """Write every vector; take away those that are no longer made."""
    made = vectors()
    for folder in FOLDERS:
        for path in (VECTORS / folder).glob("*"):
            if f"{folder}/{path.name}" not in made:
                path.unlink()
    for name, data in made.items():
        (VECTORS / name).parent.mkdir(exist_ok=True)
        (VECTORS / name).write_bytes(data)
    keep_signatures()
    print(f"{len(made)} files")


def vectors() -> dict[str, bytes]:
    """Every file by its path under tests/vectors."""
    made = {"c2sp.keys": "".join(f"{key}\n" for key in (*KEYS.vkeys, *WITNESSES)).encode()}
    for case in (*notes.CASES, *checkpoints.CASES, *proofs.CASES, *policies.CASES):
        assert case.path not in made, case.path
        made[case.path] = case.file()
    return made | {f"policy/{name}.note": data for name, data in policies.HEADS.items()}


if __name__ == "__main__":
    main()
