"""The committed vectors of the C2SP formats, every one of them; and the generator still makes these bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from keys.suite import SUITE
from protocol import codes
from protocol.checkpoint import LogKeys, verify_head
from protocol.errors import Code, ProtocolError
from protocol.note import format_note, parse_note, verify_note
from protocol.policy import format_policy, parse_policy
from protocol.proof import format_proof, parse_proof, verify_entry_proof
from protocol.vkey import VKey
from tests.vectors import generate_c2sp

VECTORS = Path(generate_c2sp.__file__).parent
FOLDERS = ("note", "checkpoint", "proof", "policy")
FILES = sorted(path for folder in FOLDERS for path in (VECTORS / folder).iterdir() if path.suffix in (".ok", ".fail"))

VKEYS = [VKey.parse(line) for line in (VECTORS / "c2sp.keys").read_text().splitlines()]
KEYS = LogKeys(VKEYS[0].name, VKEYS[0].public_key, VKEYS[1].public_key)


def read(path: Path) -> tuple[dict[str, str], bytes]:
    header, _, data = path.read_bytes().partition(b"\n\n")
    return dict(line.split(": ", 1) for line in header.decode().split("\n")), data


def run(folder: str, data: bytes, head: str | None) -> None:
    """Do with the bytes what C2SP.md says; whatever parses must also be written back as it was."""
    if folder == "note":
        note = parse_note(data)
        assert format_note(note.text, note.signatures) == data
        verify_note(note, VKEYS, SUITE)
    elif folder == "checkpoint":
        verify_head(data, KEYS, SUITE)
    elif folder == "proof":
        proof = parse_proof(data)
        assert format_proof(proof) == data
        verify_entry_proof(proof, KEYS, SUITE)
    else:
        policy = parse_policy(data)
        assert parse_policy(format_policy(policy)) == policy
        if head:
            policy.check(parse_note((VECTORS / "policy" / f"{head}.note").read_bytes()), SUITE)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_vector(path: Path) -> None:
    header, data = read(path)
    try:
        run(path.parent.name, data, header.get("head"))
    except ProtocolError as refused:
        assert refused.code.code == header["expect"], str(refused)
        assert path.suffix == ".fail"
    else:
        assert (header["expect"], path.suffix) == ("ok", ".ok")


def test_the_generator_makes_the_committed_bytes() -> None:
    made = generate_c2sp.vectors()
    committed = {str(path.relative_to(VECTORS)) for folder in FOLDERS for path in (VECTORS / folder).iterdir()}
    assert {*made} == {*committed, "c2sp.keys"}
    for name, data in made.items():
        assert (VECTORS / name).read_bytes() == data, name


def test_every_code_of_these_formats_but_the_local_ones_has_a_vector() -> None:
    prefixes = ("NOTE-", "CHECKPOINT-", "POLICY-", "PROOF-")
    known = {code.code for code in vars(codes).values() if isinstance(code, Code) and code.code.startswith(prefixes)}
    # NOTE-SUBTREE guards our own signing; consistency has no file format, so test_merkle has its cases
    assert {read(path)[0]["expect"] for path in FILES} == known - {"NOTE-SUBTREE", "PROOF-CONSISTENCY"} | {"ok"}


def test_there_are_many() -> None:
    assert len(FILES) >= 60
    assert sum(path.suffix == ".ok" for path in FILES) >= 15
