"""The exchange of one authority, put together: the one place where its rooms meet.

    Exchange.open(...)  ->  .outbox  .inbox  .parts_in  .messages  .shelf  .log  .peers

All methods of these rooms are synchronous and may be called from any thread; state changes go through the one writer. ``exchange`` itself
answers a peer's pouch, so a test or a simulator can stand in for HTTP by calling ``inbox.receive`` of another one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from exchange.contact import Contact
from exchange.guard import Guard
from exchange.inbox import Inbox
from exchange.log import Log, Tx
from exchange.messages import Messages
from exchange.notice import Notice
from exchange.outbox import Outbox
from exchange.partfiles import PartFiles
from exchange.partsin import PartsIn
from exchange.peers import Peers
from exchange.ports import Clock, Random
from exchange.prekeyshelf import PrekeyShelf
from exchange.reserve import Reserve
from exchange.sealing import Sealer
from exchange.store import Store
from exchange.succession import close_log, keep_closing, submit_again
from exchange.writer import Writer
from keys.directory.view import Directory as DirectoryView
from keys.prekeys import PrekeyStore
from keys.storage import StorageKey
from keys.suite import Suite1
from protocol.checkpoint import LogKeys
from protocol.entries import Directory, TreeHead
from protocol.errors import LocalError
from protocol.names import Origin
from protocol.ports import LogSigner


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are: the log in force with its keys and signer, our prekeys, our storage key."""

    origin: Origin
    log_keys: LogKeys
    signer: LogSigner
    prekeys: PrekeyStore
    storage: StorageKey


class Exchange:
    """Everything of one authority that must not be lost.

    ``folder``: database and parts; ``guard``: a path of its own, best on other hardware; ``reserve``: bytes of the disk that routine
    messages leave free, ``free`` gives those that are.
    """

    def __init__(
        self, folder: Path, guard: Path, identity: Identity, directory: Callable[[], DirectoryView], suite: Suite1, clock: Clock,
        *, random: Random = os.urandom, on_fatal: Callable[[LocalError], None] = lambda error: None,
        reserve: int = 0, free: Callable[[], int] | None = None,
    ) -> None:  # fmt: skip
        self.us = identity.origin.authority
        self.directory = directory
        self.clock = clock
        network_id = directory().network_id
        self.reserve = Reserve(free or (lambda: shutil.disk_usage(folder).free), reserve, clock)
        self.store = Store(folder)
        try:
            self.guard = Guard(guard)
        except BaseException:
            self.store.close()
            raise
        try:
            self.log = Log(self.store, identity.origin, identity.log_keys, identity.signer, self.guard, random)
            self.writer = Writer(self.store.writer, self.log, clock, on_fatal)
        except BaseException:
            self.guard.close()
            self.store.close()
            raise
        self.peers = Peers(self.store, directory, suite)
        self.shelf = PrekeyShelf(self.store, self.log, identity.prekeys)
        self.files = PartFiles(folder / "parts")
        sealer = Sealer(network_id, self.us, suite, self.files, random)
        self.outbox = Outbox(
            self.store, self.writer, self.log, self.peers, self.shelf, sealer, identity.storage, suite, clock, random,
            self._directory_version,
        )  # fmt: skip
        self.inbox = Inbox(
            self.store, self.writer, self.log, self.peers, self.shelf, self.files, identity.storage, suite, clock, network_id,
            self._directory_version, self.reserve,
        )  # fmt: skip
        self.parts_in = PartsIn(self.store, self.writer, self.files, identity.storage, suite, self.reserve, self._consigned)
        self.contact = Contact(self.writer, self.log, self.peers, self.shelf, suite)
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
                self.outbox.start_links(tx)
            self._note_directory(tx, view)
            return self.shelf.publish(tx, published)

        self.shelf.show(self.writer.run(first), published)
        self.log.sign()

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

    def _directory_version(self) -> int:
        return self.directory().version

    def _note_directory(self, tx: Tx, view: DirectoryView) -> None:
        last = tx.db.execute("SELECT value FROM meta WHERE key='directory'").fetchone()
        if last is None or last[0] != view.snapshot_sha256:
            tx.append(Directory, view.version, view.snapshot_sha256)
            tx.db.execute("INSERT OR REPLACE INTO meta VALUES ('directory', ?)", (view.snapshot_sha256,))
