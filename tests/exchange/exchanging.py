"""One whole exchange with evidence, for a test that watches the system calls of this process.

    python -m tests.exchange.exchanging FOLDER CANARY      sends, delivers, uploads in pieces and reads; prints nothing
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exchange.outgoing.sealing import Attachment, Draft
from protocol import limits
from protocol.entries import Lane
from protocol.names import Office
from tests.world import make_world


def main() -> None:
    """Exchange a form and a file that are full of the canary."""
    canary = sys.argv[2].encode()

    @contextmanager
    def source() -> Iterator[tuple[io.BytesIO, int]]:
        yield io.BytesIO(canary * 4_000), len(canary) * 4_000

    world = make_world(Path(sys.argv[1]), ("xa-ca", "xb-ca"))
    world.exchange_prekeys()
    a, b = world.exchanges["xa-ca"], world.exchanges["xb-ca"]
    evidence = Attachment(Path("upload"), f"{sys.argv[2]}.bin", "text/plain", "annex", source)
    draft = Draft("247", (Office("xb-ca", "247"),), "EE_PRESERVE", canary, world.clock.now() + limits.DAY, attachments=(evidence,))
    sent = a.outbox.submit(a.outbox.seal(draft)).result()
    bag = world.deliver("xa-ca", "xb-ca", Lane.ROUTINE, parts=False)
    assert bag is not None
    data = a.files.outgoing(a.messages.envelope(a.messages.find(sent.hash)).parts[1].digest).read_bytes()
    for at in range(0, len(data), 50_000):
        upload = b.parts_in.open("xa-ca", sent.hash, 1, at)
        upload.write(data[at : at + 50_000])
        if upload.left == 0:
            upload.finish()
        upload.close()
    b.parts_in.done(sent.hash, 1)
    a.retries.uploaded(sent.hash, "xb-ca")
    world.deliver("xa-ca", "xb-ca")
    message = b.messages.find(sent.hash)
    assert b.messages.read(message).form == canary
    assert b"".join(b.messages.attachment(message, 1)) == canary * 4_000
    assert a.messages.find(sent.hash).deliveries[0].state == "delivered"
    world.close()


if __name__ == "__main__":
    main()
