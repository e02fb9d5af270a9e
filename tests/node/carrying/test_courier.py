"""Couriers between real listeners over TLS: what is sent arrives and is proven, whatever happens on the way."""

import asyncio
import contextlib
import os
import threading
import time

import pytest

from exchange import codes as exchange_codes
from exchange.outgoing.sealing import Attachment
from node import codes
from node.carrying.peerclient import Patience, PeerRefusedError
from node.clock import monotonic_ms
from protocol import codes as protocol_codes
from protocol import limits
from protocol.checkpoint import sign_head
from protocol.delivery import State
from protocol.entries import Consigned, Forked, Lane, Receipted, Undelivered
from protocol.errors import PassingError
from protocol.heads import HeadError
from protocol.treehead import Checkpoint
from tests.node.impostor import endless, impostor, never, ok
from tests.node.peers import peers, until
from tests.node.wire import ask


def forks(net) -> int:
    return sum(isinstance(entry, Forked) for name in net.world.exchanges for entry in net.world.entries(name))


def count(net, name, kind) -> int:
    return sum(isinstance(entry, kind) for entry in net.world.entries(name))


@pytest.mark.parametrize("lane", list(Lane))
async def test_a_message_is_carried_and_receipted(tmp_path, lane):
    async with peers(tmp_path) as net:
        sent = net.world.send("xa-ca", "xb-ca", b"{}", lane=lane)
        await net.settled(sent.hash)
        assert net.world.exchanges["xb-ca"].messages.find(sent.hash).index is not None
        assert count(net, "xa-ca", Receipted) == 1


async def test_three_nodes_both_ways_both_lanes(tmp_path):
    async with peers(tmp_path, "xa-ca", "xb-ca", "xc-ca") as net:
        sent = []
        for i in range(40):
            sender, recipient = [("xa-ca", "xb-ca"), ("xb-ca", "xa-ca"), ("xc-ca", "xa-ca"), ("xa-ca", "xc-ca")][i % 4]
            sent.append((net.world.send(sender, recipient, b"{}", lane=Lane(i % 2)), sender, recipient))
        for submission, sender, recipient in sent:
            await until(lambda s=submission, a=sender, b=recipient: net.state(s.hash, b, a) == State.DELIVERED, "delivered")
        assert forks(net) == 0


async def test_attachments_are_carried_and_read_whole(tmp_path):
    async with peers(tmp_path) as net:
        files = []
        for size in (0, 1, 16_384, 3 * limits.MiB + 7):
            path = tmp_path / f"file-{size}"
            path.write_bytes(os.urandom(size))
            files.append(path)
        attachments = [Attachment(path, path.name, "application/octet-stream", "evidence") for path in files]
        sent = net.world.send("xa-ca", "xb-ca", b"{}", attachments=attachments)
        await net.settled(sent.hash)
        messages = net.world.exchanges["xb-ca"].messages
        for number, path in enumerate(files, 1):
            assert b"".join(messages.attachment(messages.find(sent.hash), number)) == path.read_bytes()


async def pouch(net):
    """Carry one pouch from xa-ca to xb-ca by hand: it and its answer, not yet taken."""
    client, outbox = net["xa-ca"].client("xb-ca"), net["xa-ca"].exchange.outbox
    try:
        bag = outbox.bag("xb-ca", Lane.ROUTINE)
        try:
            return bag, await client.pouch(Lane.ROUTINE, bag.frame)
        except PeerRefusedError as error:
            net["xa-ca"].exchange.links.hint("xb-ca", error.size)
            bag = outbox.bag("xb-ca", Lane.ROUTINE)
            return bag, await client.pouch(Lane.ROUTINE, bag.frame)
    finally:
        await client.close()


# -- the head rule over HTTP --------------------------------------------------------------------------------------------------------


async def test_HEAD_1_a_lost_answer(tmp_path):
    """The peer consigned, its answer is lost: the next pouch is linked from the wrong size, gets 409, is linked again and accepted."""
    async with peers(tmp_path, carry=False) as net:
        net.world.exchange_prekeys()
        first = net.world.send("xa-ca", "xb-ca", b"{}")
        await pouch(net)  # and its answer is thrown away
        size = net["xb-ca"].exchange.log.size
        second = net.world.send("xa-ca", "xb-ca", b'{"n":2}')
        frame = net["xa-ca"].exchange.outbox.bag("xb-ca", Lane.ROUTINE).frame
        status, _, body = await ask(net["xb-ca"], "POST", "/v1/pouch", frame)
        assert status == 409
        assert b'"HEAD-UNLINKED"' in body
        assert net["xb-ca"].exchange.log.size == size
        net["xa-ca"].carry_to("xb-ca")
        await net.settled(first.hash)
        await net.settled(second.hash)
        assert count(net, "xb-ca", Consigned) == 2  # the first one once
        assert count(net, "xa-ca", Receipted) == 2
        assert forks(net) == 0


async def test_HEAD_2_lanes_that_overtake_each_other(tmp_path):
    async with peers(tmp_path) as net:
        sent = [net.world.send("xa-ca", "xb-ca", b"{}", lane=Lane(i % 2)) for i in range(200)]
        sent += [net.world.send("xb-ca", "xa-ca", b"{}", lane=Lane(i % 2)) for i in range(200)]
        for place, submission in enumerate(sent):
            sender, recipient = ("xa-ca", "xb-ca") if place < 200 else ("xb-ca", "xa-ca")
            await until(lambda s=submission, a=sender, b=recipient: net.state(s.hash, b, a) == State.DELIVERED, "delivered")
        assert forks(net) == 0


async def test_HEAD_2_an_answer_that_was_overtaken(tmp_path):
    """While it was on its way, a later head was confirmed: nobody is accused, nothing is put off, it is asked again at once."""
    async with peers(tmp_path, carry=False) as net:
        net.world.exchange_prekeys()
        net["xa-ca"].carry_to("xb-ca")
        client = net["xa-ca"].couriers["xb-ca"]._client
        real, calls = client.pouch, []

        async def overtaken(lane, frame):
            answer = await real(lane, frame)
            if not calls:
                net.world.send("xb-ca", "xa-ca", b"{}")
                await asyncio.to_thread(net.world.tell_prekeys, "xb-ca", "xa-ca")
            calls.append(lane)
            return answer

        client.pouch = overtaken
        sent = net.world.send("xa-ca", "xb-ca", b"{}")
        await net.settled(sent.hash)
        assert len(calls) > 1
        assert net["xa-ca"].couriers["xb-ca"].contacts.failed is None
        assert deliveries(net, sent)[0].attempts == 0
        assert forks(net) == 0


@contextlib.asynccontextmanager
async def instead_of_xb(net, answers):
    """xb-ca's key and address in a test's hands, xa-ca carrying to it."""
    await net["xb-ca"].stop_listening()
    world = net.world
    trusted = [world.holdings["xa-ca"].transport.certificate]
    async with impostor(net["xb-ca"].port, world.holdings["xb-ca"].transport, trusted, answers) as one:
        yield one


def frame_of_prekeys(net) -> bytes:
    return net.world.exchanges["xb-ca"].contact.prekeys_frame(0, 1)


async def test_HEAD_6_a_peer_claims_a_larger_head_of_ours_without_signatures(tmp_path):
    """Its bare word stops nobody: we go on with others, and with it once it is honest again."""
    async with peers(tmp_path, "xa-ca", "xb-ca", "xc-ca", carry=False) as net:
        claim = ok(b'{"code":"HEAD-UNLINKED","size":100000}', "application/problem+json", "409 Conflict")
        answers = {"/v1/pouch": claim, "/v1/prekeys": ok(frame_of_prekeys(net)), "/": ok(b"nothing like a note", "text/plain")}
        async with instead_of_xb(net, answers) as one:
            net["xa-ca"].carry_to("xb-ca", "xc-ca")
            sent = net.world.send("xa-ca", "xb-ca", b"{}")
            other = net.world.send("xa-ca", "xc-ca", b"{}")
            await net.settled(other.hash, "xc-ca")
            await until(lambda: any("/checkpoint" in line for line in one.asked), "asked for the head it claims")
            await until(lambda: deliveries(net, sent)[0].attempts, "an attempt is counted")
        assert deliveries(net, sent)[0].last_code == protocol_codes.HEAD_UNLINKED.code
        assert net["xa-ca"].exchange.log.stopped == ""
        await net["xb-ca"].listen()
        net.world.clock.advance(limits.HOUR)
        net["xa-ca"].couriers["xb-ca"].there()
        await net.settled(sent.hash)


async def test_HEAD_6_a_larger_head_of_ours_with_our_signatures_stops_us(tmp_path):
    async with peers(tmp_path, carry=False) as net:
        log = net["xa-ca"].exchange.log
        stolen = sign_head(Checkpoint(log.origin, 100_000, b"x" * 32), 1_900_000_000, net.world.holdings["xa-ca"].log, log.keys)
        claim = ok(b'{"code":"HEAD-UNLINKED","size":100000}', "application/problem+json", "409 Conflict")
        answers = {"/v1/pouch": claim, "/v1/prekeys": ok(frame_of_prekeys(net)), "/": ok(stolen, "text/plain")}
        async with instead_of_xb(net, answers):
            net["xa-ca"].carry_to("xb-ca")
            net.world.send("xa-ca", "xb-ca", b"{}")
            await until(lambda: log.stopped, "stopped")
            await until(lambda: net["xa-ca"].couriers["xb-ca"].contacts.code == exchange_codes.LOG_STOPPED.code, "said so")


def deliveries(net, sent):
    return net["xa-ca"].exchange.messages.find(sent.hash).deliveries


async def tried(net):
    """A message that xa-ca has tried to carry, in vain."""
    net["xa-ca"].carry_to("xb-ca")
    sent = net.world.send("xa-ca", "xb-ca", b"{}")
    await until(lambda: deliveries(net, sent)[0].attempts, "an attempt")
    return sent


def far_away(net) -> None:
    """The next attempt is five minutes later than it was."""
    net["xa-ca"].exchange.writer.run(lambda tx: tx.db.execute("UPDATE delivery SET due=due+?", (5 * limits.MINUTE,)) and None)


# -- peers that do not do what they should ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer, code",
    [
        (ok(b"garbage"), protocol_codes.POUCH_SIZE),
        (ok(b""), protocol_codes.POUCH_FORM),
        (ok(b"\xff" * 4000), protocol_codes.POUCH_SIZE),
        (ok(b"", status="500 Oops"), codes.PEER_REFUSED),
        (ok(b"", status="503 Busy", Retry_After="3"), codes.PEER_BUSY),
        (ok(b"", status="302 Found", Location="https://127.0.0.1/"), codes.PEER_REFUSED),
        (endless, codes.PEER_ANSWER_SIZE),
    ],
    ids=["garbage", "empty", "long", "500", "503", "302", "endless"],
)
@pytest.mark.parametrize("where", ["/v1/prekeys", "/v1/pouch"])
async def test_POI_2_one_bad_peer(tmp_path, where, answer, code):
    """Each delivery to it is put off further and further, with its code; the others get theirs; nothing is lost."""
    async with peers(tmp_path, "xa-ca", "xb-ca", "xc-ca", carry=False) as net:
        answers = {where: answer} if where == "/v1/prekeys" else {where: answer, "/v1/prekeys": ok(frame_of_prekeys(net))}
        async with instead_of_xb(net, answers) as one:
            net["xa-ca"].carry_to("xb-ca", "xc-ca")
            bad = net.world.send("xa-ca", "xb-ca", b"{}")
            good = net.world.send("xa-ca", "xc-ca", b"{}")
            await net.settled(good.hash, "xc-ca")
            await until(lambda: deliveries(net, bad)[0].attempts, "an attempt")
            found = deliveries(net, bad)[0]
            assert (found.state, found.last_code) == (State.QUEUED, code.code)
            asked = len([line for line in one.asked if where in line])
            assert asked <= 4  # it is not hammered
        await net["xb-ca"].listen()
        net.world.clock.advance(limits.HOUR)
        net["xa-ca"].couriers["xb-ca"].there()
        await net.settled(bad.hash)


async def test_POI_2_a_peer_that_never_answers(tmp_path):
    async with peers(tmp_path, "xa-ca", "xb-ca", "xc-ca", carry=False) as net:
        net["xa-ca"].patience = Patience(call=0.5)
        async with instead_of_xb(net, {"/": never}):
            net["xa-ca"].carry_to("xb-ca", "xc-ca")
            bad = net.world.send("xa-ca", "xb-ca", b"{}")
            good = net.world.send("xa-ca", "xc-ca", b"{}")
            await net.settled(good.hash, "xc-ca")
            await until(lambda: deliveries(net, bad)[0].attempts, "an attempt")
            assert deliveries(net, bad)[0].last_code == codes.PEER_UNREACHABLE.code


async def test_POI_2_a_peer_that_is_down_and_called_us_again(tmp_path):
    """What waits for its next attempt is due as soon as the peer shows itself, however far away the attempt was."""
    async with peers(tmp_path, carry=False) as net:
        await net["xb-ca"].stop_listening()
        sent = await tried(net)
        far_away(net)
        await net["xb-ca"].listen()
        await ask(net["xa-ca"], "GET", "/v1/prekeys", caller="xb-ca")
        await net.settled(sent.hash)


async def test_an_outage_soon_after_another_holds_up_nothing_either(tmp_path):
    """What was put off meanwhile is due when the second is over, though the end of the first has hastened everything a moment ago."""
    async with peers(tmp_path, carry=False) as net:
        async with instead_of_xb(net, {"/v1/pouch": ok(b"", status="500 Oops"), "/v1/prekeys": ok(frame_of_prekeys(net))}):
            put_off = await tried(net)
        far_away(net)
        net["xa-ca"].couriers["xb-ca"]._hastened = monotonic_ms()
        await net["xb-ca"].listen()
        await net.settled(net.world.send("xa-ca", "xb-ca", b"{}").hash)
        await net.settled(put_off.hash)


async def test_a_lane_that_was_asked_to_wait_goes_when_the_peer_calls(tmp_path):
    """As while it starts; though another lane has passed meanwhile."""
    async with peers(tmp_path, carry=False) as net:
        busy = ok(b"", status="503 Busy", Retry_After="300")
        async with instead_of_xb(net, {"/v1/pouch": busy, "/v1/prekeys": ok(frame_of_prekeys(net))}):
            sent = await tried(net)
        net["xa-ca"].couriers["xb-ca"].contacts.code = ""
        await net["xb-ca"].listen()
        await ask(net["xa-ca"], "GET", "/v1/prekeys", caller="xb-ca")
        await net.settled(sent.hash)


async def test_a_restart_tries_at_once(tmp_path):
    async with peers(tmp_path, carry=False) as net:
        await net["xb-ca"].stop_listening()
        sent = await tried(net)
        await net["xa-ca"].stop_carrying()
        far_away(net)
        await net["xb-ca"].listen()
        net["xa-ca"].carry_to("xb-ca")
        await net.settled(sent.hash)


async def test_after_a_start_what_is_urgent_goes_first(tmp_path, monkeypatch):
    """Also when its first attempt fails: routine waits for it."""
    async with peers(tmp_path, carry=False) as net:
        routine, urgent = (net.world.send("xa-ca", "xb-ca", b"{}", lane=lane) for lane in (Lane.ROUTINE, Lane.URGENT))
        outbox, failed = net["xa-ca"].exchange.outbox, []
        bag = outbox.bag

        def fail_once(peer, lane, most):
            if lane is Lane.URGENT and not failed:
                failed.append(lane)
                raise PassingError(exchange_codes.LOG_UNSURE, seconds=0)
            return bag(peer, lane, most)

        monkeypatch.setattr(outbox, "bag", fail_once)
        net["xa-ca"].carry_to("xb-ca")
        await net.settled(routine.hash)
        receipted = [entry.envelope_hash for entry in net.world.entries("xa-ca") if isinstance(entry, Receipted)]
        assert (receipted, failed) == ([urgent.hash, routine.hash], [Lane.URGENT])


async def test_a_failing_preparation_of_the_next_pouch_ends_nothing(tmp_path, monkeypatch):
    async with peers(tmp_path, carry=False) as net:

        def fail(bag, most):
            failed.append(bag)
            raise PassingError(exchange_codes.NO_PREKEY)

        failed = []
        monkeypatch.setattr(net["xa-ca"].exchange.outbox, "ahead", fail)
        sent = [net.world.send("xa-ca", "xb-ca", b"{}") for _ in range(300)]
        net["xa-ca"].carry_to("xb-ca")
        for submission in sent:
            await net.settled(submission.hash)
        assert failed


async def test_the_next_full_pouch_is_there_before_an_answer_is_taken(tmp_path, monkeypatch):
    async with peers(tmp_path, carry=False) as net:
        a, b = net["xa-ca"].exchange, net["xb-ca"].exchange
        take, receive = a.answers.take, b.inbox.receive
        arrived, early = [], []
        second = threading.Event()

        def receiving(peer, frame):
            if arrived:
                second.set()
            answer = receive(peer, frame)
            arrived.append(answer)
            return answer

        def taking(bag, frame):
            if bag.more and not early:
                early.append(second.wait(20))
            take(bag, frame)

        monkeypatch.setattr(b.inbox, "receive", receiving)
        monkeypatch.setattr(a.answers, "take", taking)
        sent = [net.world.send("xa-ca", "xb-ca", b"{}") for _ in range(100)]
        net["xa-ca"].carry_to("xb-ca")
        net["xa-ca"].couriers["xb-ca"]._lanes[Lane.ROUTINE].most = 16
        for submission in sent:
            await net.settled(submission.hash)
        assert early == [True]
        assert count(net, "xb-ca", Consigned) == len(sent)


async def test_the_head_of_a_large_answer_counts_before_the_next_pouch_is_packed(tmp_path, monkeypatch):
    """What the other lane is answered is linked from it, and would wait for the packing, which gives way to it."""
    async with peers(tmp_path, carry=False) as net:
        a = net["xa-ca"].exchange
        ahead, early = a.outbox.ahead, []

        def packing(bag, most):
            before, ends = a.peers.greatest("xb-ca"), time.monotonic() + 20
            while a.peers.greatest("xb-ca") == before and time.monotonic() < ends:
                time.sleep(0.01)
            early.append(a.peers.greatest("xb-ca") > before)
            return ahead(bag, most)

        net["xa-ca"].carry_to("xb-ca")
        await net.settled(net.world.send("xa-ca", "xb-ca", b"{}").hash)
        monkeypatch.setattr(a.outbox, "ahead", packing)
        sent = [net.world.send("xa-ca", "xb-ca", b"{}") for _ in range(600)]
        for submission in sent:
            await net.settled(submission.hash)
        assert early[:1] == [True]


async def test_a_pouch_that_held_all_is_not_looked_for_again(tmp_path, monkeypatch):
    async with peers(tmp_path, carry=False) as net:
        a = net["xa-ca"].exchange
        bag, looked = a.outbox.bag, []

        def looking(peer, lane, most):
            found = bag(peer, lane, most)
            if lane is Lane.ROUTINE:
                looked.append(0 if found is None else len(found.rows))
            return found

        monkeypatch.setattr(a.outbox, "bag", looking)
        net["xa-ca"].carry_to("xb-ca")
        await net.settled(net.world.send("xa-ca", "xb-ca", b"{}").hash)
        await asyncio.sleep(0.5)  # its start wakes all lanes
        looked.clear()
        await net.settled(net.world.send("xa-ca", "xb-ca", b"{}").hash)
        await asyncio.sleep(0.5)
        assert looked == [1]


async def test_what_became_urgent_meanwhile_leaves_before_the_answer_is_taken(tmp_path, monkeypatch):
    async with peers(tmp_path, carry=False) as net:
        a, b = net["xa-ca"].exchange, net["xb-ca"].exchange
        take, receive = a.answers.take, b.inbox.receive
        sent, early = [net.world.send("xa-ca", "xb-ca", b"{}", lane=Lane.URGENT)], []
        second = threading.Event()

        def receiving(peer, frame):
            if len(sent) == 1:
                sent.append(net.world.send("xa-ca", "xb-ca", b"{}", lane=Lane.URGENT))
                net["xa-ca"].couriers["xb-ca"].wake(Lane.URGENT)
            else:
                second.set()
            return receive(peer, frame)

        def taking(bag, frame):
            if not early:
                early.append(second.wait(20))
            take(bag, frame)

        monkeypatch.setattr(b.inbox, "receive", receiving)
        monkeypatch.setattr(a.answers, "take", taking)
        net["xa-ca"].carry_to("xb-ca")
        await until(lambda: len(sent) == 2, "the second")
        for submission in sent:
            await net.settled(submission.hash)
        assert early == [True]
        assert count(net, "xb-ca", Consigned) == 2


@pytest.mark.parametrize("busy", [True, False])
async def test_HEAD_2_an_answer_before_the_one_that_it_is_linked_from(tmp_path, monkeypatch, busy):
    """It is taken a moment later while the other lane has one on its way; else the pouch leaves again."""
    async with peers(tmp_path, carry=False) as net:
        a, b = net["xa-ca"].exchange, net["xb-ca"].exchange
        take, receive = a.answers.take, b.inbox.receive
        taken, received = [], []

        def taking(bag, frame):
            taken.append(frame)
            if len(taken) == 1:
                raise HeadError(protocol_codes.HEAD_UNLINKED, "too early", greatest=-1)
            take(bag, frame)

        def receiving(peer, frame):
            answer = receive(peer, frame)
            received.append(answer)
            return answer

        monkeypatch.setattr(a.answers, "take", taking)
        monkeypatch.setattr(b.inbox, "receive", receiving)
        sent = net.world.send("xa-ca", "xb-ca", b"{}", lane=Lane.URGENT)
        net["xa-ca"].carry_to("xb-ca")
        net["xa-ca"].couriers["xb-ca"]._lanes[Lane.ROUTINE].busy = busy
        await net.settled(sent.hash)
        assert (len(taken), len(received)) == ((2, 1) if busy else (2, 2))


async def test_POI_2_a_peer_whose_answers_are_never_linked_is_given_up_for_a_while(tmp_path, monkeypatch):
    async with peers(tmp_path, carry=False) as net:
        taken = []

        def take(bag, frame):
            taken.append(bag)
            raise HeadError(protocol_codes.HEAD_UNLINKED, "always", greatest=0)

        monkeypatch.setattr(net["xa-ca"].exchange.answers, "take", take)
        sent = [net.world.send("xa-ca", "xb-ca", b"{}") for _ in range(40)]
        net["xa-ca"].carry_to("xb-ca")
        net["xa-ca"].couriers["xb-ca"]._lanes[Lane.ROUTINE].most = 8
        await until(lambda: net["xa-ca"].couriers["xb-ca"].contacts.code == protocol_codes.HEAD_UNLINKED.code, "it to be given up")
        await net["xa-ca"].stop_carrying()
        assert len(taken) <= 20
        assert any(deliveries(net, each)[0].attempts for each in sent)


async def test_an_expired_message_says_what_was_tried(tmp_path):
    async with peers(tmp_path, carry=False) as net:
        await net["xb-ca"].stop_listening()
        await tried(net)
        await net["xa-ca"].stop_carrying()
        net.world.clock.advance(11 * limits.DAY)
        assert net["xa-ca"].exchange.deadletters.expire() == 1
        entry = next(e for e in net.world.entries("xa-ca") if isinstance(e, Undelivered))
        assert entry.attempts >= 1
        assert entry.last_code == codes.PEER_UNREACHABLE.code


# -- prekeys and what may pass --------------------------------------------------------------------------------------------------------


async def test_WRAP_1_a_recipient_that_was_down_for_nine_days(tmp_path):
    """Beyond the end of every prekey that the sender knows: the wrap is made again, the envelope is the same."""
    async with peers(tmp_path) as net:
        first = net.world.send("xa-ca", "xb-ca", b"{}")
        await net.settled(first.hash)
        await net["xb-ca"].stop()
        sent = net.world.send("xa-ca", "xb-ca", b"{}")
        before = net["xa-ca"].exchange.messages.find(sent.hash)
        await until(lambda: deliveries(net, sent)[0].attempts, "an attempt")
        net.world.clock.advance(9 * limits.DAY)
        net.world.reopen("xb-ca")
        net.world.visit("xb-ca")
        await net["xb-ca"].listen()
        net["xb-ca"].carry_to("xa-ca")
        await ask(net["xa-ca"], "GET", "/v1/prekeys", caller="xb-ca")  # it is there again, and calls
        await net.settled(sent.hash)
        after = net["xa-ca"].exchange.messages.find(sent.hash)
        assert (after.hash, after.message_id, after.index) == (before.hash, before.message_id, before.index)
        assert net["xb-ca"].exchange.messages.find(sent.hash).index is not None


async def test_LATER_1_a_prekey_that_has_ended_at_the_recipient_alone(tmp_path):
    """The recipient has lost its prekeys: *later*, with the current ones; nothing is logged, then it is delivered."""
    async with peers(tmp_path, carry=False) as net:
        net.world.exchange_prekeys()
        for file in net.world.home("xb-ca").prekeys.iterdir():
            file.unlink()
        await net["xb-ca"].stop_listening()
        net.world.reopen("xb-ca")
        net.world.visit("xb-ca")
        await net["xb-ca"].listen()
        sent = net.world.send("xa-ca", "xb-ca", b"{}")
        size = net["xb-ca"].exchange.log.size
        net["xa-ca"].exchange.answers.take(*await pouch(net))
        assert deliveries(net, sent)[0].last_code == protocol_codes.PREKEY_UNKNOWN.code
        assert net["xb-ca"].exchange.log.size == size
        net["xa-ca"].carry_to("xb-ca")
        await net.settled(sent.hash)


async def test_LATER_1_a_clock_in_doubt(tmp_path):
    async with peers(tmp_path) as net:
        net.world.clock.certain = False
        sent = net.world.send("xa-ca", "xb-ca", b"{}")
        await until(lambda: deliveries(net, sent)[0].last_code == protocol_codes.TIME_CLOCK.code, "later")
        assert count(net, "xb-ca", Consigned) == 0
        net.world.clock.certain = True
        net.world.clock.advance(limits.HOUR)
        net["xa-ca"].couriers["xb-ca"].wake(Lane.ROUTINE)
        await net.settled(sent.hash)


async def test_a_newer_directory_is_told_with_every_answer(tmp_path):
    async with peers(tmp_path) as net:
        sent = net.world.send("xa-ca", "xb-ca", b"{}")
        await net.settled(sent.hash)
        assert ("xb-ca", net.world.directory.version) in net["xa-ca"].told


# -- tasks --------------------------------------------------------------------------------------------------------------------------


async def test_no_task_outlives_its_courier(tmp_path):
    async with peers(tmp_path, carry=False) as net:
        before = asyncio.all_tasks()
        net["xa-ca"].carry_to("xb-ca")
        net["xb-ca"].carry_to("xa-ca")
        sent = net.world.send("xa-ca", "xb-ca", b"{}")
        await net.settled(sent.hash)
        await net["xa-ca"].stop()
        await net["xb-ca"].stop()
        await asyncio.sleep(0)
        assert asyncio.all_tasks() - before == set()


async def test_a_pouch_of_more_than_a_mebibyte(tmp_path):
    """It goes piece by piece: in one piece nothing else of the node would run meanwhile."""
    async with peers(tmp_path, carry=False) as net:
        net.world.exchange_prekeys()
        sent = [net.world.send("xa-ca", "xb-ca", b'{"text":"%s"}' % (b"x" * 60_000)) for _ in range(24)]
        net["xa-ca"].carry_to("xb-ca")
        for each in sent:
            await net.settled(each.hash)
        assert net["xa-ca"].couriers["xb-ca"].contacts.pouches <= 3
