"""The numbered checks on arrival, 5 to 13, each a function; the numbers are those of SPEC.md, the refusals and the tests.

1 to 4 concern the pouch (limits, TLS key, frame, head) and answer by HTTP status; 5 to 7 answer *bad* and keep nothing; 8 to 14
may log ``refused``; what may pass raises PassingError and is answered *later*: never logged, never final. The inbox calls them in
order, with check 8 (known?) and what follows 13 in its own transactions. (SPEC.md section 4.1)
"""

from __future__ import annotations

from dataclasses import dataclass

from protocol import body, codes, limits, merkle, parts
from protocol.entries import Lane, Submitted, parse_entry
from protocol.envelope import SECRET, SUITE_1, Envelope, parse_envelope, wrap_info
from protocol.errors import PassingError, ProtocolError
from protocol.ports import Prekeys, Sealing
from protocol.pouch import Ask, EnvelopeItem, Item, parse_item


@dataclass(frozen=True, slots=True)
class Setting:
    """Where and when an item arrives: our network and name, the authority behind the TLS key, its lane, our time (ms)."""

    network_id: bytes
    us: str
    peer: str
    lane: Lane
    now: int
    clock_sure: bool = True


@dataclass(frozen=True, slots=True)
class Arrived:
    """An envelope item, parsed."""

    item: EnvelopeItem
    entry: Submitted
    envelope: Envelope


def check_5_parse(raw: bytes) -> Arrived | Ask:
    """Strict parse of item, entry and E. Our encoding has one form per value, so parsing is comparing."""
    item: Item = parse_item(raw)
    if isinstance(item, Ask):
        return item
    entry = parse_entry(item.origin.entry)
    if not isinstance(entry, Submitted):
        raise ProtocolError(codes.ORIGIN_KIND, type(entry).__name__.lower())
    return Arrived(item, entry, parse_envelope(item.envelope))


def check_6_inclusion(arrived: Arrived, tree: merkle.Tree) -> None:
    """The entry stands in the sender's log, at its index, under the head of this pouch: ``tree`` is that head's."""
    proven = arrived.item.origin
    try:
        tree.check(merkle.leaf_hash(proven.entry), proven.index, proven.path)
    except ProtocolError as error:
        raise ProtocolError(codes.ORIGIN_INCLUSION, error.detail) from None


def check_7_bindings(arrived: Arrived, setting: Setting) -> None:
    """Entry, envelope and connection speak of one message."""
    entry, envelope = arrived.entry, arrived.envelope
    if entry.envelope_hash != envelope.hash:
        raise ProtocolError(codes.BIND_HASH)
    said = (entry.message_id, entry.lane, entry.expires, entry.recipients)
    if said != (envelope.message_id, envelope.lane, envelope.expires, len(envelope.recipients)):
        raise ProtocolError(codes.BIND_FIELDS)
    if envelope.network_id != setting.network_id or envelope.suite != SUITE_1:
        raise ProtocolError(codes.BIND_NETWORK)
    if envelope.sender != setting.peer:
        raise ProtocolError(codes.BIND_SENDER)
    if envelope.lane != setting.lane:
        raise ProtocolError(codes.BIND_LANE)
    if envelope.created > entry.time:
        raise ProtocolError(codes.BIND_CREATED)


def check_9_time(envelope: Envelope, setting: Setting) -> None:
    """Not expired; not from the future; our own clock not in doubt. Judged once, when the envelope first passes."""
    if not setting.clock_sure:
        raise PassingError(codes.TIME_CLOCK)
    if setting.now >= envelope.expires:
        raise ProtocolError(codes.TIME_EXPIRED, f"by {(setting.now - envelope.expires) // 1000} s")
    ahead = envelope.created - setting.now
    if ahead > limits.SKEW:
        raise PassingError(codes.TIME_FUTURE, f"{ahead // 1000} s ahead", seconds=max(1, (ahead - limits.SKEW) // 1000))


def check_10_recipient(envelope: Envelope, setting: Setting) -> None:
    """We are one of its recipients. (Whether the prekey is ours and alive is seen when the wrap is opened.)"""
    if setting.us not in envelope.recipients:
        raise ProtocolError(codes.NOT_RECIPIENT)


def check_11_wrap(arrived: Arrived, setting: Setting, prekeys: Prekeys) -> bytes:
    """CEK || r. Raises PREKEY-UNKNOWN (passing) or WRAP-OPEN: one error text, whatever was wrong inside."""
    item = arrived.item
    info = wrap_info(item.envelope, setting.us, item.prekey_id)
    secret = prekeys.open(item.prekey_id, info, item.wrap)
    if secret is None or len(secret) != SECRET:
        raise ProtocolError(codes.WRAP_OPEN)
    return secret


def check_12_body(arrived: Arrived, secret: bytes, sealing: Sealing) -> bytes:
    """Part 0, decrypted in memory: length, digest, content, padding, commitment."""
    e = arrived.envelope
    name = parts.PartName(e.network_id, e.message_id, 0)
    return parts.open_part(sealing, name, e.parts[0], secret, parts.BODY_MEDIA_TYPE, arrived.item.body)


def check_13_letter(envelope: Envelope, plaintext: bytes) -> body.Letter:
    """The body parses, and its copies of the envelope's fields are equal."""
    return body.parse_body(body.Addressing.of(envelope), len(envelope.parts), plaintext)
