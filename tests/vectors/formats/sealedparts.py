"""Cases of parts (SPEC.md 3.6), sealed by the second implementation of Cobblestone in tests/keys/chunked.py with a fixed salt."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from protocol.parts import PartName, padme
from tests.keys import chunked
from tests.vectors.formats.case import MESSAGE, NETWORK, Case

SPEC = "SPEC.md 3.6"
SECRET = b"".join(sha256(bytes([i])).digest() for i in range(3))  # CEK || r
_CHUNK = 16_400


@dataclass(frozen=True)
class Made:
    """A part: what is told of it in the header, and its ciphertext."""

    ciphertext: bytes
    plaintext: bytes
    index: int = 1
    media_type: str = "text/plain"
    length: int | None = None
    digest: bytes | None = None
    commitment: bytes | None = None

    def case(self, name: str, expect: str, note: str) -> Case:
        part = PartName(NETWORK, MESSAGE, self.index)
        commitment = part.commitment(self.media_type, part.opening(SECRET[32:]))
        commitment.update(self.plaintext)
        more = {
            "network": NETWORK.hex(), "message": MESSAGE.hex(), "part": str(self.index), "secret": SECRET.hex(),
            "media-type": self.media_type,
            "length": str(len(self.ciphertext) if self.length is None else self.length),
            "digest": (self.digest or sha256(self.ciphertext).digest()).hex(),
            "commitment": (self.commitment or commitment.digest()).hex(),
            "plaintext": sha256(self.plaintext).hexdigest(),
        }  # fmt: skip
        return Case(f"part/{name}", expect, SPEC, note, self.ciphertext, more)


def pad(plaintext: bytes) -> bytes:
    raw = len(plaintext).to_bytes(8, "big") + plaintext
    return raw.ljust(padme(len(raw)), b"\0")


def seal(padded: bytes, index: int = 1, key: bytes = SECRET[:32], context: bytes | None = None) -> bytes:
    context = PartName(NETWORK, MESSAGE, index).context() if context is None else context
    return chunked.encrypt("sha512", "AEAD_AES_256_GCM", key, context, b"salt" * 6, padded)


def made(plaintext: bytes, index: int = 1, media_type: str = "text/plain") -> Made:
    return Made(seal(pad(plaintext), index), plaintext, index, media_type)


def flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


_long = bytes(i * 7 % 251 for i in range(50_000))
_hello, _three = made(b"hello"), made(_long)
_c = _three.ciphertext
_chunks = [_c[56 + i * _CHUNK : 56 + (i + 1) * _CHUNK] for i in range(3)]
_rest = _c[56 + 3 * _CHUNK :]
_padded = pad(b"hello")


def _carried(ciphertext: bytes, name: str, note: str) -> Case:
    """Other bytes than the envelope names: length or digest."""
    code = "PART-DIGEST" if len(ciphertext) == len(_c) else "PART-LENGTH"
    return Made(ciphertext, _long, length=len(_c), digest=sha256(_c).digest()).case(name, code, note)


def _named(ciphertext: bytes, name: str, code: str, note: str, plaintext: bytes = b"hello") -> Case:
    """The very bytes that the envelope names, which are not a part."""
    return Made(ciphertext, plaintext).case(name, code, note)


CASES = (
    _hello.case("example", "ok", "the example of the page"),
    made(b"").case("empty", "ok", "no plaintext at all"),
    made(b"x").case("one-byte", "ok", "the shortest plaintext"),
    made(_long[: 16_384 - 8]).case("one-chunk", "ok", "padded to exactly one chunk: an empty one follows"),
    _three.case("four-chunks", "ok", "more than one chunk"),
    made(b"hello", 0, "application/vnd.rogatory.body+cbor").case("body", "ok", "part 0"),
    _carried(_c[: 56 + _CHUNK], "cut-at-a-chunk", "ATT-1"),
    _carried(_c[: 56 + _CHUNK + 100], "cut-inside-a-chunk", "ATT-2"),
    _carried(_c + b"\0", "one-byte-more", "ATT-3"),
    _carried(_c[:56] + _chunks[1] + _chunks[0] + _chunks[2] + _rest, "chunks-swapped", "ATT-4"),
    _carried(_c[:56] + _chunks[0] * 2 + _chunks[2] + _rest, "chunk-twice", "ATT-5"),
    _carried(flip(_c, 30), "commitment-flipped", "ATT-6: the key commitment"),
    _carried(flip(_c, 3), "salt-flipped", "ATT-7"),
    _carried(flip(_c, 40_000), "byte-flipped", "one bit of the third chunk"),
    _named(flip(_hello.ciphertext, 30), "other-key-commitment", "PART-CONTENT", "ATT-6: named as it is"),
    _named(flip(_hello.ciphertext, 3), "other-salt", "PART-CONTENT", "ATT-7: named as it is"),
    _named(_c[: 56 + 2 * _CHUNK], "ends-at-a-chunk", "PART-CONTENT", "ATT-1: named as it is", _long),
    _named(
        _c[:56] + _chunks[1] + _chunks[0] + _chunks[2] + _rest, "chunks-in-another-order", "PART-CONTENT", "ATT-4: named", _long
    ),
    _named(seal(_padded, 2), "context-of-part-2", "PART-CONTENT", "ATT-8: sealed for another part"),
    _named(
        seal(_padded, context=PartName(NETWORK, bytes(16), 1).context()), "context-of-another-message", "PART-CONTENT", "ATT-8"
    ),
    _named(seal(_padded, context=PartName(bytes(32), MESSAGE, 1).context()), "context-of-another-network", "PART-CONTENT", "SIG-17"),
    _named(seal(_padded, key=SECRET[32:64]), "another-cek", "PART-CONTENT", "WRAP-3: the wrap held another CEK"),
    Made(_hello.ciphertext, b"hello", digest=bytes(32)).case("wrong-digest", "PART-DIGEST", "ATT-9"),
    Made(_hello.ciphertext, b"hello", length=85).case("wrong-length", "PART-LENGTH", "ATT-10"),
    _named(seal(flip(_padded, 13)), "padding-not-zero", "PART-PADDING", "other padding is refused"),
    _named(seal(_padded + b"\0"), "padding-too-long", "PART-PADDING", "one zero too many"),
    _named(seal(_padded[:-1]), "padding-missing", "PART-PADDING", "one zero too few"),
    _named(seal(flip(_padded, 7)), "length-inside-wrong", "PART-PADDING", "it says 4, and holds 5"),
    _named(seal((2**63).to_bytes(8, "big") + b"hello\0"), "length-inside-huge", "PART-PADDING", "more than there is"),
    _named(seal(b"\0\0\0"), "shorter-than-its-length", "PART-PADDING", "not even the eight bytes"),
    Made(_hello.ciphertext, b"hallo").case("other-plaintext", "PART-COMMITMENT", "ENC-17: committed to something else"),
    Made(_hello.ciphertext, b"hello", commitment=bytes(32)).case("wrong-commitment", "PART-COMMITMENT", "ENC-15"),
)
