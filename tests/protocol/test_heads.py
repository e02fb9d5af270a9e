"""The head rule by itself: ten thousand schedules of two lanes accuse nobody, and what is a fork is shown to a stranger."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache

import pytest

from keys.suite import SUITE
from protocol import limits
from protocol.checkpoint import Checkpoint, Head
from protocol.entries import TreeHead
from protocol.errors import ProtocolError
from protocol.heads import ForkCase, HeadError, HeadRecord, Relation, judge_head, parse_fork_proof, verify_fork_proof
from protocol.merkle import consistency, full_consistency
from tests.protocol.c2sp import KEYS, ORIGIN, TIME, Tree
from tests.vectors.formats import forks

ENTRIES = [b"entry %d" % i for i in range(300)]
FULL = Tree(ENTRIES)


@cache
def root(size: int) -> bytes:
    return Tree(ENTRIES[:size]).root


def head(size: int, note: bytes = b"") -> Head:
    """An honest head; the rule looks at no signature."""
    return Head(Checkpoint(ORIGIN, size, root(size)), note or b"note %d" % size, TIME)


@cache
def path(old: int, new: int) -> tuple[bytes, ...]:
    return tuple(consistency(old, new, FULL)) if 0 < old < new else ()


def start(*sizes: int) -> HeadRecord:
    record = HeadRecord.start(head(sizes[0]))
    for size in sizes[1:]:
        record = record.advanced(head(size))
    return record


def test_HEAD_2_ten_thousand_schedules_of_two_lanes() -> None:
    """Heads are drawn, linked from what the sender believes, delayed, lost and overtaken: nobody is ever accused, all arrive."""
    choose = random.Random(20261124)
    counts: dict[str, int] = {}
    for _ in range(10_000):
        size, believed = 1, {0: 0, 1: 0}
        record: HeadRecord | None = None
        under_way: list[tuple[int, int, int]] = []  # lane, size, linked from
        for _ in range(12):
            if under_way and choose.random() < 0.5:
                lane, shown, old = under_way.pop(choose.randrange(len(under_way)))
                try:
                    judgement = judge_head(record, head(shown), old, path(old, shown) if old <= shown else path(shown, old))
                except HeadError as error:
                    assert error.code.code == "HEAD-UNLINKED", error
                    assert error.fork is None
                    counts["unlinked"] = counts.get("unlinked", 0) + 1
                    believed[lane] = error.greatest
                    continue
                assert record is None or judgement.record.greatest.size >= record.greatest.size
                record = judgement.record
                counts[judgement.relation] = counts.get(judgement.relation, 0) + 1
                if choose.random() < 0.7:  # else the answer is lost
                    believed[lane] = record.greatest.size
            else:
                size += choose.randrange(1, 4)
                lane = choose.randrange(2)
                under_way.append((lane, size, believed[lane]))
        last = judge_head(record, head(size + 1), record.greatest.size if record else 0, path(record.greatest.size, size + 1) if record else ())
        assert last.record.greatest.size == size + 1
    assert {*counts} >= {"first", "ahead", "unlinked"}
    print(f"\nHEAD-2: {counts}")


def test_the_everyday_cases() -> None:
    record = start(100, 150)
    for shown, old, proof, relation in (
        (200, 150, path(150, 200), Relation.AHEAD), (150, 0, (), Relation.KNOWN), (100, 7, (bytes(32),), Relation.KNOWN),
        (120, 150, path(120, 150), Relation.BEHIND), (90, 100, path(90, 100), Relation.BEHIND), (90, 150, path(90, 150), Relation.BEHIND),
    ):  # fmt: skip
        judgement = judge_head(record, head(shown), old, proof)
        assert judgement.relation is relation
        assert judgement.record.greatest.size == max(shown, 150) if relation is Relation.AHEAD else judgement.record is record


@pytest.mark.parametrize(
    ("shown", "old", "code"),
    [(200, 100, "HEAD-UNLINKED"), (200, 0, "HEAD-UNLINKED"), (200, 160, "HEAD-UNLINKED"), (120, 110, "HEAD-UNLINKED"), (120, 0, "HEAD-UNLINKED")],
)
def test_linked_from_elsewhere(shown: int, old: int, code: str) -> None:
    with pytest.raises(HeadError) as caught:
        judge_head(start(100, 150), head(shown), old, path(old, shown))
    assert (caught.value.code.code, caught.value.greatest, caught.value.fork) == (code, 150, None)


@pytest.mark.parametrize(("shown", "old"), [(200, 150), (120, 150)])
def test_LOG_8_a_broken_proof(shown: int, old: int) -> None:
    good = path(min(shown, old), max(shown, old))
    for proof in ((), good[1:], good[:-1], (*good, bytes(32)), (bytes(32), *good[1:]), good[::-1]):
        with pytest.raises(HeadError) as caught:
            judge_head(start(100, 150), head(shown), old, proof)
        assert (caught.value.code.code, caught.value.fork) == ("HEAD-BROKEN", None)


def test_LOG_9_another_root_at_a_smaller_size_we_confirmed() -> None:
    other = Head(Checkpoint(ORIGIN, 100, bytes(32)), b"note", TIME)
    with pytest.raises(HeadError) as caught:
        judge_head(start(100, 150), other, 150, path(100, 150))
    assert caught.value.code.code == "HEAD-BROKEN"


def test_LOG_10_two_roots_at_the_greatest_size() -> None:
    with pytest.raises(HeadError) as caught:
        judge_head(start(150), Head(Checkpoint(ORIGIN, 150, bytes(32)), b"other", TIME), 0, ())
    assert caught.value.code.code == "HEAD-FORKED"
    assert caught.value.fork is not None
    assert (caught.value.fork.case, caught.value.fork.older, caught.value.fork.newer) == (ForkCase.SIZES, b"note 150", b"other")


def test_LOG_11_HEAD_4_a_fork_after_a_common_prefix_is_shown_by_its_own_path() -> None:
    """Another history of 13 is shown to who has confirmed 9 of the first one: its full path accuses it."""
    record = HeadRecord.start(Head(forks.A9.checkpoint(), forks.note(forks.A9), TIME))
    newer = Head(forks.B13.checkpoint(), forks.note(forks.B13), TIME)
    with pytest.raises(HeadError) as caught:
        judge_head(record, newer, 9, tuple(full_consistency(9, 13, forks.B13)))
    assert caught.value.code.code == "HEAD-FORKED"
    assert caught.value.fork is not None
    proof = parse_fork_proof(caught.value.fork.encode())
    assert proof == caught.value.fork
    verify_fork_proof(proof, KEYS, SUITE)
    with pytest.raises(HeadError) as junk:
        judge_head(record, newer, 9, (b"j" * 32,) * 4)
    assert (junk.value.code.code, junk.value.fork) == ("HEAD-BROKEN", None)


@pytest.mark.parametrize("case", [forks.SIZES, forks.PATH, forks.POWER, forks.LEAVES])
def test_HEAD_4_every_case_convinces_a_stranger_and_only_of_this_log(case: object) -> None:
    from tests.protocol.c2sp import Pair

    proof = parse_fork_proof(case.encode())  # type: ignore[attr-defined]
    verify_fork_proof(proof, KEYS, SUITE)
    with pytest.raises(ProtocolError) as caught:
        verify_fork_proof(proof, Pair("stranger").keys(), SUITE)
    assert caught.value.code.code == "NOTE-UNSIGNED"
    with pytest.raises(ProtocolError) as same:
        verify_fork_proof(replace(proof, newer=proof.older), KEYS, SUITE)
    assert same.value.code.code in {"FORK-PROOF", "PROOF-INCLUSION"}


def test_the_last_64_confirmed_heads_are_known() -> None:
    record = start(*range(1, 101))
    assert record.confirmed[0] == TreeHead(37, root(37))
    assert len(record.confirmed) == limits.CONFIRMED_HEADS
    assert judge_head(record, head(37), 0, ()).relation is Relation.KNOWN
    assert judge_head(record, head(36), 50, path(36, 50)).relation is Relation.BEHIND
    with pytest.raises(HeadError) as caught:
        judge_head(record, head(35), 36, path(35, 36))  # no longer confirmed
    assert caught.value.code.code == "HEAD-UNLINKED"
