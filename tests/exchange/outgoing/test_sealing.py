"""Sealing at the sender: what is refused, and that nothing is left behind when it is."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exchange.evidence.partfiles import PartFiles
from exchange.outgoing.sealing import Attachment, Draft
from protocol import limits
from protocol.entries import Lane
from protocol.errors import RogatoryError
from protocol.names import Office
from tests.exchange.forgery import changes
from tests.world import START, World

TO_B = (Office("xb-ca", "247"),)


def _draft(attachments: tuple[Attachment, ...] = (), to: tuple[Office, ...] = TO_B, expires: int = START + limits.DAY, **more: object) -> Draft:
    return Draft("247", to, "EE_PRESERVE", b"{}", expires, attachments=attachments, **more)  # type: ignore[arg-type]


def _refused(world: World, draft: Draft, code: str) -> None:
    with changes(world.exchanges["xa-ca"]), pytest.raises(RogatoryError) as caught:
        world.exchanges["xa-ca"].outbox.seal(draft)
    assert caught.value.code.code == code


def _source(opened: Callable[[], tuple[object, int]]) -> Attachment:
    @contextmanager
    def source() -> Iterator[tuple[object, int]]:
        yield opened()

    return Attachment(Path("upload"), "a.bin", "text/plain", "annex", source)  # type: ignore[arg-type]


class Failing:
    """A reader whose disk fails."""

    def read(self, size: int, /) -> bytes:
        raise OSError(5, "Input/output error")


def test_ATTACHMENT_READ(pair: World, tmp_path: Path) -> None:
    for attachment in (
        Attachment(tmp_path / "missing", "a", "text/plain", "annex"),
        Attachment(tmp_path, "a", "text/plain", "annex"),
        _source(lambda: (io.BytesIO(b"grew"), 3)),
        _source(lambda: (io.BytesIO(b"shrank"), 7)),
        _source(lambda: (Failing(), 7)),
    ):
        good = _source(lambda: (io.BytesIO(b"good"), 4))
        _refused(pair, _draft((good, attachment)), "ATTACHMENT-READ")


def test_STORE_WRITE_while_sealing(pair: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    good = _source(lambda: (io.BytesIO(b"good"), 4))
    for method in ("new_outgoing", "keep_outgoing"):
        with monkeypatch.context() as patch:
            patch.setattr(PartFiles, method, full)
            _refused(pair, _draft((good,)), "STORE-WRITE")


def test_what_envelope_and_body_refuse_leaves_no_part_behind(pair: World) -> None:
    good = _source(lambda: (io.BytesIO(b"good"), 4))
    _refused(pair, _draft((good,), expires=START), "ENVELOPE-TIMES")
    _refused(pair, _draft((good,), expires=START + limits.TTL + 1), "ENVELOPE-TIMES")
    _refused(pair, _draft((good,), to=(*TO_B, *TO_B)), "BODY-FORM")
    _refused(pair, _draft((good,), to=()), "BODY-FORM")
    _refused(pair, _draft((good,), sequence=-1), "BODY-FORM")
    _refused(pair, _draft((good,), sequence=2**64), "BODY-FORM")


def test_RECIPIENT_SELF(pair: World) -> None:
    _refused(pair, _draft(to=(*TO_B, Office("xa-ca", "mla"))), "RECIPIENT-SELF")


def test_URG_5_an_urgent_message_is_its_body_alone(pair: World) -> None:
    good = _source(lambda: (io.BytesIO(b"good"), 4))
    _refused(pair, _draft((good,), lane=Lane.URGENT), "URGENT-SIZE")
    large = Draft("247", TO_B, "EE_PRESERVE", bytes(2 * limits.URGENT_MESSAGE), START + limits.DAY, Lane.URGENT)
    _refused(pair, large, "URGENT-SIZE")


def test_a_part_beyond_32_gib_is_refused_before_it_is_read(pair: World) -> None:
    _refused(pair, _draft((_source(lambda: (Failing(), limits.PART + 1)),)), "ENVELOPE-PARTS")


def test_leftovers_of_a_crash_are_gone_at_the_next_start(pair: World) -> None:
    files = pair.exchanges["xa-ca"].files
    target = files.new_outgoing(1, bytes(16))
    target.write(b"half")
    target.close()
    pair.reopen("xa-ca")
    assert not list((files.folder / "out").iterdir())


def test_two_recipients_one_ciphertext(three: World) -> None:
    a = three.exchanges["xa-ca"]
    source = _source(lambda: (io.BytesIO(b"evidence"), 8))
    draft = _draft((source,), to=(Office("xc-ca", "247"), Office("xb-ca", "247"), Office("xb-ca", "mla")))
    with changes(a, outgoing=1, delivery=2, secret=1, log=1, files=1):
        sent = a.outbox.submit(a.outbox.seal(draft)).result()
    for name in ("xb-ca", "xc-ca"):
        three.deliver("xa-ca", name)
        messages = three.exchanges[name].messages
        assert b"".join(messages.attachment(messages.find(sent.hash), 1)) == b"evidence"
        assert [str(office) for office in messages.read(messages.find(sent.hash)).to] == ["xc-ca/247", "xb-ca/247", "xb-ca/mla"]


def test_what_is_made_together_lies_together(pair: World) -> None:
    outbox, ids = pair.exchanges["xa-ca"].outbox, []
    for _ in range(50):
        ids.append(outbox.seal(_draft()).envelope.message_id)
        pair.clock.advance(16)
    apart = [id_[:3] for id_ in ids]
    turned = apart.index(min(apart))  # where the count began anew, if it did
    assert apart[turned:] + apart[:turned] == sorted(set(apart))
    assert len({id_[3:] for id_ in ids}) == 50
