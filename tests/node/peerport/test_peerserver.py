"""The peers' port against hand-made callers: who gets in, what counts as HTTP, what is answered, how long anything may take."""

import asyncio
import gzip
import hashlib
import os
import ssl
from contextlib import AsyncExitStack

import pytest

from exchange import codes as exchange_codes
from exchange.outgoing.sealing import Attachment
from keys.transport import TransportKey
from node import codes
from node.peerport.peerlistener import CONNECTIONS
from protocol import codes as protocol_codes
from protocol import limits
from tests.node.peers import peers, until
from tests.node.wire import Wire, ask, code_of, context_of, request, stranger, wire


@pytest.fixture
async def net(tmp_path):
    """xa-ca and xb-ca listen; nobody carries."""
    async with peers(tmp_path, carry=False, headers=0.5, piece=0.5, handshake=1.0) as found:
        yield found


async def refused(place, context: ssl.SSLContext) -> bool:
    """Whether the handshake fails. In TLS 1.3 the caller learns it at its first read."""
    try:
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", place.port, ssl=context)
            writer.write(request("GET", "/v1/prekeys"))
            data = await reader.read()
    except (ssl.SSLError, ConnectionError):
        return True
    writer.close()
    assert data == b""
    return True


# -- who gets in ----------------------------------------------------------------------------------------------------------------


async def test_NET_1_without_a_certificate(net):
    context = context_of(net["xb-ca"], net.world.holdings["xa-ca"].transport)
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bare.check_hostname, bare.verify_mode = False, ssl.CERT_NONE
    assert await refused(net["xb-ca"], bare)
    async with wire(net["xb-ca"], context=context) as line:  # the same port, with one
        await line.say(request("GET", "/v1/prekeys"))
        assert (await line.answer())[0] == 200


async def test_NET_2_self_signed_unknown(net):
    assert await refused(net["xb-ca"], context_of(net["xb-ca"], stranger("xa-ca")))


async def test_NET_3_a_member_is_itself_whatever_its_certificate_says(net):
    claims = net.world.holdings["xb-ca"].transport  # a member's key, calling its own node: seen as what the directory calls it
    async with wire(net["xb-ca"], context=context_of(net["xb-ca"], claims)) as line:
        await line.say(request("GET", "/v1/prekeys"))
        await line.answer()
    assert net["xb-ca"].seen == ["xb-ca"]


async def test_NET_3_a_part_of_another_member_is_not_there(net):
    sent = with_part(net, 70_000)
    assert (await ask(net["xb-ca"], "HEAD", path(sent)))[0] == 200
    assert (await ask(net["xb-ca"], "HEAD", path(sent), caller="xb-ca"))[0] == 404


async def test_NET_4_expired(tmp_path):
    async with peers(tmp_path, carry=False) as net:
        now = 1_700_000_000_000
        key = net.world.holdings["xa-ca"].transport
        old = TransportKey(key.secret)
        old.issue_certificate("xa-ca", "exercise.example", now - 2 * limits.DAY, now - limits.DAY)
        net["xb-ca"].context_in.load_verify_locations(cadata=old.certificate)  # listed, and yet expired
        assert await refused(net["xb-ca"], context_of(net["xb-ca"], old))


async def test_NET_5_tls_1_2(net):
    context = context_of(net["xb-ca"], net.world.holdings["xa-ca"].transport)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert await refused(net["xb-ca"], context)


async def test_NET_6_weak_groups(net):
    """TLS 1.3 has no group below 128 bits of classical security: who offers nothing better is not spoken to."""
    for group, good in (("secp224r1", False), ("prime256v1", True), ("secp384r1", True)):
        context = context_of(net["xb-ca"], net.world.holdings["xa-ca"].transport)
        context.set_ecdh_curve(group)
        if good:
            async with wire(net["xb-ca"], context=context) as line:
                await line.say(request("GET", "/v1/prekeys"))
                assert (await line.answer())[0] == 200
        else:
            assert await refused(net["xb-ca"], context)


async def test_NET_7_no_session_to_resume(net):
    """No tickets: without one there is no early data, and nobody gets by the directory."""
    async with wire(net["xb-ca"]) as line:
        await line.say(request("GET", "/v1/prekeys"))
        await line.answer()
        connection = line.writer.get_extra_info("ssl_object")
        assert connection.session is None or not connection.session.has_ticket
        assert connection.version() == "TLSv1.3"


async def test_NET_8_alpn_that_is_not_ours(net):
    context = context_of(net["xb-ca"], net.world.holdings["xa-ca"].transport)
    context.set_alpn_protocols(["h2"])
    assert await refused(net["xb-ca"], context)
    async with wire(net["xb-ca"]) as line:
        assert line.writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"


async def test_TLS_of_one_who_has_left(net):
    async with wire(net["xb-ca"]) as line:
        await line.say(request("GET", "/v1/prekeys"))
        assert (await line.answer())[0] == 200
        object.__setattr__(net.world.directory.members["xa-ca"], "active", False)
        await line.say(request("GET", "/v1/prekeys"))  # over the connection that was good
        status, _, body = await line.answer()
        assert (status, code_of(body)) == (403, protocol_codes.TLS_AUTHORITY.code)
        assert await line.rest() == b""


# -- what counts as HTTP ----------------------------------------------------------------------------------------------------------

_POUCH = "POST /v1/pouch HTTP/1.1\r\nHost: peer\r\n"
_BAD = (b"HTTP/1.0 400 ", b"HTTP/1.1 400 ")
SMUGGLING = {
    "CL+TE": _POUCH + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TE+CL": _POUCH + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "duplicate CL": _POUCH + "Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    "same CL twice": _POUCH + "Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
    "CL list": _POUCH + "Content-Length: 4, 4\r\n\r\nabcd",
    "CL +5": _POUCH + "Content-Length: +5\r\n\r\nabcde",
    "CL -1": _POUCH + "Content-Length: -1\r\n\r\n",
    "CL 0x4": _POUCH + "Content-Length: 0x4\r\n\r\nabcd",
    "CL 4_0": _POUCH + "Content-Length: 4_0\r\n\r\nabcd",
    "TE identity, chunked": _POUCH + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "TE xchunked": _POUCH + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "bare LF": _POUCH + "X: 1\nContent-Length: 4\r\n\r\nabcd",
    "bare LF line": "GET /v1/prekeys HTTP/1.1\nHost: peer\n\n",
    "bare CR": _POUCH + "X: 1\rY: 2\r\nContent-Length: 0\r\n\r\n",
    "obs-fold": _POUCH + "X: 1\r\n 2\r\nContent-Length: 0\r\n\r\n",
    "space before colon": _POUCH + "Content-Length : 4\r\n\r\nabcd",
    "NUL in a value": _POUCH + "X: a\0b\r\nContent-Length: 0\r\n\r\n",
    "no host": "GET /v1/prekeys HTTP/1.1\r\n\r\n",
    "two hosts": "GET /v1/prekeys HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "HTTP/0.9": "GET /v1/prekeys\r\n\r\n",
    "HTTP/2 preface": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no HTTP": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}


@pytest.mark.parametrize("shape", SMUGGLING)
async def test_NET_13_ambiguous_requests(net, shape):
    """400, the connection ends, and what hides behind is no second request."""
    hidden = request("GET", "/v1/prekeys?yours=99")
    async with wire(net["xb-ca"]) as line:
        await line.say(SMUGGLING[shape].encode("latin-1") + hidden)
        told = await line.rest()
    assert told.startswith(_BAD), told[:300]
    assert told.count(b"HTTP/1.") == 1
    assert b"rogatory" in told
    assert b"aiohttp" not in told


async def test_NET_13_another_version_of_http(net):
    async with wire(net["xb-ca"]) as line:
        await line.say(b"GET /v1/prekeys HTTP/1.0\r\nHost: peer\r\n\r\n")
        assert (await line.rest()).startswith(_BAD)


async def test_NET_13_chunk_extension_bomb(net):
    async with wire(net["xb-ca"]) as line:
        await line.say(request("PUT", "/v1/parts/" + 64 * "0" + "/1").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked"))
        try:
            for _ in range(64):
                await line.say(b"1;" + b"x" * 65_536)
        except ConnectionError:
            pass
        told = await line.rest()
    assert told == b"" or told.startswith((*_BAD, b"HTTP/1.1 404"))


@pytest.mark.parametrize(
    "target",
    [
        "/..%2f", "//", "/%00", "/v1/../v1/pouch/x", "/v1/parts/%2e%2e/1", f"/v1/parts/{'0' * 64}/0", f"/v1/parts/{'0' * 64}/1%00",
        f"/v1/parts/{'A' * 64}/1", f"/v1/parts/{'0' * 63}/1", "/v1/directory/%2e%2e%2fkeystore", "/v1/directory/../../keystore",
        "/v1/directory//etc/passwd", "/v1/directory/in-force", "/v1/directory/evidence/x.json", "/", "/admin", "*",
        f"/{'0' * 64}/checkpoint",
    ],
)  # fmt: skip
async def test_NET_14_paths(net, target):
    status, headers, body = await ask(net["xb-ca"], "GET", target)
    assert status in (400, 404, 405)
    assert b"keystore" not in body
    assert headers["server"] == "rogatory"


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "GET", "PUT", "HEAD", "PROPFIND"])
async def test_NET_15_methods(net, method):
    target = "peer:1" if method == "CONNECT" else "/v1/pouch"
    status, headers, body = await ask(net["xb-ca"], method, target)
    assert (status, headers.get("allow")) in ([(400, None), (404, None)] if method == "CONNECT" else [(405, "POST")])
    assert body == b""


@pytest.mark.parametrize(
    "headers",
    ["".join(f"X-{i}: 1\r\n" for i in range(10_000)), "X: " + "a" * 65_536 + "\r\n", "X" * 65_536 + ": 1\r\n"],
    ids=["10,000 headers", "64 KiB value", "64 KiB name"],
)
async def test_NET_16_header_limits(net, headers):
    async with wire(net["xb-ca"]) as line:
        await line.say(f"GET /v1/prekeys HTTP/1.1\r\nHost: peer\r\n{headers}\r\n".encode())
        told = await line.rest()
    assert told.startswith((*_BAD, b"HTTP/1.0 431", b"HTTP/1.1 431")), told[:200]


async def test_NET_16_request_line(net):
    async with wire(net["xb-ca"]) as line:
        await line.say(request("GET", "/v1/prekeys?yours=" + "1" * 8192))
        assert (await line.rest()).startswith(_BAD)


async def test_NET_12_host_and_forwarded_change_nothing(net):
    plain = await ask(net["xb-ca"], "GET", "/v1/prekeys")
    told = await ask(
        net["xb-ca"], "GET", "/v1/prekeys", X_Forwarded_For="10.0.0.1", X_Forwarded_Host="evil.example", Forwarded="for=xb-ca",
        X_Forwarded_Proto="http", X_Client_Cert="xb-ca",
    )  # fmt: skip
    async with wire(net["xb-ca"]) as line:
        await line.say(b"GET /v1/prekeys HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        other = await line.answer()
    assert plain[0] == told[0] == other[0] == 200
    assert set(net["xb-ca"].seen) == {"xa-ca"}
    assert b"evil" not in told[2] + other[2]


@pytest.mark.parametrize(
    "data",
    [
        request("GET", "/v1/prekeys"), request("GET", "/nothing"), request("DELETE", "/v1/pouch"), b"nonsense\r\n\r\n",
        request("POST", "/v1/pouch", b"x"), request("POST", "/v1/pouch", b"x", Expect="banana"),
        request("GET", "/v1/prekeys?yours=x"),
    ],
)  # fmt: skip
async def test_OPS_6_no_answer_names_a_version(net, data):
    async with wire(net["xb-ca"]) as line:
        await line.say(data.replace(b"Host: peer", b"Host: peer\r\nConnection: close"))
        told = await line.rest()
    head = told.partition(b"\r\n\r\n")[0].lower()
    assert b"server: rogatory\r\n" in head + b"\r\n"
    for word in (b"aiohttp", b"python", b"traceback", b"0.1.0"):
        assert word not in told.lower()


async def test_OPS_6_a_fault_of_ours_says_nothing(net, monkeypatch):
    def fail(*_):
        raise KeyError("canary-of-a-fault")

    monkeypatch.setattr(net["xb-ca"].exchange.contact, "prekeys_frame", fail)
    status, headers, body = await ask(net["xb-ca"], "GET", "/v1/prekeys")
    assert (status, body) == (500, b"")
    assert headers["server"] == "rogatory"
    monkeypatch.undo()
    assert (await ask(net["xb-ca"], "GET", "/v1/prekeys"))[0] == 200


# -- bodies -----------------------------------------------------------------------------------------------------------------------


def with_part(net, length: int, deliver: bool = True):
    """A message with an attachment of random bytes whose body has arrived at xb-ca."""
    file = net.world.folder / f"file-{length}"
    file.write_bytes(os.urandom(length))
    net.world.exchange_prekeys()
    sent = net.world.send("xa-ca", "xb-ca", b"{}", attachments=[Attachment(file, "a.bin", "application/octet-stream", "evidence")])
    if deliver:
        net.world.deliver("xa-ca", "xb-ca", parts=False)
    return sent


def path(sent, offset: int | None = None) -> str:
    return f"/v1/parts/{sent.hash.hex()}/1" + ("" if offset is None else f"?offset={offset}")


def ciphertext(net, sent) -> bytes:
    exchange = net.world.exchanges["xa-ca"]
    part = exchange.messages.envelope(exchange.messages.find(sent.hash)).parts[1]
    return exchange.files.outgoing(part.digest).read_bytes()


def held(net, sent) -> int:
    return net.world.exchanges["xb-ca"].files.held(sent.hash, 1)


@pytest.mark.parametrize("target", ["/v1/pouch", "/v1/parts/" + 64 * "0" + "/1", "/v1/prekeys", "/nothing"])
async def test_ATT_15_content_encoding(net, target):
    method = {"/v1/pouch": "POST", "/v1/prekeys": "GET"}.get(target, "PUT")
    status, _, body = await ask(net["xb-ca"], method, target, gzip.compress(bytes(1_000_000)), Content_Encoding="gzip")
    assert (status, code_of(body)) == (415, codes.CONTENT_ENCODING.code)


@pytest.mark.parametrize("length", [limits.POUCH + 1, 10**15])
async def test_a_pouch_too_large_is_refused_unread(net, length):
    async with wire(net["xb-ca"]) as line:
        await line.say(f"{_POUCH}Content-Length: {length}\r\n\r\n".encode())
        status, _, body = await line.answer()
        assert (status, code_of(body)) == (413, protocol_codes.POUCH_SIZE.code)


async def test_a_pouch_of_unknown_length_is_refused(net):
    async with wire(net["xb-ca"]) as line:
        await line.say(f"{_POUCH}Transfer-Encoding: chunked\r\n\r\n".encode())
        status, _, body = await line.answer()
        assert (status, code_of(body)) == (413, protocol_codes.POUCH_SIZE.code)


@pytest.mark.parametrize("body", [b"", b"x", b"\xff" * 1000, bytes(100_000), b"\x9f" * 65_536, os.urandom(5000)])
async def test_ENV_1_no_pouch(net, body):
    before = net.world.exchanges["xb-ca"].log.size
    status, _, told = await ask(net["xb-ca"], "POST", "/v1/pouch", body)
    assert (status, code_of(told)) in ((400, "POUCH-FORM"), (413, "POUCH-SIZE"))
    assert net.world.exchanges["xb-ca"].log.size == before


async def test_ATT_10_more_than_announced(net):
    sent = with_part(net, 70_000)
    data = ciphertext(net, sent)
    async with wire(net["xb-ca"]) as line:
        await line.say(request("PUT", path(sent, 0)).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked"))
        with_end = b"%x\r\n%b\r\n" % (len(data), data)
        await line.say(with_end + b"1\r\nx\r\n")
        status, _, body = await line.answer()
    assert (status, code_of(body)) == (413, protocol_codes.PART_LENGTH.code)
    assert held(net, sent) == 0
    assert net.world.exchanges["xb-ca"].messages.find(sent.hash).index is None


async def test_ATT_10_one_byte_more_after_the_last(net):
    sent = with_part(net, 70_000)
    data = ciphertext(net, sent)
    async with wire(net["xb-ca"]) as line:
        await line.say(request("PUT", path(sent, 0)).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked"))
        await line.say(b"%x\r\n%b\r\n" % (len(data), data))
        await until(lambda: net["xb-ca"].exchange.parts_in._busy, "begun")
        await asyncio.sleep(0.1)  # whether it has taken the last byte shows nowhere
        await line.say(b"1\r\nx\r\n0\r\n\r\n")
        status, _, body = await line.answer()
    assert (status, code_of(body)) == (413, protocol_codes.PART_LENGTH.code)
    assert net.world.exchanges["xb-ca"].messages.find(sent.hash).index is None


async def test_an_upload_ends_when_the_node_stops(net):
    sent = with_part(net, 300_000)
    data = ciphertext(net, sent)
    async with wire(net["xb-ca"]) as line:
        await line.say(request("PUT", path(sent, 0)).replace(b"Content-Length: 0", b"Content-Length: %d" % len(data)) + data[:100_000])
        await until(lambda: net["xb-ca"].exchange.parts_in._busy, "begun")
        net["xb-ca"].server.stop()
        await line.say(data[100_000:200_000])
        status, headers, body = await line.answer()
        assert (status, code_of(body)) == (503, codes.PEER_STOPPING.code)
        assert "retry-after" in headers
    assert 0 < held(net, sent) < len(data)


async def test_ATT_10_a_length_beyond_the_announced_is_refused_unread(net):
    sent = with_part(net, 70_000)
    async with wire(net["xb-ca"]) as line:
        await line.say(request("PUT", path(sent, 0)).replace(b"Content-Length: 0", b"Content-Length: 10000000000"))
        status, _, body = await line.answer()
    assert (status, code_of(body)) == (413, protocol_codes.PART_LENGTH.code)


async def test_ATT_11_a_stalled_upload_ends_and_resumes(net):
    sent = with_part(net, 300_000)
    data = ciphertext(net, sent)
    async with wire(net["xb-ca"]) as line:
        await line.say(request("PUT", path(sent, 0)).replace(b"Content-Length: 0", b"Content-Length: %d" % len(data)) + data[:100_000])
        status, headers, body = await line.answer()  # half a second later
        assert (status, code_of(body)) == (408, codes.PEER_TIME.code)
        assert "retry-after" in headers
    assert held(net, sent) == 100_000
    status, headers, _ = await ask(net["xb-ca"], "HEAD", path(sent))
    assert (status, headers["upload-offset"]) == (200, "100000")
    assert (await ask(net["xb-ca"], "PUT", path(sent, 100_000), data[100_000:]))[0] == 204
    assert net.world.exchanges["xb-ca"].messages.find(sent.hash).index is not None


async def test_ATT_11_a_connection_that_is_cut_keeps_what_came(net):
    sent = with_part(net, 300_000)
    data = ciphertext(net, sent)
    async with wire(net["xb-ca"]) as line:
        await line.say(request("PUT", path(sent, 0)).replace(b"Content-Length: 0", b"Content-Length: %d" % len(data)) + data[:100_000])
        await until(lambda: held(net, sent), "bytes taken")
        line.writer.transport.abort()
    await until(lambda: not net.world.exchanges["xb-ca"].parts_in._busy, "the part is let go")
    got = held(net, sent)
    assert 0 < got <= 100_000
    assert (await ask(net["xb-ca"], "PUT", path(sent, got), data[got:]))[0] == 204
    assert net.world.exchanges["xb-ca"].messages.find(sent.hash).index is not None


async def test_ATT_12_resumed_with_changed_bytes(net):
    sent = with_part(net, 300_000)
    data = ciphertext(net, sent)
    assert (await ask(net["xb-ca"], "PUT", path(sent, 0), data[:100_000]))[0] == 204
    status, _, body = await ask(net["xb-ca"], "PUT", path(sent, 100_000), data[100_000:-1] + bytes([data[-1] ^ 1]))
    assert (status, code_of(body)) == (400, protocol_codes.PART_DIGEST.code)
    assert held(net, sent) == 0  # all of it is sent again
    size = net.world.exchanges["xb-ca"].log.size
    assert (await ask(net["xb-ca"], "PUT", path(sent, 0), data))[0] == 204
    assert net.world.exchanges["xb-ca"].log.size == size + 1


@pytest.mark.parametrize("offset", ["1", "99999999999999999", "-1", "1.0", "x", "1" * 30, "%31"])
async def test_an_offset_that_is_not_where_it_ended(net, offset):
    sent = with_part(net, 70_000)
    status, _, body = await ask(net["xb-ca"], "PUT", path(sent) + f"?offset={offset}", b"abc")
    assert status in (400, 409)
    assert held(net, sent) == 0
    if status == 409:
        assert b'"size": 0' in body


async def test_ATT_13_two_uploads_of_one_part(net):
    sent = with_part(net, 300_000)
    data = ciphertext(net, sent)
    begin = request("PUT", path(sent, 0)).replace(b"Content-Length: 0", b"Content-Length: %d" % len(data))
    async with wire(net["xb-ca"]) as first:
        await first.say(begin + data[:10_000])
        await until(lambda: net.world.exchanges["xb-ca"].parts_in._busy, "the first has begun")
        status, headers, body = await ask(net["xb-ca"], "PUT", path(sent, 0), data)
        assert (status, code_of(body)) == (409, "PART-BUSY")
        assert "retry-after" in headers
        await first.say(data[10_000:])
        assert (await first.answer())[0] == 204
    messages = net.world.exchanges["xb-ca"].messages
    assert messages.find(sent.hash).index is not None
    assert b"".join(messages.attachment(messages.find(sent.hash), 1)) == (net.world.folder / "file-300000").read_bytes()


async def test_uploads_per_peer(net):
    """Eight at once; the ninth is asked to wait, others' calls go on."""
    sents = [with_part(net, 70_000 + i) for i in range(9)]
    lines: list[Wire] = []
    async with AsyncExitStack() as stack:
        for sent in sents[:8]:
            line = await stack.enter_async_context(wire(net["xb-ca"]))
            data = ciphertext(net, sent)
            await line.say(request("PUT", path(sent, 0)).replace(b"Content-Length: 0", b"Content-Length: %d" % len(data)))
            lines.append(line)
        await until(lambda: net["xb-ca"].server._parts.uploads["xa-ca"] == 8, "eight uploads")
        status, _, body = await ask(net["xb-ca"], "PUT", path(sents[8], 0), b"x")
        assert (status, code_of(body)) == (429, "PEER-QUOTA")
        assert (await ask(net["xb-ca"], "GET", "/v1/prekeys"))[0] == 200


async def test_uploads_of_all_peers(net, monkeypatch):
    monkeypatch.setattr(limits, "UPLOADS", 2)
    sents = [with_part(net, 70_000 + i) for i in range(3)]
    async with AsyncExitStack() as stack:
        for sent in sents[:2]:
            line = await stack.enter_async_context(wire(net["xb-ca"]))
            data = ciphertext(net, sent)
            await line.say(request("PUT", path(sent, 0)).replace(b"Content-Length: 0", b"Content-Length: %d" % len(data)))
        await until(lambda: net["xb-ca"].server._parts.uploads.total() == 2, "two uploads")
        status, headers, body = await ask(net["xb-ca"], "PUT", path(sents[2], 0), b"x")
        assert (status, code_of(body)) == (503, "UPLOADS-FULL")
        assert "retry-after" in headers


async def test_a_part_beyond_the_peers_share_waits(net, monkeypatch):
    monkeypatch.setattr(limits, "SPOOL_PEER", 100_000)
    first, second = with_part(net, 70_000), with_part(net, 70_001)
    data = ciphertext(net, first)
    assert (await ask(net["xb-ca"], "PUT", path(first, 0), data[:1000]))[0] == 204
    status, headers, body = await ask(net["xb-ca"], "PUT", path(second, 0), b"x")
    assert (status, code_of(body)) == (503, "PART-SPOOL")
    assert "retry-after" in headers
    assert (await ask(net["xb-ca"], "PUT", path(first, 1000), data[1000:]))[0] == 204
    assert (await ask(net["xb-ca"], "PUT", path(second, 0), ciphertext(net, second)))[0] == 204


# -- time and numbers -------------------------------------------------------------------------------------------------------------


async def test_DOS_1_headers_drop_by_drop(net):
    async with wire(net["xb-ca"]) as line:
        reading = asyncio.ensure_future(line.rest(10))
        for byte in request("GET", "/v1/prekeys", X="y" * 500):
            if reading.done() or line.writer.is_closing():
                break
            line.writer.write(bytes([byte]))
            await asyncio.sleep(0.01)
        assert await reading == b""


async def test_DOS_1_headers_drop_by_drop_after_a_first_request(net):
    async with wire(net["xb-ca"]) as line:
        await line.say(request("GET", "/v1/prekeys"))
        assert (await line.answer())[0] == 200
        await line.say(b"GET /v1/pre")
        assert await line.rest(10) == b""


async def test_DOS_2_a_body_that_stops(net):
    async with wire(net["xb-ca"]) as line:
        await line.say(f"{_POUCH}Content-Length: 1000\r\n\r\nabc".encode())
        status, _, body = await line.answer()
    assert (status, code_of(body)) == (408, codes.PEER_TIME.code)


@pytest.mark.parametrize("requests", [1, 8])
async def test_DOS_3_answers_that_are_not_read(tmp_path, requests):
    """One answer is in the kernel's and the loop's hands, for as long as connections are kept; more pile up for a minute."""
    times = {"unread": 0.3, "keepalive": 60.0} if requests > 1 else {"unread": 60.0, "keepalive": 0.3}
    async with peers(tmp_path, carry=False, handshake=0.5, **times) as net:
        place = net["xb-ca"]
        place.exchange.contact.prekeys_frame = lambda yours, version: bytes(32 * limits.MiB)
        async with wire(place) as line:
            line.writer.transport.pause_reading()
            await line.say(request("GET", "/v1/prekeys") * requests)
            await until(lambda: place.listener._callers, "connected")
            await until(lambda: not place.listener._callers, "closed by the listener")


async def test_DOS_5_connect_and_hold(net):
    async with wire(net["xb-ca"]) as line:
        assert await line.rest(10) == b""  # closed after half a second without a request


async def test_DOS_4_a_handshake_that_stops(net):
    """No TLS hello: closed after the time for handshakes, and others get in meanwhile."""
    reader, writer = await asyncio.open_connection("127.0.0.1", net["xb-ca"].port)
    assert (await ask(net["xb-ca"], "GET", "/v1/prekeys"))[0] == 200
    async with asyncio.timeout(10):
        assert await reader.read() == b""
    writer.close()


async def test_connections_of_one_certificate(tmp_path):
    async with peers(tmp_path, "xa-ca", "xb-ca", "xc-ca", carry=False) as net, AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(wire(net["xb-ca"])) for _ in range(CONNECTIONS)]
        one_more = await stack.enter_async_context(wire(net["xb-ca"]))
        assert await one_more.rest(10) == b""
        assert (await ask(net["xb-ca"], "GET", "/v1/prekeys", caller="xc-ca"))[0] == 200
        await lines[0].say(request("GET", "/v1/prekeys"))
        assert (await lines[0].answer())[0] == 200


async def test_a_connection_is_kept_and_pipelines(net):
    async with wire(net["xb-ca"]) as line:
        await line.say(request("GET", "/v1/prekeys") * 3)
        assert [(await line.answer())[0] for _ in range(3)] == [200] * 3


# -- the small questions ----------------------------------------------------------------------------------------------------------


async def test_checkpoints_by_the_hash_of_an_origin(net):
    net.world.exchange_prekeys()
    ours, theirs = net.world.exchanges["xb-ca"].log, net.world.exchanges["xa-ca"].log
    for log in (ours, theirs):
        status, _, note = await ask(net["xb-ca"], "GET", f"/{hashlib.sha256(log.origin.encode()).hexdigest()}/checkpoint")
        assert status == 200
        assert note.startswith(f"{log.origin}\n{log.head().size}\n".encode())


async def test_the_mirror_of_the_directory(tmp_path):
    async with peers(tmp_path, carry=False, founded=True) as net:
        status, _, stamp = await ask(net["xb-ca"], "GET", "/v1/directory/timestamp.json")
        assert status == 200
        assert b'"timestamp"' in stamp
        assert (await ask(net["xb-ca"], "GET", "/v1/directory/1.root.json"))[2] == net.world.root_file
        assert (await ask(net["xb-ca"], "GET", "/v1/directory/9.root.json"))[0] == 404


async def test_DOS_6_a_pouch_beyond_the_peers_places_is_sent_away_before_it_is_read(net):
    """Pouches that never come whole hold the peer's places: its next is answered at its first byte, and another peer's passes."""
    place = net["xb-ca"]
    begins = request("POST", "/v1/pouch", Content_Length="1000").replace(b"Content-Length: 0\r\n", b"") + bytes(7)
    async with AsyncExitStack() as stack:
        for _ in range(limits.POUCHES_PER_PEER):
            await (await stack.enter_async_context(wire(place))).say(begins)
        async with wire(place) as line:
            await line.say(begins)
            status, headers, body = await line.answer()
        assert (status, headers["retry-after"], code_of(body)) == (429, "1", exchange_codes.PEER_QUOTA.code)
        status, _, body = await ask(place, "POST", "/v1/pouch", bytes(7), caller="xb-ca")
        assert (status, code_of(body)) == (400, protocol_codes.POUCH_FORM.code)
        urgent = bytes(4) + b"\xa4\x00\x01"  # the urgent lane has places of its own
        assert (await ask(place, "POST", "/v1/pouch", urgent))[0] == 400


async def knock(port):
    """A TCP connection that says nothing: closed at once, or left to shake hands."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(1):
            return (await reader.read(1)) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    finally:
        writer.close()


async def test_DOS_4_a_flood_of_handshakes_from_one_address(tmp_path):
    """Beyond so many at once they are closed before TLS; a connection that is in keeps working, and others get in again afterwards."""
    async with peers(tmp_path, carry=False, handshake=5.0) as net:
        place = net["xb-ca"]
        async with wire(place) as line:
            await line.say(request("GET", "/v1/prekeys"))
            assert (await line.answer())[0] == 200
            knocks = await asyncio.gather(*(knock(place.port) for _ in range(3 * limits.HANDSHAKES_PER_ADDRESS)))
            assert knocks.count(False) == limits.HANDSHAKES_PER_ADDRESS
            await line.say(request("GET", "/v1/prekeys"))
            assert (await line.answer())[0] == 200
        await until(lambda: not place.listener._doorstep._shaking, "the knockers to have gone")
        async with wire(place) as line:
            await line.say(request("GET", "/v1/prekeys"))
            assert (await line.answer())[0] == 200


async def test_DOS_4_so_many_handshakes_a_second(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "HANDSHAKES_BURST", 3)
    monkeypatch.setattr(limits, "HANDSHAKES_RATE", 1)
    async with peers(tmp_path, carry=False) as net:
        knocks = await asyncio.gather(*(knock(net["xb-ca"].port) for _ in range(6)))
        assert 3 <= knocks.count(False) <= 4


async def test_DOS_5_all_connections_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "CONNECTIONS", 3)
    async with peers(tmp_path, carry=False) as net, AsyncExitStack() as stack:
        place = net["xb-ca"]
        for _ in range(3):
            await stack.enter_async_context(wire(place))
        assert await knock(place.port)
        await stack.aclose()
        await until(lambda: place.listener._doorstep._open == 0, "the connections to end")
        assert not await knock(place.port)
