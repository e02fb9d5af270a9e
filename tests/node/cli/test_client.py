"""The client of the socket, against a real server that answers well, badly, or not to the end."""

from __future__ import annotations

import json
import os
import socketserver
import threading
from http.server import BaseHTTPRequestHandler

import pytest

from node import codes
from node.cli.boundary import AnsweredError
from node.cli.client import NodeClient
from node.cli.ids import message_id, only
from protocol.errors import LocalError


class _Handler(BaseHTTPRequestHandler):
    """Answers by the path; notes what was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append((self.command, self.path, dict(self.headers)))
        length = int(self.headers.get("Content-Length") or 0)
        self.server.bodies.append(self.rfile.read(length))
        name = self.path.partition("?")[0].rpartition("/")[2]
        getattr(self, name, self.ok)()

    do_POST = do_DELETE = do_GET  # noqa: N815 - the library's names

    def ok(self) -> None:
        self.give(200, b'{"fine": true}')

    def nothing(self) -> None:
        self.give(204, b"")

    def html(self) -> None:
        self.give(200, b"<html>")

    def problem(self) -> None:
        self.give(422, json.dumps({"title": "no", "code": "FORM-INVALID", "errors": []}).encode())

    def bare(self) -> None:
        self.give(502, b"Bad Gateway")

    def short(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b"a" * 60)
        self.close_connection = True

    def garbage(self) -> None:
        self.wfile.write(b"\x00\x01\x02 not http\r\n\r\n")
        self.close_connection = True

    def silence(self) -> None:
        self.close_connection = True

    def page(self) -> None:
        if "cursor=two" in self.path:
            self.give(200, b'{"items": [{"message_id": "abcd99"}], "next": null}')
        else:
            self.give(200, b'{"items": [{"message_id": "abcd11"}, {"message_id": "ffff00"}], "next": "two"}')

    messages = page

    def give(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "socket"

    def log_message(self, *args: object) -> None:
        pass


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@pytest.fixture(params=["short", "long"])
def server(tmp_path, request):
    home = tmp_path if request.param == "short" else tmp_path / ("d" * 90) / ("e" * 90)
    (home / "run").mkdir(parents=True)
    folder = os.open(home / "run", os.O_RDONLY)
    server = _Server(f"/proc/self/fd/{folder}/rogatory.sock", _Handler)
    server.asked, server.bodies, server.home = [], [], home
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
    os.close(folder)


def test_asks_and_answers(server):
    node = NodeClient(server.home)
    assert node.get("/v1/ok", a="x y", b=None) == {"fine": True}
    assert node.post("/v1/ok", {"form": {"é": 1}}, once="k1") == {"fine": True}
    assert node.delete("/v1/nothing", office="xa-ca/247") is None
    assert [(method, path) for method, path, _ in server.asked] == [
        ("GET", "/v1/ok?a=x+y"), ("POST", "/v1/ok"), ("DELETE", "/v1/nothing?office=xa-ca%2F247"),
    ]  # fmt: skip
    assert json.loads(server.bodies[1]) == {"form": {"é": 1}}
    assert server.asked[1][2]["Idempotency-Key"] == "k1"
    assert "Authorization" not in server.asked[1][2]


def test_follows_every_page(server):
    node = NodeClient(server.home)
    assert [item["message_id"] for item in node.items("/v1/page")] == ["abcd11", "ffff00", "abcd99"]


@pytest.mark.parametrize("path", ["html", "bare", "short", "garbage", "silence"])
def test_an_answer_that_is_none(server, path):
    with pytest.raises(LocalError) as caught:
        NodeClient(server.home).get(f"/v1/{path}")
    assert caught.value.code is codes.NODE_ANSWER


def test_a_stream_cut_short_is_never_taken_for_whole(server):
    with pytest.raises(LocalError) as caught:
        list(NodeClient(server.home).stream("/v1/short"))
    assert caught.value.code is codes.NODE_ANSWER
    assert "cut short by 40 bytes" in caught.value.detail


def test_a_refusal_is_the_nodes_own(server):
    with pytest.raises(AnsweredError) as caught:
        NodeClient(server.home).get("/v1/problem")
    assert caught.value.as_dict()["code"] == "FORM-INVALID"


def test_the_beginning_of_an_id_is_enough(server):
    node = NodeClient(server.home)
    assert message_id(node, "ffff") == "ffff00"
    assert message_id(node, "a" * 32) == "a" * 32
    with pytest.raises(LocalError) as caught:
        message_id(node, "abcd")
    assert caught.value.code is codes.ID_AMBIGUOUS
    with pytest.raises(LocalError) as caught:
        message_id(node, "0000")
    assert caught.value.code is codes.ID_UNKNOWN


@pytest.mark.parametrize("text, code", [("abc", codes.ID_AMBIGUOUS), ("", codes.ID_AMBIGUOUS), ("abcf", codes.ID_UNKNOWN)])
def test_ids_too_short_or_unknown(text, code):
    with pytest.raises(LocalError) as caught:
        only(["abcd", "abce"], text)
    assert caught.value.code is code
    assert only(["abcd", "abcdef"], "abcd") == "abcd"
    assert only(["abcdef"], "ABCD") == "abcdef"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open every socket")
def test_a_socket_of_another_user(server):
    (server.home / "run" / "rogatory.sock").chmod(0)
    with pytest.raises(LocalError) as caught:
        NodeClient(server.home).get("/v1/ok")
    assert caught.value.code is codes.SOCKET_ACCESS
