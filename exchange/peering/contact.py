"""What two nodes say to each other beside pouches: prekeys on request, and heads of our own log that others show.

Prekeys travel in a pouch's frame with the offer as its only item, so that head, link and proof are judged by the same rules.
"""

from __future__ import annotations

import hashlib

from exchange import codes
from exchange.log import Log, Tx
from exchange.peering.peers import Peers
from exchange.peering.prekeyshelf import PrekeyShelf
from exchange.peering.witnessed import WitnessedHeads
from exchange.writer import Writer
from protocol import cbor, pouch
from protocol.checkpoint import verify_head
from protocol.entries import Lane, TreeHead
from protocol.errors import LocalError, ProtocolError
from protocol.heads import HeadError
from protocol.names import Origin
from protocol.ports import Verifier


class Contact:
    """The small questions. ``directory_version`` is ours, told with every frame."""

    def __init__(
        self, writer: Writer, log: Log, peers: Peers, shelf: PrekeyShelf, heads: WitnessedHeads, verifier: Verifier
    ) -> None:  # fmt: skip
        self._writer, self._log, self._peers, self._shelf, self._verifier = writer, log, peers, shelf, verifier
        self._heads = heads

    def prekeys_frame(self, yours: int, directory_version: int) -> bytes:
        """Our current prekeys, proven under our head, linked from the size that the asker has confirmed."""
        head = self._log.head()
        old = yours if yours <= head.size else 0
        about = pouch.PouchHead(
            Lane.ROUTINE, pouch.HeadOffer(old, self._log.consistency(old, head), head.note), 0, directory_version,
            self._heads.tell("", head, again=True), opened=self._log.introduction(head),
        )  # fmt: skip
        offer = self._shelf.offer(head)
        return pouch.encode_pouch(about, [] if offer is None else [cbor.encode(pouch.offer_row(offer))])

    def take_prekeys(self, peer: str, frame: bytes) -> int:
        """Take a peer's prekeys; its directory version. Raises HEAD-*, PREKEY-*, POUCH-FORM."""
        about, start = pouch.parse_head(frame)
        head = self._peers.verify(peer, about.head.note, about.opened)
        items = pouch.parse_items(frame, start)
        n = Origin.parse(head.origin).n
        offer = pouch.parse_offer(cbor.decode(items[0])) if items else None

        def take(tx: Tx) -> None:
            self._peers.confirm(tx, head, about.head)
            if offer is not None:
                self._shelf.take(tx, peer, n, offer, head, tx.time)

        try:
            self._writer.run(take)
        except HeadError as error:
            self._peers.accuse(self._writer, head.origin, error)
            raise
        self._heads.hear(head, about.witnessed)
        return about.directory_version

    def take_closing(self, peer: str, note: bytes) -> None:
        """Keep the note of the closing head of an earlier log of this peer. Raises HEAD-CLOSING, HEAD-STOPPED, NOTE-*, CHECKPOINT-*."""
        head = self._peers.verify_closing(peer, note)
        self._writer.run(lambda tx: self._peers.keep_note(tx, head))

    def checkpoint(self, origin_hash: bytes) -> bytes | None:
        """The greatest head we have of the log whose origin has this SHA-256: ours, or one we confirmed; None without one.

        Of an earlier log of ours it is the closing head.
        """
        if hashlib.sha256(self._log.origin.encode()).digest() == origin_hash:
            return self._log.head().note
        for n in range(self._log.n - 1, 0, -1):
            ours = self._log.numbered(n)
            if hashlib.sha256(ours.origin.encode()).digest() == origin_hash:
                return ours.closing_note() if ours.closing() is not None else None
        return self._peers.greatest_note(origin_hash)

    def shown_own_head(self, note: bytes) -> None:
        """A peer shows a head of our log that we do not know. With our two signatures on it our keys are stolen.

        Then signing stops: LOG-STOPPED is raised, now and at every later start. The bare word of a peer stops nobody: a note
        that does not verify is ignored.
        """
        try:
            head = verify_head(note, self._log.keys, self._verifier).value
        except ProtocolError:
            return
        if head.size <= self._log.size and self._log.has_head(TreeHead(head.size, head.root)):
            return
        why = f"a head of size {head.size} that this node never signed"
        self._log.stop(why)
        stopped = ("INSERT OR REPLACE INTO meta VALUES (?,?)", (f"stopped/{self._log.n}", why.encode()))
        self._writer.run(lambda tx: tx.db.execute(*stopped))
        raise LocalError(codes.LOG_STOPPED, why)
