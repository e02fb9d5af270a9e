"""How far each peer has confirmed our log: the size from which the next head of ours is linked for it.

Two lanes and the visits to witnesses move one record. So a head is linked from what is known when it leaves, and an answer from what the
other lane or a visit showed before it.
"""

from __future__ import annotations

from exchange.log import Log, Tx
from exchange.store import Store
from protocol.checkpoint import Head
from protocol.entries import Lane
from protocol.pouch import HeadOffer


class Links:
    """By peer; what an answer confirmed is stored, what a refusal hinted at is not."""

    def __init__(self, store: Store, log: Log) -> None:
        self._log = log
        self._stored: dict[str, int] = dict(store.reader().execute("SELECT authority, ours_there FROM peer").fetchall())
        self._sizes = dict(self._stored)
        self._answered: dict[tuple[str, Lane], int] = {}  # the head of our last answer, which the peer may not have read yet
        self._linked: dict[tuple[str, Lane], int] = {}  # the size from which that answer was linked
        self._underway: dict[tuple[str, Lane], int] = {}  # the head of a pouch that must be there by now, and has no answer yet
        self._guesses: dict[str, bool] = {}  # whether that helps with this peer: it would have when it last refused a head
        self._shown: dict[str, int] = {}  # the head that it cosigned last as our witness

    def size(self, peer: str) -> int:
        """The size to link from; 0 before first contact."""
        return self._sizes.get(peer, 0)

    def offer(self, peer: str, lane: Lane, head: Head) -> HeadOffer:
        """A head for a pouch of this lane, linked from what the peer has confirmed by now, or to it where that is beyond this head."""
        guess = self._underway.get((peer, _other(lane)), 0) if self._guesses.get(peer) else 0
        there = max(self.size(peer), guess)
        return HeadOffer(there, self._log.link(there, head), head.note)

    def answer(self, peer: str, lane: Lane, yours: int, head: Head) -> HeadOffer:
        """A head for an answer to a pouch of this lane, whose writer had confirmed our log up to ``yours`` when it left.

        What we answered in the other lane meanwhile was read first, unless it was lost: ``yours`` would then stay behind it. So was a head
        that was shown to it as our witness, unless its record was put back.
        """
        mine, other = (peer, lane), (peer, _other(lane))
        if yours < self._linked.get(mine, 0):
            self._answered.pop(other, None)
            self._shown.pop(peer, None)
        old = max(yours if yours <= head.size else 0, self._answered.get(other, 0), self._shown.get(peer, 0))
        self._answered[mine], self._linked[mine] = head.size, old
        return HeadOffer(old, self._log.link(old, head), head.note)

    def hint(self, peer: str, size: int) -> bool:
        """A 409 says from which size our head must be linked. False when that is beyond our log: then ask for that head."""
        if size > self._log.head().size:
            return False
        guesses = [self._underway[peer, lane] for lane in Lane if (peer, lane) in self._underway]
        if guesses:
            self._guesses[peer] = size in guesses
        self._sizes[peer] = size
        return True

    def arrived(self, peer: str, lane: Lane, size: int) -> None:
        """A pouch of this lane left so long ago that the peer will have confirmed its head, of this size: its answer takes longer."""
        self._underway[peer, lane] = size

    def landed(self, peer: str, lane: Lane) -> None:
        """It has its answer, or gets none."""
        self._underway.pop((peer, lane), None)

    def told(self, peer: str, size: int) -> None:
        """A pouch of the peer's, or an answer not taken yet, says how far it has confirmed our log. An older one changes nothing.

        While nothing is signed neither does it: what comes in is taken in all the same.
        """
        signed = self._log.signed
        if signed is not None and self.size(peer) < size <= signed.size:
            self._sizes[peer] = size

    def shown(self, peer: str, size: int) -> None:
        """The peer, our witness, has confirmed our log up to this size outside any pouch."""
        self._shown[peer] = size
        self.told(peer, size)

    def confirmed(self, tx: Tx, peer: str, size: int) -> None:
        """An answer says that the peer has confirmed our log up to this size."""
        if size > self._log.size:
            return
        self._sizes[peer] = size
        if size != self._stored.get(peer):
            self._stored[peer] = size
            tx.db.execute(
                "INSERT INTO peer (authority, ours_there) VALUES (?,?) ON CONFLICT (authority)"
                " DO UPDATE SET ours_there=excluded.ours_there",
                (peer, size),
            )

    def start(self, tx: Tx) -> None:
        """A log that no peer has seen yet: every peer is shown it from size 0."""
        tx.db.execute("UPDATE peer SET ours_there=0")
        self._stored.clear()
        self._sizes.clear()
        self._answered.clear()
        self._linked.clear()
        self._shown.clear()
        self._underway.clear()


def _other(lane: Lane) -> Lane:
    return Lane.ROUTINE if lane is Lane.URGENT else Lane.URGENT
