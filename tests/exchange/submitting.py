"""A process that submits as fast as it can and says each submission it was given, on standard output: ``<hash> <index>``.

    python -m tests.exchange.submitting FOLDER       FOLDER holds secret (log pair, 64 bytes) and storage (32 bytes)

Killed in the middle of it, nothing that it said may be missing from FOLDER. ``RLIMIT_FSIZE`` in megabytes may be given as a
second argument: then the disk is full from there on, and it says the code of every refusal instead.
"""

from __future__ import annotations

import resource
import signal
import sys
from pathlib import Path

from exchange.exchange import Exchange, Identity
from exchange.outgoing.sealing import Draft
from keys.directory.view import Directory, Kind, LogRecord, LogState, Member, WitnessKeys
from keys.logkeys import LogKeyPair
from keys.prekeys import PrekeyStore
from keys.storage import StorageKey
from keys.suite import SUITE
from protocol import limits
from protocol.errors import LocalError
from protocol.names import Office, Origin
from tests.world import NETWORK, START, SetClock

US, THEM = "xa-ca", "xb-ca"


def opened(folder: Path) -> Exchange:
    """The exchange on this folder; keys are made on the first call."""
    secret, storage = folder / "secret", folder / "storage"
    if not secret.exists():
        folder.mkdir(parents=True)
        secret.write_bytes(LogKeyPair.generate().secret)
        storage.write_bytes(b"k" * 32)
    pair = LogKeyPair(secret.read_bytes())
    origin = Origin(NETWORK, US, 1)
    keys = pair.log_keys(str(origin))
    record = LogRecord(keys, origin, LogState.IN_FORCE)
    member = Member(US, "XA", "Authority", None, (record,), WitnessKeys(bytes(1312), bytes(32)), (), ())
    directory = Directory(NETWORK, b"n" * 32, Kind.TEST, (), 1, 1, b"s" * 32, START + limits.DAY, {US: member})
    identity = Identity(
        origin, keys, pair, PrekeyStore(folder / "prekeys", b"p" * 32), StorageKey({1: storage.read_bytes()}, 1)
    )  # fmt: skip
    exchange = Exchange(folder / "data", folder / "guard", identity, lambda: directory, SUITE, SetClock())
    exchange.begin()
    return exchange


def main() -> None:
    """Submit for ever, or until the disk is full."""
    folder = Path(sys.argv[1])
    exchange = opened(folder)
    if len(sys.argv) > 2:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        most = int(sys.argv[2]) << 20
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    number = 0
    while True:
        number += 1
        draft = Draft("247", (Office(THEM, "247"),), "EE_PRESERVE", b"%d" % number * 200, START + limits.DAY)
        try:
            done = [exchange.outbox.submit(exchange.outbox.seal(draft)) for _ in range(1 + number % 7)]
            for future in done:
                submission = future.result(timeout=20)
                print(submission.hash.hex(), submission.index, flush=True)
        except LocalError as error:
            print(error.code.code, flush=True)
            return


if __name__ == "__main__":
    main()
