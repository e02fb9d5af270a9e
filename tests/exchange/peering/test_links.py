"""Two lanes at once: neither makes the other send again what was sent already (SPEC.md section 3.8)."""

from __future__ import annotations

import pytest

from exchange.bag import Bag
from protocol import codes
from protocol.entries import Consigned, Lane
from protocol.heads import HeadError
from tests.world import World

A, B = "xa-ca", "xb-ca"
MANY = 12  # items of 8 KiB: beyond 64 KiB a head is taken before the items are judged
BODY = bytes(8192)


@pytest.fixture(autouse=True)
def met(pair: World) -> None:
    """Both have shown each other their heads."""
    pair.send(A, B, b"{}")
    pair.deliver(A, B)


def _routine(world: World) -> Bag:
    for n in range(MANY):
        world.send(A, B, BODY + b"%d" % n)
    bag = world.exchanges[A].outbox.bag(B, Lane.ROUTINE)
    assert bag is not None
    return bag


def _urgent(world: World) -> Bag:
    world.send(A, B, b"{}", lane=Lane.URGENT)
    bag = world.exchanges[A].outbox.bag(B, Lane.URGENT)
    assert bag is not None
    return bag


def _consigned(world: World) -> int:
    return sum(isinstance(entry, Consigned) for entry in world.entries(B))


def test_an_urgent_pouch_passes_while_routine_ones_are_judged(pair: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The head of many items has moved the record before they are judged, and their answer is linked from the urgent one before it."""
    a, b = pair.exchanges[A], pair.exchanges[B]
    routine = _routine(pair)
    judge, passed = b.inbox._judge_all, []

    def slowly(raws, setting, head):
        if len(raws) == MANY:
            a.links.hint(B, b.peers.greatest(A))
            bag = _urgent(pair)
            a.answers.take(bag, b.inbox.receive(A, bag.frame))
            passed.append(bag)
        return judge(raws, setting, head)

    monkeypatch.setattr(b.inbox, "_judge_all", slowly)
    a.answers.take(routine, b.inbox.receive(A, routine.frame))
    assert len(passed) == 1
    assert _consigned(pair) == 1 + MANY + 1


def test_a_lost_answer_of_the_other_lane_costs_one_pouch_at_most(pair: World) -> None:
    a, b = pair.exchanges[A], pair.exchanges[B]
    lost = _urgent(pair)
    b.inbox.receive(A, lost.frame)  # and its answer is lost
    a.links.hint(B, b.peers.greatest(A))
    routine = _routine(pair)
    with pytest.raises(HeadError) as caught:
        a.answers.take(routine, b.inbox.receive(A, routine.frame))
    assert caught.value.code is codes.HEAD_UNLINKED
    again = a.outbox.bag(B, Lane.ROUTINE)
    assert again is not None
    a.answers.take(again, b.inbox.receive(A, again.frame))
    assert a.outbox.bag(B, Lane.ROUTINE) is None
    assert _consigned(pair) == 1 + MANY + 1


def test_a_head_is_linked_from_what_is_known_when_it_leaves(pair: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wraps take their time; what the other lane confirmed meanwhile may lie beyond this pouch's head, which then links to it."""
    a, b = pair.exchanges[A], pair.exchanges[B]
    for n in range(MANY):
        pair.send(A, B, BODY + b"%d" % n)
    wrap, passed = a.outbox._wraps.wrap, []

    def slowly(row, peer, key):
        if not passed:
            passed.append(row)
            bag = _urgent(pair)
            a.answers.take(bag, b.inbox.receive(A, bag.frame))
        return wrap(row, peer, key)

    monkeypatch.setattr(a.outbox._wraps, "wrap", slowly)
    bag = a.outbox.bag(B, Lane.ROUTINE)
    assert bag is not None
    assert bag.head.size < b.peers.greatest(A)
    a.answers.take(bag, b.inbox.receive(A, bag.frame))
    assert _consigned(pair) == 1 + MANY + 1


def test_a_refused_pouch_passes_with_a_new_link_though_the_other_lane_goes_on(pair: World) -> None:
    """Its items are as they were; what it is linked to stays confirmed while newer heads come."""
    a, b = pair.exchanges[A], pair.exchanges[B]
    routine = _routine(pair)
    for overtaken in range(2):
        urgent = _urgent(pair)
        a.answers.take(urgent, b.inbox.receive(A, urgent.frame))
        if not overtaken:
            with pytest.raises(HeadError) as caught:
                b.inbox.receive(A, routine.frame)
            assert caught.value.code is codes.HEAD_UNLINKED
            a.links.hint(B, caught.value.greatest)
            a.outbox.address(routine)
    a.answers.take(routine, b.inbox.receive(A, routine.frame))
    assert _consigned(pair) == 1 + MANY + 2


def test_a_pouch_packed_ahead_is_linked_by_the_answer_before_it(pair: World) -> None:
    """It arrives before that answer is taken, and its own answer is taken after."""
    a, b = pair.exchanges[A], pair.exchanges[B]
    for n in range(MANY):
        pair.send(A, B, BODY + b"%d" % n)
    first = a.outbox.bag(B, Lane.ROUTINE, MANY // 2)
    assert first is not None
    second = a.outbox.ahead(first, MANY // 2)
    assert second is not None
    assert not {row.id for row in first.rows} & {row.id for row in second.rows}
    answer = b.inbox.receive(A, first.frame)
    later = b.inbox.receive(A, a.outbox.address(second, a.answers.hear(first, answer)).frame)
    a.answers.take(first, answer)
    a.answers.take(second, later)
    assert a.outbox.bag(B, Lane.ROUTINE) is None
    assert _consigned(pair) == 1 + MANY


def test_a_pouch_beside_one_that_must_be_there_is_linked_from_its_head(pair: World) -> None:
    """That one has no answer yet, so nothing is confirmed; the peer has its head all the same, as it showed when it refused one."""
    a, b = pair.exchanges[A], pair.exchanges[B]
    a.links._guesses[B] = True
    routine = _routine(pair)
    answer = b.inbox.receive(A, routine.frame)
    a.links.arrived(B, Lane.ROUTINE, routine.head.size)
    urgent = _urgent(pair)
    later = b.inbox.receive(A, urgent.frame)
    a.links.landed(B, Lane.ROUTINE)
    a.answers.take(routine, answer)
    a.answers.take(urgent, later)
    assert _consigned(pair) == 1 + MANY + 1


def test_nothing_is_guessed_before_a_guess_would_have_helped_or_after_it_did_not(pair: World) -> None:
    """On a slow line a pouch is not there yet when the other lane's leaves; each refusal costs what is urgent a way there and back."""
    a, b = pair.exchanges[A], pair.exchanges[B]
    routine = _routine(pair)
    a.links.arrived(B, Lane.ROUTINE, routine.head.size)
    urgent = _urgent(pair)
    a.answers.take(urgent, b.inbox.receive(A, urgent.frame))  # that one was not there: nothing was guessed
    a.links.landed(B, Lane.ROUTINE)

    def linked_from() -> int:
        pair.send(A, B, b"{}")
        a.links.arrived(B, Lane.ROUTINE, a.log.head().size)
        return a.links.offer(B, Lane.URGENT, a.log.head()).old_size

    before = a.links.size(B)
    assert linked_from() == before
    a.links.hint(B, a.log.head().size)  # the other lane's was there
    assert linked_from() == a.log.head().size
    a.links.hint(B, before)  # it was not
    assert linked_from() == before


def _visit(world: World, us: str, witness: str) -> int:
    """What ``Visits`` does: the witness signs our head, outside any pouch; its size."""
    ours, theirs = world.exchanges[us], world.exchanges[witness]
    head = ours.log.head()
    theirs.witness.add_checkpoint(us, ours.heads.request(head, theirs.peers.greatest(us)))
    return head.size


def test_an_answer_is_linked_from_what_a_visit_showed_meanwhile(pair: World) -> None:
    a, b = pair.exchanges[A], pair.exchanges[B]
    routine = _routine(pair)
    pair.send(B, A, b"{}")  # their log moves
    b.links.shown(A, _visit(pair, B, A))
    a.answers.take(routine, b.inbox.receive(A, routine.frame))
    assert _consigned(pair) == 1 + MANY


def test_an_answer_that_a_visit_overtook_lets_no_pouch_follow(pair: World) -> None:
    """What follows says how far the answer before it was taken: one that will not be taken costs a pouch of its own, and no more."""
    a, b = pair.exchanges[A], pair.exchanges[B]
    routine = _routine(pair)
    pair.send(B, A, b"{}")
    answer = b.inbox.receive(A, routine.frame)
    pair.send(B, A, b"{}")
    _visit(pair, B, A)  # it has not come back yet
    for said in (a.answers.hear, a.answers.take):
        with pytest.raises(HeadError) as caught:
            said(routine, answer)
        assert caught.value.code is codes.HEAD_UNLINKED
    a.answers.take(routine, b.inbox.receive(A, a.outbox.address(routine).frame))
    assert a.outbox.bag(B, Lane.ROUTINE) is None
    assert _consigned(pair) == 1 + MANY


def test_a_witness_whose_record_was_put_back_is_answered_from_there(pair: World) -> None:
    """One answer is lost on it: what it says it has confirmed stays behind what we answered from."""
    a, b = pair.exchanges[A], pair.exchanges[B]
    before = a.store.writer.execute("SELECT note, time, confirmed FROM peer_head WHERE origin=?", (str(b.log.origin),)).fetchone()
    pair.send(B, A, b"{}")
    b.links.shown(A, _visit(pair, B, A))
    a.store.writer.execute("UPDATE peer_head SET note=?, time=?, confirmed=? WHERE origin=?", (*before, str(b.log.origin)))
    routine = _routine(pair)
    with pytest.raises(HeadError) as caught:
        a.answers.take(routine, b.inbox.receive(A, routine.frame))
    assert caught.value.code is codes.HEAD_UNLINKED
    a.answers.take(routine, b.inbox.receive(A, a.outbox.address(routine).frame))
    assert _consigned(pair) == 1 + MANY


def test_what_does_not_fill_a_pouch_is_not_packed_ahead(pair: World) -> None:
    a = pair.exchanges[A]
    bag = _routine(pair)
    pair.send(A, B, b"{}")
    assert a.outbox.ahead(bag) is None
