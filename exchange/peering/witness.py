"""The witness: we sign other logs' heads, each after everything that we have signed of that log before.

    add-checkpoint over the TLS connection of the log's own authority ─┐
    a head that comes with a pouch ────────────────────────────────────┴─ one record per log (``exchange.peers``), moved by the head
                                                                          rule; stored with our lines before anybody hears of them

Which logs we witness the directory says. A head that is behind is not signed, a log that forked never again, and nothing while our
clock is in doubt: a line says when it was made. We never see an entry. (C2SP tlog-witness; SPEC.md section 5.9)
"""

from __future__ import annotations

from collections.abc import Callable

from exchange.log import Tx
from exchange.peering.peers import Peers
from exchange.ports import Clock
from exchange.writer import Writer
from keys.directory.view import Directory
from keys.logkeys import WitnessKeyPair
from protocol import addcheckpoint, codes, cosignature, limits
from protocol.checkpoint import Head
from protocol.errors import PassingError, ProtocolError
from protocol.heads import HeadError, HeadRecord
from protocol.names import witness_name
from protocol.pouch import HeadOffer

_WITH_ANSWERS = 1 * limits.SECOND  # of one log, heads that come with pouches are signed no more often


class Witness:
    """``us``: our authority; ``keys``: None signs nothing."""

    def __init__(
        self, writer: Writer, peers: Peers, directory: Callable[[], Directory], keys: WitnessKeyPair | None, us: str,
        clock: Clock,
    ) -> None:  # fmt: skip
        self._writer, self._peers, self._directory = writer, peers, directory
        self._keys, self._us, self._clock = keys, us, clock
        self._signed_at: dict[str, int] = {}

    def serves(self, authority: str) -> bool:
        """Whether the directory names us as a witness of the log under which this authority speaks. Raises DIRECTORY-UNKNOWN-AUTHORITY."""
        return authority != self._us and self._us in self._peers.successors.record(authority).witnesses

    def add_checkpoint(self, peer: str, body: bytes) -> bytes:
        """Our lines under a head of this peer's log, whose connection it is; durable before they are given.

        Raises WITNESS-FORM (400), NOTE-*, CHECKPOINT-* (403), HEAD-ORIGIN, WITNESS-UNASSIGNED (404), HEAD-UNLINKED (409 with the
        size to link from), HEAD-BROKEN, HEAD-FORKED, HEAD-STOPPED (422), TIME-CLOCK (passing).
        """
        offer = addcheckpoint.parse_request(body)
        head = self._peers.verify(peer, offer.note)
        if self._keys is None or not self.serves(peer):
            raise ProtocolError(codes.WITNESS_UNASSIGNED, head.origin)
        if offer.old_size > head.size:
            raise ProtocolError(codes.WITNESS_FORM, f"from size {offer.old_size} to {head.size}")
        if not self._clock.sure():
            raise PassingError(codes.TIME_CLOCK, "no cosignature")
        try:
            self._peers.judge(head, offer)
            lines = self._sign(head, self._keys)
            self._writer.run(lambda tx: self._confirm(tx, head, offer, lines))
        except HeadError as error:
            self._peers.accuse(self._writer, head.origin, error)
            raise
        return lines

    def with_answer(self, peer: str, head: Head) -> bytes | None:
        """Our lines for a head that came with a pouch and was confirmed, if it is the greatest still; durable before they are given.

        None when we are no witness of it, cannot sign now, or signed a moment ago.
        """
        now = self._clock.now()
        due = now - self._signed_at.get(head.origin, -_WITH_ANSWERS) >= _WITH_ANSWERS
        if self._keys is None or not due or not self._clock.sure() or not self.serves(peer):
            return None
        self._signed_at[head.origin] = now
        lines = self._sign(head, self._keys)
        return lines if self._writer.run(lambda tx: self._keep(tx, head, self._peers.record(head.origin, tx.db), lines)) else None

    def _confirm(self, tx: Tx, head: Head, offer: HeadOffer, lines: bytes) -> None:
        """Compare with the greatest head and move to this one, in one transaction; a head that is not the greatest is not signed."""
        before = self._peers.record(head.origin, tx.db)
        if before is not None and offer.old_size != before.greatest.size:
            raise HeadError(codes.HEAD_UNLINKED, f"link it from size {before.greatest.size}", greatest=before.greatest.size)
        if offer.old_size == head.size and offer.proof:
            raise HeadError(codes.HEAD_BROKEN, "a proof between equal sizes", greatest=head.size)
        self._keep(tx, head, self._peers.confirm(tx, head, offer).record, lines)

    def _keep(self, tx: Tx, head: Head, record: HeadRecord | None, lines: bytes) -> bool:
        """Store our lines, if this is the greatest head of its log: one that is behind is not cosigned. Whether it is."""
        if record is None or (record.greatest.size, record.greatest.root) != (head.size, head.root):
            return False
        tx.db.execute("INSERT OR REPLACE INTO cosigned VALUES (?,?,?)", (head.origin, head.size, lines))
        return True

    def _sign(self, head: Head, keys: WitnessKeyPair) -> bytes:
        seconds = self._clock.now() // limits.SECOND
        lattice, classical = keys.vkeys(witness_name(self._directory().network, self._us))
        lines = (
            cosignature.cosign(lattice, head.checkpoint, seconds, keys.sign_mldsa44),
            cosignature.cosign(classical, head.checkpoint, seconds, keys.sign_ed25519),
        )
        return "".join(f"{line}\n" for line in lines).encode()
