"""The exchange of one authority, put together: the one place where its rooms meet.

    Exchange(...)  ->  .outbox  .answers  .retries  .deadletters       what goes out
                       .inbox  .parts_in  .messages                    what comes in
                       .log  .peers  .links  .shelf  .contact          what both say to each other

All methods of these rooms are synchronous and may be called from any thread; state changes go through the one writer. ``exchange`` itself
answers a peer's pouch, so a test or a simulator can stand in for HTTP by calling ``inbox.receive`` of another one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from exchange.evidence.partfiles import PartFiles
from exchange.evidence.partsin import PartsIn
from exchange.evidence.spool import Spool
from exchange.export.holdings import Holdings
from exchange.guard import Guard
from exchange.incoming.inbox import Inbox
from exchange.incoming.urgentquota import UrgentQuota
from exchange.log import Log, Tx
from exchange.messages import Messages
from exchange.notice import Notice
from exchange.outgoing.answers import Answers
from exchange.outgoing.deadletters import DeadLetters
from exchange.outgoing.deadlines import Deadlines
from exchange.outgoing.due import Due
from exchange.outgoing.outbox import Outbox
from exchange.outgoing.retries import Retries
from exchange.outgoing.sealing import Sealer
from exchange.outgoing.wraps import Wraps
from exchange.peering.contact import Contact
from exchange.peering.forks import Forks
from exchange.peering.links import Links
from exchange.peering.peers import Peers
from exchange.peering.prekeyshelf import PrekeyShelf
from exchange.peering.succession import close_log, keep_closing, submit_again
from exchange.peering.witness import Witness
from exchange.peering.witnessed import WitnessedHeads
from exchange.ports import Clock, Random
from exchange.repeats import Repeats
from exchange.reserve import Reserve
from exchange.rightofway import RightOfWay
from exchange.store import Store
from exchange.writer import Writer
from keys.directory.view import Directory as DirectoryView
from keys.directory.view import LogState
from keys.logkeys import WitnessKeyPair
from keys.prekeys import PrekeyStore
from keys.storage import StorageKey
from keys.suite import Suite1
from protocol import limits
from protocol.checkpoint import LogKeys
from protocol.entries import Directory, TreeHead
from protocol.errors import Code, LocalError
from protocol.names import Origin
from protocol.ports import LogSigner


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are: the log in force with its keys and signer, our prekeys, our storage key, our keys as a witness of others."""

    origin: Origin
    log_keys: LogKeys
    signer: LogSigner
    prekeys: PrekeyStore
    storage: StorageKey
    witness: WitnessKeyPair | None = None


class Exchange:
    """Everything of one authority that must not be lost.

    ``folder``: database and parts; ``guard``: a path of its own, best on other hardware; ``reserve``: bytes of the disk that routine
    messages leave free, ``free`` gives those that are; ``urgent_per_hour``: of each peer. ``held``: nothing is said or signed before
    ``release`` (or ``take_in``). Without ``threaded`` every change is committed on its caller's thread.
    """

    def __init__(
        self, folder: Path, guard: Path, identity: Identity, directory: Callable[[], DirectoryView], suite: Suite1, clock: Clock,
        *, random: Random = os.urandom, on_fatal: Callable[[LocalError], None] = lambda error: None,
        reserve: int = 0, free: Callable[[], int] | None = None, urgent_per_hour: int = limits.URGENT_PER_HOUR, held: bool = False,
        threaded: bool = True,
    ) -> None:  # fmt: skip
        self.us, self.directory, self.clock = identity.origin.authority, directory, clock
        network_id = directory().network_id
        self.reserve = Reserve(free or (lambda: shutil.disk_usage(folder).free), reserve, clock)
        self.urgent_quota = UrgentQuota(urgent_per_hour)
        self.store = Store(folder)
        try:
            self.guard = Guard(guard)
        except BaseException:
            self.store.close()
            raise
        try:
            self.log = Log(self.store, identity.origin, identity.log_keys, identity.signer, self.guard, random, held=held)
            self.writer = Writer(self.store.writer, self.log, clock, on_fatal, threaded=threaded)
        except BaseException:
            self.guard.close()
            self.store.close()
            raise
        self.peers = Peers(self.store, directory, suite)
        self.shelf = PrekeyShelf(self.store, self.log, identity.prekeys, directory)
        self.heads = WitnessedHeads(self.store, self.writer, self.log, self.shelf, directory, suite)
        self.witness = Witness(self.writer, self.peers, directory, identity.witness, self.us, clock)
        self.files = PartFiles(folder / "parts")
        sealer = Sealer(network_id, self.us, suite, self.files, random)
        self.links = Links(self.store, self.log)
        self.repeats = Repeats(self.store, self.log)
        self.log.unlisted = self._unlisted
        self.due = Due(self.store, self.log, clock)
        wraps, way = Wraps(identity.storage, suite), RightOfWay(clock, threaded=self.writer.threaded)
        self.outbox = Outbox(
            self.writer, self.log, self.peers, self.shelf, sealer, identity.storage, self.links, wraps, self.due, clock,
            self._directory_version, self.heads, way,
        )  # fmt: skip
        self.retries = Retries(self.writer, self.due, clock, random)
        self.answers = Answers(
            self.writer, self.log, self.peers, self.shelf, self.links, wraps, self.retries, clock, self.repeats, self.heads, way
        )
        self.deadletters = DeadLetters(self.writer, clock)
        self.deadlines = Deadlines(self.store, self.writer, clock)
        self.inbox = Inbox(
            self.store, self.writer, self.log, self.peers, self.shelf, self.files, identity.storage, suite, clock, network_id,
            self._directory_version, self.reserve, self.urgent_quota, self.repeats, self.heads, self.witness,
            self.links, way,
        )  # fmt: skip
        self.spool = Spool(self.store, self.writer, self.files, lambda: shutil.disk_usage(folder).total)
        self.parts_in = PartsIn(
            self.store, self.writer, self.files, identity.storage, suite, self.reserve, self.spool, clock, self._consigned
        )  # fmt: skip
        self.contact = Contact(self.writer, self.log, self.peers, self.shelf, self.heads, suite)
        self.forks = Forks(self.writer, self.peers, self.contact, directory, suite, self.us)
        self.holdings = Holdings(self.store, self.log, self.heads, directory)
        self.messages = Messages(self.store, self.writer, self.log, self.files, identity.storage, suite)

    def begin(self) -> None:
        """Say what has to be said before anything else: the log's first entry, the directory in force, the current prekeys.

        After a change of logs also what was submitted and not receipted yet. In a closed log nothing is said; it answers what it holds.
        What should have been destroyed while the node was down is destroyed now.
        """
        if self.log.closed is not None:
            self.shelf.own.destroy_ended(self.clock.now())
            keep_closing(self.log, self.writer, self.peers)
            return
        view = self.directory()
        published = self.shelf.own.rotate(self.clock.now())
        self.shelf.own.destroy_ended(self.clock.now())

        def first(tx: Tx) -> int:
            if self.log.open_first(tx, view.network_id, self.us):
                tx.db.execute("DELETE FROM meta WHERE key='directory'")  # every log says under which directory it speaks
                submit_again(tx)
                self.links.start(tx)
            self._note_directory(tx, view)
            return self.shelf.publish(tx, published)

        self.shelf.show(self.writer.run(first), published)
        if self.log.hold is None:
            self.log.sign()

    def take_in(self, why: Code) -> None:
        """State *alone*: from now on take in and store, and sign nothing, for this reason."""
        self.log.keep_held(why, takes=True)

    def release(self, also: Callable[[Tx], object] = lambda tx: None) -> None:
        """This data is the newest: sign from now on. ``also``: what is said about it. Raises GUARD-*, LOG-STOPPED."""
        self.writer.run(lambda tx: self.log.release())
        self.writer.run(also)

    def daily(self) -> None:
        """What every day needs: prekeys published ahead and destroyed on time, the directory in force logged, a fresh head."""
        now = self.clock.now()
        if self.log.closed is not None:
            self.shelf.own.destroy_ended(now)
            return
        published = self.shelf.own.rotate(now)
        view = self.directory()

        def renew(tx: Tx) -> int:
            tx.append(Directory, view.version, view.snapshot_sha256)
            return self.shelf.publish(tx, published)

        self.shelf.show(self.writer.run(renew), published)
        self.shelf.own.destroy_ended(now)
        self.spool.clear(now)

    def note_directory(self) -> None:
        """Log the directory in force, when it is not the one logged last."""
        view = self.directory()
        if self.log.closed is not None:
            return
        self.writer.run(lambda tx: self._note_directory(tx, view))

    def close_log(self, next_n: int, reason: str) -> TreeHead:
        """End the log in force with ``closed``, naming the next one; its closing head. Asked again, the same head again.

        Everything that would be logged from now on is refused with LOG-CLOSED. Raises what ``succession.close_log`` raises.
        """
        return close_log(self.log, self.writer, self.peers, next_n, reason)

    def close(self) -> None:
        """Finish what is queued and let the folder go."""
        self.writer.stop()
        self.guard.close()
        self.store.close()

    def _consigned(self, told: Sequence[Notice]) -> None:
        self.inbox.on_consigned(told)

    def _unlisted(self) -> bool:
        """Whether the directory does not list our log as in force yet."""
        return self.directory().log(self.log.origin).state is LogState.STANDBY

    def _directory_version(self) -> int:
        return self.directory().version

    def _note_directory(self, tx: Tx, view: DirectoryView) -> None:
        last = tx.db.execute("SELECT value FROM meta WHERE key='directory'").fetchone()
        if last is None or last[0] != view.snapshot_sha256:
            tx.append(Directory, view.version, view.snapshot_sha256)
            tx.db.execute("INSERT OR REPLACE INTO meta VALUES ('directory', ?)", (view.snapshot_sha256,))
