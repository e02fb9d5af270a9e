"""An authority that nobody can call, between real nodes: everything goes over connections that it opened itself."""

import asyncio
import contextlib
import dataclasses
import os

import pytest

from exchange import codes as exchange_codes
from exchange.outgoing.sealing import Attachment
from node import codes as node_codes
from node import collector
from node.carrying import mailbox
from node.exercise import free_ports
from protocol import codes, limits
from protocol.collect import Collect, encode_collect, pouch_id
from protocol.entries import Consigned, Lane, Receipted
from protocol.errors import PassingError
from tests.node.peers import peers, until
from tests.node.proxy import proxy
from tests.node.wire import ask, code_of


@contextlib.asynccontextmanager
async def shy(tmp_path, *, carry=True):
    """xa-ca has no address and no listener; xb-ca has both."""
    async with peers(tmp_path, carry=False) as net:
        hide(net)
        await net["xa-ca"].stop_listening()
        if carry:
            net["xb-ca"].carry_to("xa-ca")
            begin(net)
        yield net


def hide(net):
    member = net.world.directory.member("xa-ca")
    net.world.directory.members["xa-ca"] = dataclasses.replace(member, address=None)


def begin(net):
    net["xa-ca"].collect_from("xb-ca")
    net["xa-ca"].carry_to("xb-ca")


def count(net, name, kind) -> int:
    return sum(isinstance(entry, kind) for entry in net.world.entries(name))


@pytest.mark.parametrize("lane", list(Lane))
async def test_a_message_reaches_an_authority_that_nobody_can_call(tmp_path, lane):
    async with shy(tmp_path) as net:
        sent = net.world.send("xb-ca", "xa-ca", b"{}", lane=lane)
        await net.settled(sent.hash, "xa-ca", sender="xb-ca")
        assert net.world.exchanges["xa-ca"].messages.find(sent.hash).index is not None
        assert (count(net, "xa-ca", Consigned), count(net, "xb-ca", Receipted)) == (1, 1)
        back = net.world.send("xa-ca", "xb-ca", b"{}", lane=lane)  # its own pouches travel as everybody's do
        await net.settled(back.hash)


async def test_URG_1_an_urgent_message_is_there_at_once(tmp_path):
    """The long call of the urgent lane is open: nobody waits for its end, and thousands of routine messages are no reason to wait."""
    async with shy(tmp_path) as net:
        first = net.world.send("xb-ca", "xa-ca", b"{}", lane=Lane.URGENT)
        await net.settled(first.hash, "xa-ca", sender="xb-ca")
        routine = [net.world.send("xb-ca", "xa-ca", b"{}") for _ in range(300)]
        sent = net.world.send("xb-ca", "xa-ca", b"{}", lane=Lane.URGENT)
        async with asyncio.timeout(4):  # less than a call stays open
            await net.settled(sent.hash, "xa-ca", sender="xb-ca")
        await net.settled(routine[-1].hash, "xa-ca", sender="xb-ca")


async def test_many_both_ways(tmp_path):
    async with shy(tmp_path) as net:
        pairs = [("xb-ca", "xa-ca"), ("xa-ca", "xb-ca")]
        sent = [(*pairs[n % 2], net.world.send(*pairs[n % 2], b'{"n":%d}' % n, lane=Lane(n // 2 % 2))) for n in range(120)]
        for sender, recipient, submission in sent:
            await net.settled(submission.hash, recipient, sender=sender)
        assert count(net, "xa-ca", Consigned) == count(net, "xb-ca", Consigned) == 60


def evidence(net, tmp_path, size):
    path = tmp_path / f"file-{size}"
    path.write_bytes(os.urandom(size))
    attachment = Attachment(path, path.name, "application/octet-stream", "evidence")
    return path, net.world.send("xb-ca", "xa-ca", b"{}", attachments=[attachment])


async def test_evidence_is_fetched(tmp_path):
    async with shy(tmp_path) as net:
        path, sent = evidence(net, tmp_path, 3 * limits.MiB + 7)
        await net.settled(sent.hash, "xa-ca", sender="xb-ca")
        messages = net.world.exchanges["xa-ca"].messages
        assert b"".join(messages.attachment(messages.find(sent.hash), 1)) == path.read_bytes()
        lengths = [part.length for part in messages.envelope(messages.find(sent.hash)).parts[1:]]
        assert net["xb-ca"].couriers["xa-ca"].sending.sent(sent.hash, lengths) in (0, sum(lengths))


async def test_evidence_goes_on_where_it_was_cut(tmp_path):
    """The recipient is stopped in the middle and opened again: it fetches the rest, not the whole."""
    async with shy(tmp_path, carry=False) as net:
        place = net["xb-ca"]
        async with backwards(place, cuts=[4 * limits.MiB]) as cut:
            place.carry_to("xa-ca")
            begin(net)
            _, sent = evidence(net, tmp_path, 8 * limits.MiB)
            await net.settled(sent.hash, "xa-ca", sender="xb-ca")
            assert cut.done
            assert cut.passed < 11 * limits.MiB  # what the kernel had of it is lost; from the start again it would be 12


@contextlib.asynccontextmanager
async def backwards(place, cuts):
    """A proxy in front of this place, which counts and cuts what comes back from it. The directory leads to the proxy."""
    (port,) = free_ports(1)
    member = place.world.directory.member(place.name)
    place.world.directory.members[place.name] = dataclasses.replace(member, address=("127.0.0.1", port))
    async with proxy(port, place.port, cuts, backwards=True) as one:
        yield one


async def test_a_connection_that_is_cut_loses_and_doubles_nothing(tmp_path):
    async with shy(tmp_path, carry=False) as net:
        place = net["xb-ca"]
        async with backwards(place, cuts=[30_000, 60_000]):
            place.carry_to("xa-ca")
            begin(net)
            sent = [net.world.send("xb-ca", "xa-ca", b'{"n":%d}' % n, lane=Lane(n % 2)) for n in range(60)]
            for submission in sent:
                await net.settled(submission.hash, "xa-ca", sender="xb-ca")
        hashes = [entry.envelope_hash for entry in net.world.entries("xa-ca") if isinstance(entry, Consigned)]
        assert sorted(hashes) == sorted({submission.hash for submission in sent})


async def test_it_was_away_for_nine_days(tmp_path):
    """WRAP-1 in this direction: prekeys have ended, it brings new ones when it comes back; the same hash arrives."""
    async with shy(tmp_path) as net:
        first = net.world.send("xb-ca", "xa-ca", b"{}")
        await net.settled(first.hash, "xa-ca", sender="xb-ca")
        await net["xa-ca"].stop_carrying()
        sent = net.world.send("xb-ca", "xa-ca", b'{"n":1}')
        for _ in range(9):
            net.world.clock.advance(limits.DAY)
            net["xb-ca"].exchange.daily()
        net["xa-ca"].exchange.daily()
        net.world.visit("xa-ca")
        assert net.state(sent.hash, "xa-ca", "xb-ca") == "queued"
        begin(net)
        await net.settled(sent.hash, "xa-ca", sender="xb-ca")


async def test_prekeys_are_brought_again_after_a_change(tmp_path, monkeypatch):
    monkeypatch.setattr(collector, "PREKEYS_EVERY", 0.05)
    async with shy(tmp_path) as net:
        shelf = net["xb-ca"].exchange.shelf
        now = net.world.clock.now
        before = await until(lambda: shelf.freshest("xa-ca", now()), "prekeys")
        net.world.clock.advance(2 * limits.DAY)
        net["xa-ca"].exchange.daily()
        await until(lambda: (key := shelf.freshest("xa-ca", now())) is not None and key.id != before.id, "other prekeys")


# -- the head rule, and answers that are late -----------------------------------------------------------------------------------------


async def test_an_answer_that_was_lost_is_asked_for_again(tmp_path):
    """It collects, and never answers: the pouch counts as lost at its next call, and is offered again; nothing is consigned twice."""
    async with shy(tmp_path, carry=False) as net:
        place, world = net["xb-ca"], net.world
        place.carry_to("xa-ca")
        world.exchange_prekeys()
        sent = world.send("xb-ca", "xa-ca", b"{}")
        status, _, frame = await collect(place, Collect(Lane.ROUTINE, 5))
        assert status == 200
        answer = None
        with contextlib.suppress(Exception):
            answer = world.exchanges["xa-ca"].inbox.receive("xb-ca", frame)
        status, _, again = await collect(place, Collect(Lane.ROUTINE, 5))
        assert (status, again != frame) == (200, True) if answer else (200, False)
        begin(net)
        await net.settled(sent.hash, "xa-ca", sender="xb-ca")
        assert count(net, "xa-ca", Consigned) == 1


async def collect(place, call, caller="xa-ca"):
    return await ask(place, "POST", "/v1/collect", encode_collect(call), caller=caller)


async def test_an_answer_to_another_pouch_is_ignored(tmp_path):
    async with shy(tmp_path, carry=False) as net:
        place = net["xb-ca"]
        place.carry_to("xa-ca")
        status, _, _ = await collect(place, Collect(Lane.ROUTINE, 0, bytes(32), b"no answer"))
        assert status == 204
        begin(net)
        sent = net.world.send("xb-ca", "xa-ca", b"{}")
        await net.settled(sent.hash, "xa-ca", sender="xb-ca")


async def test_a_lying_answer_harms_its_own_messages_only(tmp_path):
    async with shy(tmp_path, carry=False) as net:
        place = net["xb-ca"]
        place.carry_to("xa-ca")
        net.world.exchange_prekeys()
        sent = net.world.send("xb-ca", "xa-ca", b"{}")
        _, _, frame = await collect(place, Collect(Lane.ROUTINE, 5))
        status, _, _ = await collect(place, Collect(Lane.ROUTINE, 0, pouch_id(frame), b"\0\0\0\x05lies!"))
        assert status == 204
        courier = place.couriers["xa-ca"]
        await until(lambda: courier.contacts.code == codes.POUCH_FORM.code, "the lie seen")
        assert net.state(sent.hash, "xa-ca", "xb-ca") == "queued"


@pytest.mark.parametrize("body", [b"", b"\0\0\0\1\0", encode_collect(Collect(Lane.URGENT, 0))[:-1]])
async def test_what_is_no_call(tmp_path, body):
    async with shy(tmp_path, carry=False) as net:
        status, _, answer = await ask(net["xb-ca"], "POST", "/v1/collect", body)
        assert (status, code_of(answer)) == (400, codes.COLLECT_FORM.code)


async def test_of_two_calls_the_later_one_waits(tmp_path):
    async with shy(tmp_path, carry=False) as net:
        place = net["xb-ca"]
        first = asyncio.get_running_loop().create_task(collect(place, Collect(Lane.URGENT, 20)))
        await until(place.mailboxes.of("xa-ca")._boxes[Lane.URGENT].waits.is_set, "the first")
        second = asyncio.get_running_loop().create_task(collect(place, Collect(Lane.URGENT, 20)))
        assert (await first)[0] == 204
        place.carry_to("xa-ca")
        net.world.exchange_prekeys()
        net.world.send("xb-ca", "xa-ca", b"{}", lane=Lane.URGENT)
        assert (await second)[0] == 200


async def test_a_peer_that_stops_collecting_is_tried_again(monkeypatch):
    """A pouch was made for it, and it has gone meanwhile: the attempt counts as one, and the message waits on."""
    monkeypatch.setattr(mailbox, "_COLLECTED", 0.05)
    box = mailbox.Mailbox("xa-ca")
    with pytest.raises(PassingError) as caught:
        await box.pouch(Lane.ROUTINE, b"frame")
    assert caught.value.code is node_codes.PEER_UNREACHABLE
    assert await box.collect(Collect(Lane.ROUTINE, 0)) is None


# -- parts belong to who is to get them -------------------------------------------------------------------------------------------------


async def test_a_part_is_given_to_its_recipient_alone_and_while_it_is_wanted(tmp_path):
    async with peers(tmp_path, "xa-ca", "xb-ca", "xc-ca", carry=False) as net:
        net.world.exchange_prekeys()
        path = tmp_path / "evidence"
        path.write_bytes(b"e" * 70_000)
        sent = net.world.send("xb-ca", "xa-ca", b"{}", attachments=[Attachment(path, "evidence", "text/plain", "evidence")])
        target = f"/v1/parts/{sent.hash.hex()}/1"
        status, headers, whole = await ask(net["xb-ca"], "GET", target)
        assert (status, headers["content-type"]) == (200, "application/octet-stream")
        assert (await ask(net["xb-ca"], "GET", f"{target}?offset=1000"))[2] == whole[1000:]
        unwanted = exchange_codes.PART_UNWANTED.code
        for who, where in (("xc-ca", target), ("xa-ca", f"/v1/parts/{sent.hash.hex()}/2"), ("xa-ca", f"/v1/parts/{bytes(32).hex()}/1")):
            status, _, body = await ask(net["xb-ca"], "GET", where, caller=who)
            assert (status, code_of(body)) == (404, unwanted)
        status, _, body = await ask(net["xb-ca"], "GET", f"{target}?offset={len(whole) + 1}")
        assert (status, code_of(body)) == (409, exchange_codes.PART_OFFSET.code)
        net.world.deliver("xb-ca", "xa-ca")
        assert net.state(sent.hash, "xa-ca", "xb-ca") == "delivered"
        assert (await ask(net["xb-ca"], "GET", target))[0] == 404
