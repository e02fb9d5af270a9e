"""Our logs against tlog-scales, a reader and writer of tiled logs with 0x04 and 0x06 signatures, both ways."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature

from keys.suite import SUITE
from protocol import merkle, tiles
from protocol.checkpoint import Checkpoint, parse_checkpoint, verify_head
from protocol.note import parse_note, verify_note
from protocol.proof import TlogProof, verify_entry_proof
from protocol.tiles import TileReader
from protocol.vkey import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, VKey
from tests.protocol.c2sp import KEYS, LOG, ORIGIN, SMALL, Pair, Tree, with_lines

# their annotations stop half-way, so they are taken as they come
scales: Any = import_module("tlog_scales.tlog")
signing: Any = import_module("tlog_scales.signing")
reader: Any = import_module("tlog_scales.reader")
writer: Any = import_module("tlog_scales.writer")
backend: Any = import_module("tlog_scales.backend")

WITNESS = Pair("witness")
NAME = "example.org/xb-ca/witness"
SIZE = 700
TREE = Tree([b"entry %d" % i for i in range(SIZE)])


def write_log(folder: Path, tree: Tree) -> None:
    """Our log as files: every tile and bundle of its size, and its head."""
    for level, index, width in tiles.tiles_of(0, tree.size):
        first = index * tiles.WIDTH
        hashes = b"".join(tree.node(level * tiles.HEIGHT, at) for at in range(first, first + width))
        write(folder / tiles.tile_path(level, index, width), hashes)
        if level == 0:
            bundle = tiles.encode_bundle(tree.entries[first : first + width])
            write(folder / tiles.tile_path(tiles.ENTRIES, index, width), bundle)
    write(folder / "checkpoint", tree.head())


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_they_verify_our_head_and_cosignatures() -> None:
    note = SMALL.head()
    for algorithm in (COSIGNATURE_ED25519, COSIGNATURE_MLDSA44):
        note = with_lines(note, WITNESS.cosign(NAME, algorithm, SMALL.checkpoint()))
    theirs = scales.Checkpoint.from_text(note.decode())
    vkeys = [*KEYS.vkeys, *(WITNESS.vkey(NAME, algorithm) for algorithm in (COSIGNATURE_ED25519, COSIGNATURE_MLDSA44))]
    for vkey in vkeys:
        their_vkey = signing.Vkey.from_string(str(vkey))
        assert their_vkey.serialize() == str(vkey)
        theirs.verify(their_vkey)


def test_they_refuse_our_0x06_line_over_another_head() -> None:
    theirs = scales.Checkpoint.from_text(SMALL.head().replace(b"\n13\n", b"\n14\n").decode())
    for vkey in KEYS.vkeys:
        with pytest.raises(InvalidSignature):
            theirs.verify(signing.Vkey.from_string(str(vkey)))


def test_we_verify_their_head_and_0x06_cosignature() -> None:
    signers = [
        signing.PlainEd25519Signer(ORIGIN, LOG.ed25519_secret),
        signing.MLDSA44CosignatureSigner(ORIGIN, LOG.mldsa44_secret),
        signing.MLDSA44CosignatureSigner(NAME, WITNESS.mldsa44_secret),
    ]
    note = scales.Checkpoint.make_signed(ORIGIN, SMALL.size, SMALL.root, signers).serialize().encode()
    assert verify_head(note, KEYS, SUITE).value.checkpoint == SMALL.checkpoint()
    witness = VKey.parse(signers[2].vkey.serialize())
    assert witness == WITNESS.vkey(NAME, COSIGNATURE_MLDSA44)
    assert len(verify_note(parse_note(note), [witness], SUITE)) == 1


def test_they_read_our_tiles_and_bundles(tmp_path: Path) -> None:
    write_log(tmp_path, TREE)
    theirs = reader.TilesReader(backend.LocalBackend(tmp_path))
    head = theirs.get_checkpoint()
    assert (head.size, head.root_hash) == (SIZE, TREE.root)
    assert theirs.calculate_root_hash() == TREE.root
    for index in (0, 255, 256, 511, 512, 699):
        assert theirs.get_entry(index) == TREE.entries[index]
        proof = theirs.get_inclusion_proof(index, SIZE)
        ours = TlogProof(TREE.entries[index], index, tuple(proof.node_hashes), (tmp_path / "checkpoint").read_bytes())
        assert verify_entry_proof(ours, KEYS, SUITE).value.index == index
    for old in (1, 256, 300, 699, 700):
        proof = theirs.get_consistency_proof(old, SIZE)
        assert proof.node_hashes == merkle.consistency(old, SIZE, TREE)
        proof.check(merkle.root(old, TREE), TREE.root)


def test_we_read_their_tiles_and_bundles(tmp_path: Path) -> None:
    log = writer.TilesWriter.create(tmp_path / "log", ORIGIN)
    signer = signing.MLDSA44CosignatureSigner(ORIGIN, LOG.mldsa44_secret)
    roots: list[Checkpoint] = []
    for start in range(0, SIZE, 100):
        for entry in TREE.entries[start : start + 100]:
            log.add_leaf(entry)
        log.commit([signer], gc=False)
        roots.append(parse_checkpoint(parse_note((tmp_path / "log/checkpoint").read_bytes()).text))

    def fetch(level: int, index: int, width: int) -> bytes:
        return (tmp_path / "log" / tiles.tile_path(level, index, width)).read_bytes()

    for head in roots:
        ours = TileReader(fetch, head.size)
        assert merkle.root(head.size, ours) == head.root == merkle.root(head.size, TREE)
        assert merkle.consistency(head.size // 2, head.size, ours) == merkle.consistency(head.size // 2, head.size, TREE)
    entries = [
        entry
        for level, index, width in tiles.tiles_of(0, SIZE)
        if level == 0
        for entry in tiles.parse_bundle(fetch(tiles.ENTRIES, index, width), width)
    ]
    assert entries == TREE.entries
