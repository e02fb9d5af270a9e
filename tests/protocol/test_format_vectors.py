"""The committed vectors of our own formats, every one of them; and the generator still makes these bytes."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from keys.suite import SUITE
from protocol import addcheckpoint, body, cbor, codes, pouch
from protocol.checkpoint import LogKeys
from protocol.collect import encode_collect, parse_collect
from protocol.dossier import encode_row, read_rows
from protocol.entries import Lane, Prekeys, PublishedKey, Submitted, parse_entry
from protocol.envelope import build_envelope, parse_envelope
from protocol.errors import Code, ProtocolError
from protocol.heads import parse_fork_proof, verify_fork_proof
from protocol.links import encode_links, parse_links
from protocol.parts import PartHead, PartName, is_sealed_length, open_part, sealed_length
from protocol.vkey import VKey
from tests.vectors import generate_c2sp, generate_formats

VECTORS = Path(generate_formats.__file__).parent
FILES = sorted(path for folder in generate_formats.FOLDERS for path in (VECTORS / folder).iterdir())
VKEYS = [VKey.parse(line) for line in (VECTORS / "c2sp.keys").read_text().splitlines()]
KEYS = LogKeys(VKEYS[0].name, VKEYS[0].public_key, VKEYS[1].public_key)


def read(path: Path) -> tuple[dict[str, str], bytes]:
    header, _, data = path.read_bytes().partition(b"\n\n")
    return dict(line.split(": ", 1) for line in header.decode().split("\n")), data


def _envelope(data: bytes) -> bytes:
    e = parse_envelope(data)
    if e.suite != 1:
        return data  # parsed, never written by us
    return build_envelope(
        network_id=e.network_id, message_id=e.message_id, sender=e.sender, recipients=e.recipients, created=e.created,
        expires=e.expires, lane=e.lane, part_heads=e.parts,
    ).raw  # fmt: skip


def _part(data: bytes, header: dict[str, str]) -> bytes:
    name = PartName(bytes.fromhex(header["network"]), bytes.fromhex(header["message"]), int(header["part"]))
    head = PartHead(int(header["length"]), bytes.fromhex(header["digest"]), bytes.fromhex(header["commitment"]))
    plaintext = open_part(SUITE, name, head, bytes.fromhex(header["secret"]), header["media-type"], data)
    assert hashlib.sha256(plaintext).hexdigest() == header["plaintext"]
    return data


def _body(data: bytes, header: dict[str, str]) -> bytes:
    addressing = body.Addressing.of(parse_envelope(read(VECTORS / "envelope/example.ok")[1]))
    return body.encode_body(addressing, body.parse_body(addressing, int(header["parts"]), data))


def _pouch(data: bytes) -> bytes:
    about, start = pouch.parse_head(data)
    raws = pouch.parse_items(data, start)
    return pouch.encode_pouch(about, [pouch.encode_item(pouch.parse_item(raw)) for raw in raws])


def _fork(data: bytes) -> bytes:
    proof = parse_fork_proof(data)
    verify_fork_proof(proof, KEYS, SUITE)
    return proof.encode()


def run(folder: str, data: bytes, header: dict[str, str]) -> bytes:
    """Do with the bytes what FORMATS.md says; gives them as we would write them."""
    if folder == "cbor":
        return cbor.encode(cbor.decode(data))
    if folder == "entry":
        return parse_entry(data).encode()
    if folder == "envelope":
        return _envelope(data)
    if folder == "part":
        return _part(data, header)
    if folder == "body":
        return _body(data, header)
    if folder == "pouch":
        return _pouch(data)
    if folder == "answer":
        return pouch.encode_answer(pouch.parse_answer(data))
    if folder == "collect":
        return encode_collect(parse_collect(data))
    if folder == "dossier":
        return b"".join(map(encode_row, read_rows([data])))
    return _fork(data) if folder == "fork" else _heads(folder, data, header)


def _heads(folder: str, data: bytes, header: dict[str, str]) -> bytes:
    if folder == "add-checkpoint":
        return addcheckpoint.format_request(addcheckpoint.parse_request(data))
    if folder == "size":
        return addcheckpoint.format_size(addcheckpoint.parse_size(data))
    if folder == "links":
        return encode_links(parse_links(data, int(header["count"])))
    assert folder == "lines"
    note = read(VECTORS / "checkpoint/head.ok")[1]
    return addcheckpoint.add_lines(note, data)[len(note) :]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_vector(path: Path) -> None:
    header, data = read(path)
    try:
        again = run(path.parent.name, data, header)
    except ProtocolError as refused:
        assert refused.code.code == header["expect"], str(refused)
        assert path.suffix == ".fail"
    else:
        assert (header["expect"], path.suffix) == ("ok", ".ok")
        assert again == data


def test_the_generator_makes_the_committed_bytes() -> None:
    made = generate_formats.vectors()
    assert {*made} == {str(path.relative_to(VECTORS)) for path in FILES}
    for name, data in made.items():
        assert (VECTORS / name).read_bytes() == data, name


def test_every_code_of_these_formats_has_a_vector() -> None:
    prefixes = (
        "CBOR-", "ENTRY-", "ENVELOPE-", "URGENT-", "PART-", "BODY-", "POUCH-", "ITEM-", "ANSWER-FORM", "FORK-", "COLLECT-",
        "WITNESS-FORM", "LINK-", "DOSSIER-",
    )  # fmt: skip
    known = {code.code for code in vars(codes).values() if isinstance(code, Code) and code.code.startswith(prefixes)}
    assert known <= {read(path)[0]["expect"] for path in FILES}


def test_there_are_many() -> None:
    assert len(FILES) >= 300
    for folder in generate_formats.FOLDERS:
        assert sum(path.suffix == ".ok" for path in (VECTORS / folder).iterdir()) >= 4, folder


def _page(name: str) -> str:
    return (VECTORS.parents[1] / "protocol/formats" / f"{name}.md").read_text()


def test_the_pages_name_their_vectors() -> None:
    pages = {path.name: path.read_text() for path in (VECTORS.parents[1] / "protocol/formats").iterdir()}
    named = {name for page in pages.values() for name in re.findall(r"`tests/vectors/([a-z0-9-]+)/`", page)}
    assert named >= {*generate_formats.FOLDERS, *generate_c2sp.FOLDERS}
    for name in named:
        assert (VECTORS / name).is_dir(), name


def test_the_pages_examples_hold() -> None:
    assert read(VECTORS / "cbor/example.ok")[1].hex() in _page("cbor").split("```")[1].replace(" ", "")
    assert "0000000000000005 68656c6c6f 00 " in _page("part")
    assert "56 + 14 + 16 = 86 bytes" in _page("part")
    assert len(read(VECTORS / "part/example.ok")[1]) == 86
    lengths = [int(n) for n in re.findall(r"\[(\d+), h", _page("envelope"))]
    assert len(lengths) == 2
    assert all(map(is_sealed_length, lengths))
    assert lengths[1] == sealed_length(200 << 20)
    lines = re.findall(r"^ *(a8 00 02|0[1-7] [0-9a-f .]+?)  ", _page("entry").split("```")[1], re.MULTILINE)
    written = "".join(lines).replace(" ", "").replace("6868...68", "68" * 32).replace("6d6d...6d", "6d" * 16)
    entry = Submitted(1795500000000, b"s" * 16, b"h" * 32, b"m" * 16, Lane.URGENT, 1798092000000, 1)
    assert bytes.fromhex(written) == entry.encode()


def test_an_entry_that_would_be_too_long_is_not_written() -> None:
    keys = tuple(PublishedKey(bytes([i]) * 32, i, i + 1) for i in range(20))
    with pytest.raises(ProtocolError) as caught:
        Prekeys(1, b"s" * 16, 1, keys).encode()
    assert caught.value.code.code == "ENTRY-SIZE"
