"""The pouch: what one authority hands another in one request, and the answer to it.

    frame  = u32be(length of H) || H || I
    H      = {0: lane, 1: [old size, [hash...], note], 2: size of your greatest head here, 3: directory version,
              4: [note with its quorum, [hash...]]?, 5: cosignature line?, 6: [opened, [hash...]]?}
    I      = [item as bytes, ...]          at most 256, each judged alone

    items    [0, entry, index, [hash...], E, prekey id, wrap, c_0, your receipt?]   envelope      [1, envelope hash]     ask
    answers  [0, entry, index, [hash...]] receipt    [1, [[part, bytes held]...]] wants
             [2, code, seconds, prekeys?] later      [3, number of the check, code] bad      [4] unknown
    prekeys  [entry, index, [hash...], [key of 1,216 bytes...]]      proven under the head of the same answer

H comes first and is judged before I is read. (SPEC.md section 3.9)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from protocol import cbor, codes, limits
from protocol.entries import Lane
from protocol.errors import ProtocolError

Path: TypeAlias = tuple[bytes, ...]
SLICE: Final = 1 << 16  # bytes that are written at one go


@dataclass(frozen=True, slots=True)
class HeadOffer:
    """A head and the consistency proof that links it to ``old_size``, the greatest head of it that the other side confirmed."""

    old_size: int
    proof: Path
    note: bytes


@dataclass(frozen=True, slots=True)
class PouchHead:
    """H. ``yours``: size of the greatest head of the reader's log that the writer has confirmed (0: none).

    ``opened``: first entry and its path, of a log that was opened before the directory lists it as in force.
    """

    lane: Lane
    head: HeadOffer
    yours: int
    directory_version: int
    witnessed: tuple[bytes, Path] | None = None
    cosignature: bytes | None = None
    opened: tuple[bytes, Path] | None = None


@dataclass(frozen=True, slots=True)
class Proven:
    """An entry, its index and its path to the head of the same pouch."""

    entry: bytes
    index: int
    path: Path


@dataclass(frozen=True, slots=True)
class EnvelopeItem:
    """An envelope with the proof of its ``submitted``, its wrap, and its body's ciphertext.

    ``receipt``: the recipient's own entry, when it is offered again because the recipient lost it.
    """

    origin: Proven
    envelope: bytes
    prekey_id: bytes
    wrap: bytes
    body: bytes
    receipt: bytes | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """What became of this envelope?"""

    envelope_hash: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """``consigned`` or ``refused``, proven: asking again gives the same entry at the same index.

    ``closing``: the note of its log's closing head, when the entry stands in an earlier log than the one whose head this pouch bears.
    """

    proven: Proven
    closing: bytes | None = None


@dataclass(frozen=True, slots=True)
class Wants:
    """The body passed; these parts are still missing, of which so many bytes are held."""

    parts: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class PrekeyOffer:
    """A proven ``prekeys`` entry and the public keys it names, in its order."""

    proven: Proven
    keys: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Later:
    """Not now: never logged, never final. Try again after ``seconds``."""

    code: str
    seconds: int
    prekeys: PrekeyOffer | None = None


@dataclass(frozen=True, slots=True)
class Bad:
    """The item failed this check; nothing of it was kept."""

    check: int
    code: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nothing is known here of the envelope asked for."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A pouch as it leaves: H, and the items. Megabytes: put together only where it must lie in one piece."""

    head: bytes
    items: list[bytes]

    def __len__(self) -> int:
        return sum(map(len, self._pieces()))

    def __bytes__(self) -> bytes:
        return b"".join(self._pieces())

    def slices(self) -> Iterator[bytes]:
        """The whole, in slices of about 64 KiB."""
        gathered: list[bytes] = []
        size = 0
        for piece in self._pieces():
            gathered.append(piece)
            size += len(piece)
            if size >= SLICE:
                yield b"".join(gathered)
                gathered, size = [], 0
        yield b"".join(gathered)

    def _pieces(self) -> list[bytes]:
        return [self.head, *cbor.pieces(self.items)]


Item: TypeAlias = EnvelopeItem | Ask
Answer: TypeAlias = Receipt | Wants | Later | Bad | Unknown


def encode_head(head: PouchHead) -> bytes:
    """H, as it leaves."""
    h = head.head
    table: dict[int, cbor.Value] = {0: int(head.lane), 1: [h.old_size, h.proof, h.note], 2: head.yours, 3: head.directory_version}
    if head.witnessed is not None:
        table[4] = list(head.witnessed)
    if head.cosignature is not None:
        table[5] = head.cosignature
    if head.opened is not None:
        table[6] = list(head.opened)
    raw = cbor.encode(table)
    return len(raw).to_bytes(4, "big") + raw


def encode_pouch(head: PouchHead, items: list[bytes]) -> bytes:
    """The frame. Items are bytes from ``encode_item`` or ``encode_answer``."""
    return bytes(Frame(encode_head(head), items))


def parse_head(data: bytes) -> tuple[PouchHead, int]:
    """H of a frame that may not have arrived whole, and where I begins. Raises POUCH-SIZE, POUCH-FORM. (Checks 1, 3)"""
    size = int.from_bytes(data[:4], "big")
    if size > limits.POUCH_HEAD:
        raise ProtocolError(codes.POUCH_SIZE, f"head of {size} bytes")
    if len(data) < 4 + size:
        raise _form("cut short")
    table = _decode(data[4 : 4 + size])
    if type(table) is not dict or not {0, 1, 2, 3} <= set(table) <= {0, 1, 2, 3, 4, 5, 6}:
        raise _form("keys")
    lane = table[0]
    if type(lane) is not int or lane not in (0, 1):
        raise _form("lane")
    old_size, proof, note = _row(table[1], 3)
    head = PouchHead(
        lane=Lane(lane),
        head=HeadOffer(_uint(old_size), parse_path(proof), _bytes(note)),
        yours=_uint(table[2]),
        directory_version=_uint(table[3]),
        witnessed=_witnessed(table[4]) if 4 in table else None,
        cosignature=_bytes(table[5]) if 5 in table else None,
        opened=_witnessed(table[6]) if 6 in table else None,
    )
    return head, 4 + size


def peek_lane(data: bytes) -> Lane:
    """The lane that the first seven bytes of a frame claim; routine when they do not. Nothing else is looked at. (Check 1)"""
    begins = data[4:7]
    return Lane.URGENT if len(begins) == 3 and begins[0] >> 5 == 5 and begins[1:] == bytes((0, Lane.URGENT)) else Lane.ROUTINE


def parse_items(data: bytes, start: int) -> list[bytes]:
    """I of a whole frame, items still bytes. Raises POUCH-SIZE, POUCH-FORM. (Checks 1, 3)"""
    if len(data) > limits.POUCH:
        raise ProtocolError(codes.POUCH_SIZE, f"{len(data)} bytes")
    items = _decode(data, start)
    if type(items) is not list or not all(type(item) is bytes for item in items):
        raise _form("items")
    if len(items) > limits.POUCH_ITEMS:
        raise ProtocolError(codes.POUCH_SIZE, f"{len(items)} items")
    return cast("list[bytes]", items)


def encode_item(item: Item) -> bytes:
    """One item of a pouch."""
    if isinstance(item, Ask):
        return cbor.encode([1, item.envelope_hash])
    o = item.origin
    row: list[cbor.Value] = [0, o.entry, o.index, o.path, item.envelope, item.prekey_id, item.wrap, item.body]
    return cbor.encode(row if item.receipt is None else [*row, item.receipt])


def parse_item(raw: bytes) -> Item:
    """One item of a pouch. Raises ITEM-FORM. (Check 5)"""
    try:
        row = cbor.decode(raw)
        if type(row) is list and len(row) in (8, 9) and _kind(row) == 0:
            proven = Proven(_bytes(row[1]), _uint(row[2]), parse_path(row[3]))
            receipt = _bytes(row[8]) if len(row) == 9 else None
            return EnvelopeItem(proven, _bytes(row[4]), _sized(row[5], 32), _bytes(row[6]), _bytes(row[7]), receipt)
        if type(row) is list and len(row) == 2 and _kind(row) == 1:
            return Ask(_sized(row[1], 32))
    except ProtocolError as error:
        raise ProtocolError(codes.ITEM_FORM, error.detail) from None
    raise ProtocolError(codes.ITEM_FORM, "kind")


def encode_answer(answer: Answer) -> bytes:
    """One answer, in the order of the items it answers."""
    row: list[cbor.Value]
    if isinstance(answer, Receipt):
        row = [0, *_proven_row(answer.proven)]
        if answer.closing is not None:
            row.append(answer.closing)
    elif isinstance(answer, Wants):
        row = [1, [list(part) for part in answer.parts]]
    elif isinstance(answer, Later):
        row = [2, answer.code, answer.seconds]
        if answer.prekeys is not None:
            row.append(offer_row(answer.prekeys))
    elif isinstance(answer, Bad):
        row = [3, answer.check, answer.code]
    else:
        row = [4]
    return cbor.encode(row)


def parse_answer(raw: bytes) -> Answer:
    """One answer. Raises ANSWER-FORM. (Check A0)"""
    try:
        row = cbor.decode(raw)
        if type(row) is not list or not row:
            raise _form("answer")
        return _answer(row)
    except ProtocolError as error:
        raise ProtocolError(codes.ANSWER_FORM, error.detail) from None


def _kind(row: list[cbor.Value]) -> cbor.Value:
    """The first member, which must be an int: in Python ``False == 0``."""
    if type(row[0]) is not int:
        raise _form("kind")
    return row[0]


def _answer(row: list[cbor.Value]) -> Answer:
    match [_kind(row), *row[1:]]:
        case [0, entry, index, path]:
            return Receipt(Proven(_bytes(entry), _uint(index), parse_path(path)))
        case [0, entry, index, path, closing]:
            return Receipt(Proven(_bytes(entry), _uint(index), parse_path(path)), _bytes(closing))
        case [1, list() as parts]:
            pairs = tuple(tuple(_uint(n) for n in _row(part, 2)) for part in parts)
            return Wants(cast("tuple[tuple[int, int], ...]", pairs))
        case [2, code, seconds]:
            return Later(_code(code), _uint(seconds))
        case [2, code, seconds, offer]:
            return Later(_code(code), _uint(seconds), parse_offer(offer))
        case [3, check, code]:
            return Bad(_uint(check), _code(code))
        case [4]:
            return Unknown()
        case _:
            raise _form("answer")


def offer_row(offer: PrekeyOffer) -> list[cbor.Value]:
    """A prekey offer as a CBOR value."""
    return [*_proven_row(offer.proven), list(offer.keys)]


def parse_offer(value: cbor.Value) -> PrekeyOffer:
    """A prekey offer. Raises POUCH-FORM."""
    entry, index, path, keys = _row(value, 4)
    if type(keys) is not list or len(keys) > limits.PREKEY_SET:
        raise _form("prekeys")
    return PrekeyOffer(parse_proven([entry, index, path]), tuple(_sized(key, 1216) for key in keys))


def parse_proven(value: cbor.Value) -> Proven:
    """An entry with index and path, as a CBOR value. Raises POUCH-FORM."""
    entry, index, path = _row(value, 3)
    return Proven(_bytes(entry), _uint(index), parse_path(path))


def _proven_row(proven: Proven) -> list[cbor.Value]:
    return [proven.entry, proven.index, proven.path]


def _form(field: str) -> ProtocolError:
    return ProtocolError(codes.POUCH_FORM, field)


def _decode(raw: bytes, start: int = 0) -> cbor.Value:
    try:
        return cbor.decode(raw, start)
    except ProtocolError as error:
        raise _form(error.detail) from None


def _row(value: cbor.Value, length: int) -> list[cbor.Value]:
    if type(value) is not list or len(value) != length:
        raise _form("array")
    return value


def _uint(value: cbor.Value) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise _form("number")
    return value


def _bytes(value: cbor.Value) -> bytes:
    if type(value) is not bytes:
        raise _form("bytes")
    return value


def _sized(value: cbor.Value, size: int) -> bytes:
    raw = _bytes(value)
    if len(raw) != size:
        raise _form("length")
    return raw


def parse_path(value: cbor.Value) -> Path:
    """Hashes of a path, at most 63. Raises POUCH-FORM."""
    if type(value) is not list or len(value) > limits.PROOF_LINES:
        raise _form("path")
    return tuple(_sized(item, 32) for item in value)


def _code(value: cbor.Value) -> str:
    if type(value) is not str or not 0 < len(value) <= 64 or not value.isascii() or not value.isprintable():
        raise _form("code")
    return value


def _witnessed(value: cbor.Value) -> tuple[bytes, Path]:
    note, proof = _row(value, 2)
    return _bytes(note), parse_path(proof)
