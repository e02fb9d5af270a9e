"""Asking a running node: HTTP over the Unix socket in its home. Whoever may open it is the node's user; no key is needed."""

from __future__ import annotations

import errno
import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from node import codes
from node.cli.boundary import AnsweredError
from node.home import Home
from node.socketpath import reachable
from protocol.errors import LocalError

_PATIENCE: Final = 600.0  # seconds: the node seals attachments of many GiB before it answers
_CHUNK: Final = 1 << 20
_LONGEST: Final = 64 << 20  # bytes of one JSON answer
_NOBODY: Final = frozenset({errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR})


class NodeClient:
    """Calls of the node in this home. Each raises NODE-NOT-RUNNING, SOCKET-ACCESS, NODE-ANSWER, or what the node refuses."""

    def __init__(self, home: Path) -> None:
        self.home = Home(home.absolute())

    def get(self, path: str, **query: Any) -> Any:
        """The JSON value of a GET."""
        return self._value("GET", _with(path, query), None, {})

    def post(self, path: str, body: Mapping[str, Any], *, once: str = "") -> Any:
        """The JSON value of a POST. ``once``: an idempotency key; the same key does the thing once only."""
        return self._value("POST", path, body, {"Idempotency-Key": once} if once else {})

    def delete(self, path: str, **query: Any) -> Any:
        """The JSON value of a DELETE."""
        return self._value("DELETE", _with(path, query), None, {})

    def stream(self, path: str, **query: Any) -> Iterator[bytes]:
        """The bytes of a GET, piece by piece. An answer cut short raises NODE-ANSWER."""
        with self._asked("GET", _with(path, query), None, {}) as response:
            while piece := _read(response, _CHUNK):
                yield piece

    def items(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """Every item of a list, page by page."""
        cursor: Any = None
        while True:
            page = self.get(path, **query, **({"cursor": cursor} if cursor else {}))
            if not isinstance(page, dict) or not isinstance(page.get("items"), list):
                raise LocalError(codes.NODE_ANSWER, f"no list at {path}")
            yield from page["items"]
            cursor = page.get("next")
            if not cursor:
                return

    def _value(self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]) -> Any:
        with self._asked(method, path, body, headers) as response:
            raw = _read(response, _LONGEST)
        if not raw:
            return None
        try:
            return json.loads(raw)
        except ValueError:
            raise LocalError(codes.NODE_ANSWER, f"no JSON at {path.partition('?')[0]}") from None

    @contextmanager
    def _asked(
        self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> Iterator[http.client.HTTPResponse]:
        connection = _Connection(self.home.socket)
        try:
            raw = None if body is None else json.dumps(body).encode()
            connection.request(method, path, raw, {"Content-Type": "application/json", **headers} if raw else dict(headers))
            response = connection.getresponse()
            if response.status >= 300:
                raise _refusal(response)
            yield response
        except http.client.HTTPException as error:
            raise LocalError(codes.NODE_ANSWER, type(error).__name__) from None
        except ConnectionError:
            raise LocalError(codes.NODE_ANSWER, "it stopped while it was answering") from None
        except TimeoutError:
            raise LocalError(codes.NODE_ANSWER, f"nothing for {_PATIENCE:.0f} seconds") from None
        finally:
            connection.close()


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("rogatory", timeout=_PATIENCE)
        self._path = path

    def connect(self) -> None:
        """Raises NODE-NOT-RUNNING, SOCKET-ACCESS."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_PATIENCE)
        try:
            with reachable(self._path) as address:
                self.sock.connect(address)
        except OSError as error:
            self.sock.close()
            if error.errno in _NOBODY:
                raise LocalError(codes.NODE_NOT_RUNNING, str(self._path.parent.parent)) from None
            raise LocalError(codes.SOCKET_ACCESS, f"{self._path}: {error.strerror}") from None


def _read(response: http.client.HTTPResponse, most: int) -> bytes:
    try:
        piece = response.read(most)
    except http.client.IncompleteRead:
        raise LocalError(codes.NODE_ANSWER, "it was cut short") from None
    if len(piece) < most and response.length:
        raise LocalError(codes.NODE_ANSWER, f"it was cut short by {response.length} bytes")
    return piece


def _refusal(response: http.client.HTTPResponse) -> Exception:
    raw = _read(response, _LONGEST)
    try:
        problem = json.loads(raw)
    except ValueError:
        problem = None
    if not isinstance(problem, dict) or "code" not in problem:
        return LocalError(codes.NODE_ANSWER, f"status {response.status}")
    return AnsweredError(problem)


def _with(path: str, query: Mapping[str, Any]) -> str:
    told = {name: value for name, value in query.items() if value not in (None, "")}
    return quote(path, safe="/") + (f"?{urlencode(told)}" if told else "")
