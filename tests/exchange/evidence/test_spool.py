"""What lies here of parts that are not whole: bounded, set right at the start, cleared at the end."""

from __future__ import annotations

import pytest

from exchange.evidence.spool import Spool
from protocol import limits
from protocol.errors import PassingError
from protocol.parts import is_sealed_length, sealed_length
from protocol.pouch import Ask, Later, Wants
from tests.exchange.forgery import Forger
from tests.world import World

LONG = bytes(i * 7 % 251 for i in range(60_000))
KEY = bytes(32), 1


def _pending(forger: Forger, *files: bytes) -> object:
    forged = forger.seal(files=[("text/plain", data) for data in files or (LONG,)])
    (answer,) = forger.offer(forger.item(forged))
    assert isinstance(answer, Wants)
    return forged


def _feed(forger: Forger, forged: object, data: bytes, offset: int = 0) -> None:
    upload = forger.theirs.parts_in.open("xa-ca", forged.hash, 1, offset)
    upload.write(data)
    upload.close()


def test_DOS_7_parts_announced_and_never_sent(forger: Forger) -> None:
    """A hundred thousand would be 200 messages of 511: rows end at the quota, nothing is refused for good, and nothing lies on disk."""
    many = [b""] * (limits.PARTS - 1)
    taken = limits.PENDING_PARTS // len(many)
    for _ in range(taken):
        _pending(forger, *many)
    forged = forger.seal(files=[("text/plain", data) for data in many])
    assert forger.offer(forger.item(forged)) == [Later("PEER-QUOTA", 600)]
    db = forger.theirs.store.reader()
    assert db.execute("SELECT count(*) FROM incoming_part").fetchone()[0] == taken * len(many)
    assert not list((forger.theirs.files.folder / "in").iterdir())
    plain = forger.seal()
    assert not isinstance(forger.offer(forger.item(plain))[0], Later)  # without parts: not touched by it


def _spool(world: World, disk: int) -> Spool:
    theirs = world.exchanges["xb-ca"]
    return Spool(theirs.store, theirs.writer, theirs.files, lambda: disk)


def test_64_GiB_of_one_peer_lie_unverified(pair: World) -> None:
    part = sealed_length(limits.PART)
    spool = _spool(pair, 100 * limits.SPOOL_PEER)
    spool.begin("xa-ca", (bytes(32), 1), part)
    spool.begin("xa-ca", (bytes(32), 1), part)  # going on counts once
    with pytest.raises(PassingError) as caught:
        spool.begin("xa-ca", (bytes(32), 2), part)  # two parts of 32 GiB are a little more than 64: padding and tags
    assert caught.value.code.code == "PART-SPOOL"
    spool.begin("xc-ca", (bytes(32), 3), part)  # another peer's share is its own
    spool.end((bytes(32), 1))
    spool.begin("xa-ca", (bytes(32), 2), part)


def test_a_tenth_of_a_small_disk(pair: World) -> None:
    spool = _spool(pair, 1000)
    spool.begin("xa-ca", KEY, 100)
    with pytest.raises(PassingError):
        spool.begin("xa-ca", (bytes(32), 2), 1)


def test_the_length_of_32_GiB() -> None:
    length = sealed_length(limits.PART)
    assert is_sealed_length(length)
    assert limits.PART < length < limits.PART * 104 // 100


def test_begun_parts_are_counted_again_after_a_start(forger: Forger, pair: World) -> None:
    forged = _pending(forger)
    _feed(forger, forged, forged.parts[0][:1000])
    spool = _spool(pair, 10 * len(forged.parts[0]))
    with pytest.raises(PassingError):
        spool.begin("xa-ca", KEY, 1)
    spool.end_message(forged.hash)
    spool.begin("xa-ca", KEY, 1)


def test_orphans_are_removed_at_the_start(forger: Forger, pair: World) -> None:
    folder = forger.theirs.files.folder / "in"
    for name in (f"{'0' * 64}-1", f"{'0' * 64}-2.partial", "other"):
        (folder / name).write_bytes(b"left by a crash")
    forged = _pending(forger)
    _feed(forger, forged, forged.parts[0][:1000])
    pair.reopen("xb-ca")
    assert [path.name for path in folder.iterdir()] == [f"{forged.hash.hex()}-1.partial"]


def test_a_lost_file_is_wanted_again(forger: Forger, pair: World) -> None:
    forged = _pending(forger, LONG, LONG)
    upload = forger.theirs.parts_in.open("xa-ca", forged.hash, 1, 0)
    upload.write(forged.parts[0])
    upload.finish()
    upload.close()
    forger.theirs.parts_in.done(forged.hash, 1)
    assert forger.offer(Ask(forged.hash)) == [Wants(((2, 0),))]
    forger.theirs.files.incoming(forged.hash, 1).unlink()
    pair.reopen("xb-ca")
    assert forger.offer(Ask(forged.hash)) == [Wants(((1, 0), (2, 0)))]


def test_partials_end_three_days_after_their_message(forger: Forger, pair: World) -> None:
    forged = _pending(forger)
    _feed(forger, forged, forged.parts[0][:1000])
    spool, folder = forger.theirs.spool, forger.theirs.files.folder / "in"
    expires = forger.theirs.messages.find(forged.hash).expires
    assert spool.clear(expires + limits.PARTIAL_GRACE - 1) == 0
    assert list(folder.iterdir())
    assert spool.clear(expires + limits.PARTIAL_GRACE) == 1
    assert not list(folder.iterdir())
    assert spool.clear(expires + limits.PARTIAL_GRACE) == 0


def test_a_cut_upload_goes_on_without_reading_again(forger: Forger, monkeypatch: pytest.MonkeyPatch) -> None:
    forged = _pending(forger)
    part = forged.parts[0]
    _feed(forger, forged, part[:20_000])
    with monkeypatch.context() as patch:
        patch.setattr("exchange.evidence.partsin.read_chunks", lambda path: pytest.fail("read again"))
        _feed(forger, forged, part[20_000:30_000], 20_000)
    forger.theirs.parts_in._paused.forget(forged.hash)
    upload = forger.theirs.parts_in.open("xa-ca", forged.hash, 1, 30_000)
    upload.write(part[30_000:])
    upload.finish()
    upload.close()
    assert forger.theirs.parts_in.done(forged.hash, 1) is not None


def test_paused_checks_are_few_and_end(forger: Forger, pair: World) -> None:
    paused = forger.theirs.parts_in._paused
    for _ in range(limits.UPLOADS_PEER + 3):
        forged = _pending(forger)
        _feed(forger, forged, forged.parts[0][:1000])
    assert len(paused) == limits.UPLOADS_PEER
    pair.clock.advance(limits.PAUSED)
    assert paused.take(KEY, None) is None
    assert len(paused) == 0
