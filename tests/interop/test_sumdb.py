"""Our notes, proofs and tiles against the code of Go's checksum database, both ways."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from keys.suite import SUITE
from protocol import merkle, tiles
from protocol.checkpoint import Checkpoint
from protocol.note import parse_note, verify_note
from protocol.vkey import ED25519, VKey
from tests.protocol.c2sp import KEYS, LOG, ORIGIN, SMALL, Pair, Tree, with_lines
from tests.protocol.test_c2sp_vectors import FILES, VKEYS, read

TREE = Tree([b"entry %d" % i for i in range(70)])
SIZES = [1, 2, 3, 4, 5, 8, 31, 32, 33, 64, 70]

Ask = Callable[[Sequence[dict[str, Any]]], list[dict[str, Any]]]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def hashes(path: Sequence[bytes]) -> list[str]:
    return [b64(h) for h in path]


@pytest.fixture(scope="module")
def ask(build_go: Callable[[str], Path]) -> Ask:
    program = build_go("sumdb")

    def ask(questions: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        ran = subprocess.run([program], input=json.dumps(questions).encode(), capture_output=True, check=True)
        answers: list[dict[str, Any]] = json.loads(ran.stdout)
        assert len(answers) == len(questions)
        return answers

    return ask


def test_go_opens_our_heads_by_their_0x01_line(ask: Ask) -> None:
    witness = Pair("witness").line("example.org/xb-ca/witness", ED25519, SMALL.checkpoint().text())
    note = with_lines(SMALL.head(), witness)
    vkeys = [str(KEYS.vkeys[0]), str(Pair("witness").vkey("example.org/xb-ca/witness", ED25519))]
    altered = note.replace(b"\n13\n", b"\n14\n")
    both, one, stranger, forged = ask(
        [
            {"Do": "open", "Note": b64(note), "Vkeys": vkeys},
            {"Do": "open", "Note": b64(note), "Vkeys": vkeys[:1]},
            {"Do": "open", "Note": b64(note), "Vkeys": [str(Pair("other").vkey(ORIGIN, ED25519))]},
            {"Do": "open", "Note": b64(altered), "Vkeys": vkeys},
        ]
    )
    assert (both["Error"], both["Names"]) == ("", [ORIGIN, "example.org/xb-ca/witness"])
    assert (one["Error"], one["Names"]) == ("", [ORIGIN])
    assert stranger["Error"] == "note has no verifiable signatures"
    assert forged["Error"].startswith("invalid signature for key example.org/xa-ca/log/1")


def test_we_open_what_go_signs(ask: Ask) -> None:
    texts = ["a\n", "two\n\nparts\n", SMALL.checkpoint().text().decode(), "é\u2028\n"]
    seed = sha256(b"log").digest()
    for text, signed in zip(
        texts, ask([{"Do": "sign", "Text": t, "Name": ORIGIN, "Seed": b64(seed)} for t in texts]), strict=True
    ):
        assert signed["Error"] == ""
        assert signed["Vkey"] == str(LOG.vkey(ORIGIN, ED25519))
        note = parse_note(base64.b64decode(signed["Note"]))
        assert note.text == text.encode()
        assert verify_note(note, [VKey.parse(signed["Vkey"])], SUITE) == note.signatures


def test_go_judges_the_forms_of_the_note_vectors_as_we_do(ask: Ask) -> None:
    """Those whose clause is signed-note's; where ours is stricter (NOTE-REPEATED, one spelling of base64) Go lets pass."""
    cases = [(path, *read(path)) for path in FILES if path.parent.name == "note"]
    cases = [case for case in cases if b"/witness " not in case[2]]  # their lines are of types that Go does not know
    answers = ask([{"Do": "open", "Note": b64(data), "Vkeys": [str(VKEYS[0])]} for _, _, data in cases])
    for (path, header, _), answer in zip(cases, answers, strict=True):
        if header["expect"] == "ok":
            assert answer["Error"] == "", path.name
        elif header["spec"].startswith("C2SP signed-note"):
            assert answer["Error"] != "", path.name
    assert sum(answer["Error"] != "" for answer in answers) >= 20


def test_go_takes_our_inclusion_proofs_and_refuses_altered_ones(ask: Ask) -> None:
    questions = []
    for size in SIZES:
        root = merkle.root(size, TREE)
        for index in range(size):
            path = merkle.inclusion(index, size, TREE)
            good = {"Do": "inclusion", "Path": hashes(path), "Size": size, "Root": b64(root)}
            good |= {"Index": index, "Entry": b64(TREE.entries[index])}
            questions += [good, good | {"Entry": b64(b"another")}, good | {"Path": hashes([*path, root])}]
    errors = [answer["Error"] for answer in ask(questions)]
    assert set(errors[::3]) == {""}
    assert "" not in errors[1::3] + errors[2::3]


def test_go_takes_our_consistency_proofs_and_refuses_altered_ones(ask: Ask) -> None:
    questions = []
    for size in SIZES:
        for old in range(1, size + 1):
            good = {"Do": "consistency", "Path": hashes(merkle.consistency(old, size, TREE)), "Size": size, "Old": old}
            good |= {"Root": b64(merkle.root(size, TREE)), "OldRoot": b64(merkle.root(old, TREE))}
            questions += [good, good | {"OldRoot": b64(bytes(32))}]
    errors = [answer["Error"] for answer in ask(questions)]
    assert set(errors[::2]) == {""}
    assert "" not in errors[1::2]


def test_we_take_gos_proofs(ask: Ask) -> None:
    entries = [b64(entry) for entry in TREE.entries]
    places = [(size, index, 0) for size in SIZES for index in {0, size // 2, size - 1}]
    places += [(size, 0, old) for size in SIZES for old in range(1, size)]
    questions = [{"Do": "prove", "Entries": entries, "Size": s, "Index": i, "Old": o} for s, i, o in places]
    for (size, index, old), proof in zip(places, ask(questions), strict=True):
        assert proof["Error"] == ""
        root, path = base64.b64decode(proof["Root"]), [base64.b64decode(h) for h in proof["Path"] or ()]
        assert root == merkle.root(size, TREE)
        if old:
            assert path == merkle.consistency(old, size, TREE)
            merkle.check_consistency(old, size, path, merkle.root(old, TREE), root)
        else:
            assert path == merkle.inclusion(index, size, TREE)
            merkle.check_inclusion(merkle.leaf_hash(TREE.entries[index]), index, size, path, root)


def test_go_names_the_same_tiles(ask: Ask) -> None:
    steps = [(0, 1), (0, 256), (1, 255), (255, 257), (256, 65_536), (65_535, 70_000), (300_000_000, 300_000_700)]
    for (old, new), go in zip(steps, ask([{"Do": "tiles", "Old": old, "Size": new} for old, new in steps]), strict=True):
        ours = {tiles.tile_path(*tile).replace("tile/", "tile/8/", 1) for tile in tiles.tiles_of(old, new)}
        assert ours == set(go["Tiles"])


def test_sizes_go_can_hold(ask: Ask) -> None:
    """The largest size we write fits a signed 64-bit integer."""
    checkpoint = Checkpoint(ORIGIN, 2**63 - 1, bytes(32))
    note = f"{checkpoint.text().decode()}\n{LOG.line(ORIGIN, ED25519, checkpoint.text())}\n".encode()
    (opened,) = ask([{"Do": "open", "Note": b64(note), "Vkeys": [str(KEYS.vkeys[0])]}])
    assert opened["Error"] == ""
