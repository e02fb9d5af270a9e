"""Receipts in one answer, each checked alone; what they share (tree, heads cited) is worked out once. (Checks A3 to A6)"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from exchange.bag import Row
from exchange.log import Log
from exchange.peering.peers import Peers
from exchange.repeats import Repeats
from protocol import answers, merkle, pouch
from protocol.checkpoint import Head
from protocol.entries import Consigned, Place, Refused, TreeHead
from protocol.errors import ProtocolError

Reply: TypeAlias = pouch.Answer | ProtocolError


class Checked(NamedTuple):
    """A receipt that passed A3 to A6, and the head that proves it: the answer's, or the closing head of an earlier log."""

    entry: Consigned | Refused
    head: Head


class Receipts:
    """Those of one peer, in an answer under ``head``."""

    def __init__(self, log: Log, peers: Peers, repeats: Repeats, peer: str, head: Head) -> None:
        self._log, self._peers, self._repeats, self._peer, self._head = log, peers, repeats, peer, head
        self._tree = merkle.Tree(head.size, head.root)
        self._ours: dict[TreeHead, bool] = {}

    def check(self, row: Row, reply: Reply) -> Checked | ProtocolError | None:
        """The receipt, or why it counts for nothing; None for an answer that is no receipt."""
        if isinstance(reply, ProtocolError):
            return reply
        if not isinstance(reply, pouch.Receipt):
            return None
        again = row.receipt is not None and self._repeats.open(row.hash, self._peer)
        sent = answers.Sent(row.hash, row.message_id, self._log.authority, None if again else row.receipt)
        head, tree = self._head, self._tree
        try:
            if reply.closing is not None:  # logged before this peer changed its log
                head = self._peers.verify_closing(self._peer, reply.closing)
                tree = merkle.Tree(head.size, head.root)
            return Checked(answers.check_receipt(reply, tree, sent, lambda place: self._is_ours(row, place)), head)
        except ProtocolError as error:
            return error

    def _is_ours(self, row: Row, place: Place) -> bool:
        """Whether the place is that of an entry of ours that submits this envelope, under a head that we committed."""
        cited = TreeHead(place.size, place.root)
        if place.n == self._log.n:
            return place.index == row.index and self._has_head(cited)
        earlier = self._log.numbered(place.n)  # offered before a change of logs, answered after it
        if earlier.submits(place.index, row.hash) and earlier.has_head(cited):
            return True
        followed = self._log.numbered(place.n + 1).followed()  # or a head that we lost: our word stands, though we forgot it
        return followed is not None and followed.lost[0] < place.size <= followed.lost[1]

    def _has_head(self, cited: TreeHead) -> bool:
        known = self._ours.get(cited)
        if known is None:
            known = self._ours[cited] = self._log.has_head(cited)
        return known
