"""The Merkle tree of RFC 6962 section 2.1: hashes, roots, proofs that an entry stands there and that nothing was taken out.

    size 7:            root
                    /        \\
                (2,0)        .          (level, index) names the complete subtree of 2^level leaves
               /    \\      /   \\
           (1,0)  (1,1) (1,2) (0,6)     the frontier of size 7: (2,0) (1,2) (0,6)

A tree of ``size`` leaves is a row of complete subtrees, one per bit of ``size``, the largest first. Every root and every
proof here is made of such subtrees, so whoever stores complete subtrees (tiles) can answer for every size at once.
Sizes are at most 2^63, so inclusion paths have at most 63 hashes (consistency paths too, up to 2^62).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Final, Protocol

from protocol import codes
from protocol.errors import Code, ProtocolError

HASH: Final = 32
MAX_SIZE: Final = 2**63
EMPTY_ROOT: Final = sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry as a leaf: SHA-256(0x00 || entry)."""
    return sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees: SHA-256(0x01 || left || right)."""
    return sha256(b"\1" + left + right).digest()


class HashReader(Protocol):
    """Whatever can tell the hashes of complete subtrees: tiles on disk, tiles of a peer, a list in memory."""

    def node(self, level: int, index: int) -> bytes:
        """The hash over the leaves ``[index * 2^level, (index + 1) * 2^level)``, all of which must exist."""
        ...


def root(size: int, reader: HashReader) -> bytes:
    """The root of the tree of the first ``size`` leaves."""
    return _range_hash(0, size, reader) if size else EMPTY_ROOT


def inclusion(index: int, size: int, reader: HashReader) -> list[bytes]:
    """The path that proves leaf ``index`` in the tree of ``size`` leaves, from its sibling upwards. Needs index < size."""
    if not 0 <= index < size <= MAX_SIZE:
        raise ValueError(f"no path for leaf {index} in a tree of {size}")
    path = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(_range_hash(middle, high, reader))
            high = middle
        else:
            path.append(_range_hash(low, middle, reader))
            low = middle
    path.reverse()
    return path


def inclusions(indexes: Iterable[int], size: int, reader: HashReader) -> dict[int, tuple[bytes, ...]]:
    """The paths of many leaves in one tree, as ``inclusion`` makes each: what they share is read and hashed once."""
    wanted = sorted(set(indexes))
    if wanted and not 0 <= wanted[0] <= wanted[-1] < size <= MAX_SIZE:
        raise ValueError(f"no paths for leaves {wanted[0]} to {wanted[-1]} in a tree of {size}")
    paths: dict[int, tuple[bytes, ...]] = {}
    below: list[tuple[int, int, list[int], tuple[bytes, ...]]] = [(0, size, wanted, ())] if wanted else []
    while below:
        low, high, inside, above = below.pop()
        if high - low == 1:
            paths[low] = above
            continue
        middle = low + _split(high - low)
        at = bisect_left(inside, middle)
        if at:
            below.append((low, middle, inside[:at], (_range_hash(middle, high, reader), *above)))
        if at < len(inside):
            below.append((middle, high, inside[at:], (_range_hash(low, middle, reader), *above)))
    return paths


def consistency(old: int, new: int, reader: HashReader) -> list[bytes]:
    """The path that proves that the tree of ``new`` leaves begins with the tree of ``old`` leaves. Needs old <= new.

    Empty when old is 0 or equals new. When ``old`` is a power of two the old root itself is left out, as RFC 6962 says.
    """
    if not 0 <= old <= new <= MAX_SIZE:
        raise ValueError(f"no consistency path from {old} to {new}")
    if old in (0, new):
        return []
    path = []
    low, high = 0, new
    while old != high:
        middle = low + _split(high - low)
        if old <= middle:
            path.append(_range_hash(middle, high, reader))
            high = middle
        else:
            path.append(_range_hash(low, middle, reader))
            low = middle
    if low:
        path.append(_range_hash(low, high, reader))
    path.reverse()
    return path


def full_consistency(old: int, new: int, reader: HashReader) -> list[bytes]:
    """A consistency path that begins with a hash of the newer tree even when ``old`` is a power of two. Needs 0 < old < new.

    This is the form ``roots_from_consistency`` reads and fork proofs carry: both roots follow from it alone.
    """
    if not 0 < old < new:
        raise ValueError(f"no full consistency path from {old} to {new}")
    path = consistency(old, new, reader)
    return [_range_hash(0, old, reader), *path] if _is_power_of_two(old) else path


def root_from_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that follows from a leaf hash and its path. Raises PROOF-INCLUSION when the path cannot fit index and size."""
    if not 0 <= index < size <= MAX_SIZE:
        raise ProtocolError(codes.PROOF_INCLUSION, f"leaf {index} is not in a tree of {size}")
    inner = (index ^ (size - 1)).bit_length()
    border = (index >> inner).bit_count()
    _need_hashes(path, inner + border, codes.PROOF_INCLUSION)
    result = leaf
    for level, sibling in enumerate(path[:inner]):
        result = node_hash(sibling, result) if index >> level & 1 else node_hash(result, sibling)
    for sibling in path[inner:]:
        result = node_hash(sibling, result)
    return result


def roots_from_consistency(old_size: int, new_size: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The (old root, new root) that follow from a *full* consistency path. Needs 0 < old < new.

    A path that yields the newer signed root but not the older one proves a fork: the newer tree contains another older tree.
    Raises PROOF-CONSISTENCY when the path cannot fit the sizes.
    """
    if not 0 < old_size < new_size <= MAX_SIZE:
        raise ProtocolError(codes.PROOF_CONSISTENCY, f"no path leads from size {old_size} to {new_size}")
    shift = (old_size & -old_size).bit_length() - 1
    last = (old_size - 1) >> shift
    inner = ((old_size - 1) ^ (new_size - 1)).bit_length() - shift
    border = (last >> inner).bit_count()
    _need_hashes(path, 1 + inner + border, codes.PROOF_CONSISTENCY)
    old = new = path[0]
    for level, sibling in enumerate(path[1 : 1 + inner]):
        if last >> level & 1:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
        else:
            new = node_hash(new, sibling)
    for sibling in path[1 + inner :]:
        old, new = node_hash(sibling, old), node_hash(sibling, new)
    return old, new


def extended_inclusion(index: int, old: int, new: int, path: Sequence[bytes], old_root: bytes, link: Sequence[bytes]) -> list[bytes]:
    """The path of a leaf in the tree of ``new`` leaves, from its path in that of ``old`` and the consistency path between them.

    So one link serves every entry that was proven under the older head. Nothing is checked but the numbers of hashes: the caller
    checks the result against the newer root. Raises PROOF-CONSISTENCY, PROOF-INCLUSION.
    """
    if not 0 <= index < old <= new <= MAX_SIZE:
        raise ProtocolError(codes.PROOF_INCLUSION, f"leaf {index} of {old} in a tree of {new}")
    if old == new:
        return list(path)
    steps = []  # (low, middle) of the nodes of the newer tree through which its older edge runs, from the root down
    low, high = 0, new
    while old != high:
        middle = low + _split(high - low)
        steps.append((low, middle))
        low, high = (low, middle) if old <= middle else (middle, high)
    full = [old_root, *link] if low == 0 else list(link)
    _need_hashes(full, 1 + len(steps), codes.PROOF_CONSISTENCY)
    edges = [full[0]]  # the hash of each node on the edge, from the leaf side up
    for (_, middle), sibling in zip(reversed(steps), full[1:], strict=True):
        edges.append(node_hash(edges[-1], sibling) if old <= middle else node_hash(sibling, edges[-1]))
    above = []
    for depth, (start, middle) in enumerate(steps):
        if start < old and middle < old and index < middle:  # it leaves the edge here: what lies right of it is the edge's node
            above.append(edges[len(steps) - depth - 1])
            low, high = start, middle
            break
        above.append(full[len(steps) - depth])
    inner = (high - low).bit_length() - 1
    if len(path) < inner:
        raise ProtocolError(codes.PROOF_INCLUSION, f"the path has {len(path)} hashes")
    return [*path[:inner], *reversed(above)]


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf hash stands at ``index`` of the tree with this size and root. Raises PROOF-INCLUSION."""
    if root_from_path(leaf, index, size, path) != root:
        raise ProtocolError(codes.PROOF_INCLUSION, f"leaf {index} in the tree of {size}")


class Tree:
    """Checks many leaves against one root: a path that joins one found good before is not hashed to the root again."""

    __slots__ = ("_good", "root", "size")

    def __init__(self, size: int, root: bytes) -> None:
        self.size = size
        self.root = root
        self._good: dict[tuple[int, int], tuple[bytes, tuple[bytes, ...]]] = {}  # (level, index): its hash and the rest of its path

    def check(self, leaf: bytes, index: int, path: tuple[bytes, ...]) -> None:
        """As ``check_inclusion``. Raises PROOF-INCLUSION."""
        size = self.size
        inner = (index ^ (size - 1)).bit_length() if 0 <= index < size <= MAX_SIZE else 0
        if inner == 0 or len(path) < inner:  # out of the tree, its last leaf, or too short: told in one place
            check_inclusion(leaf, index, size, path, self.root)
            return
        good, walked, result = self._good, [], leaf
        for level in range(inner):
            known = good.get((level, index >> level))
            if known is not None and known[0] == result and known[1] == path[level:]:
                break
            walked.append((level, index >> level, result))
            sibling = path[level]
            result = node_hash(sibling, result) if index >> level & 1 else node_hash(result, sibling)
        else:
            check_inclusion(leaf, index, size, path, self.root)
        for level, place, found in walked:
            good[level, place] = found, path[level:]


def check_consistency(old_size: int, new_size: int, path: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Check that the newer tree begins with the older one; ``path`` as ``consistency`` makes it. Raises PROOF-CONSISTENCY."""
    if not 0 <= old_size <= new_size <= MAX_SIZE:
        raise ProtocolError(codes.PROOF_CONSISTENCY, f"no path leads from size {old_size} to {new_size}")
    if old_size in (0, new_size):
        _need_hashes(path, 0, codes.PROOF_CONSISTENCY)
        good = old_root == (new_root if old_size else EMPTY_ROOT) and (new_size > 0 or new_root == EMPTY_ROOT)
    else:
        full = [old_root, *path] if _is_power_of_two(old_size) else path
        good = roots_from_consistency(old_size, new_size, full) == (old_root, new_root)
    if not good:
        raise ProtocolError(codes.PROOF_CONSISTENCY, f"from size {old_size} to {new_size}")


class Frontier:
    """The right edge of a growing tree: one hash per bit of its size. Appending costs about one hash, whatever the size."""

    __slots__ = ("_hashes", "_size")

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        """``hashes``: the complete subtrees the tree is made of, the largest first. Raises ValueError when they cannot fit."""
        if not 0 <= size <= MAX_SIZE or len(hashes) != size.bit_count() or any(len(h) != HASH for h in hashes):
            raise ValueError(f"{len(hashes)} hashes are not the frontier of a tree of {size}")
        self._size = size
        self._hashes = list(hashes)

    @classmethod
    def read(cls, size: int, reader: HashReader) -> Frontier:
        """The frontier of the tree of the first ``size`` leaves."""
        return cls(size, [reader.node(level, index) for level, index in _subtrees(0, size)])

    @property
    def size(self) -> int:
        """The number of leaves."""
        return self._size

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The hashes a new ``Frontier`` of this size can be made from."""
        return tuple(self._hashes)

    def append(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add a leaf hash. Returns the subtrees that became complete as (level, index, hash), the leaf itself first."""
        return self.append_subtree(0, leaf)

    def append_subtree(self, level: int, value: bytes) -> list[tuple[int, int, bytes]]:
        """Add a complete subtree of 2^level leaves at once; the size must be a multiple of that. Returns what ``append`` returns."""
        hashes, index = self._hashes, self._size >> level
        if index << level != self._size:
            raise ValueError(f"no subtree of level {level} begins at {self._size}")
        self._size += 1 << level
        done = [(level, index, value)]
        result = value
        while index & 1:
            result = node_hash(hashes.pop(), result)
            level += 1
            index >>= 1
            done.append((level, index, result))
        hashes.append(result)
        return done

    def root(self) -> bytes:
        """The root of the tree as it is now."""
        return _fold(self._hashes) if self._hashes else EMPTY_ROOT

    def copy(self) -> Frontier:
        """An independent copy: appending to one leaves the other as it was."""
        return Frontier(self._size, self._hashes)


def _split(width: int) -> int:
    """The largest power of two smaller than ``width``, which is at least 2."""
    return 1 << ((width - 1).bit_length() - 1)


def _is_power_of_two(size: int) -> bool:
    return size & (size - 1) == 0


def _subtrees(low: int, high: int) -> Iterator[tuple[int, int]]:
    """The complete subtrees that make up the leaves ``[low, high)`` of a subtree that starts at ``low``."""
    while low < high:
        level = (high - low).bit_length() - 1
        yield level, low >> level
        low += 1 << level


def _range_hash(low: int, high: int, reader: HashReader) -> bytes:
    return _fold([reader.node(level, index) for level, index in _subtrees(low, high)])


def _fold(hashes: Sequence[bytes]) -> bytes:
    """The root over a row of subtrees, the smallest (last) ones joined first."""
    result = hashes[-1]
    for left in reversed(hashes[:-1]):
        result = node_hash(left, result)
    return result


def _need_hashes(path: Sequence[bytes], count: int, code: Code) -> None:
    if len(path) != count or any(len(h) != HASH for h in path):
        raise ProtocolError(code, f"the path has {len(path)} hashes where {count} of 32 bytes are needed")
