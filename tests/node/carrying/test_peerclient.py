"""Calls to a peer that is not as it should be, and addresses that must not be dialled."""

import contextlib
import dataclasses
import json
import random
import socket

import pytest
from aiohttp.abc import AbstractResolver

from keys.directory.endpoint import may_dial
from node import codes
from node.carrying.peerclient import Patience, PeerRefusedError
from node.carrying.peerconnector import PeerAnswers, PeerConnector
from protocol import codes as protocol_codes
from protocol import limits
from protocol.cbor import encode
from protocol.entries import Lane
from protocol.errors import LocalError, PassingError, ProtocolError
from protocol.pouch import Frame
from tests.node.impostor import drops, endless, impostor, never, ok
from tests.node.peers import peers
from tests.node.wire import stranger

FORBIDDEN = [
    "127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254", "10.1.2.3", "100.64.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::",
    "224.0.0.1", "fec0::1", "192.0.0.8", "0.0.0.0", "192.168.1.1", "172.16.0.1", "fe80::1%lo", "fd00::1", "255.255.255.255", "::",
    "::127.0.0.1", "not an address", "",
]  # fmt: skip


class Answers(AbstractResolver):
    """A name server that answers with these, one after the other; the last for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    async def resolve(self, host, port=0, family=socket.AF_INET):
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            {"hostname": host, "host": ip, "port": port, "family": socket.AF_INET6 if ":" in ip else socket.AF_INET, "proto": 0, "flags": 0}
            for ip in found
        ]  # fmt: skip

    async def close(self):
        pass


@pytest.fixture
async def net(tmp_path):
    """xa-ca can call; at xb-ca's address the tests put something else."""
    async with peers(tmp_path, carry=False) as found:
        found["xa-ca"].patience = Patience(call=5.0, piece=1.0)
        await found["xb-ca"].stop_listening()
        yield found


@contextlib.asynccontextmanager
async def as_xb(net, answers, **more):
    ours = net.world.holdings["xa-ca"].transport.certificate
    async with impostor(net["xb-ca"].port, net.world.holdings["xb-ca"].transport, [ours], answers, **more) as one:
        yield one


@contextlib.asynccontextmanager
async def client(net, name=None, ranges=None):
    """A client of xa-ca for xb-ca; with ``name`` the directory lists that as its host."""

    def directory():
        found = net.world.directory
        if name is not None:
            member = dataclasses.replace(found.members["xb-ca"], address=(name, net["xb-ca"].port))
            found = dataclasses.replace(found, members={**found.members, "xb-ca": member})
        return found if ranges is None else dataclasses.replace(found, address_ranges=ranges)

    made = net["xa-ca"].client("xb-ca", directory)
    try:
        yield made
    finally:
        await made.close()


async def refusal(call) -> ProtocolError | PassingError:
    with pytest.raises((ProtocolError, PassingError)) as caught:
        await call
    return caught.value


# -- where a call may go ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ip", FORBIDDEN)
def test_NET_9_what_may_not_be_dialled(ip):
    assert not may_dial(ip, ())
    assert may_dial("198.51.99.1", ())
    assert may_dial("2a02:1234::1", ())


@contextlib.contextmanager
def untouched(port):
    """A listener at this port that nobody connects to meanwhile."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        listener.setblocking(False)
        yield
        with pytest.raises(BlockingIOError):
            listener.accept()


def resolve(calling, *answers):
    calling._session("QUESTIONS").connector._resolver = Answers(*answers)


@pytest.mark.parametrize("ips", [*([ip] for ip in FORBIDDEN if ip.count(".") == 3 or ":" in ip), ["127.0.0.1", "10.1.2.3", "::1"]])
async def test_NET_9_a_name_that_leads_inside(net, ips):
    with untouched(net["xb-ca"].port):
        async with client(net, "xb.example", ranges=()) as calling:
            resolve(calling, ips)
            assert (await refusal(calling.prekeys(0))).code is codes.PEER_ADDRESS


async def test_NET_9_an_address_in_the_directory_that_the_network_does_not_allow(net):
    with untouched(net["xb-ca"].port):
        async with client(net, ranges=("10.0.0.0/8",)) as calling:
            assert (await refusal(calling.prekeys(0))).code is codes.PEER_ADDRESS


async def test_NET_9_of_several_addresses_only_the_allowed_are_dialled(net):
    async with as_xb(net, {"/": ok(b"x")}) as one, client(net, "xb.example") as calling:
        resolve(calling, ["169.254.169.254", "127.0.0.1"])
        assert await calling.prekeys(0) == b"x"
        assert one.connections == 1


async def test_NET_10_a_name_that_is_rebound(net):
    """The first answer of the name server is good, the second leads elsewhere: each address is looked at when its socket is made."""
    async with as_xb(net, {"/": ok(b"x", Connection="close")}) as one, client(net, "xb.example") as calling:
        resolve(calling, ["127.0.0.1"], ["10.1.2.3"])
        assert await calling.prekeys(0) == b"x"
        assert (await refusal(calling.prekeys(0))).code is codes.PEER_ADDRESS
        assert one.connections == 1


async def test_NET_10_the_open_connection_is_looked_at_before_each_request(net):
    allowed = ["127.0.0.0/8"]
    async with as_xb(net, {"/": ok(b"x")}) as one, client(net) as calling:
        connector = PeerConnector(lambda ip: may_dial(ip, tuple(allowed)), calling._check)
        calling._session("QUESTIONS")._connector = connector
        assert await calling.prekeys(0) == b"x"
        allowed.clear()  # the directory's ranges have changed: the kept connection is no way around
        assert (await refusal(calling.prekeys(0))).code is codes.PEER_ADDRESS
        assert len(one.asked) == 1


# -- who answers --------------------------------------------------------------------------------------------------------------------


async def test_NET_2_the_peer_shows_an_unknown_key(net):
    ours = net.world.holdings["xa-ca"].transport.certificate
    async with impostor(net["xb-ca"].port, stranger("xb-ca"), [ours], {"/": ok(b"")}) as one, client(net) as calling:
        assert (await refusal(calling.prekeys(0))).code is codes.PEER_UNREACHABLE
        assert one.asked == []


async def test_NET_3_another_member_answers(tmp_path):
    async with peers(tmp_path, "xa-ca", "xb-ca", "xc-ca", carry=False) as net:
        await net["xb-ca"].stop_listening()
        ours = net.world.holdings["xa-ca"].transport.certificate
        key = net.world.holdings["xc-ca"].transport
        async with impostor(net["xb-ca"].port, key, [ours], {"/": ok(b"")}) as one, client(net) as calling:
            assert (await refusal(calling.prekeys(0))).code is codes.PEER_UNREACHABLE
            assert one.asked == []


async def test_NET_3_a_key_that_the_directory_gave_to_another_since(net):
    """The context still trusts the certificate; the pins of now do not: nothing is said."""
    async with as_xb(net, {"/": ok(b"x")}) as one, client(net) as calling:
        assert await calling.prekeys(0) == b"x"
        pins = dict.fromkeys(net.world.directory.pins(), "xc-ca")
        calling._pins = lambda: pins
        assert (await refusal(calling.prekeys(0))).code is protocol_codes.TLS_AUTHORITY
        assert len(one.asked) == 1


async def test_a_member_that_has_left_is_not_called(net):
    async with as_xb(net, {"/": ok(b"x")}) as one, client(net) as calling:
        object.__setattr__(net.world.directory.members["xb-ca"], "active", False)
        assert (await refusal(calling.prekeys(0))).code is codes.PEER_UNREACHABLE
        assert one.connections == 0


# -- what it answers ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
@pytest.mark.parametrize("where", ["https://127.0.0.1:{port}/elsewhere", "/elsewhere", "http://169.254.169.254/latest"])
async def test_NET_11_redirects_are_never_followed(net, status, where):
    location = where.format(port=net["xb-ca"].port)
    async with as_xb(net, {"/v1": ok(b"", status=status, Location=location), "/": ok(b"")}) as one, client(net) as calling:
        error = await refusal(calling.pouch(Lane.ROUTINE, b"frame"))
        assert isinstance(error, PeerRefusedError)
        assert error.status == int(status.split()[0])
        assert [line.split()[1] for line in one.asked] == ["/v1/pouch"]


@pytest.mark.parametrize("status", [500, 502, 400, 404, 403, 418, 999])
async def test_POI_2_statuses(net, status):
    async with as_xb(net, {"/": ok(b"<html>" * 1000, "text/html", f"{status} X")}), client(net) as calling:
        error = await refusal(calling.pouch(Lane.ROUTINE, b"frame"))
        assert (error.code, error.status, error.peer_code, error.size) == (codes.PEER_REFUSED, status, "", None)


@pytest.mark.parametrize(
    "document",
    [b"", b"{", b"[]", b"null", b'"x"', b'{"code": 5}', b'{"size": -1}', b'{"size": true}', b'{"size": "9"}', b'{"size": 1e3}',
     b'{"size": 99999999999999999999999}', b"[" * 4000, b"\xff\xfe"],
)  # fmt: skip
async def test_POI_2_problem_documents(net, document):
    async with as_xb(net, {"/": ok(document, "application/problem+json", "409 Conflict")}), client(net) as calling:
        error = await refusal(calling.pouch(Lane.ROUTINE, b"frame"))
        assert (error.status, error.size) == (409, None)


async def test_a_409_names_the_size_to_link_from(net):
    document = json.dumps({"code": "HEAD-UNLINKED", "size": 17}).encode()
    async with as_xb(net, {"/": ok(document, "application/problem+json", "409 Conflict")}), client(net) as calling:
        error = await refusal(calling.pouch(Lane.ROUTINE, b"frame"))
        assert (error.peer_code, error.size) == ("HEAD-UNLINKED", 17)


@pytest.mark.parametrize("after, seconds", [("7", 7), ("99999999", 3600), ("-3", 30), ("soon", 30), ("٧", 30)])
@pytest.mark.parametrize("status", [429, 503, 507])
async def test_a_busy_peer_is_waited_for(net, status, after, seconds):
    answer = f"HTTP/1.1 {status} Wait\r\nRetry-After: {after}\r\nContent-Length: 0\r\n\r\n".encode()
    async with as_xb(net, {"/": answer}), client(net) as calling:
        error = await refusal(calling.pouch(Lane.ROUTINE, b"frame"))
        assert (error.code, error.seconds) == (codes.PEER_BUSY, seconds)


async def test_POI_2_an_answer_without_end(net):
    async with as_xb(net, {"/": endless}), client(net) as calling:
        assert (await refusal(calling.pouch(Lane.ROUTINE, b"frame"))).code is codes.PEER_ANSWER_SIZE


async def test_POI_2_no_answer_at_all(net):
    net["xa-ca"].patience = Patience(call=0.3)
    async with as_xb(net, {"/": never}), client(net) as calling:
        assert (await refusal(calling.pouch(Lane.ROUTINE, b"frame"))).code is codes.PEER_UNREACHABLE


async def test_POI_2_an_answer_drop_by_drop(net):
    """Each byte comes in time, the whole does not."""
    net["xa-ca"].patience = Patience(call=0.5)
    async with as_xb(net, {"/": drops}), client(net) as calling:
        assert (await refusal(calling.pouch(Lane.ROUTINE, b"frame"))).code is codes.PEER_UNREACHABLE


@pytest.mark.parametrize(
    "answer", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000, b"\0" * 100],
)  # fmt: skip
async def test_POI_2_what_is_no_http(net, answer):
    async def say(writer):
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with as_xb(net, {"/": say}), client(net) as calling:
        assert (await refusal(calling.pouch(Lane.ROUTINE, b"frame"))).code is codes.PEER_UNREACHABLE


async def test_an_upload_that_does_not_move_is_given_up(net, tmp_path):
    file = tmp_path / "part"
    file.write_bytes(bytes(64 * limits.MiB))
    async with as_xb(net, {}, deaf=True) as one, client(net) as calling:
        assert (await refusal(calling.upload(b"h" * 32, 1, file, range(64 * limits.MiB)))).code is codes.PEER_UNREACHABLE
        assert one.connections == 1


async def test_an_upload_whose_file_is_gone(net, tmp_path):
    async with client(net) as calling:
        with pytest.raises(LocalError) as caught:
            await calling.upload(b"h" * 32, 1, tmp_path / "gone", range(10))
        assert caught.value.code is codes.FILE_ACCESS


async def test_what_is_said_of_us(net):
    """No cookies, no compression, no name and version of a program."""
    cookie = ok(b"x", Set_Cookie="id=1; Secure")
    async with as_xb(net, {"/": cookie}) as one, client(net) as calling:
        await calling.prekeys(0)
        await calling.prekeys(0)
        heads = "".join(one.heads).lower()
        assert "cookie" not in heads
        assert "user-agent" not in heads
        assert "accept-encoding" not in heads
        assert "aiohttp" not in heads
        assert one.connections == 1  # kept


async def test_lanes_have_connections_of_their_own(net):
    async with as_xb(net, {"/": ok(b"x")}) as one, client(net) as calling:
        await calling.pouch(Lane.URGENT, b"frame")
        await calling.pouch(Lane.ROUTINE, b"frame")
        assert one.connections == 2


async def test_a_question_takes_no_connection_of_a_lane(net):
    """A pouch that found its own taken would open another, and each that has carried pouches holds megabytes."""
    async with as_xb(net, {"/": ok(b"x")}) as one, client(net) as calling:
        for lane in Lane:
            await calling.pouch(lane, b"frame")
        await calling.prekeys(0)
        await calling.checkpoint_of(net["xb-ca"].exchange.log.origin)
        for lane in Lane:
            await calling.pouch(lane, b"frame")
        assert one.connections == 3


@pytest.mark.parametrize("lengths", [[], [1], [1 << 18], [6500] * 256, [3_000_017, 0, 40]])
async def test_a_pouch_of_any_size_arrives_as_it_is(net, lengths):
    frame = Frame(b"head", [random.Random(n).randbytes(length) for n, length in enumerate(lengths)])
    async with as_xb(net, {"/": ok(b"x")}) as one, client(net) as calling:
        assert await calling.pouch(Lane.ROUTINE, frame) == b"x"
        assert one.body == b"head" + encode(frame.items)
        assert f"content-length: {len(one.body)}\r\n" in one.heads[0].lower()
        assert "transfer-encoding" not in one.heads[0].lower()


@pytest.mark.parametrize("length", [0, (1 << 18) - 1, 1 << 18, 3_000_017])
async def test_an_answer_to_what_was_collected_arrives_as_it_is(net, length):
    call = random.Random(length).randbytes(length)
    async with as_xb(net, {"/": ok(b"x")}) as one, client(net) as calling:
        assert await calling.collect(Lane.ROUTINE, call) == b"x"
        assert one.body == call
        assert "transfer-encoding" not in one.heads[0].lower()


async def test_what_peers_answer_is_read_in_place(net):
    """aiohttp has no public way to name a protocol: a release that renames what we set would read as before, and say nothing."""
    async with as_xb(net, {"/": ok(b"x")}), client(net) as calling:
        await calling.prekeys(0)
        protocols = [transport.get_protocol() for transport in calling._session("QUESTIONS").connector._open]
    assert [type(each) for each in protocols] == [PeerAnswers]


async def test_POI_2_whatever_an_answer_does_to_the_http_library_ends_one_call(net, monkeypatch):
    async def start(response, connection):
        raise AttributeError("headers")

    async with as_xb(net, {"/": ok(b"")}), client(net) as calling:
        monkeypatch.setattr("aiohttp.ClientResponse.start", start)
        error = await refusal(calling.pouch(Lane.URGENT, b"frame"))
    assert (error.code, error.detail) == (codes.PEER_UNREACHABLE, "AttributeError")
