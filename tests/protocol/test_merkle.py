"""The Merkle tree against the recursive definitions of RFC 6962 section 2.1, and against whoever alters a proof."""

from __future__ import annotations

from functools import cache
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import codes, limits, merkle
from protocol.errors import ProtocolError
from tests.protocol.c2sp import Tree

N = 131
ENTRIES = [i.to_bytes(2, "big") for i in range(N)]
TREE = Tree(ENTRIES)


# RFC 6962 section 2.1, word for word: D[low:high] and k, the largest power of two smaller than n


@cache
def mth(low: int, high: int) -> bytes:
    if low == high:
        return sha256(b"").digest()
    if high - low == 1:
        return sha256(b"\0" + ENTRIES[low]).digest()
    k = split(high - low)
    return sha256(b"\1" + mth(low, low + k) + mth(low + k, high)).digest()


def split(n: int) -> int:
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def path(m: int, low: int, high: int) -> list[bytes]:
    if high - low == 1:
        return []
    k = split(high - low)
    if m < k:
        return [*path(m, low, low + k), mth(low + k, high)]
    return [*path(m - k, low + k, high), mth(low, low + k)]


def subproof(m: int, low: int, high: int, b: bool) -> list[bytes]:
    if m == high - low:
        return [] if b else [mth(low, high)]
    k = split(high - low)
    if m <= k:
        return [*subproof(m, low, low + k, b), mth(low + k, high)]
    return [*subproof(m - k, low + k, high, False), mth(low, low + k)]


@pytest.mark.parametrize("size", range(N))
def test_root_is_rfc_6962(size: int) -> None:
    assert merkle.root(size, TREE) == mth(0, size)
    assert Tree(ENTRIES[:size]).root == mth(0, size)


@pytest.mark.parametrize("size", range(1, N))
def test_inclusion_of_every_leaf_is_rfc_6962(size: int) -> None:
    for index in range(size):
        made = merkle.inclusion(index, size, TREE)
        assert made == path(index, 0, size)
        merkle.check_inclusion(merkle.leaf_hash(ENTRIES[index]), index, size, made, mth(0, size))


@pytest.mark.parametrize("new", range(1, N))
def test_consistency_from_every_size_is_rfc_6962(new: int) -> None:
    for old in range(1, new + 1):
        made = merkle.consistency(old, new, TREE)
        assert made == subproof(old, 0, new, True)
        merkle.check_consistency(old, new, made, mth(0, old), mth(0, new))
        if old < new:
            full = merkle.full_consistency(old, new, TREE)
            assert merkle.roots_from_consistency(old, new, full) == (mth(0, old), mth(0, new))


def test_consistency_from_nothing() -> None:
    assert merkle.consistency(0, 7, TREE) == []
    merkle.check_consistency(0, 7, [], merkle.EMPTY_ROOT, mth(0, 7))
    merkle.check_consistency(0, 0, [], merkle.EMPTY_ROOT, merkle.EMPTY_ROOT)
    for old_root, new_root, size in ((mth(0, 1), mth(0, 7), 7), (merkle.EMPTY_ROOT, mth(0, 1), 0)):
        with pytest.raises(ProtocolError) as refused:
            merkle.check_consistency(0, size, [], old_root, new_root)
        assert refused.value.code is codes.PROOF_CONSISTENCY


def refuse_inclusion(leaf: bytes, index: int, size: int, hashes: list[bytes], root: bytes) -> None:
    with pytest.raises(ProtocolError) as refused:
        merkle.check_inclusion(leaf, index, size, hashes, root)
    assert refused.value.code is codes.PROOF_INCLUSION


def refuse_consistency(old: int, new: int, hashes: list[bytes], old_root: bytes, new_root: bytes) -> None:
    with pytest.raises(ProtocolError) as refused:
        merkle.check_consistency(old, new, hashes, old_root, new_root)
    assert refused.value.code is codes.PROOF_CONSISTENCY


def flipped(h: bytes, bit: int = 0) -> bytes:
    return bytes((h[0] ^ 1 << bit, *h[1:]))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 100])
def test_LOG_7_inclusion_proof_hash_flipped_missing_or_extra(size: int) -> None:
    root = mth(0, size)
    for index in range(size):
        leaf, good = merkle.leaf_hash(ENTRIES[index]), path(index, 0, size)
        for place in range(len(good)):
            refuse_inclusion(leaf, index, size, [*good[:place], flipped(good[place]), *good[place + 1 :]], root)
            refuse_inclusion(leaf, index, size, good[:place] + good[place + 1 :], root)
            refuse_inclusion(leaf, index, size, [*good[:place], good[place][:31], *good[place + 1 :]], root)
        refuse_inclusion(leaf, index, size, [*good, root], root)
        refuse_inclusion(flipped(leaf), index, size, good, root)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 33])
def test_LOG_7_inclusion_proof_for_another_index(size: int) -> None:
    for index in range(size):
        leaf, good = merkle.leaf_hash(ENTRIES[index]), path(index, 0, size)
        for other in {*range(size + 3), -1} - {index}:
            refuse_inclusion(leaf, other, size, good, mth(0, size))


def test_LOG_7_inclusion_proof_index_not_below_size() -> None:
    leaf = merkle.leaf_hash(ENTRIES[0])
    for index, size in ((1, 1), (2, 2), (0, 0), (-1, 1), (0, -1), (2**63, 2**63), (0, 2**63 + 1)):
        for length in range(66):  # whatever length might seem to fit
            with pytest.raises(ProtocolError) as refused:
                merkle.root_from_path(leaf, index, size, [leaf] * length)
            assert refused.value.code is codes.PROOF_INCLUSION
            assert "is not in a tree" in refused.value.detail


def test_hashes_of_another_length_are_refused_before_they_are_hashed() -> None:
    leaf = merkle.leaf_hash(ENTRIES[0])
    for short in (b"", bytes(31), bytes(33)):
        refuse_inclusion(leaf, 0, 2, [short], merkle.node_hash(leaf, short))
        refuse_consistency(1, 2, [short], leaf, merkle.node_hash(leaf, short))


def test_a_node_is_no_leaf() -> None:
    """The two leading bytes keep an inner node from being shown as an entry."""
    left, right = merkle.leaf_hash(b"l"), merkle.leaf_hash(b"r")
    refuse_inclusion(merkle.leaf_hash(b"\1" + left + right), 0, 1, [], merkle.node_hash(left, right))


@pytest.mark.parametrize("new", [2, 3, 7, 8, 9, 100])
def test_LOG_8_consistency_proof_broken(new: int) -> None:
    for old in range(1, new):
        good, old_root, new_root = merkle.consistency(old, new, TREE), mth(0, old), mth(0, new)
        for place in range(len(good)):
            refuse_consistency(old, new, [*good[:place], flipped(good[place]), *good[place + 1 :]], old_root, new_root)
            refuse_consistency(old, new, good[:place] + good[place + 1 :], old_root, new_root)
        refuse_consistency(old, new, [*good, new_root], old_root, new_root)
        refuse_consistency(old, new, good, flipped(old_root), new_root)
        refuse_consistency(old, new, good, old_root, flipped(new_root))


def test_LOG_9_smaller_tree_after_larger() -> None:
    refuse_consistency(5, 4, [], mth(0, 5), mth(0, 4))
    refuse_consistency(5, 4, subproof(4, 0, 5, True), mth(0, 5), mth(0, 4))


def test_LOG_10_same_size_other_root() -> None:
    refuse_consistency(5, 5, [], mth(0, 5), mth(0, 4))
    refuse_consistency(5, 5, [mth(0, 5)], mth(0, 5), mth(0, 5))


@pytest.mark.parametrize("old", range(1, 20))
def test_LOG_11_a_full_path_shows_the_fork_to_a_stranger(old: int) -> None:
    """Two trees that part before ``old``: the path of the newer one yields its own root and another older one."""
    forked = Tree([*ENTRIES[: old - 1], b"another", *ENTRIES[old:25]])
    full = merkle.full_consistency(old, forked.size, forked)
    old_root, new_root = merkle.roots_from_consistency(old, forked.size, full)
    assert new_root == forked.root
    assert old_root != mth(0, old)


def test_roots_from_consistency_wants_sizes_and_lengths_that_fit() -> None:
    for old, new, hashes in ((0, 5, []), (5, 5, [mth(0, 5)]), (6, 5, []), (1, merkle.MAX_SIZE + 1, []), (3, 5, [mth(0, 5)])):
        with pytest.raises(ProtocolError) as refused:
            merkle.roots_from_consistency(old, new, hashes)
        assert refused.value.code is codes.PROOF_CONSISTENCY


def test_consistency_between_sizes_that_no_tree_has() -> None:
    refuse_consistency(0, -1, [], merkle.EMPTY_ROOT, merkle.EMPTY_ROOT)
    refuse_consistency(-1, -1, [], mth(0, 1), mth(0, 1))
    refuse_consistency(2**63 + 1, 2**63 + 1, [], mth(0, 1), mth(0, 1))


def test_makers_refuse_what_is_no_tree() -> None:
    for index, size in ((0, 0), (1, 1), (-1, 1)):
        with pytest.raises(ValueError, match="no path"):
            merkle.inclusion(index, size, TREE)
    with pytest.raises(ValueError, match="no consistency path"):
        merkle.consistency(2, 1, TREE)
    for old, new in ((0, 1), (1, 1)):
        with pytest.raises(ValueError, match="no full consistency path"):
            merkle.full_consistency(old, new, TREE)


# trees too large to build: every leaf the same, so a complete subtree is known by its level


class Uniform:
    def __init__(self) -> None:
        self.levels = [merkle.leaf_hash(b"")]
        for _ in range(63):
            self.levels.append(merkle.node_hash(self.levels[-1], self.levels[-1]))

    def node(self, level: int, index: int) -> bytes:
        return self.levels[level]


UNIFORM = Uniform()
SIZES = st.integers(1, merkle.MAX_SIZE) | st.integers(0, 63).map(lambda level: 1 << level)


def test_the_largest_tree() -> None:
    size = merkle.MAX_SIZE
    assert size == 2**63
    root = merkle.root(size, UNIFORM)
    assert root == merkle.Frontier(size, [UNIFORM.levels[63]]).root()
    for index in (0, size - 1):
        made = merkle.inclusion(index, size, UNIFORM)
        assert len(made) == limits.PROOF_LINES
        merkle.check_inclusion(UNIFORM.levels[0], index, size, made, root)
    for old in (1, size - 1, size):
        made = merkle.consistency(old, size, UNIFORM)
        merkle.check_consistency(old, size, made, merkle.root(old, UNIFORM), root)
    with pytest.raises(ValueError, match="no path"):
        merkle.inclusion(0, size + 1, UNIFORM)
    with pytest.raises(ValueError, match="no consistency path"):
        merkle.consistency(1, size + 1, UNIFORM)


@given(SIZES, st.data())
def test_proofs_in_trees_up_to_2_63(size: int, data: st.DataObject) -> None:
    root = merkle.root(size, UNIFORM)
    index = data.draw(st.integers(0, size - 1))
    made = merkle.inclusion(index, size, UNIFORM)
    assert len(made) <= limits.PROOF_LINES
    merkle.check_inclusion(UNIFORM.levels[0], index, size, made, root)
    old = data.draw(st.integers(0, size))
    made = merkle.consistency(old, size, UNIFORM)
    assert len(made) <= limits.PROOF_LINES + (size > 2**62)
    merkle.check_consistency(old, size, made, merkle.root(old, UNIFORM), root)


@given(SIZES, SIZES, st.lists(st.binary(min_size=32, max_size=32), max_size=130))
def test_any_path_gives_a_root_or_a_refusal(first: int, second: int, hashes: list[bytes]) -> None:
    for call in (
        lambda: merkle.root_from_path(b"\0" * 32, first, second, hashes),
        lambda: merkle.roots_from_consistency(first, second, hashes),
    ):
        try:
            call()
        except ProtocolError as refused:
            assert refused.code in (codes.PROOF_INCLUSION, codes.PROOF_CONSISTENCY)


# frontier


def test_frontier_gives_every_complete_subtree_once() -> None:
    frontier, done = merkle.Frontier(), []
    for i in range(N):
        assert frontier.size == i
        assert frontier.root() == mth(0, i)
        assert merkle.Frontier.read(i, TREE).hashes == frontier.hashes
        new = frontier.append(merkle.leaf_hash(ENTRIES[i]))
        assert new[0] == (0, i, merkle.leaf_hash(ENTRIES[i]))
        done += new
    places = [(level, index) for level, index, _ in done]
    assert sorted(places) == [(level, index) for level in range(8) for index in range(N >> level)]
    assert all(h == mth(index << level, (index + 1) << level) for level, index, h in done)


@given(st.integers(0, N - 1))
def test_frontier_goes_on_from_its_hashes_and_a_copy_goes_its_own_way(size: int) -> None:
    frontier = merkle.Frontier.read(size, TREE)
    copy = frontier.copy()
    copy.append(merkle.leaf_hash(ENTRIES[size]))
    assert copy.root() == mth(0, size + 1)
    assert frontier.root() == mth(0, size)
    assert merkle.Frontier(copy.size, copy.hashes).root() == copy.root()


def test_frontier_refuses_hashes_that_cannot_fit() -> None:
    for size, hashes in (
        (1, []),
        (3, [mth(0, 2)]),
        (-1, []),
        (-1, [mth(0, 1)]),
        (2, [b"short"]),
        (0, [mth(0, 1)]),
        (2**63 + 1, [mth(0, 1)] * 2),
    ):
        with pytest.raises(ValueError, match="frontier"):
            merkle.Frontier(size, hashes)


# -- many at once -------------------------------------------------------------------------------------------------------------


def test_paths_made_together_are_those_made_one_by_one():
    for size in (1, 2, 3, 7, 8, 100, 131):
        tree = Tree(ENTRIES[:size])
        wanted = [index for index in range(size) if index % 3 != 1]
        together = merkle.inclusions(reversed(wanted), size, tree)
        assert together == {index: tuple(merkle.inclusion(index, size, tree)) for index in wanted}
    assert merkle.inclusions([], 5, tree) == {}
    for indexes in ([5], [-1, 2]):
        with pytest.raises(ValueError, match="no paths"):
            merkle.inclusions(indexes, 5, tree)


def test_LOG_7_a_tree_of_many_checks_takes_what_one_check_takes_and_nothing_else():
    size = 103
    tree = Tree(ENTRIES[:size])
    paths = merkle.inclusions(range(size), size, tree)
    checked = merkle.Tree(size, merkle.root(size, tree))
    for index, path in paths.items():
        checked.check(tree.node(0, index), index, path)
    for index, path in paths.items():  # every neighbour has been found good by now
        leaf = tree.node(0, index)
        spoiled = [(leaf, index, (*path[:at], b"x" * 32, *path[at + 1 :])) for at in range(len(path))]
        spoiled += [(leaf, index, path[:-1]), (leaf, index, (*path, b"x" * 32)), (leaf, index, (path[0][:31], *path[1:]))]
        spoiled += [(b"x" * 32, index, path), (leaf, index ^ 1, path), (leaf, index + size, path), (leaf, -1, path)]
        for wrong in spoiled:
            with pytest.raises(ProtocolError) as caught:
                checked.check(*wrong)
            assert caught.value.code is codes.PROOF_INCLUSION
        checked.check(leaf, index, path)
