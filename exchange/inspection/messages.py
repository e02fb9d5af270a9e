"""The messages against the log: every row has its entry and says what the entry says, every entry has its row, every receipt its proof."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from exchange.evidence.partfiles import is_sound
from exchange.inspection.found import Notes, Scene
from protocol import arrival, cbor, merkle, parts
from protocol.delivery import State
from protocol.entries import Consigned, Refused, Submitted, parse_entry
from protocol.envelope import Envelope, parse_envelope
from protocol.errors import LocalError, ProtocolError
from protocol.treehead import stated_checkpoint

_DIGEST = "[0-9a-f]" * 64
_RECEIPTED = frozenset({State.DELIVERED, State.REFUSED})


def inspect_messages(scene: Scene, notes: Notes) -> None:
    """Sent, received, deliveries, parts."""
    sent = _outgoing(scene, notes)
    _deliveries(scene, notes, sent)
    received = _incoming(scene, notes)
    _missing(notes, sent, received)
    _parts(scene, notes, received)


def _missing(notes: Notes, sent: dict[bytes, Envelope], received: dict[bytes, Envelope]) -> None:
    for envelope_hash, submitted in notes.submitted.items():
        if envelope_hash not in sent:
            notes.accuse("outgoing", f"the message {_short(envelope_hash)} that was submitted here is missing", *submitted[0][:2])
    for envelope_hash, answered in notes.answered.items():
        if envelope_hash not in received:
            notes.accuse("incoming", f"the message {_short(envelope_hash)} that was answered here is missing", *answered[0][:2])


def _outgoing(scene: Scene, notes: Notes) -> dict[bytes, Envelope]:
    query = (
        "SELECT hash, message_id, envelope, body, lane, expires, n, idx, time, conversation, sequence, NULL, wrapped FROM outgoing"
        " LEFT JOIN secret USING (message_id, hash)"
    )
    found = {}
    for row in scene.db.execute(query):
        envelope_hash, n, index = bytes(row[0]), row[6], row[7]
        notes.rows += 1
        entries = notes.submitted.get(envelope_hash, [])
        at = (entries[0][0], entries[0][1]) if entries else (n, index)
        say = _sayer(notes, "outgoing", envelope_hash, at)
        if not any((each[0], each[1]) == (n, index) for each in entries):
            say("stands under an entry that does not submit it")
        envelope = _envelope(say, envelope_hash, row[2])
        if envelope is None:
            continue
        found[envelope_hash] = envelope
        said = (bytes(row[1]), row[4], row[5])
        if said != (envelope.message_id, int(envelope.lane), envelope.expires):
            say("id, lane or expiry are not its envelope's")
        if entries and row[8] != entries[0][2].time:
            say("its time is not that of its entry")
        _body(scene, notes, say, envelope, bytes(row[3]), row)
    return found


def _incoming(scene: Scene, notes: Notes) -> dict[bytes, Envelope]:
    query = (
        "SELECT hash, message_id, envelope, body, lane, sender, n, idx, time, conversation, sequence, answers, wrapped, state,"
        " origin_entry, origin_index, origin_path, note.note, note.origin, origin_n FROM incoming LEFT JOIN secret USING (message_id, hash)"
        " JOIN note ON note.id=origin_note"
    )
    found = {}
    for row in scene.db.execute(query):
        envelope_hash, n, index, state = bytes(row[0]), row[6], row[7], row[13]
        notes.rows += 1
        entry = next((each[2] for each in notes.answered.get(envelope_hash, []) if (each[0], each[1]) == (n, index)), None)
        say = _sayer(notes, "incoming", envelope_hash, (n, index) if index is not None else (-1, -1))
        wanted = {"consigned": Consigned, "refused": Refused}.get(state)
        if wanted is None and envelope_hash in notes.answered:
            say(f"is {state}, and was answered")
        if wanted is not None and not isinstance(entry, wanted):
            say(f"is {state}, and its entry does not say so")
        envelope = _envelope(say, envelope_hash, row[2])
        if envelope is None:
            continue
        found[envelope_hash] = envelope
        if (bytes(row[1]), row[4], row[5]) != (envelope.message_id, int(envelope.lane), envelope.sender):
            say("id, lane or sender are not its envelope's")
        if entry is not None and (entry.message_id, entry.sender) != (envelope.message_id, envelope.sender):
            say("its entry names another message")
        if isinstance(entry, Consigned) and len(notes.answered[envelope_hash]) == 1 and row[8] != entry.time:
            say("its time is not that of its entry")
        _origin(say, envelope, row)
        if state == "consigned" or row[3]:
            _body(scene, notes, say, envelope, bytes(row[3]), row)
    return found


def _origin(say: Callable[[str], None], envelope: Envelope, row: Any) -> None:
    """The sender's proof still proves."""
    raw, index, path, note = bytes(row[14]), row[15], tuple(cbor.decode(bytes(row[16]))), bytes(row[17])  # type: ignore[arg-type]
    try:
        checkpoint = stated_checkpoint(note)
        merkle.check_inclusion(merkle.leaf_hash(raw), index, checkpoint.size, path, checkpoint.root)  # type: ignore[arg-type]
        entry = parse_entry(raw)
        if not isinstance(entry, Submitted) or entry.envelope_hash != envelope.hash or not row[18].endswith(f"/{row[19]}"):
            say("the sender's proof is of something else")
    except ProtocolError as error:
        say(f"the sender's proof does not hold: {error.code.code}")


def _deliveries(scene: Scene, notes: Notes, sent: dict[bytes, Envelope]) -> None:
    query = (
        "SELECT d.hash, d.recipient, d.lane, d.state, d.expires, d.receipt, d.receipt_index, d.receipt_path, note.note,"
        " (SELECT 1 FROM repeat WHERE repeat.hash=d.hash AND authority=d.recipient), o.hash IS d.hash"
        " FROM delivery d LEFT JOIN outgoing o ON o.id=d.message LEFT JOIN note ON note.id=d.receipt_note"
    )
    there = set()
    for row in scene.db.execute(query):
        envelope_hash, recipient = bytes(row[0]), row[1]
        there.add((envelope_hash, recipient))
        notes.rows += 1
        envelope, entry = sent.get(envelope_hash), notes.receipted.get((envelope_hash, recipient))
        submitted = notes.submitted.get(envelope_hash)
        at = entry[:2] if entry else submitted[0][:2] if submitted else (-1, -1)
        say = _sayer(notes, "delivery", envelope_hash, at)
        if not row[10]:
            say(f"to {recipient} is tied to another message")
        if envelope is not None and (recipient not in envelope.recipients or row[2] != int(envelope.lane)):
            say(f"to {recipient}: not a recipient, or on another lane")
        if envelope is not None and row[4] != envelope.expires and not row[9]:
            say(f"to {recipient}: its deadline is not its envelope's")
        _state(say, notes, row, entry)
        if row[5] is not None:
            _receipt(say, row, entry)
    for envelope_hash, envelope in sent.items():
        for recipient in envelope.recipients:
            if (envelope_hash, recipient) not in there:
                notes.accuse("delivery", f"of {_short(envelope_hash)} to {recipient} is missing", *notes.submitted[envelope_hash][0][:2])


def _state(say: Callable[[str], None], notes: Notes, row: Any, entry: Any) -> None:
    """The state is one that the log explains."""
    key, state = (bytes(row[0]), row[1]), row[3]
    given_up = notes.undelivered.get(key)
    if state in _RECEIPTED and (entry is None or row[5] is None):
        say(f"to {row[1]} is {state}, and no receipt was logged")
    if state not in _RECEIPTED and (entry is not None or row[5] is not None) and not row[9]:
        say(f"to {row[1]} is {state}, and its receipt was logged")
    if state in (State.UNDELIVERED, State.REJECTED) and given_up is None:
        say(f"to {row[1]} is {state}, and that was not logged")
    if state in (State.QUEUED, State.WANTED, State.HELD) and given_up is not None:
        say(f"to {row[1]} is {state}, and was given up")


def _receipt(say: Callable[[str], None], row: Any, logged: Any) -> None:
    """The receipt is the one that was logged, and its proof holds."""
    raw = bytes(row[5])
    if logged is not None and logged[2].entry_hash != hashlib.sha256(raw).digest():
        say(f"the receipt of {row[1]} is not the one that was logged")
    try:
        checkpoint, path = stated_checkpoint(bytes(row[8])), tuple(cbor.decode(bytes(row[7])))  # type: ignore[arg-type]
        merkle.check_inclusion(merkle.leaf_hash(raw), row[6], checkpoint.size, path, checkpoint.root)  # type: ignore[arg-type]
        entry = parse_entry(raw)
        wrong = {State.DELIVERED: Refused, State.REFUSED: Consigned}.get(row[3])
        if not isinstance(entry, Consigned | Refused) or type(entry) is wrong or entry.envelope_hash != bytes(row[0]):
            say(f"the receipt of {row[1]} says something else")
    except (ProtocolError, TypeError) as error:
        say(f"the receipt of {row[1]} proves nothing: {error.code.code if isinstance(error, ProtocolError) else 'no note'}")


def _parts(scene: Scene, notes: Notes, received: dict[bytes, Envelope]) -> None:
    query = "SELECT p.hash, i, digest, length, state='consigned' FROM incoming_part p JOIN incoming m ON m.hash=p.hash"
    for envelope_hash, number, digest, length, consigned in scene.db.execute(query):
        envelope = received.get(bytes(envelope_hash))
        listed = envelope.parts[number] if envelope is not None and 0 < number < len(envelope.parts) else None
        if listed is None or (listed.digest, listed.length) != (bytes(digest), length):
            notes.accuse("incoming_part", f"part {number} of {_short(bytes(envelope_hash))} is not the one its envelope lists")
        elif consigned:
            _file(notes, scene.data / "parts" / "in" / f"{bytes(envelope_hash).hex()}-{number}", bytes(digest))
    for path in (scene.data / "parts" / "out").glob(_DIGEST):
        _file(notes, path, bytes.fromhex(path.name))


def _file(notes: Notes, path: Path, digest: bytes) -> None:
    """A part's ciphertext at rest: every byte of it is read."""
    notes.parts += 1
    if not is_sound(path, digest):
        notes.accuse(f"parts/{path.parent.name}", f"the file of a part is missing or altered: {path.name[:16]}")


def _envelope(say: Callable[[str], None], envelope_hash: bytes, raw: bytes) -> Envelope | None:
    try:
        envelope = parse_envelope(bytes(raw))
    except ProtocolError as error:
        say(f"its envelope is none: {error.code.code}")
        return None
    if envelope.hash != envelope_hash:
        say("its envelope is not the one that was logged")
    return envelope


def _body(scene: Scene, notes: Notes, say: Callable[[str], None], envelope: Envelope, body: bytes, row: Any) -> None:
    """The body is the envelope's; where its key was not destroyed it opens, and says what the row says of it."""
    if hashlib.sha256(body).digest() != envelope.parts[0].digest:
        say("its body is not the one its envelope lists")
        return
    if row[12] is None:
        return  # erased
    try:
        secret = scene.storage.unwrap(envelope.hash, bytes(row[12]))
        name = parts.PartName(envelope.network_id, envelope.message_id, 0)
        plaintext = parts.open_part(scene.suite, name, envelope.parts[0], secret, parts.BODY_MEDIA_TYPE, body)
        letter = arrival.check_13_letter(envelope, plaintext)
    except (ProtocolError, LocalError) as error:
        say(f"its body does not open: {error.code.code}")
        return
    notes.bodies += 1
    answers = letter.answers if row[11] is not None else None
    if (row[9], row[10], row[11]) != (letter.conversation, letter.sequence, answers):
        say("conversation, sequence or what it answers are not its body's")


def _sayer(notes: Notes, place: str, envelope_hash: bytes, at: tuple[int, int]) -> Callable[[str], None]:
    return lambda says: notes.accuse(place, f"{_short(envelope_hash)} {says}", *at)


def _short(envelope_hash: bytes) -> str:
    return envelope_hash.hex()[:16]
