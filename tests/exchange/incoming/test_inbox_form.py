"""Checks 1, 3 and 5 on arrival: what is no pouch, no item, no entry or no envelope leaves no trace."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol import cbor, codes, limits
from protocol.entries import Filler
from protocol.errors import ProtocolError
from protocol.pouch import Ask, Bad, Proven, encode_item, encode_pouch
from tests.exchange.forgery import Forger, changes
from tests.vectors import generate_formats
from tests.vectors.formats.case import HASH
from tests.vectors.formats.envelopes import FIELDS, envelope

VECTORS = Path(generate_formats.__file__).parent


def _fails(folder: str, prefix: str = "") -> list[Path]:
    return sorted(path for path in (VECTORS / folder).glob("*.fail") if path.name.startswith(prefix))


def _read(path: Path) -> tuple[str, bytes]:
    header, _, data = path.read_bytes().partition(b"\n\n")
    return header.decode().split("\n")[0].removeprefix("expect: "), data


def _refused_whole(forger: Forger, frame: bytes, code: str) -> None:
    with changes(forger.theirs), pytest.raises(ProtocolError) as caught:
        forger.carry(frame)
    assert caught.value.code.code == code


def _bad(forger: Forger, item: bytes, code: str, check: int = 5) -> None:
    """This item is bad, a good neighbour is taken all the same."""
    good = forger.item(forger.seal())
    frame = forger.frame(item, good)
    with changes(forger.theirs, incoming=1, secret=1, note=1, log=1):
        first, _ = forger.carry(frame)
    assert first == Bad(check, code)


def _with_envelope(forger: Forger, raw: bytes) -> bytes:
    forged = forger.seal()
    return encode_item(forger.item(forged, envelope=raw))


def test_ENV_1_empty_body(forger: Forger) -> None:
    _refused_whole(forger, b"", "POUCH-FORM")


def test_ENV_2_one_byte_short(forger: Forger) -> None:
    frame = forger.frame(forger.item(forger.seal()))
    _refused_whole(forger, frame[:-1], "POUCH-FORM")
    _refused_whole(forger, frame[:3], "POUCH-FORM")


def test_ENV_3_one_byte_long(forger: Forger) -> None:
    _refused_whole(forger, forger.frame(forger.item(forger.seal())) + b"\0", "POUCH-FORM")


@pytest.mark.parametrize("cut", [slice(None, -1), slice(1, None)], ids=["short", "front"])
def test_ENV_2_of_an_item(forger: Forger, cut: slice) -> None:
    _bad(forger, encode_item(forger.item(forger.seal()))[cut], "ITEM-FORM")


@pytest.mark.parametrize("path", _fails("cbor"), ids=lambda path: path.stem)
def test_ENV_4_to_16_in_an_envelope(forger: Forger, path: Path) -> None:
    expect, data = _read(path)
    _bad(forger, _with_envelope(forger, data), expect)


def test_ENV_17_unknown_key(forger: Forger) -> None:
    _bad(forger, _with_envelope(forger, envelope(f9=0)), "ENVELOPE-FORM")
    forged = forger.seal(body={15: 0, 14: bytes(16)})
    with changes(forger.theirs, incoming=1, note=1, log=1, refusal_count=1):
        forger.offer(forger.item(forged))
    head = dict(cbor.decode(forger.frame()[4:-1]))  # type: ignore[arg-type]
    raw = cbor.encode({**head, 6: 0})
    _refused_whole(forger, len(raw).to_bytes(4, "big") + raw + b"\x80", "POUCH-FORM")


@pytest.mark.parametrize("key", range(9))
def test_ENV_18_missing_key(forger: Forger, key: int) -> None:
    _bad(forger, _with_envelope(forger, envelope(**{f"f{key}": None})), "ENVELOPE-FORM")  # type: ignore[arg-type]


@pytest.mark.parametrize("key", range(9))
def test_ENV_19_wrong_type(forger: Forger, key: int) -> None:
    other: cbor.Value = b"x" if not isinstance(FIELDS[key], bytes) else 1
    _bad(forger, _with_envelope(forger, envelope(**{f"f{key}": other})), "ENVELOPE-FORM")  # type: ignore[arg-type]


def test_ENV_20_head_beyond_64_KiB_is_refused_before_the_rest_is_read(forger: Forger) -> None:
    _refused_whole(forger, (limits.POUCH_HEAD + 1).to_bytes(4, "big"), "POUCH-SIZE")
    _bad(forger, _with_envelope(forger, bytes(limits.ENVELOPE + 1)), "ENVELOPE-SIZE")


@pytest.mark.parametrize("recipients", [[], [f"x{i:02}-ca" for i in range(33)], ["xb-ca", "xb-ca"], ["xc-ca", "xb-ca"]])
def test_ENV_21_recipients(forger: Forger, recipients: list[str]) -> None:
    _bad(forger, _with_envelope(forger, envelope(f4=recipients)), "ENVELOPE-RECIPIENTS")


@pytest.mark.parametrize("name", ["no-parts", "513-parts"])
def test_ENV_22_parts(forger: Forger, name: str) -> None:
    expect, data = _read(VECTORS / f"envelope/{name}.fail")
    _bad(forger, _with_envelope(forger, data), expect)
    assert expect == "ENVELOPE-PARTS"


@pytest.mark.parametrize("name", ["part-too-long", "body-too-long", "parts-together", "length-2-to-62", "length-unpadded"])
def test_ENV_23_lengths(forger: Forger, name: str) -> None:
    expect, data = _read(VECTORS / f"envelope/{name}.fail")
    _bad(forger, _with_envelope(forger, data), expect)
    assert expect == "ENVELOPE-PARTS"


@pytest.mark.parametrize("message_id", [bytes(16), b"x" * 15, b"x" * 17])
def test_ENV_24_message_id(forger: Forger, message_id: bytes) -> None:
    _bad(forger, _with_envelope(forger, envelope(f2=message_id)), "ENVELOPE-FORM")


@pytest.mark.parametrize("path", _fails("envelope"), ids=lambda path: path.stem)
def test_every_failing_envelope_is_bad(forger: Forger, path: Path) -> None:
    expect, data = _read(path)
    _bad(forger, _with_envelope(forger, data), expect)


@pytest.mark.parametrize("path", _fails("entry"), ids=lambda path: path.stem)
def test_every_failing_entry_is_bad(forger: Forger, path: Path) -> None:
    expect, data = _read(path)
    item = forger.item(forger.seal())
    _bad(forger, encode_item(forger.item(forger.seal(), origin=Proven(data, item.origin.index, item.origin.path))), expect)


@pytest.mark.parametrize(
    "path", [p for p in _fails("pouch") if _read(p)[0] == "ITEM-FORM"], ids=lambda path: path.stem
)
def test_every_failing_item_is_bad(forger: Forger, path: Path) -> None:
    expect, data = _read(path)
    (item,) = cbor.decode(data[4 + int.from_bytes(data[:4], "big") :])  # type: ignore[misc]
    _bad(forger, item, expect)  # type: ignore[arg-type]


def test_items_that_are_no_list_of_bytes_refuse_the_whole(forger: Forger) -> None:
    head = forger.frame()[:-1]
    wrong: tuple[cbor.Value, ...] = ({}, [[1, HASH]], 0)
    for items in wrong:
        _refused_whole(forger, head + cbor.encode(items), "POUCH-FORM")


def test_a_pouch_of_257_items(forger: Forger) -> None:
    about = forger.about()
    _refused_whole(forger, encode_pouch(about, [encode_item(Ask(HASH))] * 257), "POUCH-SIZE")
    assert len(forger.carry(encode_pouch(about, [encode_item(Ask(HASH))] * 256))) == 256


def test_a_pouch_beyond_8_MiB(forger: Forger) -> None:
    _refused_whole(forger, encode_pouch(forger.about(), [bytes(limits.POUCH)]), "POUCH-SIZE")


def test_POI_5_one_malformed_item_of_64(forger: Forger) -> None:
    forged = [forger.seal() for _ in range(64)]
    indexes = [forger.submit(one) for one in forged]
    items: list[bytes] = [encode_item(forger.item(one, index)) for one, index in zip(forged, indexes, strict=True)]
    items[31] = items[31][:-1]
    with changes(forger.theirs, incoming=63, secret=63, note=1, log=63):
        answers = forger.offer(*items)
    assert answers[31] == Bad(5, "ITEM-FORM")
    assert sum(not isinstance(answer, Bad) for answer in answers) == 63


def test_ORIGIN_KIND(forger: Forger) -> None:
    index = forger.log(Filler)
    forged = forger.seal()
    _bad(forger, encode_item(forger.item(forged, index)), codes.ORIGIN_KIND.code)
