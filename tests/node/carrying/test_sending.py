"""How far attachments have come: counted while they go, shown by the local API and by whoever waits."""

import os

from exchange.outgoing.sealing import Attachment
from node.carrying.sending import KEPT, Sending
from protocol import limits
from protocol.delivery import State
from tests.node.peers import peers


def test_nothing_is_known_of_a_message_that_nobody_wanted():
    assert Sending().sent(b"h", (10, 20)) == 0


def test_parts_that_are_not_wanted_are_there_already():
    sending = Sending()
    sending.begin(b"h", [(2, 5)])
    assert sending.sent(b"h", (10, 20)) == 15
    sending.went(b"h", 2, 20)
    assert sending.sent(b"h", (10, 20)) == 30


def test_an_upload_that_begins_again_counts_from_what_is_held():
    sending = Sending()
    sending.begin(b"h", [(1, 0)])
    sending.went(b"h", 1, 9)
    sending.begin(b"h", [(1, 4)])
    assert sending.sent(b"h", (10,)) == 4


def test_only_so_many_messages_are_remembered():
    sending = Sending()
    for number in range(KEPT + 1):
        sending.begin(number.to_bytes(4, "big"), [])
    assert sending.sent((0).to_bytes(4, "big"), (7,)) == 0
    assert sending.sent(KEPT.to_bytes(4, "big"), (7,)) == 7


async def test_what_goes_is_counted_up_to_the_last_byte(tmp_path):
    async with peers(tmp_path, carry=False) as net:
        net["xa-ca"].carry_to("xb-ca")
        courier, seen = net["xa-ca"].couriers["xb-ca"], []
        went = courier.sending.went
        courier.sending.went = lambda envelope_hash, number, at: (seen.append(at), went(envelope_hash, number, at))
        path = tmp_path / "evidence"
        path.write_bytes(os.urandom(3 * limits.MiB))
        sent = net.world.send("xa-ca", "xb-ca", b"{}", attachments=[Attachment(path, "e.bin", "application/octet-stream", "evidence")])
        sizes = net.world.exchanges["xa-ca"].messages.find(sent.hash).sizes
        assert courier.sending.sent(sent.hash, sizes) == 0
        await net.settled(sent.hash, state=State.DELIVERED)
        assert seen[0] == 0
        assert seen == sorted(seen)
        assert len(seen) > 2
        assert seen[-1] == sizes[0] == courier.sending.sent(sent.hash, sizes)
