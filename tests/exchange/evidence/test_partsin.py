"""Check 14: parts that come in, honest and not, cut and resumed; and never a byte of plaintext on disk."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from exchange.evidence.partsin import Upload
from exchange.exchange import Exchange
from exchange.outgoing.sealing import Attachment
from protocol import limits
from protocol.entries import Consigned, Refused, Undelivered
from protocol.errors import LocalError, PassingError, ProtocolError, RogatoryError
from protocol.parts import PartName
from protocol.pouch import Ask, Receipt, Wants
from tests.exchange.forgery import Forged, Forger, changes
from tests.vectors.formats.sealedparts import flip
from tests.world import World

CHUNK = 16_400
HEAD = 56
LONG = bytes(i * 7 % 251 for i in range(60_000))


def _pending(forger: Forger, *files: bytes, **sealed: object) -> Forged:
    """A message whose body has passed and whose parts are wanted."""
    forged = forger.seal(files=[("text/plain", data) for data in files or (LONG,)], **sealed)  # type: ignore[arg-type]
    (answer,) = forger.offer(forger.item(forged))
    assert isinstance(answer, Wants)
    return forged


def _send(forger: Forger, forged: Forged, data: bytes, number: int = 1, offset: int = 0, step: int = 10_000) -> None:
    """Upload as the peers' port does: write while it flows, close, and say how it ended."""
    parts_in = forger.theirs.parts_in
    upload = parts_in.open("xa-ca", forged.hash, number, offset)
    try:
        for at in range(0, len(data), step):
            upload.write(data[at : at + step])
        upload.finish()
    except ProtocolError as error:
        upload.close()
        parts_in.failed(forged.hash, number, error)
        raise
    except BaseException:
        upload.close()
        raise
    upload.close()
    parts_in.done(forged.hash, number)


def _cut(forger: Forger, forged: Forged, data: bytes, offset: int = 0) -> None:
    """An upload whose connection ends."""
    upload = forger.theirs.parts_in.open("xa-ca", forged.hash, 1, offset)
    upload.write(data)
    upload.close()


def _last(exchange: Exchange, world: World) -> object:
    return world.entries(exchange.us)[-1]


def _sent_again(forger: Forger, forged: Forged, data: bytes, code: str, offset: int = 0) -> None:
    """Refused for what the wire or the disk did: nothing is kept, nothing is logged, and the right bytes are taken afterwards."""
    with changes(forger.theirs, files=-1 if offset else 0), pytest.raises(ProtocolError) as caught:
        _send(forger, forged, data, offset=offset)
    assert caught.value.code.code == code
    assert forger.theirs.parts_in.held("xa-ca", forged.hash, 1) == 0
    _whole(forger, forged, forged.parts[0])


def _whole(forger: Forger, forged: Forged, data: bytes, offset: int = 0, files: int = 1) -> None:
    with changes(forger.theirs, log=1, files=files):
        _send(forger, forged, data, offset=offset)
    assert isinstance(_last(forger.theirs, forger.world), Consigned)
    messages = forger.theirs.messages
    assert b"".join(messages.attachment(messages.find(forged.hash), 1)) == LONG


def _refused(forger: Forger, forged: Forged, code: str, number: int = 1) -> None:
    """The envelope's own fault: refused for good under check 14, the secret destroyed, no file kept."""
    with changes(forger.theirs, log=1, secret=-1), pytest.raises(ProtocolError) as caught:
        _send(forger, forged, forged.parts[number - 1], number)
    assert caught.value.code.code == code
    entry = _last(forger.theirs, forger.world)
    assert isinstance(entry, Refused)
    assert (entry.reason, entry.check, entry.envelope_hash) == (code, 14, forged.hash)
    with changes(forger.theirs):
        (answer,) = forger.offer(Ask(forged.hash))
        assert isinstance(answer, Receipt)
        assert answer.proven.entry == forger.theirs.log.entry(forger.theirs.log.size - 1)


def test_a_whole_part(forger: Forger) -> None:
    forged = _pending(forger)
    assert forger.offer(Ask(forged.hash)) == [Wants(((1, 0),))]
    _whole(forger, forged, forged.parts[0])
    assert isinstance(forger.offer(Ask(forged.hash))[0], Receipt)


def test_ATT_1_cut_at_a_chunk_boundary_shows_no_plaintext_and_is_resumed(forger: Forger) -> None:
    forged = _pending(forger)
    part, at = forged.parts[0], HEAD + CHUNK
    with changes(forger.theirs, files=1), pytest.raises(ProtocolError) as caught:
        upload = forger.theirs.parts_in.open("xa-ca", forged.hash, 1, 0)
        upload.write(part[:at])
        try:
            upload.finish()
        finally:
            upload.close()
    assert caught.value.code.code == "PART-LENGTH"
    messages = forger.theirs.messages
    with changes(forger.theirs), pytest.raises(LocalError) as pending:
        list(messages.attachment(messages.find(forged.hash), 1))
    assert pending.value.code.code == "MESSAGE-PENDING"
    assert forger.offer(Ask(forged.hash)) == [Wants(((1, at),))]
    _whole(forger, forged, part[at:], at, files=0)


def test_ATT_2_and_11_cut_inside_a_chunk_is_resumed(forger: Forger) -> None:
    forged = _pending(forger)
    part = forged.parts[0]
    held = 0
    for size in (1, 100, 30_000):
        _cut(forger, forged, part[held : held + size], held)
        held += size
        assert forger.theirs.parts_in.held("xa-ca", forged.hash, 1) == held
    _whole(forger, forged, part[held:], held, files=0)


def test_ATT_3_one_byte_appended(forger: Forger) -> None:
    forged = _pending(forger)
    _sent_again(forger, forged, forged.parts[0] + b"\0", "PART-LENGTH")


def test_ATT_4_chunks_swapped(forger: Forger) -> None:
    forged = _pending(forger)
    part = forged.parts[0]
    one, two = part[HEAD : HEAD + CHUNK], part[HEAD + CHUNK : HEAD + 2 * CHUNK]
    _sent_again(forger, forged, part[:HEAD] + two + one + part[HEAD + 2 * CHUNK :], "PART-DIGEST")


def test_ATT_5_chunk_twice(forger: Forger) -> None:
    forged = _pending(forger)
    part = forged.parts[0]
    one = part[HEAD : HEAD + CHUNK]
    _sent_again(forger, forged, part[:HEAD] + one + one + part[HEAD + 2 * CHUNK :], "PART-DIGEST")


@pytest.mark.parametrize("at", [3, 30, 100, HEAD + 2 * CHUNK, -1], ids=["ATT_7_salt", "ATT_6_commitment", "first", "third", "last"])
def test_ATT_6_and_7_one_flipped_byte_on_the_way(forger: Forger, at: int) -> None:
    forged = _pending(forger)
    part = forged.parts[0]
    _sent_again(forger, forged, flip(part, at % len(part)), "PART-DIGEST")


def _sealed(forger: Forger, message_id: bytes, secret: bytes, number: int = 1, padded: bytes | None = None) -> bytes:
    from tests.keys import chunked
    from tests.vectors.formats.sealedparts import pad

    context = PartName(forger.world.directory.network_id, message_id, number).context()
    return chunked.encrypt("sha512", "AEAD_AES_256_GCM", secret[:32], context, b"salt" * 6, padded or pad(LONG))


@pytest.mark.parametrize("how", ["ATT_6", "ATT_7", "ATT_8", "cek", "byte"])
def test_ATT_6_to_8_named_as_they_are_is_the_senders_fault(forger: Forger, how: str) -> None:
    message_id, secret = os.urandom(16), os.urandom(96)
    good = _sealed(forger, message_id, secret)
    part = {
        "ATT_6": lambda: flip(good, 30),
        "ATT_7": lambda: flip(good, 3),
        "ATT_8": lambda: _sealed(forger, message_id, secret, 2),
        "cek": lambda: _sealed(forger, message_id, os.urandom(96)),
        "byte": lambda: flip(good, 30_000),
    }[how]()

    def heads(rows: list[list[object]]) -> list[list[object]]:
        return [rows[0], [len(part), hashlib.sha256(part).digest(), rows[1][2]]]

    pending = _pending(forger, envelope={2: message_id}, secret=secret, heads=heads)
    _refused(forger, Forged(pending.raw, secret, pending.body, (part,), pending.fields), "PART-CONTENT")


def test_padding_of_a_part(forger: Forger) -> None:
    message_id, secret = os.urandom(16), os.urandom(96)
    from tests.vectors.formats.sealedparts import pad

    padded = pad(LONG)
    part = _sealed(forger, message_id, secret, padded=padded[:-1] + b"\1")
    pending = _pending(
        forger, envelope={2: message_id}, secret=secret,
        heads=lambda rows: [rows[0], [len(part), hashlib.sha256(part).digest(), rows[1][2]]],
    )  # fmt: skip
    _refused(forger, Forged(pending.raw, secret, pending.body, (part,), pending.fields), "PART-PADDING")


def test_commitment_of_a_part(forger: Forger) -> None:
    forged = _pending(forger, heads=lambda rows: [rows[0], [*rows[1][:2], bytes(32)]])
    _refused(forger, forged, "PART-COMMITMENT")


def test_ATT_9_right_bytes_wrong_digest_in_the_envelope(forger: Forger) -> None:
    """The recipient cannot tell it from a fault of the wire: nothing is taken, nothing is final, until it expires."""
    forged = _pending(forger, heads=lambda rows: [rows[0], [rows[1][0], bytes(32), rows[1][2]]])
    for _ in range(3):
        with changes(forger.theirs), pytest.raises(ProtocolError) as caught:
            _send(forger, forged, forged.parts[0])
        assert caught.value.code.code == "PART-DIGEST"
    assert forger.offer(Ask(forged.hash)) == [Wants(((1, 0),))]


def test_ATT_10_an_endless_stream_stops_at_one_byte_too_many(forger: Forger) -> None:
    forged = _pending(forger, b"0123456789")
    length = len(forged.parts[0])
    upload = forger.theirs.parts_in.open("xa-ca", forged.hash, 1, 0)
    upload.write(forged.parts[0])
    assert upload.left == 0
    with pytest.raises(ProtocolError) as caught:
        upload.write(b"0")
    upload.close()
    assert caught.value.code.code == "PART-LENGTH"
    assert forger.theirs.parts_in.held("xa-ca", forged.hash, 1) == length


def test_ATT_12_resumed_with_changed_bytes(forger: Forger) -> None:
    forged = _pending(forger)
    part = forged.parts[0]
    _cut(forger, forged, part[:20_000])
    _sent_again(forger, forged, flip(part, 40_000)[20_000:], "PART-DIGEST", offset=20_000)


def test_ATT_12_what_was_held_changed_on_disk(forger: Forger) -> None:
    forged = _pending(forger)
    part = forged.parts[0]
    _cut(forger, forged, part[:20_000])
    partial = forger.theirs.files.partial(forged.hash, 1)
    partial.write_bytes(flip(partial.read_bytes(), 5_000))
    _sent_again(forger, forged, part[20_000:], "PART-DIGEST", offset=20_000)


@pytest.mark.parametrize("offset", [1, 19_999, 20_001, 10**12])
def test_resumed_elsewhere(forger: Forger, offset: int) -> None:
    forged = _pending(forger)
    _cut(forger, forged, forged.parts[0][:20_000])
    with changes(forger.theirs), pytest.raises(ProtocolError) as caught:
        forger.theirs.parts_in.open("xa-ca", forged.hash, 1, offset)
    assert (caught.value.code.code, caught.value.detail) == ("PART-OFFSET", "20000")
    _whole(forger, forged, forged.parts[0][20_000:], 20_000, files=0)


def test_ATT_13_two_uploads_of_one_part(forger: Forger) -> None:
    forged = _pending(forger)
    first = forger.theirs.parts_in.open("xa-ca", forged.hash, 1, 0)
    with changes(forger.theirs), pytest.raises(PassingError) as caught:
        forger.theirs.parts_in.open("xa-ca", forged.hash, 1, 0)
    assert caught.value.code.code == "PART-BUSY"
    first.close()
    _whole(forger, forged, forged.parts[0], files=0)


def test_ATT_13_many_at_once_exactly_one_wins(forger: Forger) -> None:
    forged = _pending(forger)
    together, results = threading.Barrier(8), []

    def run() -> None:
        together.wait()
        try:
            _send(forger, forged, forged.parts[0])
            results.append("whole")
        except RogatoryError as error:
            results.append(error.code.code)

    threads = [threading.Thread(target=run) for _ in range(8)]
    with changes(forger.theirs, log=1, files=1):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results.count("whole") == 1
    assert set(results) <= {"whole", "PART-BUSY", "PART-UNWANTED", "PART-OFFSET"}


def test_ATT_14_a_bomb_is_opaque_bytes(pair: World, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    bomb.write_bytes(b"PK\3\4" + bytes(200_000))
    sent = pair.send("xa-ca", "xb-ca", b"{}", attachments=[Attachment(bomb, "bomb.zip", "application/zip", "annex")])
    pair.deliver("xa-ca", "xb-ca")
    messages = pair.exchanges["xb-ca"].messages
    assert b"".join(messages.attachment(messages.find(sent.hash), 1)) == bomb.read_bytes()


@pytest.mark.parametrize(
    "name", ["../../etc/cron.d/x", "C:\\x", "a" * 255, "fdp.\u202eexe", "trailing. ", "CON", "/abs"], ids=range(7)
)
def test_ATT_17_a_file_name_is_never_a_path(pair: World, tmp_path: Path, name: str) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"evidence")
    sent = pair.send("xa-ca", "xb-ca", b"{}", attachments=[Attachment(source, name, "text/plain", "annex")])
    pair.deliver("xa-ca", "xb-ca")
    for authority in ("xa-ca", "xb-ca"):
        stored = [path.name for path in (pair.home(authority).data / "parts").rglob("*") if path.is_file()]
        assert len(stored) == 1
        assert set(stored[0]) <= set("0123456789abcdef-")
    b = pair.exchanges["xb-ca"].messages
    assert b.read(b.find(sent.hash)).attachments[0].filename == name


@pytest.mark.parametrize("name", ["a\0b", "", "a" * 4096, "half\udcff"], ids=["nul", "empty", "long", "not_utf_8"])
def test_ATT_17_file_names_that_are_refused(pair: World, tmp_path: Path, name: str) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"evidence")
    with changes(pair.exchanges["xa-ca"]), pytest.raises(ProtocolError) as caught:
        pair.send("xa-ca", "xb-ca", b"{}", attachments=[Attachment(source, name, "text/plain", "annex")])
    assert caught.value.code.code == "BODY-FORM"


def test_who_may_upload_what(three: World) -> None:
    forger = Forger(three)
    forged = _pending(forger)
    parts_in = forger.theirs.parts_in
    for peer, envelope_hash, number in (("xc-ca", forged.hash, 1), ("xa-ca", bytes(32), 1), ("xa-ca", forged.hash, 2), ("xa-ca", forged.hash, 0)):
        for ask in (parts_in.held, lambda p, h, n: parts_in.open(p, h, n, 0)):
            with changes(forger.theirs), pytest.raises(ProtocolError) as caught:
                ask(peer, envelope_hash, number)
            assert caught.value.code.code == "PART-UNWANTED"
    _whole(forger, forged, forged.parts[0])
    with pytest.raises(ProtocolError) as done:
        parts_in.open("xa-ca", forged.hash, 1, 0)
    assert done.value.code.code == "PART-UNWANTED"


def test_two_parts_failing_at_once_refuse_once(forger: Forger) -> None:
    forged = _pending(forger, LONG, LONG, heads=lambda rows: [rows[0], *([*row[:2], bytes(32)] for row in rows[1:])])
    uploads: list[tuple[int, Upload, ProtocolError]] = []
    for number in (1, 2):
        upload = forger.theirs.parts_in.open("xa-ca", forged.hash, number, 0)
        upload.write(forged.parts[number - 1])
        with pytest.raises(ProtocolError) as caught:
            upload.finish()
        upload.close()
        uploads.append((number, upload, caught.value))
    with changes(forger.theirs, log=1, secret=-1, files=-2):
        for number, _, error in uploads:
            forger.theirs.parts_in.failed(forged.hash, number, error)


def test_a_refused_message_keeps_no_file_of_its_other_parts(forger: Forger) -> None:
    forged = _pending(forger, LONG, b"x", LONG, heads=lambda rows: [*rows[:3], [*rows[3][:2], bytes(32)]])
    with changes(forger.theirs, files=1):
        _send(forger, forged, forged.parts[0], 1)
    with changes(forger.theirs, files=1):
        upload = forger.theirs.parts_in.open("xa-ca", forged.hash, 2, 0)
        upload.write(forged.parts[1][:10])
        upload.close()
    with changes(forger.theirs, log=1, secret=-1, files=-2), pytest.raises(ProtocolError):
        _send(forger, forged, forged.parts[2], 3)


def test_a_crash_between_the_files_name_and_its_row(forger: Forger, pair: World) -> None:
    """The part is durable under its final name, the row says it is wanted: the sender is asked for nothing more than to finish."""
    forged = _pending(forger)
    upload = forger.theirs.parts_in.open("xa-ca", forged.hash, 1, 0)
    upload.write(forged.parts[0])
    upload.finish()
    upload.close()
    forger.theirs.files.keep_incoming(forged.hash, 1)
    pair.reopen("xb-ca")
    length = len(forged.parts[0])
    assert forger.offer(Ask(forged.hash)) == [Wants(((1, length),))]
    _whole(forger, forged, b"", length, files=0)


def test_a_crash_before_the_files_name(forger: Forger, pair: World) -> None:
    forged = _pending(forger)
    _cut(forger, forged, forged.parts[0])
    pair.reopen("xb-ca")
    _whole(forger, forged, b"", len(forged.parts[0]), files=0)


def test_a_full_disk_lets_the_part_go(forger: Forger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of a block may have been taken: the check that has seen more than the file holds is not gone on with."""
    forged = _pending(forger)
    upload = forger.theirs.parts_in.open("xa-ca", forged.hash, 1, 0)
    real = os.writev

    def full(handle: int, pieces: list[bytes]) -> int:
        if upload.file.size > 1_000:
            raise OSError(28, "No space left on device")
        return real(handle, [bytes(pieces[0][:1_500])])

    upload.write(forged.parts[0][:1_000])
    with monkeypatch.context() as patch:
        patch.setattr(os, "writev", full)
        with pytest.raises(LocalError) as caught:
            upload.write(forged.parts[0][1_000:])
    assert caught.value.code.code == "STORE-WRITE"
    upload.close()
    held = forger.theirs.parts_in.held("xa-ca", forged.hash, 1)
    assert held == 2_500
    _whole(forger, forged, forged.parts[0][held:], held, files=0)


def test_MESSAGE_DAMAGED_a_pending_envelope_that_was_altered_refuses_nothing_for_good(forger: Forger) -> None:
    forged = _pending(forger)
    db = forger.theirs.store.writer
    db.execute("UPDATE incoming SET envelope=? WHERE hash=?", (flip(forged.raw, len(forged.raw) - 1), forged.hash))
    with changes(forger.theirs), pytest.raises(LocalError) as caught:
        forger.theirs.parts_in.open("xa-ca", forged.hash, 1, 0)
    assert caught.value.code.code == "MESSAGE-DAMAGED"
    db.execute("UPDATE incoming SET envelope=? WHERE hash=?", (forged.raw, forged.hash))
    _whole(forger, forged, forged.parts[0])


def test_PART_1_an_upload_that_never_ends(pair: World, tmp_path: Path) -> None:
    source = tmp_path / "evidence"
    source.write_bytes(LONG)
    a = pair.exchanges["xa-ca"]
    sent = pair.send("xa-ca", "xb-ca", b"{}", attachments=[Attachment(source, "e.bin", "application/octet-stream", "annex")])
    pair.deliver("xa-ca", "xb-ca", parts=False)
    pair.clock.advance(13 * limits.DAY)
    with changes(a, log=1):
        assert a.deadletters.expire() == 1
    assert a.messages.find(sent.hash).deliveries[0].state == "undelivered"


def test_PART_1_expiry_and_prekey_end_during_a_long_upload(pair: World, tmp_path: Path) -> None:
    source = tmp_path / "evidence"
    source.write_bytes(LONG)
    a, b = pair.exchanges["xa-ca"], pair.exchanges["xb-ca"]
    sent = pair.send("xa-ca", "xb-ca", b"{}", attachments=[Attachment(source, "e.bin", "application/octet-stream", "annex")])
    bag = pair.deliver("xa-ca", "xb-ca", parts=False)
    assert bag is not None
    envelope = a.messages.envelope(a.messages.find(sent.hash))
    data = a.files.outgoing(envelope.parts[1].digest).read_bytes()
    upload = b.parts_in.open("xa-ca", sent.hash, 1, 0)
    upload.write(data[:20_000])
    upload.close()
    pair.clock.advance(11 * limits.DAY)
    b.daily()
    assert a.deadletters.expire() == 0  # the window was judged when the body passed
    upload = b.parts_in.open("xa-ca", sent.hash, 1, 20_000)
    upload.write(data[20_000:])
    upload.finish()
    upload.close()
    with changes(b, log=1):
        b.parts_in.done(sent.hash, 1)
    assert b.messages.find(sent.hash).deliveries[0].state == "consigned"
    a.retries.uploaded(sent.hash, "xb-ca")
    pair.tell_prekeys("xb-ca", "xa-ca")
    pair.deliver("xa-ca", "xb-ca")
    assert a.messages.find(sent.hash).deliveries[0].state == "delivered"
    assert not [entry for entry in pair.entries("xa-ca") if isinstance(entry, Undelivered)]


def _scan(folder: Path, needles: list[bytes]) -> list[str]:
    return [
        f"{path.name}: {needle[:20]!r}"
        for path in folder.rglob("*") if path.is_file()
        for data in [path.read_bytes()]
        for needle in needles if needle in data
    ]  # fmt: skip


def test_PART_2_no_plaintext_byte_on_disk(pair: World, tmp_path: Path) -> None:
    """Scanned after every step, on both sides: database, WAL, parts, whole and partial; body, form and evidence."""
    canary, form = b"CANARY-" + os.urandom(12).hex().encode(), b'{"secret": "FORM-CANARY-4711"}'
    source = tmp_path / "source" / "evidence"
    source.parent.mkdir()
    source.write_bytes((canary + b" ") * 4_000)
    needles = [canary, b"FORM-CANARY-4711", b"canary-name.bin"]
    homes = [pair.home(name).path for name in ("xa-ca", "xb-ca")]

    def clean() -> bool:
        return not any(_scan(home, needles) for home in homes)

    assert _scan(source.parent, needles)
    sent = pair.send("xa-ca", "xb-ca", form, attachments=[Attachment(source, "canary-name.bin", "text/plain", "annex")])
    assert clean()
    assert pair.deliver("xa-ca", "xb-ca", parts=False) is not None
    assert clean()
    a, b = pair.exchanges["xa-ca"], pair.exchanges["xb-ca"]
    envelope = a.messages.envelope(a.messages.find(sent.hash))
    data = a.files.outgoing(envelope.parts[1].digest).read_bytes()
    upload = b.parts_in.open("xa-ca", sent.hash, 1, 0)
    for at in range(0, len(data), 20_000):
        upload.write(data[at : at + 20_000])
        assert clean(), at
    upload.finish()
    upload.close()
    b.parts_in.done(sent.hash, 1)
    a.retries.uploaded(sent.hash, "xb-ca")
    pair.deliver("xa-ca", "xb-ca")
    assert clean()
    message = b.messages.find(sent.hash)
    assert b.messages.read(message).form == form
    assert canary in b"".join(b.messages.attachment(message, 1))
    assert clean()


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_PART_2_no_plaintext_byte_in_any_write_of_the_process(tmp_path: Path) -> None:
    """Every write of a whole exchange, on both sides, watched from outside."""
    canary = "CANARY-" + os.urandom(8).hex()
    trace = tmp_path / "trace"
    calls = "trace=write,writev,pwrite64,pwritev,sendto,sendmsg"
    watched = ["strace", "-f", "-qq", "-s", "1000000", "-e", calls, "-o", str(trace)]
    program = [sys.executable, "-m", "tests.exchange.exchanging", str(tmp_path / "world"), canary]
    done = subprocess.run([*watched, *program], cwd=Path(__file__).parents[3], capture_output=True, text=True, timeout=120, check=False)
    if "ptrace" in done.stderr and "not permitted" in done.stderr:
        pytest.skip("tracing is not permitted here")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    written = trace.read_text(errors="replace")
    assert "rogatory/envelope/v1" in written  # what is written can be seen
    assert canary not in written
