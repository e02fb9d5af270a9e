"""Checks 6 to 13 on arrival, each for what it refuses: *bad* keeps nothing, ``refused`` is logged once, *later* leaves no entry."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import replace

import pytest

from exchange import codes
from exchange.exchange import Exchange
from exchange.log import Tx
from keys.suite import SUITE
from protocol import cbor, limits, pouch
from protocol.arrival import Setting, check_7_bindings, check_11_wrap
from protocol.entries import Consigned, Filler, Lane, Prekeys, PublishedKey, Refused, parse_entry
from protocol.errors import LocalError, PassingError, ProtocolError
from protocol.parts import padme, sealed_length
from protocol.pouch import Answer, Ask, Bad, Later, PrekeyOffer, Receipt, Unknown, Wants
from protocol.prekeyset import PeerKey
from tests.exchange.forgery import Forged, Forger, changes
from tests.world import START, World

REFUSED = {"incoming": 1, "note": 1, "log": 1, "refusal_count": 1}
TAKEN = {"incoming": 1, "note": 1, "log": 1, "secret": 1}


def _entry(exchange: Exchange, answer: Answer) -> Consigned | Refused:
    assert isinstance(answer, Receipt)
    entry = parse_entry(answer.proven.entry)
    assert entry == parse_entry(exchange.log.entry(answer.proven.index))
    assert isinstance(entry, Consigned | Refused)
    return entry


def _bad(forger: Forger, item: pouch.EnvelopeItem, check: int, code: str, lane: Lane = Lane.ROUTINE) -> None:
    frame = forger.frame(item, about=forger.about(lane=lane))
    with changes(forger.theirs):
        assert forger.carry(frame) == [Bad(check, code)]


def _refused(forger: Forger, item: pouch.EnvelopeItem, check: int, code: str) -> None:
    """Refused for good: one entry, one row, no secret; asking again gives the same entry and writes nothing."""
    frame = forger.frame(forger.renewed(item))
    with changes(forger.theirs, **REFUSED):
        (answer,) = forger.carry(frame)
    entry = _entry(forger.theirs, answer)
    assert isinstance(entry, Refused)
    assert (entry.reason, entry.check) == (code, check)
    with changes(forger.theirs):
        (again,) = forger.carry(frame)
    assert again.proven.entry == answer.proven.entry  # type: ignore[union-attr]


def _taken(forger: Forger, item: pouch.EnvelopeItem) -> Receipt:
    frame = forger.frame(forger.renewed(item))
    with changes(forger.theirs, **TAKEN):
        (answer,) = forger.carry(frame)
    assert isinstance(answer, Receipt)
    assert isinstance(_entry(forger.theirs, answer), Consigned)
    return answer


# -- 6 and 7: entry, envelope and connection ---------------------------------------------------------------------------------


def test_LOG_7_inclusion_under_the_pouchs_head(forger: Forger) -> None:
    item = forger.item(forger.seal())
    for _ in range(5):
        forger.log(Filler)
    item = forger.renewed(item)
    o = item.origin
    flipped = (bytes([o.path[0][0] ^ 1]) + o.path[0][1:], *o.path[1:])
    size = forger.ours.log.size
    for origin in (
        replace(o, path=flipped), replace(o, path=o.path[1:]), replace(o, path=(*o.path, bytes(32))), replace(o, path=o.path[::-1]),
        replace(o, index=o.index ^ 1), replace(o, index=size), replace(o, index=2**62), replace(o, path=()),
    ):  # fmt: skip
        _bad(forger, replace(item, origin=origin), 6, "ORIGIN-INCLUSION")
    _taken(forger, item)


def test_KEY_6_an_entry_that_is_not_in_the_senders_log(forger: Forger) -> None:
    forged = forger.seal()
    honest = forger.item(forged)
    made_up = cbor.encode({**dict(cbor.decode(honest.origin.entry)), 2: os.urandom(16)})  # type: ignore[arg-type]
    _bad(forger, replace(honest, origin=replace(honest.origin, entry=made_up)), 6, "ORIGIN-INCLUSION")


@pytest.mark.parametrize("kind", [Filler, Consigned])
def test_SIG_14_another_entry_in_the_place_of_submitted(forger: Forger, kind: type) -> None:
    forged = forger.seal()
    fields = () if kind is Filler else (forged.hash, forged.fields[2], "xb-ca", (1, 0, 1, bytes(32)))
    _bad(forger, forger.item(forged, forger.log(kind, *fields)), 5, "ORIGIN-KIND")


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"hash": b"x" * 32}, "BIND-HASH"),
        ({"message_id": b"x" * 16}, "BIND-FIELDS"),
        ({"lane": Lane.URGENT}, "BIND-FIELDS"),
        ({"expires": START + 5}, "BIND-FIELDS"),
        ({"recipients": 2}, "BIND-FIELDS"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_entry_and_envelope_speak_of_one_message(forger: Forger, changed: dict[str, object], code: str) -> None:
    forged = forger.seal()
    _bad(forger, forger.item(forged, forger.submit(forged, **changed)), 7, code)


def test_SIG_11_resigned_under_another_name(three: World) -> None:
    """xc-ca logs what xa-ca sealed, and offers it as it is: the envelope names its sender."""
    honest, thief = Forger(three, "xa-ca"), Forger(three, "xc-ca")
    forged = honest.seal()
    _bad(thief, thief.item(forged), 7, "BIND-SENDER")


def test_SIG_11_ciphertext_under_an_envelope_of_ones_own(three: World) -> None:
    """The thief writes its own envelope over the same parts: nobody can open them for it."""
    honest, thief = Forger(three, "xa-ca"), Forger(three, "xc-ca")
    forged = honest.seal()
    fields = {**forged.fields, 3: "xc-ca"}
    stolen = Forged(cbor.encode(["rogatory/envelope/v1", fields]), forged.secret, forged.body, (), fields)
    item = thief.item(stolen, wrap=honest.wrap(forged))
    _does_not_open(thief, item)


def test_SIG_12_rewrapped_to_another_recipient(three: World) -> None:
    sender = Forger(three, "xa-ca", "xb-ca")
    forged = sender.seal()
    index = sender.submit(forged)
    other = Forger(three, "xa-ca", "xc-ca")
    _refused(other, other.item(forged, index), 10, "NOT-RECIPIENT")
    forwarder = Forger(three, "xb-ca", "xc-ca")
    _bad(forwarder, forwarder.item(forged), 7, "BIND-SENDER")


def test_RPL_6_replayed_to_another_recipient(three: World) -> None:
    sender = Forger(three, "xa-ca", "xb-ca")
    item = sender.item(sender.seal())
    _taken(sender, item)
    other = Forger(three, "xa-ca", "xc-ca")
    _refused(other, item, 10, "NOT-RECIPIENT")


@pytest.mark.parametrize("key", [0, 1], ids=["SIG_17_network", "SIG_24_suite"])
def test_SIG_17_and_24_another_network_or_suite(forger: Forger, key: int) -> None:
    for value in (bytes(32),) if key == 0 else (0, 2, 255):
        _bad(forger, forger.item(forger.seal({key: value})), 7, "BIND-NETWORK")


def test_RPL_7_replayed_into_another_network(forger: Forger) -> None:
    _bad(forger, forger.item(forger.seal({0: b"t" * 32})), 7, "BIND-NETWORK")


def test_SIG_24_is_refused_before_any_key_is_used(forger: Forger, monkeypatch: pytest.MonkeyPatch) -> None:
    item = forger.item(forger.seal({1: 2}))

    def never(*_: object) -> None:
        raise AssertionError("a secret was used")

    monkeypatch.setattr(forger.theirs.shelf.own, "open", never)
    _bad(forger, item, 7, "BIND-NETWORK")


def test_lane_of_the_connection(forger: Forger) -> None:
    _bad(forger, forger.item(forger.seal({7: 1})), 7, "BIND-LANE")
    _bad(forger, forger.item(forger.seal()), 7, "BIND-LANE", Lane.URGENT)


def test_created_after_it_was_logged(forger: Forger) -> None:
    _bad(forger, forger.item(forger.seal({5: START + 1})), 7, "BIND-CREATED")
    _taken(forger, forger.item(forger.seal({5: START})))


def test_check_7_in_isolation_compares_with_the_peer_and_not_with_the_item(forger: Forger) -> None:
    from protocol.arrival import Arrived, check_5_parse

    arrived = check_5_parse(pouch.encode_item(forger.item(forger.seal())))
    assert isinstance(arrived, Arrived)
    setting = Setting(forger.world.directory.network_id, "xb-ca", "xa-ca", Lane.ROUTINE, START)
    check_7_bindings(arrived, setting)
    with pytest.raises(ProtocolError) as caught:
        check_7_bindings(arrived, replace(setting, peer="xb-ca"))
    assert caught.value.code.code == "BIND-SENDER"


# -- 8: known? ---------------------------------------------------------------------------------------------------------------


def test_RPL_1_exact_resend(forger: Forger) -> None:
    item = forger.item(forger.seal())
    frame = forger.frame(item)
    with changes(forger.theirs, **TAKEN):
        (first,) = forger.carry(frame)
    with changes(forger.theirs):
        (second,) = forger.carry(frame)
    assert first == second


def test_RPL_2_resend_after_400_days(forger: Forger, pair: World) -> None:
    item = forger.item(forger.seal())
    first = _taken(forger, item)
    for days in (1, 30, 400):
        pair.clock.advance(days * limits.DAY)
        forger.theirs.daily()
        with changes(forger.theirs):
            (again,) = forger.offer(item)
        assert (again.proven.entry, again.proven.index) == (first.proven.entry, first.proven.index)  # type: ignore[union-attr]


def test_RPL_2_resend_after_a_restart(forger: Forger, pair: World) -> None:
    item = forger.item(forger.seal())
    first = _taken(forger, item)
    pair.reopen("xb-ca")
    with changes(forger.theirs):
        assert forger.offer(item) == [first]


def test_RPL_3_same_id_other_content(forger: Forger) -> None:
    first = forger.seal()
    _taken(forger, forger.item(first))
    second = forger.seal({2: first.fields[2]})
    _refused(forger, forger.item(second), 8, "DUPLICATE-CONFLICT")


def test_RPL_3_in_one_pouch(forger: Forger) -> None:
    first = forger.seal()
    second = forger.seal({2: first.fields[2]})
    items = forger.items(first, second, first)
    frame = forger.frame(*items)
    with changes(forger.theirs, incoming=2, note=1, log=2, secret=1, refusal_count=1):
        answers = forger.carry(frame)
    kinds = [type(_entry(forger.theirs, answer)) for answer in answers]
    assert kinds == [Consigned, Refused, Consigned]
    assert answers[0].proven.index == answers[2].proven.index  # type: ignore[union-attr]


def test_RPL_4_same_id_from_another_sender(three: World) -> None:
    one, two = Forger(three, "xa-ca"), Forger(three, "xc-ca")
    first = one.seal()
    _taken(one, one.item(first))
    _taken(two, two.item(two.seal({2: first.fields[2]})))


def test_RPL_5_a_refused_envelope_does_not_poison_its_id(forger: Forger) -> None:
    future = os.urandom(16)
    wrong = forger.seal({2: future}, body={2: "xc-ca"})
    _refused(forger, forger.item(wrong), 13, "BODY-COPIES")
    _taken(forger, forger.item(forger.seal({2: future})))


def test_RPL_5_an_unproven_envelope_does_not_poison_its_id(forger: Forger) -> None:
    forged = forger.seal()
    index = forger.log(Filler)
    _bad(forger, forger.item(forged, index), 5, "ORIGIN-KIND")
    _taken(forger, forger.item(forged))


def test_RPL_9_and_10_order_and_unknown_conversations(forger: Forger) -> None:
    conversation = os.urandom(16)
    letters = [forger.seal(body={12: conversation, 13: n, 14: os.urandom(16)}) for n in (3, 1)]
    for letter in letters:
        _taken(forger, forger.item(letter))
    messages = forger.theirs.messages
    assert sorted(messages.read(messages.find(letter.hash)).sequence for letter in letters) == [1, 3]
    assert {messages.find(letter.hash).conversation for letter in letters} == {conversation}


def test_an_ask(forger: Forger) -> None:
    with changes(forger.theirs):
        assert forger.offer(Ask(os.urandom(32))) == [Unknown()]
    forged = forger.seal()
    receipt = _taken(forger, forger.item(forged))
    with changes(forger.theirs):
        assert forger.offer(Ask(forged.hash)) == [receipt]


def test_an_ask_by_another_authority_learns_nothing(three: World) -> None:
    one, two = Forger(three, "xa-ca"), Forger(three, "xc-ca")
    forged = one.seal()
    _taken(one, one.item(forged))
    assert two.offer(Ask(forged.hash)) == [Unknown()]


# -- 9: time -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ahead", "taken"), [(299, True), (300, True), (301, False)])
def test_TIM_2_created_ahead_of_our_clock(forger: Forger, pair: World, ahead: int, taken: bool) -> None:
    pair.clock.advance(ahead * 1000)
    item = forger.item(forger.seal())
    pair.clock.advance(-ahead * 1000)
    if taken:
        _taken(forger, item)
        return
    frame = forger.frame(item)
    with changes(forger.theirs):
        (answer,) = forger.carry(frame)
    assert answer == Later("TIME-FUTURE", 1)
    pair.clock.advance(1000)
    _taken(forger, item)


def test_TIM_3_expired(forger: Forger, pair: World) -> None:
    item, late = forger.item(forger.seal()), forger.item(forger.seal({6: START + limits.DAY + 1}))
    pair.clock.advance(limits.DAY)
    _refused(forger, item, 9, "TIME-EXPIRED")
    forger.log(Filler)
    _taken(forger, late)


def test_TIM_3_by_one_second(forger: Forger, pair: World) -> None:
    item = forger.item(forger.seal({6: START + 1000}))
    pair.clock.advance(2000)
    _refused(forger, item, 9, "TIME-EXPIRED")


def test_TIM_4_and_5_are_refused_as_form(forger: Forger) -> None:
    for fields, code in (
        ({6: START + limits.TTL + 1}, "ENVELOPE-TIMES"), ({6: START}, "ENVELOPE-TIMES"), ({6: START - 1}, "ENVELOPE-TIMES"),
        ({5: -1}, "ENVELOPE-FORM"), ({6: 2**63}, "ENVELOPE-FORM"),
    ):  # fmt: skip
        forged = forger.seal(fields)
        index = forger.submit(forged, expires=START + 9)
        _bad(forger, forger.item(forged, index), 5, code)
    _taken(forger, forger.item(forger.seal({6: START + limits.TTL})))


def test_a_clock_in_doubt_is_later_even_for_what_has_expired(forger: Forger, pair: World) -> None:
    items = forger.items(forger.seal(), forger.seal({6: START + 1}))
    pair.clock.advance(10)
    pair.clock.certain = False
    frame = forger.frame(*items)
    with changes(forger.theirs):
        assert forger.carry(frame) == [Later("TIME-CLOCK", 60)] * 2
    pair.clock.certain = True
    _taken(forger, items[0])


# -- 10 and 11: prekey and wrap ----------------------------------------------------------------------------------------------


def _does_not_open(forger: Forger, item: pouch.EnvelopeItem) -> None:
    """Later twice with our prekeys and without an entry; refused at the third try."""
    for attempt in range(limits.WRAP_TRIES - 1):
        frame = forger.frame(item)
        with changes(forger.theirs, **({} if attempt else {"wrap_try": 1, "note": 1})):
            (answer,) = forger.carry(frame)
        assert isinstance(answer, Later)
        assert (answer.code, answer.prekeys is not None) == ("WRAP-OPEN", True)
    frame = forger.frame(item)
    with changes(forger.theirs, incoming=1, log=1, refusal_count=1):
        (answer,) = forger.carry(frame)
    entry = _entry(forger.theirs, answer)
    assert isinstance(entry, Refused)
    assert (entry.reason, entry.check) == ("WRAP-OPEN", 11)


def test_ENC_1_wrapped_to_another_prekey(forger: Forger) -> None:
    forged = forger.seal()
    others = [key for key in forger.theirs.shelf.own.current_set(START) if key.id != forger.key().id]
    wrap = SUITE.seal(others[0].public, b"", forged.secret)
    _does_not_open(forger, forger.item(forged, wrap=wrap))


@pytest.mark.parametrize("length", [0, 100, 1119, 1120, 1135])
def test_ENC_2_wrap_cut_short(forger: Forger, length: int) -> None:
    forged = forger.seal()
    _does_not_open(forger, replace(forger.item(forged), wrap=forger.wrap(forged)[:length]))


@pytest.mark.parametrize("share", [bytes(32), b"\1" + bytes(31)], ids=["zero", "one"])
@pytest.mark.parametrize("at", [0, 1088], ids=["in_the_kem_part", "as_the_x25519_share"])
def test_ENC_3_low_order_share(forger: Forger, share: bytes, at: int) -> None:
    forged = forger.seal()
    wrap = forger.wrap(forged)
    _does_not_open(forger, forger.item(forged, wrap=wrap[:at] + share + wrap[at + 32 :]))


def test_ENC_5_wrap_of_another_message(forger: Forger) -> None:
    _does_not_open(forger, forger.item(forger.seal(), wrap=forger.wrap(forger.seal())))


def test_ENC_6_wrap_for_another_recipient(forger: Forger) -> None:
    forged = forger.seal()
    _does_not_open(forger, forger.item(forged, wrap=forger.wrap(forged, recipient="xc-ca")))


@pytest.mark.parametrize("length", [95, 97, 31 + 64, 33 + 64, 0])
def test_ENC_7_secret_of_another_length(forger: Forger, length: int) -> None:
    forged = forger.seal()
    _does_not_open(forger, forger.item(forged, wrap=forger.wrap(forged, secret=(forged.secret * 2)[:length] or b"\0")))


def test_ENC_8_random_wraps_have_one_error(forger: Forger) -> None:
    from protocol.arrival import Arrived, check_5_parse

    arrived = check_5_parse(pouch.encode_item(forger.item(forger.seal())))
    assert isinstance(arrived, Arrived)
    setting = Setting(forger.world.directory.network_id, "xb-ca", "xa-ca", Lane.ROUTINE, START)
    errors = set()
    for i in range(1_000):
        wrap = os.urandom(1232 if i % 4 else i % 1300)
        with pytest.raises(ProtocolError) as caught:
            check_11_wrap(replace(arrived, item=replace(arrived.item, wrap=wrap)), setting, forger.theirs.shelf.own)
        errors.add(str(caught.value))
    assert len(errors) == 1
    assert errors.pop().startswith("WRAP-OPEN: ")


def test_ENC_10_and_WRAP_2_an_unknown_prekey_is_later_with_the_current_ones(forger: Forger) -> None:
    forged = forger.seal()
    item = forger.item(forged, prekey_id=b"k" * 32)
    for _ in range(4):  # never counted, never final
        frame = forger.frame(item)
        with changes(forger.theirs):
            (answer,) = forger.carry(frame)
        assert isinstance(answer, Later)
        assert answer.code == "PREKEY-UNKNOWN"
        assert answer.prekeys is not None
        assert {key.id for key in forger.theirs.shelf.own.current_set(START)} == {
            published.id for published in parse_entry(answer.prekeys.proven.entry).keys  # type: ignore[attr-defined]
        }
    _taken(forger, forger.item(forged, item.origin.index))


def test_ENC_13_after_destruction(forger: Forger, pair: World) -> None:
    """The prekey's secret is nowhere any more, and what was wrapped to it does not open."""
    item = forger.item(forger.seal({6: START + 20 * limits.DAY}))
    pair.clock.advance(4 * limits.DAY)
    forger.theirs.daily()
    (answer,) = forger.offer(item)
    assert isinstance(answer, Later)
    assert answer.code == "PREKEY-UNKNOWN"
    assert not [path for path in pair.home("xb-ca").prekeys.iterdir() if path.name.startswith(item.prekey_id.hex())]


def test_WRAP_1_down_for_nine_days_then_delivered_under_the_same_hash(pair: World) -> None:
    a, b = pair.exchanges["xa-ca"], pair.exchanges["xb-ca"]
    sent = pair.send("xa-ca", "xb-ca", b'{"a":1}')
    bag = a.outbox.bag("xb-ca", Lane.ROUTINE)
    assert bag is not None
    pair.clock.advance(9 * limits.DAY)
    b.daily()
    a.retries.failed(bag, "PEER-UNREACHABLE")
    pair.clock.advance(5 * limits.MINUTE)
    with pytest.raises(PassingError) as caught:  # the prekey it knew has ended
        a.outbox.bag("xb-ca", Lane.ROUTINE)
    assert caught.value.code.code == "NO-PREKEY"
    pair.visit("xb-ca")
    pair.tell_prekeys("xb-ca", "xa-ca")
    with changes(b, incoming=1, note=1, log=1, secret=1):
        pair.deliver("xa-ca", "xb-ca")
    assert a.messages.find(sent.hash).deliveries[0].state == "delivered"
    assert b.messages.read(b.messages.find(sent.hash)).form == b'{"a":1}'


def test_WRAP_2_restored_without_prekeys(pair: World) -> None:
    """The recipient comes back without the folder of prekeys: the sender wraps again, within one more pouch."""
    a = pair.exchanges["xa-ca"]
    sent = pair.send("xa-ca", "xb-ca", b"{}")
    pair.exchanges.pop("xb-ca").close()
    for path in pair.home("xb-ca").prekeys.iterdir():
        path.unlink()
    pair.open("xb-ca")
    pair.visit("xb-ca")
    pair.deliver("xa-ca", "xb-ca")
    delivery = a.messages.find(sent.hash).deliveries[0]
    assert (delivery.state, delivery.last_code) == ("queued", "PREKEY-UNKNOWN")
    pair.deliver("xa-ca", "xb-ca")
    assert a.messages.find(sent.hash).deliveries[0].state == "delivered"


# -- the sender's side of prekeys --------------------------------------------------------------------------------------------


def _set(forger: Forger, keys: tuple[PeerKey, ...] | None = None, sequence: int = 9) -> PrekeyOffer:
    """A set that xb-ca's log proves."""
    keys = keys or tuple(PeerKey(k.id, k.from_, k.until, k.public) for k in forger.theirs.shelf.own.current_set(START))
    listed = tuple(PublishedKey(key.id, key.from_, key.until) for key in keys)
    index = forger.theirs.writer.run(lambda tx: tx.append(Prekeys, sequence, listed))
    return PrekeyOffer(forger.theirs.log.prove(index, forger.theirs.log.head()), tuple(key.public for key in keys))


def _take(forger: Forger, offer: PrekeyOffer) -> None:
    head = forger.theirs.log.head()
    old = forger.ours.peers.greatest("xb-ca")
    about = pouch.PouchHead(Lane.ROUTINE, pouch.HeadOffer(old, forger.theirs.log.consistency(old, head), head.note), 0, 1)
    about = replace(about, witnessed=forger.theirs.heads.tell("", head, again=True))
    forger.ours.contact.take_prekeys("xb-ca", pouch.encode_pouch(about, [cbor.encode(pouch.offer_row(offer))]))


def _not_taken(forger: Forger, offer: PrekeyOffer, code: str) -> None:
    before, greatest = forger.key(), forger.ours.peers.greatest("xb-ca")
    with changes(forger.ours), pytest.raises(ProtocolError) as caught:
        _take(forger, offer)
    assert caught.value.code.code == code
    assert (forger.key(), forger.ours.peers.greatest("xb-ca")) == (before, greatest)


def test_ENC_4_a_weak_key_in_a_set(forger: Forger) -> None:
    import hashlib

    good = forger.theirs.shelf.own.current_set(START)[0]
    for public in (b"\xff" * 1184 + good.public[1184:], good.public[:1184] + bytes(32)):
        key = PeerKey(hashlib.sha256(public).digest(), good.from_, good.until, public)
        _not_taken(forger, _set(forger, (key,)), "PREKEY-WEAK")


def test_ENC_11_a_set_that_is_not_logged(forger: Forger) -> None:
    offer = _set(forger)
    entry = dict(cbor.decode(offer.proven.entry))  # type: ignore[arg-type]
    made_up = replace(offer, proven=replace(offer.proven, entry=cbor.encode({**entry, 3: 10})))
    _not_taken(forger, made_up, "PREKEY-PROOF")
    _not_taken(forger, replace(offer, keys=offer.keys[:2]), "PREKEY-PROOF")
    _not_taken(forger, replace(offer, keys=offer.keys[::-1]), "PREKEY-PROOF")
    _take(forger, offer)


def test_ENC_11_a_set_of_the_future_is_not_used(forger: Forger) -> None:
    keys = [PeerKey(k.id, k.from_, k.until, k.public) for k in forger.theirs.shelf.own.current_set(START)]
    offer = _set(forger, (keys[2],))
    forger.world.visit("xb-ca")
    _take(forger, offer)
    with pytest.raises(AssertionError):
        forger.key()
    forger.world.send("xa-ca", "xb-ca", b"{}")
    with pytest.raises(PassingError) as caught:
        forger.ours.outbox.bag("xb-ca", Lane.ROUTINE)
    assert caught.value.code.code == "NO-PREKEY"


def test_ENC_12_an_older_set(forger: Forger) -> None:
    _take(forger, _set(forger, sequence=9))
    _not_taken(forger, _set(forger, sequence=8), "PREKEY-ROLLBACK")
    first = forger.theirs.store.reader().execute("SELECT idx FROM entry ORDER BY idx LIMIT 1 OFFSET 2").fetchone()[0]
    offer = _set(forger, sequence=10)
    older = replace(offer, proven=forger.theirs.log.prove(first, forger.theirs.log.head()))
    _not_taken(forger, older, "PREKEY-ROLLBACK")


def test_ENC_14_a_set_proven_by_another_log(three: World) -> None:
    forger = Forger(three)
    foreign = three.exchanges["xc-ca"]
    offer = foreign.shelf.offer(foreign.log.head())
    assert offer is not None
    _not_taken(forger, offer, "PREKEY-PROOF")


def test_a_set_that_has_ended(forger: Forger, pair: World) -> None:
    offer = _set(forger)
    pair.clock.advance(3 * limits.DAY)
    head = forger.ours.peers.greatest("xb-ca")
    with changes(forger.ours), pytest.raises(ProtocolError) as caught:
        _take(forger, offer)
    assert caught.value.code.code == "PREKEY-ENDED"
    assert forger.ours.peers.greatest("xb-ca") == head


# -- 12: the body's ciphertext ------------------------------------------------------------------------------------------------


def test_ENC_9_sizes_of_bodies() -> None:
    sizes = {padme(8 + length) for length in range(1, 4097)}
    assert len(sizes) < 150
    for length in range(1, 4097):
        assert padme(8 + length) <= (8 + length) * 1.12
        assert sealed_length(length) == padme(8 + length) + 56 + 16 * (padme(8 + length) // 16384 + 1)


def test_ENC_15_a_ciphertext_of_two_keys(forger: Forger) -> None:
    """Cobblestone commits to its key: the ciphertext made under one does not open under another, whatever the envelope says."""
    forged = forger.seal()
    other = os.urandom(32) + forged.secret[32:]
    _refused(forger, forger.item(forged, wrap=forger.wrap(forged, secret=other)), 12, "PART-CONTENT")


def test_ENC_16_two_recipients_given_different_keys(three: World) -> None:
    one, two = Forger(three, "xa-ca", "xb-ca"), Forger(three, "xa-ca", "xc-ca")
    forged = one.seal({4: ["xb-ca", "xc-ca"]}, body={8: ["xb-ca/247", "xc-ca/247"]})
    index = one.submit(forged)
    _taken(one, one.item(forged, index))
    wrong = two.wrap(forged, secret=os.urandom(96))
    _refused(two, two.item(forged, index, wrap=wrong), 12, "PART-CONTENT")


def test_ENC_17_and_WRAP_3_wrong_r(forger: Forger) -> None:
    forged = forger.seal()
    wrong = forged.secret[:32] + os.urandom(64)
    _refused(forger, forger.item(forged, wrap=forger.wrap(forged, secret=wrong)), 12, "PART-COMMITMENT")
    _refused(forger, forger.item(forger.seal(r=os.urandom(64))), 12, "PART-COMMITMENT")


@pytest.mark.parametrize(
    ("heads", "code"),
    [
        (lambda rows: [[rows[0][0], bytes(32), rows[0][2]]], "PART-DIGEST"),
        (lambda rows: [[sealed_length(10_000), rows[0][1], rows[0][2]]], "PART-LENGTH"),
        (lambda rows: [[rows[0][0], rows[0][1], bytes(32)]], "PART-COMMITMENT"),
    ],
    ids=["digest", "length", "commitment"],
)
def test_what_the_envelope_says_of_its_body(forger: Forger, heads: object, code: str) -> None:
    _refused(forger, forger.item(forger.seal(heads=heads)), 12, code)  # type: ignore[arg-type]


# -- 13: the body ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value"),
    [(0, bytes(32)), (1, b"x" * 16), (2, "xc-ca"), (3, ["xb-ca", "xc-ca"]), (4, START - 1), (5, START + 9), (6, 1)],
)
def test_ENC_18_and_20_body_and_envelope_differ(forger: Forger, key: int, value: cbor.Value) -> None:
    _refused(forger, forger.item(forger.seal(body={key: value})), 13, "BODY-COPIES")


def test_SIG_13_recipients_in_another_order(three: World) -> None:
    forger = Forger(three)
    forged = forger.seal({4: ["xb-ca", "xc-ca"]}, body={3: ["xc-ca", "xb-ca"], 8: ["xb-ca/247", "xc-ca/247"]})
    _refused(forger, forger.item(forged), 13, "BODY-COPIES")


@pytest.mark.parametrize(
    "body",
    [
        {15: 0, 14: bytes(16)}, {9: unicodedata.normalize("NFD", "Ä")}, {8: ["xc-ca/247"]}, {7: "24/7"}, {11: [["a/b", "x", 1, bytes(32), "r"]]},
        {12: b"x"}, {13: -1}, {9: None},
    ],
    ids=["unknown", "nfd", "offices", "office", "file", "conversation", "sequence", "missing"],
)  # fmt: skip
def test_ENC_19_and_BODY_form(forger: Forger, body: dict[int, cbor.Value]) -> None:
    _refused(forger, forger.item(forger.seal(body=body)), 13, "BODY-FORM")


@pytest.mark.parametrize("tail", [b"\0", b"\x0d\x01"])
def test_ENC_19_bytes_after_the_body(forger: Forger, tail: bytes) -> None:
    fields = forger.fields()
    forged = forger.seal(fields, plaintext=forger.plaintext(fields) + tail)
    _refused(forger, forger.item(forged), 13, "BODY-FORM")


def test_BODY_1_a_failing_body_wants_no_part(forger: Forger) -> None:
    forged = forger.seal(files=[("text/plain", b"evidence")], body={13: -1})
    _refused(forger, forger.item(forged), 13, "BODY-FORM")
    with pytest.raises(ProtocolError) as caught:
        forger.theirs.parts_in.open("xa-ca", forged.hash, 1, 0)
    assert caught.value.code.code == "PART-UNWANTED"


def test_BODY_1_a_good_one_wants_them(forger: Forger) -> None:
    forged = forger.seal(files=[("text/plain", b"evidence"), ("text/plain", b"more")])
    frame = forger.frame(forger.item(forged))
    with changes(forger.theirs, incoming=1, secret=1, note=1, incoming_part=2):  # once
        assert forger.carry(frame) == [Wants(((1, 0), (2, 0)))]
        assert forger.carry(frame) == [Wants(((1, 0), (2, 0)))]


# -- later, and the quota ------------------------------------------------------------------------------------------------------


def test_LATER_1_each_passing_condition_leaves_no_entry_and_succeeds_afterwards(forger: Forger, pair: World) -> None:
    """Clock in doubt, created ahead, prekey unknown, wrap that did not open once, quota used up."""
    pair.clock.advance(400_000)
    ahead = forger.item(forger.seal({6: START + 5 * limits.DAY}))
    pair.clock.advance(-400_000)
    forged = [forger.seal() for _ in range(3)]
    pair.clock.certain = False
    index = [forger.submit(one) for one in forged]
    size = forger.theirs.log.size
    codes = [forger.offer(forger.item(forged[0], index[0]))[0]]
    pair.clock.certain = True
    codes += forger.offer(forger.renewed(ahead), forger.item(forged[1], index[1], prekey_id=bytes(32)))
    codes += forger.offer(forger.item(forged[2], index[2], wrap=os.urandom(1232)))
    assert [answer.code for answer in codes] == ["TIME-CLOCK", "TIME-FUTURE", "PREKEY-UNKNOWN", "WRAP-OPEN"]  # type: ignore[union-attr]
    assert forger.theirs.log.size == size
    pair.clock.advance(400_000)
    answers = forger.offer(forger.renewed(ahead), *(forger.item(one, i) for one, i in zip(forged, index, strict=True)))
    assert [type(_entry(forger.theirs, answer)) for answer in answers] == [Consigned] * 4
    assert forger.theirs.store.reader().execute("SELECT count(*) FROM wrap_try").fetchone()[0] == 0


def test_LATER_1_quota_of_refusals(forger: Forger, pair: World) -> None:
    wrong = [forger.seal({6: START + 20 * limits.DAY}, body={13: -1}) for _ in range(limits.REFUSALS_PER_DAY + 2)]
    items = forger.items(*wrong)
    answers = forger.offer(*items)
    assert sum(isinstance(answer, Receipt) for answer in answers) == limits.REFUSALS_PER_DAY
    assert answers[-2:] == [Later("PEER-QUOTA", 3600)] * 2
    with changes(forger.theirs, refusal_count=1):
        assert forger.offer(items[-1]) == [Later("PEER-QUOTA", 3600)]
    good = forger.item(forger.seal())
    _taken(forger, good)
    pair.clock.advance(limits.DAY)
    forger.theirs.daily()
    pair.tell_prekeys("xb-ca", "xa-ca")
    (answer,) = forger.offer(forger.item(wrong[-1], items[-1].origin.index))
    assert isinstance(_entry(forger.theirs, answer), Refused)


# -- who is told, and what is done first ---------------------------------------------------------------------------------------


def test_a_consigned_message_is_told_of_once(forger: Forger) -> None:
    told: list[object] = []
    forger.theirs.inbox.on_consigned = told.extend  # type: ignore[assignment]
    good, pending, wrong = forger.seal(), forger.seal(files=[("text/plain", b"evidence")]), forger.seal(body={13: -1})
    items = forger.items(good, pending, wrong)
    for _ in range(2):
        forger.offer(*items)
    assert [notice.hash for notice in told] == [good.hash]  # type: ignore[attr-defined]
    upload = forger.theirs.parts_in.open("xa-ca", pending.hash, 1, 0)
    upload.write(pending.parts[0])
    upload.finish()
    upload.close()
    forger.theirs.parts_in.done(pending.hash, 1)
    assert [notice.hash for notice in told] == [good.hash, pending.hash]  # type: ignore[attr-defined]


def test_what_was_stored_of_a_pouch_is_told_though_the_rest_failed(forger: Forger, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    inbox = forger.theirs.inbox
    inbox.on_consigned = told.extend  # type: ignore[assignment]
    sealed = [forger.seal() for _ in range(150)]
    items, store, stored = forger.items(*sealed), inbox._store_outcomes, []

    def full(tx: Tx, **some: object) -> object:
        stored.append(some)
        if len(stored) == 2:
            raise LocalError(codes.STORE_WRITE, "disk full")
        return store(tx, **some)  # type: ignore[arg-type]

    monkeypatch.setattr(inbox, "_store_outcomes", full)
    with pytest.raises(LocalError, match="STORE-WRITE"):
        forger.offer(*items)
    first = [notice.hash for notice in told]  # type: ignore[attr-defined]
    assert 0 < len(first) < 150
    answers = forger.offer(*items)
    assert all(isinstance(answer, Receipt) for answer in answers)
    assert sorted(notice.hash for notice in told) == sorted(one.hash for one in sealed)  # type: ignore[attr-defined]


def test_no_secret_is_used_before_the_head_is_judged(forger: Forger, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = forger.frame(forger.item(forger.seal()), about=forger.about(old=1))

    def never(*_: object) -> None:
        raise AssertionError("a secret was used")

    monkeypatch.setattr(forger.theirs.shelf.own, "open", never)
    with changes(forger.theirs), pytest.raises(ProtocolError) as caught:
        forger.carry(frame)
    assert caught.value.code.code == "HEAD-UNLINKED"
