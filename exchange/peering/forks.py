"""Forks: proofs that a log signed two histories, whoever found them. A stranger can check one; then nothing more is taken from that log.

A proof against a log of ours means that our keys are stolen, unless we signed both histories: then signing stops.
"""

from __future__ import annotations

from collections.abc import Callable

from exchange.peering.contact import Contact
from exchange.peering.peers import Peers
from exchange.writer import Writer
from keys.directory.view import Directory
from protocol.heads import ForkProof, parse_fork_proof, verify_fork_proof
from protocol.ports import Verifier
from protocol.treehead import stated_checkpoint


class Forks:
    """``us``: our authority. ``on_fork`` is told the origin of each log that is newly seen to fork, from any thread.

    ``unlinked``: logs that do not show, time and again, that they are one with what their witnesses have, as whoever compares knows.
    """

    def __init__(
        self, writer: Writer, peers: Peers, contact: Contact, directory: Callable[[], Directory], verifier: Verifier, us: str
    ) -> None:
        self._writer, self._peers, self._contact = writer, peers, contact
        self._directory, self._verifier, self._us = directory, verifier, us
        self.unlinked: Callable[[], list[str]] = list
        self.on_fork: Callable[[str], None] = lambda origin: None

    def take(self, raw: bytes) -> bool:
        """Check a proof that somebody brings, and keep it; whether it is new.

        Raises FORK-PROOF, NOTE-*, CHECKPOINT-*, DIRECTORY-UNKNOWN-*; LOG-STOPPED when it shows heads of ours that we never signed.
        """
        proof = parse_fork_proof(raw)
        return self.keep(proof)

    def keep(self, proof: ForkProof) -> bool:
        """Check a fork proof and keep it; whether it is new. Raises as ``take``."""
        record = self._directory().log(stated_checkpoint(proof.older).origin)
        verify_fork_proof(proof, record.keys, self._verifier)
        origin = record.keys.origin
        if record.origin.authority == self._us:
            for note in (proof.older, proof.newer):
                self._contact.shown_own_head(note)
        new = self._writer.run(lambda tx: self._peers.keep_fork(tx, origin, proof))
        if new:
            self.on_fork(origin)
        return new
