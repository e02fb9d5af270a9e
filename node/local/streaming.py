"""The event stream: ``GET /v1/events`` (server-sent events). Who names the last event that it saw gets everything after it first."""

from __future__ import annotations

import asyncio
import json
from typing import Final

from aiohttp import web

from node.local.calls import Call, Route
from node.local.events import Event
from node.local.instants import instant
from node.local.problems import CallError

HEARTBEAT: Final = 15.0  # seconds: a comment, so that both ends notice a dead connection


async def events(request: web.Request, call: Call) -> web.StreamResponse:
    """GET /v1/events, with ``Last-Event-ID`` (or ?last=): replay, then what happens from now on, until the caller goes away."""
    told, rooms = call.rooms.events, call.rooms
    last = _last(request.headers.get("Last-Event-ID") or call.query.get("last"), told.newest())
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    )
    await response.prepare(request)
    await response.write(b"retry: 2000\n\n")
    bell = told.subscribe()
    try:
        while not told.closed:
            bell.clear()
            found, gap = await asyncio.to_thread(rooms.events.after, last)
            if gap:
                await response.write(b"event: gap\ndata: {}\n\n")
            for event in found:
                last = event.id
                if await asyncio.to_thread(_concerns, call, event):
                    await response.write(_encode(event))
            if not found:
                await _pause(bell, response)
    finally:
        told.unsubscribe(bell)
    return response


async def _pause(bell: asyncio.Event, response: web.StreamResponse) -> None:
    try:
        async with asyncio.timeout(HEARTBEAT):
            await bell.wait()
    except TimeoutError:
        await response.write(b": still here\n\n")


def _concerns(call: Call, event: Event) -> bool:
    key = call.caller.key
    if key is None:
        return True
    offices = call.rooms.concerned(event)
    return not offices or bool(key.offices & offices)


def _encode(event: Event) -> bytes:
    data = json.dumps({**event.data, "time": instant(event.time)})
    return f"id: {event.id}\nevent: {event.name}\ndata: {data}\n\n".encode()


def _last(text: str | None, newest: int) -> int:
    if not text:
        return newest
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise CallError([{"loc": "/last", "msg": "is no event's id", "code": "FORMAT"}])
    return int(text)


ROUTES: Final = (Route("GET", "/v1/events", events, frozenset({"last"}), stream=True),)
