"""Every route of the local API in one table, and the one way from a request to a handler and back.

    request ─> who calls ─> socket only? ─> query, strict JSON ─> idempotency key ─> handler on a thread ─> JSON
                                     any refusal on the way ─> problem document, with the request's id
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import structlog
from aiohttp import hdrs, web

from exchange import codes as exchange_codes
from exchange.casework.once import Once
from node import codes
from node.clock import monotonic_ms
from node.local import drafts, messages, operation, outbox, people, streaming, uploading
from node.local.calls import Answer, Call, Caller, Route, Stream
from node.local.problems import CallError, problem
from node.local.rooms import Rooms
from node.local.strictjson import parse_object
from protocol import limits
from protocol.errors import LocalError, PassingError, RogatoryError

ROUTES: Final[tuple[Route, ...]] = (
    *messages.ROUTES, *drafts.ROUTES, *uploading.ROUTES, *streaming.ROUTES, *operation.ROUTES, *outbox.ROUTES, *people.ROUTES,
)  # fmt: skip
BODY: Final = 4 * limits.MiB  # a form of one mebibyte may double when its text is escaped

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_ID: Final[web.RequestKey[str]] = web.RequestKey("id", str)
_KEEP_OUT: Final = "default-src 'none'; frame-ancestors 'none'"
_log = structlog.get_logger("local")


class LocalApp:
    """The application for one listener. ``over_socket``: whoever calls has passed the socket file's permissions."""

    def __init__(self, rooms: Rooms, *, over_socket: bool, at_work: set[tuple[str, str]]) -> None:
        self._rooms = rooms
        self._over_socket = over_socket
        self._at_work = at_work

    def app(self) -> web.Application:
        """The aiohttp application, without its listener."""
        app = web.Application(middlewares=[self._guard], client_max_size=BODY)
        for route in ROUTES:
            app.router.add_route(route.method, route.path, self._handler(route))
        return app

    # -- the boundary -------------------------------------------------------------------------------------------------------------

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Every refusal becomes a problem document; a fault of ours shows its kind and place in the log, and nothing to the caller."""
        started, code = monotonic_ms(), ""
        told = request.headers.get("X-Request-Id", "")
        request[_ID] = told if _REQUEST_ID.match(told) else secrets.token_hex(8)
        try:
            response = await handler(request)
        except RogatoryError as error:
            code = error.code.code
            response = self._refuse(request, error)
        except web.HTTPException as error:
            refused = _of_http(error)
            code = refused.code.code
            response = self._refuse(request, refused)
            if hdrs.ALLOW in error.headers:
                response.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception as error:  # noqa: BLE001 - the boundary of the process: whatever is left is our own fault
            code = codes.PROGRAM_FAULT.code
            _log.error("local.fault", exc_info=error, resource=_resource(request))
            response = self._refuse(request, LocalError(codes.PROGRAM_FAULT, type(error).__name__))
        if not response.prepared:
            _dress(response, request[_ID])
        _log.info(
            "local.request", method=request.method, resource=_resource(request), status=response.status, code=code,
            ms=monotonic_ms() - started,
        )  # fmt: skip
        return response

    def _refuse(self, request: web.Request, error: RogatoryError) -> web.StreamResponse:
        """The problem document; where an answer has begun already, it is cut off, so that nobody takes it for whole."""
        if request.writer.output_size:
            _log.warning("local.cut", resource=_resource(request), code=error.code.code)
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError
        return problem(error, request[_ID])

    # -- one route ----------------------------------------------------------------------------------------------------------------

    def _handler(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            caller = await asyncio.to_thread(self._caller, request)
            if route.socket and not self._over_socket:
                raise LocalError(codes.CALL_SOCKET)
            query = _query(request, route)
            if route.stream:
                handler: Any = route.handler
                return await self._stream(handler, request, Call(self._rooms, caller, request.match_info, query))
            raw = await request.read() if request.can_read_body else b""
            body = _body(request, raw) if route.method in ("POST", "PUT") else {}
            once = _once(request, route, caller, raw)
            return await self._answer(route, Call(self._rooms, caller, request.match_info, query, raw, body, once))

        return handle

    async def _stream(self, handler: Stream, request: web.Request, call: Call) -> web.StreamResponse:
        return await handler(request, call)

    async def _answer(self, route: Route, call: Call) -> web.StreamResponse:
        """Run the handler, or repeat what was answered to the same call. Raises IDEMPOTENCY-BUSY, IDEMPOTENCY-OTHER."""
        handler: Any = route.handler
        if call.once is None:
            return _json(await asyncio.to_thread(handler, call))
        place = (call.once.caller, call.once.key)
        if place in self._at_work:
            raise PassingError(exchange_codes.IDEMPOTENCY_BUSY, seconds=1)
        self._at_work.add(place)
        try:
            before = await asyncio.to_thread(call.once.recall, self._rooms.exchange.store)
            if before is not None:
                return _json(Answer(before[1], before[0]), repeated=True)
            return _json(await asyncio.to_thread(handler, call))
        finally:
            self._at_work.discard(place)

    def _caller(self, request: web.Request) -> Caller:
        """Who calls. Raises CALL-KEY."""
        if self._over_socket:
            return Caller()
        scheme, _, text = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if scheme.lower() != "bearer":
            raise LocalError(codes.CALL_KEY)
        return Caller(self._rooms.api_keys.check(text.strip()))


def _query(request: web.Request, route: Route) -> Mapping[str, str]:
    """The query; a name unknown to the route or told twice is an error. Raises CALL-FORM."""
    wrong = [name for name in request.query if name not in route.query or len(request.query.getall(name)) > 1]
    if wrong:
        says = "is not known here, or told twice"
        raise CallError([{"loc": f"/{name[:40]}", "msg": says, "code": "UNKNOWN-FIELD"} for name in sorted(set(wrong))])
    return dict(request.query)


def _body(request: web.Request, raw: bytes) -> dict[str, Any]:
    if hdrs.CONTENT_ENCODING in request.headers or (raw and request.content_type != "application/json"):
        raise LocalError(codes.CALL_TYPE, request.content_type)
    return parse_object(raw) if raw else {}


def _once(request: web.Request, route: Route, caller: Caller, raw: bytes) -> Once | None:
    key = request.headers.get("Idempotency-Key")
    if key is None or not route.once:
        return None
    return Once.of(caller.name, key, request.method.encode(), request.path.encode(), raw)


def _json(answer: Answer, *, repeated: bool = False) -> web.Response:
    headers = {"Idempotency-Replayed": "true"} if repeated else {}
    return web.json_response(dict(answer.value), status=answer.status, headers=headers)


def _of_http(error: web.HTTPException) -> LocalError:
    """Aiohttp's own refusals under our codes."""
    if error.status == HTTPStatus.NOT_FOUND:
        return LocalError(codes.CALL_PATH)
    if error.status == HTTPStatus.METHOD_NOT_ALLOWED:
        return LocalError(codes.CALL_METHOD)
    if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return LocalError(codes.CALL_SIZE, f"{BODY} bytes")
    return LocalError(codes.CALL_JSON, f"status {error.status}")


def _dress(response: web.StreamResponse, request_id: str) -> None:
    headers = {
        "Server": "rogatory", "X-Request-Id": request_id, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
        "Content-Security-Policy": _KEEP_OUT, "Referrer-Policy": "no-referrer",
    }  # fmt: skip
    for name, value in headers.items():
        response.headers.setdefault(name, value)


def _resource(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "-"

