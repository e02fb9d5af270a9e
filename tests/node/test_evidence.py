"""Evidence of 200 MiB between two real processes: constant memory, cuts and resumption, nothing shown before it is verified."""

import asyncio
import contextlib
import hashlib
import os
import random
import re
import shutil

import pytest

from exchange.outgoing.sealing import Attachment
from node.carrying.peerclient import Patience
from node.cli.boundary import AnsweredError
from node.demo import content
from node.exercise import free_ports
from protocol import limits
from protocol.delivery import State
from protocol.entries import Consigned, Lane, Receipted, Undelivered
from tests.node.peers import peers, until
from tests.node.processes import Memory, nodes, wait_until
from tests.node.proxy import proxy

SIZE = 200 * limits.MiB
CONSTANT = 64 * limits.MiB
CUTS = 5
_RESENT = 8 * limits.MiB  # per cut: what lay in buffers on the way
_CANARY = b"CANARY-of-evidence-5d1f7a"


def records(files, sender="xa-ca/mla", recipient="xb-ca/mla"):
    """An MLA_RECORDS message with these attachments."""
    attachments = [
        {"path": str(f.path), "filename": f.path.name, "media_type": f.media_type, "role": f.role} for f in files
    ]  # fmt: skip
    return {
        "from": sender, "to": [recipient], "kind": "MLA_RECORDS", "form": content.records_request(files), "attachments": attachments,
    }  # fmt: skip


def state(node, message_id, recipient="xb-ca"):
    return next(d["state"] for d in node.message(message_id)["deliveries"] if d["authority"] == recipient)


async def started(running):
    """Start everybody and hire the people; in threads, because they may have to go through a proxy of this loop."""
    for node in running.values():
        await asyncio.to_thread(node.start)
        await asyncio.to_thread(node.actor.hire, f"{node.place.authority}/mla")


def refused(node, path, **query):
    with pytest.raises(AnsweredError) as caught:
        b"".join(node.actor.client.stream(path, **query))
    return caught.value


async def test_200_MiB_cross_in_constant_memory_and_resume_after_every_cut(tmp_path):
    files = list(content.make_files(tmp_path / "files", SIZE).values())[:3]
    evidence = files[2]
    cuts = sorted(random.Random(20_261_124).sample(range(5 * limits.MiB, SIZE - 5 * limits.MiB), CUTS))
    with nodes(tmp_path, "xa-ca", "xb-ca", start=False) as running:
        xa, xb = running["xa-ca"], running["xb-ca"]
        target = xb.listen_elsewhere()
        async with proxy(xb.place.peer_port, target, list(cuts)) as between:
            await started(running)
            memory = {name: Memory(node.process.pid) for name, node in running.items()}
            sent = await asyncio.to_thread(xa.actor.send, records(files))
            held = await asyncio.to_thread(_watch_while_pending, xa, xb, sent["message_id"], between)
            growth = {name: each.growth() for name, each in memory.items()}
            print(f"growth: {growth}, cuts at {between.done}, passed {between.passed - SIZE} bytes more than the evidence, held {held}")
        assert between.done == cuts
        assert between.passed < SIZE + CUTS * _RESENT
        assert all(grown < CONSTANT for grown in growth.values()), growth
        person = xb.actor.people["officer", "xb-ca/mla"]
        digest = hashlib.sha256()
        for piece in xb.actor.client.stream(f"/v1/messages/{sent['message_id']}/parts/3", actor=person, purpose="test"):
            digest.update(piece)
        assert digest.hexdigest() == evidence.sha256
        assert not [path.name for path in xb.place.home.data.rglob("*.partial")]


def _watch_while_pending(xa, xb, message_id, between):
    """Until it is delivered: nothing of it shows at the recipient before the last byte is verified. What was held when looked at."""
    wait_until(lambda: between.done, "the first cut")
    person = xb.actor.people["officer", "xb-ca/mla"]
    found = wait_until(lambda: _find(xb, message_id), "the message to be there")
    looked = 0
    if found["state"] == "pending":
        for number in (1, 3):
            error = refused(xb, f"/v1/messages/{message_id}/parts/{number}", actor=person, purpose="test")
            if _find(xb, message_id)["state"] == "pending":
                assert error.problem["code"] == "MESSAGE-PENDING", error.problem
                looked += 1
    wait_until(lambda: state(xa, message_id) == "delivered", "delivery", 180)
    assert _find(xb, message_id)["state"] == "consigned"
    assert looked
    return looked


def _find(node, message_id):
    for item in node.actor.client.items("/v1/messages", direction="in"):
        if item["message_id"] == message_id:
            return {**item, "state": item["deliveries"][0]["state"]}
    return None


@pytest.mark.parametrize("who", ["xa-ca", "xb-ca"])
async def test_a_node_stops_within_ten_seconds_while_evidence_flows(tmp_path, who):
    """Sender or recipient; then it starts again, and the upload goes on where it was."""
    files = list(content.make_files(tmp_path / "files", 24 * limits.MiB).values())[:3]
    with nodes(tmp_path, "xa-ca", "xb-ca", start=False) as running:
        xa, xb = running["xa-ca"], running["xb-ca"]
        target = xb.listen_elsewhere()
        async with proxy(xb.place.peer_port, target, latency=0.01) as between:
            await started(running)
            sent = await asyncio.to_thread(xa.actor.send, records(files))
            await until(lambda: between.passed > 4 * limits.MiB, "the evidence to flow", 60)
            assert await asyncio.to_thread(running[who].stop) < 10
            before = between.passed
            between.latency = 0.0
            await asyncio.to_thread(running[who].start)
            await asyncio.to_thread(wait_until, lambda: state(xa, sent["message_id"]) == "delivered", "delivery")
            assert between.passed - before < 24 * limits.MiB  # what was there is not sent again
        log = running[who].log.read_text()
        assert "Traceback" not in log
        assert "peer.fault" not in log


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace on this machine")
async def test_PART_2_no_plaintext_is_ever_written(tmp_path):
    """Every write of both processes, watched by strace: the attachment's text passes through none of them, and lies nowhere after."""
    folder = tmp_path / "files"
    files = list(content.make_files(folder, 64 * limits.KiB).values())[:2]
    secret = content._write(folder / "secret.bin", "application/octet-stream", "evidence_package", iter([_CANARY * 40_000]))
    with nodes(tmp_path, "xa-ca", "xb-ca", start=False) as running:
        xa, xb = running["xa-ca"], running["xb-ca"]
        for node in (xa, xb):
            settings = node.place.home.settings
            settings.write_text(settings.read_text() + '\n[log]\nlevel = "debug"\nformat = "json"\n')
            watch = ["strace", "-f", "-y", "-qq", "-s", "200000", "-e", "trace=write,pwrite64,writev,pwritev,sendto,sendmsg"]
            await asyncio.to_thread(node.start, *watch, "-o", str(tmp_path / f"{node.place.authority}.strace"))
            await asyncio.to_thread(node.actor.hire, f"{node.place.authority}/mla")
        sent = await asyncio.to_thread(xa.actor.send, records([*files, secret]))
        await asyncio.to_thread(wait_until, lambda: state(xa, sent["message_id"]) == "delivered", "delivery")
        for node in (xa, xb):
            node.kill()
        for node in (xa, xb):
            written = (tmp_path / f"{node.place.authority}.strace").read_bytes()
            assert re.search(rb"writev\(\d+<[^>]*/parts/(in|out)/", written), "strace saw the ciphertext being written"
            assert _CANARY not in written
            assert not [path for path in node.home.rglob("*") if path.is_file() and _CANARY in path.read_bytes()]


# -- in one process, with a clock that can be set -----------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def slow_line(tmp_path, latency=0.0, **times):
    """xa-ca carries to xb-ca through a proxy. Gives the net and the proxy."""
    async with peers(tmp_path, carry=False, **times) as net:
        xb = net["xb-ca"]
        await xb.stop_listening()
        [xb.listens_at] = free_ports(1)
        await xb.listen()
        async with proxy(xb.port, xb.listens_at, latency=latency) as between:
            yield net, between
            await net["xa-ca"].stop()


def with_evidence(net, size):
    path = net.world.folder / "evidence"
    path.write_bytes(os.urandom(size))
    return net.world.send("xa-ca", "xb-ca", b"{}", attachments=[Attachment(path, "e.bin", "application/octet-stream", "evidence")])


def kinds(net, name, kind):
    return sum(isinstance(entry, kind) for entry in net.world.entries(name))


async def test_PART_1_expiry_and_prekey_end_during_a_long_upload(tmp_path):
    """Eleven days on the way, with a cut: the window of time was judged when the body passed, so it is consigned and receipted."""
    async with slow_line(tmp_path, latency=0.005) as (net, between):
        net["xa-ca"].carry_to("xb-ca")
        sent = with_evidence(net, 8 * limits.MiB)
        await until(lambda: between.passed > 2 * limits.MiB, "the evidence to flow")
        net.world.clock.advance(11 * limits.DAY)
        net["xb-ca"].exchange.daily()
        net["xa-ca"].exchange.daily()
        assert net["xa-ca"].exchange.deadletters.expire() == 0
        between.cut()
        await until(lambda: net["xb-ca"].exchange.files.held(sent.hash, 1), "some of it held")
        between.latency = 0.0
        await net.settled(sent.hash)
        assert (kinds(net, "xb-ca", Consigned), kinds(net, "xa-ca", Receipted), kinds(net, "xa-ca", Undelivered)) == (1, 1, 0)


async def test_PART_1_prekey_end_alone(tmp_path):
    """26 hours: longer than a prekey lives, not longer than the message."""
    async with slow_line(tmp_path, latency=0.005) as (net, between):
        net["xa-ca"].carry_to("xb-ca")
        sent = with_evidence(net, 8 * limits.MiB)
        await until(lambda: between.passed > 2 * limits.MiB, "the evidence to flow")
        net.world.clock.advance(26 * limits.HOUR)
        for name in ("xa-ca", "xb-ca"):
            net[name].exchange.daily()
        between.latency = 0.0
        await net.settled(sent.hash)


async def test_urgent_messages_overtake_evidence(tmp_path):
    async with slow_line(tmp_path, latency=0.02) as (net, between):
        net["xa-ca"].carry_to("xb-ca")
        evidence = with_evidence(net, 16 * limits.MiB)
        await until(lambda: between.passed > limits.MiB, "the evidence to flow")
        for lane in (Lane.URGENT, Lane.ROUTINE):
            sent = net.world.send("xa-ca", "xb-ca", b"{}", lane=lane)
            await net.settled(sent.hash)
            assert net.state(evidence.hash) == State.WANTED
        between.latency = 0.0
        await net.settled(evidence.hash)


async def test_a_line_that_swallows_everything(tmp_path):
    """Neither side learns of it from the network: each gives up after its own time, and what was held is kept."""
    async with slow_line(tmp_path, latency=0.002, piece=0.5) as (net, between):
        net["xa-ca"].patience = Patience(call=1.0, piece=1.0)
        net["xa-ca"].carry_to("xb-ca")
        sent = with_evidence(net, 12 * limits.MiB)
        await until(lambda: between.passed > 4 * limits.MiB, "the evidence to flow")
        between.hole = True
        await until(lambda: not net["xb-ca"].exchange.parts_in._busy, "the recipient to give up")
        held = net["xb-ca"].exchange.files.held(sent.hash, 1)
        assert held > limits.MiB
        between.hole, between.latency, before = False, 0.0, between.passed
        await net.settled(sent.hash)
        assert between.passed - before < 12 * limits.MiB - held + 2 * limits.MiB


async def test_a_part_that_rotted_here_is_held_for_a_human(tmp_path):
    """The recipient cannot tell whose fault it is; the sender can, and does not send it again for ever."""
    async with peers(tmp_path, carry=False) as net:
        sent = with_evidence(net, 100_000)
        [path] = (net["xa-ca"].exchange.files.folder / "out").iterdir()
        data = bytearray(path.read_bytes())
        data[50_000] ^= 1
        path.write_bytes(data)
        net["xa-ca"].carry_to("xb-ca")
        await until(lambda: net.state(sent.hash) == State.HELD, "it to be held")
        assert net["xb-ca"].exchange.files.held(sent.hash, 1) == 0
        assert net["xb-ca"].exchange.messages.find(sent.hash).index is None
        await net["xa-ca"].stop()


async def test_a_small_message_is_not_behind_a_large_one(tmp_path):
    async with slow_line(tmp_path, latency=0.02) as (net, between):
        net["xa-ca"].carry_to("xb-ca")
        large = with_evidence(net, 16 * limits.MiB)
        await until(lambda: between.passed > limits.MiB, "the evidence to flow")
        small = with_evidence(net, 1000)
        await net.settled(small.hash)
        assert net.state(large.hash) == State.WANTED
        between.latency = 0.0
        await net.settled(large.hash)
