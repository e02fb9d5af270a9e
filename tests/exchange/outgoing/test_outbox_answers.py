"""What the sender checks of an answer (A0 to A7): a receipt is taken once, whole, and only for what it proves."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from typing import Any

import pytest

from exchange.bag import Bag
from exchange.exchange import Exchange
from exchange.log import Tx
from exchange.peering.peers import Peers
from protocol import cbor, limits, merkle, pouch
from protocol.checkpoint import Head
from protocol.delivery import Event
from protocol.entries import Consigned, Entry, Filler, Lane, Place, Receipted, Refused, TreeHead, Undelivered
from protocol.errors import LocalError, ProtocolError, RogatoryError
from protocol.heads import HeadError
from protocol.note import format_note, parse_note
from protocol.pouch import Answer, Bad, HeadOffer, Later, PouchHead, Receipt, Unknown, Wants
from tests.exchange.forgery import Forger, changes
from tests.world import World


class Answering:
    """xb-ca, which answers whatever the test wants, with its real log and keys."""

    def __init__(self, world: World, messages: int = 1) -> None:
        world.send("xa-ca", "xb-ca", b"{}")
        world.deliver("xa-ca", "xb-ca")  # so that heads are linked
        self.world = world
        self.a, self.b = world.exchanges["xa-ca"], world.exchanges["xb-ca"]
        self.sent = [world.send("xa-ca", "xb-ca", b"{}") for _ in range(messages)]
        bag = self.a.outbox.bag("xb-ca", Lane.ROUTINE)
        assert bag is not None
        self.bag: Bag = bag
        self.a.writer.run(lambda tx: self.a.peers.keep_note(tx, bag.head))  # kept with any receipt; not what is counted here

    def place(self, number: int = 0) -> Place:
        """Where an honest recipient has seen the envelope's entry."""
        head = self.bag.head
        return Place(1, self.sent[number].index, head.size, head.root)

    def entry(self, number: int = 0, cls: type[Entry] = Consigned, **changed: Any) -> Receipt:
        """A receipt in xb-ca's log, honest but for what is changed."""
        said: dict[str, Any] = {
            "envelope_hash": self.sent[number].hash, "message_id": self.sent[number].message_id, "sender": "xa-ca",
            "place": self.place(number),
        }  # fmt: skip
        fields = (said | changed).values()
        more = ("WRAP-OPEN", 11) if cls is Refused else ()
        index = self.b.writer.run(lambda tx: tx.append(cls, *fields, *more))
        return Receipt(self.b.log.prove(index, self.b.log.head()))

    def renewed(self, receipt: Receipt) -> Receipt:
        """The same, under the head of now."""
        return Receipt(self.b.log.prove(receipt.proven.index, self.b.log.head()))

    def about(self, note: bytes | None = None) -> PouchHead:
        head = self.b.log.head()
        old = self.a.peers.greatest("xb-ca")
        return PouchHead(Lane.ROUTINE, HeadOffer(old, self.b.log.consistency(old, head), note or head.note), self.bag.head.size, 1)

    def frame(self, *answers: Answer | bytes, about: PouchHead | None = None) -> bytes:
        raws = [answer if isinstance(answer, bytes) else pouch.encode_answer(answer) for answer in answers]
        return pouch.encode_pouch(about or self.about(), raws)

    def give(self, *answers: Answer | bytes, about: PouchHead | None = None) -> None:
        self.a.answers.take(self.bag, self.frame(*answers, about=about))

    def state(self, number: int = 0) -> tuple[str, str]:
        delivery = self.a.messages.find(self.sent[number].hash).deliveries[0]
        return delivery.state, delivery.last_code


@pytest.fixture
def answering(pair: World) -> Answering:
    return Answering(pair)


def _receipts(exchange: Exchange, world: World) -> int:
    return sum(isinstance(entry, Receipted) for entry in world.entries(exchange.us))


def _worthless(answering: Answering, frame: bytes, code: str) -> None:
    """The whole answer is refused: no row, no entry, no head moved, the delivery as it was."""
    before, greatest = answering.state(), answering.a.peers.greatest("xb-ca")
    with changes(answering.a), pytest.raises(RogatoryError) as caught:
        answering.a.answers.take(answering.bag, frame)
    assert caught.value.code.code == code
    assert (answering.state(), answering.a.peers.greatest("xb-ca")) == (before, greatest)


def _not_taken(answering: Answering, answer: Answer | bytes, code: str) -> None:
    """This receipt is not taken: no entry, no note; tried again later, with the code shown."""
    frame = answering.frame(answer)
    with changes(answering.a):
        answering.a.answers.take(answering.bag, frame)
    assert answering.state() == ("queued", code)


def test_what_the_receipts_of_an_answer_share_is_written_once(answering: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their head's note and ours: with each statement the interpreter's lock is let go, and waited for again."""
    answering = Answering(answering.world, 8)
    receipts = [answering.entry(number) for number in range(8)]
    frame = answering.frame(*(answering.renewed(receipt) for receipt in receipts))
    kept: list[str] = []
    keep = Peers.keep_note

    def keep_note(self: Peers, tx: Tx, head: Head) -> int:
        kept.append(head.origin)
        return keep(self, tx, head)

    monkeypatch.setattr(Peers, "keep_note", keep_note)
    answering.a.answers.take(answering.bag, frame)
    assert {answering.state(number)[0] for number in range(8)} == {"delivered"}
    assert sorted(kept) == sorted({answering.a.log.head().origin, answering.b.log.head().origin})


def test_ANS_7_a_receipt_is_stored_with_its_proof(answering: Answering) -> None:
    receipt = answering.entry()
    frame = answering.frame(receipt)
    with changes(answering.a, log=1, note=1):
        answering.a.answers.take(answering.bag, frame)
    assert answering.state() == ("delivered", "")
    last = answering.world.entries("xa-ca")[-1]
    assert isinstance(last, Receipted)
    head = answering.b.log.head()
    assert last.place == Place(1, receipt.proven.index, head.size, head.root)
    assert last.entry_hash == hashlib.sha256(receipt.proven.entry).digest()


def test_ANS_7_the_same_answer_twice_is_logged_once(answering: Answering) -> None:
    frame = answering.frame(answering.entry())
    answering.a.answers.take(answering.bag, frame)
    told: list[object] = []
    answering.a.answers.on_settled = lambda *about: told.append(about)
    with changes(answering.a):
        answering.a.answers.take(answering.bag, frame)
    assert (answering.state(), told) == (("delivered", ""), [])


def test_ANS_7_a_refusal_is_a_receipt_too(answering: Answering) -> None:
    with changes(answering.a, log=1, note=1):
        answering.give(answering.entry(cls=Refused))
    assert answering.state() == ("refused", "WRAP-OPEN")


# -- A0 ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 2])
def test_ANS_0_one_answer_per_item(answering: Answering, count: int) -> None:
    _worthless(answering, answering.frame(*[answering.entry()] * count), "ANSWER-FORM")


@pytest.mark.parametrize("raw", [b"", b"\x80", cbor.encode([5]), cbor.encode([4, 0])], ids=range(4))
def test_ANS_0_an_answer_of_no_known_form(answering: Answering, raw: bytes) -> None:
    _not_taken(answering, raw, "ANSWER-FORM")


def test_ANS_0_no_pouch_at_all(answering: Answering) -> None:
    good = answering.frame(answering.entry())
    for frame in (b"", good[:-1], good + b"\0"):
        _worthless(answering, frame, "POUCH-FORM")


# -- A1 and A2 -----------------------------------------------------------------------------------------------------------------


def test_ANS_1_the_head_is_of_the_recipient_that_was_asked(three: World) -> None:
    answering = Answering(three)
    other = three.exchanges["xc-ca"]
    frame = answering.frame(answering.entry(), about=answering.about(other.log.head().note))
    _worthless(answering, frame, "HEAD-ORIGIN")


@pytest.mark.parametrize("which", [0, 1])
def test_ANS_2_a_signature_of_the_head(answering: Answering, which: int) -> None:
    receipt = answering.entry()
    parsed = parse_note(answering.b.log.head().note)
    one = format_note(parsed.text, (parsed.signatures[which],))
    _worthless(answering, answering.frame(receipt, about=answering.about(one)), "CHECKPOINT-SIGNATURES")
    spoiled = [replace(line, blob=line.blob[:-1] + bytes([line.blob[-1] ^ 1])) if i == which else line for i, line in enumerate(parsed.signatures)]
    _worthless(answering, answering.frame(receipt, about=answering.about(format_note(parsed.text, spoiled))), "NOTE-SIGNATURE")


def test_ANS_2_the_head_rule(answering: Answering) -> None:
    receipt = answering.entry()
    honest = answering.about()
    head = honest.head
    unlinked = replace(honest, head=replace(head, old_size=head.old_size - 1))
    broken = replace(honest, head=replace(head, proof=(b"j" * 32,) * len(head.proof)))
    _worthless(answering, answering.frame(receipt, about=unlinked), "HEAD-UNLINKED")
    _worthless(answering, answering.frame(receipt, about=broken), "HEAD-BROKEN")
    answering.give(receipt)
    assert answering.state() == ("delivered", "")


# -- A3 ------------------------------------------------------------------------------------------------------------------------


def test_ANS_3_RCP_2_inclusion(answering: Answering) -> None:
    receipt = answering.entry()
    for _ in range(4):
        answering.b.writer.run(lambda tx: tx.append(Filler))
    p = answering.renewed(receipt).proven
    flipped = (bytes([p.path[0][0] ^ 1]) + p.path[0][1:], *p.path[1:])
    for wrong in (
        replace(p, path=flipped), replace(p, path=p.path[1:]), replace(p, path=(*p.path, bytes(32))), replace(p, index=p.index ^ 1),
        replace(p, index=answering.b.log.size), replace(p, path=()),
    ):  # fmt: skip
        _not_taken(answering, Receipt(wrong), "ANSWER-INCLUSION")
    answering.give(answering.renewed(receipt))
    assert answering.state() == ("delivered", "")


def test_RCP_3_a_valid_proof_of_another_leaf(answering: Answering) -> None:
    receipt = answering.entry()
    p = receipt.proven
    other = cbor.encode({**dict(cbor.decode(p.entry)), 2: os.urandom(16)})  # type: ignore[arg-type]
    _not_taken(answering, Receipt(replace(p, entry=other)), "ANSWER-INCLUSION")


def test_ANS_3_SIG_15_an_entry_of_another_kind(answering: Answering) -> None:
    index = answering.b.writer.run(lambda tx: tx.append(Filler))
    _not_taken(answering, Receipt(answering.b.log.prove(index, answering.b.log.head())), "ANSWER-KIND")
    sent = answering.sent[0]
    place = answering.place()
    index = answering.b.writer.run(lambda tx: tx.append(Receipted, sent.hash, sent.message_id, "xa-ca", place, bytes(32)))
    _not_taken(answering, Receipt(answering.b.log.prove(index, answering.b.log.head())), "ANSWER-KIND")


def test_ANS_3_a_leaf_that_is_no_entry(answering: Answering) -> None:
    def append(tx: Any) -> int:
        tx.entries.append(b"not an entry")
        return int(answering.b.log.size + len(tx.entries) - 1)

    index = answering.b.writer.run(append)
    _not_taken(answering, Receipt(answering.b.log.prove(index, answering.b.log.head())), "CBOR-FORM")


# -- A4 and A5 -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changed", [{"envelope_hash": b"x" * 32}, {"message_id": b"x" * 16}], ids=["hash", "id"])
def test_ANS_4_RCP_1_another_envelope(answering: Answering, changed: dict[str, Any]) -> None:
    _not_taken(answering, answering.entry(**changed), "ANSWER-ENVELOPE")


def test_ANS_4_RPL_11_a_receipt_of_another_message(pair: World) -> None:
    answering = Answering(pair, 2)
    receipts = [answering.entry(i) for i in range(2)]
    swapped = [answering.renewed(receipt) for receipt in receipts[::-1]]
    frame = answering.frame(*swapped)
    with changes(answering.a):
        answering.a.answers.take(answering.bag, frame)
    assert [answering.state(i) for i in range(2)] == [("queued", "ANSWER-ENVELOPE")] * 2


def test_ANS_5_another_sender(answering: Answering) -> None:
    _not_taken(answering, answering.entry(sender="xc-ca"), "ANSWER-SENDER")


@pytest.mark.parametrize("field", ["n", "index", "size", "root"])
def test_ANS_5_a_place_that_is_not_ours(answering: Answering, field: str) -> None:
    good = answering.place()
    wrong = {"n": 2, "index": good.index - 1, "size": good.size + 40, "root": bytes(32)}
    _not_taken(answering, answering.entry(place=good._replace(**{field: wrong[field]})), "ANSWER-PLACE")


def test_ANS_5_a_place_under_an_older_head_of_ours_is_good(answering: Answering) -> None:
    answering.a.writer.run(lambda tx: tx.append(Filler))
    answering.give(answering.entry())
    assert answering.state() == ("delivered", "")
    assert answering.a.log.has_head(TreeHead(answering.place().size, answering.place().root))


# -- A6 ------------------------------------------------------------------------------------------------------------------------


def test_ANS_6_another_receipt_after_the_first(answering: Answering) -> None:
    first = answering.entry()
    answering.give(first)
    second = answering.entry(cls=Refused)
    with changes(answering.a, note=1):
        answering.give(second)
    assert answering.state() == ("delivered", "ANSWER-CHANGED")
    kept = answering.a.store.reader().execute("SELECT receipt FROM delivery WHERE hash=?", (answering.sent[0].hash,)).fetchone()[0]
    assert kept == first.proven.entry


def test_ANS_6_the_rule_itself(answering: Answering) -> None:
    from protocol.answers import Sent, check_receipt

    first, second = answering.entry(), answering.entry()
    sent = answering.sent[0]
    head = answering.b.log.head()
    tree = merkle.Tree(head.size, head.root)
    known = Sent(sent.hash, sent.message_id, "xa-ca", first.proven.entry)
    assert isinstance(check_receipt(answering.renewed(first), tree, known, lambda place: True), Consigned)
    with pytest.raises(ProtocolError) as caught:
        check_receipt(answering.renewed(second), tree, known, lambda place: True)
    assert caught.value.code.code == "ANSWER-CHANGED"


def test_RPL_12_an_old_receipt_is_given_again_under_a_later_head(answering: Answering) -> None:
    receipt = answering.entry()
    for _ in range(300):
        answering.b.writer.submit(lambda tx: tx.append(Filler))
    answering.b.writer.run(lambda tx: tx.append(Filler))
    answering.give(answering.renewed(receipt))
    assert answering.state() == ("delivered", "")


# -- good neighbours, and answers that are no receipt --------------------------------------------------------------------------


def test_one_wrong_receipt_does_not_touch_its_neighbours(pair: World) -> None:
    answering = Answering(pair, 3)
    receipts = [answering.entry(0), answering.entry(1, sender="xc-ca"), answering.entry(2)]
    renewed = [answering.renewed(receipt) for receipt in receipts]
    frame = answering.frame(*renewed)
    with changes(answering.a, log=2, note=1):
        answering.a.answers.take(answering.bag, frame)
    assert [answering.state(i) for i in range(3)] == [("delivered", ""), ("queued", "ANSWER-SENDER"), ("delivered", "")]


@pytest.mark.parametrize(
    ("answer", "state", "code"),
    [
        (Wants(((1, 0),)), "wanted", ""),
        (Unknown(), "queued", ""),
        (Later("TIME-CLOCK", 60), "queued", "TIME-CLOCK"),
        (Bad(7, "BIND-HASH"), "queued", "BIND-HASH"),
    ],
    ids=["wants", "unknown", "later", "bad"],
)
def test_answers_that_are_no_receipt_write_no_entry(answering: Answering, answer: Answer, state: str, code: str) -> None:
    frame = answering.frame(answer)
    with changes(answering.a):
        answering.a.answers.take(answering.bag, frame)
    assert answering.state() == (state, code)
    assert answering.a.peers.greatest("xb-ca") == answering.b.log.size
    assert answering.bag.uploads == ({answering.sent[0].hash: ((1, 0),)} if state == "wanted" else {})


@pytest.mark.parametrize("seconds", [0, 60, 10**9, 2**63 - 1])
def test_a_peers_later_has_a_bound(answering: Answering, seconds: int) -> None:
    answering.give(Later("DISK-RESERVE", seconds))
    due = answering.a.due.next("xb-ca", Lane.ROUTINE)
    assert due is not None
    assert due - answering.world.clock.now() == min(seconds * 1000, limits.HOUR)


@pytest.mark.parametrize("code", ["TIME-CLOCK", "TIME-FUTURE"])
def test_a_clock_that_may_be_set_right_is_asked_again_soon(answering: Answering, code: str) -> None:
    answering.give(Later(code, 3600))
    due = answering.a.due.next("xb-ca", Lane.ROUTINE)
    assert due is not None
    assert due - answering.world.clock.now() == 5 * limits.MINUTE


@pytest.mark.parametrize(
    ("event", "answer", "state"),
    [
        (Event.HOLD, Wants(((1, 0),)), "held"),
        (Event.HOLD, Later("X", 1), "held"),
        (Event.HOLD, Unknown(), "held"),
        (Event.HOLD, None, "delivered"),
        (Event.REJECT, Wants(((1, 0),)), "rejected"),
        (Event.REJECT, None, "rejected"),
    ],
)
def test_an_answer_meets_the_state_of_now(answering: Answering, event: Event, answer: Answer | None, state: str) -> None:
    """While the pouch was on its way an operator held or rejected the delivery."""
    answering.a.deadletters.settle(answering.sent[0].hash, "xb-ca", event)
    receipts = _receipts(answering.a, answering.world)
    answering.give(answer or answering.entry())
    assert answering.state()[0] == state
    assert answering.bag.uploads == {}
    assert _receipts(answering.a, answering.world) == receipts + (state == "delivered")


def test_an_answer_after_the_deadline(answering: Answering) -> None:
    """Expired while the pouch was on its way: wants opens nothing again, a receipt still counts; one ``undelivered`` in all."""
    answering.world.clock.advance(10 * limits.DAY)
    assert answering.a.deadletters.expire() == 1
    frame = answering.frame(Wants(((1, 0),)))
    with changes(answering.a):
        answering.a.answers.take(answering.bag, frame)
    assert answering.a.deadletters.expire() == 0
    assert answering.state()[0] == "undelivered"
    with changes(answering.a, log=1, note=1):
        answering.give(answering.entry())
    assert answering.state()[0] == "delivered"
    assert sum(isinstance(entry, Undelivered) for entry in answering.world.entries("xa-ca")) == 1


def test_a_pouch_that_could_not_be_carried(answering: Answering) -> None:
    with changes(answering.a):
        answering.a.retries.failed(answering.bag, "PEER-UNREACHABLE")
    assert answering.state() == ("queued", "PEER-UNREACHABLE")
    answering.world.clock.advance(5 * limits.MINUTE)
    assert answering.a.outbox.bag("xb-ca", Lane.ROUTINE) is not None


def test_settling(answering: Answering) -> None:
    a, sent = answering.a, answering.sent[0]
    assert a.deadletters.settle(sent.hash, "xb-ca", Event.HOLD) == "held"
    assert a.outbox.bag("xb-ca", Lane.ROUTINE) is None
    assert a.deadletters.settle(sent.hash, "xb-ca", Event.RETRY) == "queued"
    with changes(a, log=1):
        assert a.deadletters.settle(sent.hash, "xb-ca", Event.REJECT) == "rejected"
    with changes(a), pytest.raises(LocalError) as caught:
        a.deadletters.settle(sent.hash, "xb-ca", Event.RETRY)
    assert caught.value.code.code == "DELIVERY-STATE"
    with changes(a), pytest.raises(LocalError) as unknown:
        a.deadletters.settle(sent.hash, "xc-ca", Event.HOLD)
    assert unknown.value.code.code == "MESSAGE-UNKNOWN"


def test_HEAD_rule_for_prekeys_on_request(answering: Answering) -> None:
    frame = answering.b.contact.prekeys_frame(1, 1)  # linked from elsewhere
    answering.b.writer.run(lambda tx: tx.append(Filler))
    frame = answering.b.contact.prekeys_frame(1, 1)
    with changes(answering.a), pytest.raises(HeadError) as caught:
        answering.a.contact.take_prekeys("xb-ca", frame)
    assert caught.value.code.code == "HEAD-UNLINKED"


def test_answers_reach_the_right_forger(forger: Forger) -> None:
    """The same receipt is given to whoever asks first and again: origin, index and bytes."""
    item = forger.item(forger.seal())
    (first,) = forger.offer(item)
    forger.theirs.writer.run(lambda tx: tx.append(Filler))
    (again,) = forger.offer(forger.renewed(item))
    assert isinstance(first, Receipt)
    assert isinstance(again, Receipt)
    assert (first.proven.index, first.proven.entry) == (again.proven.index, again.proven.entry)
    assert first.proven.path != again.proven.path
