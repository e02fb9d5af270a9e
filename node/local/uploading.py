"""Uploads over the local API: ``POST /v1/uploads`` with the bytes, then name the id in a message."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from node import codes
from node.local.calls import Answer, Call, Route
from protocol.errors import LocalError

_CHUNK: Final = 1 << 20


async def upload(request: web.Request, call: Call) -> web.StreamResponse:
    """POST /v1/uploads, application/octet-stream, with its length: encrypted as it comes in."""
    if request.content_type != "application/octet-stream" or "Content-Encoding" in request.headers:
        raise LocalError(codes.CALL_TYPE, request.content_type)
    if request.content_length is None:
        raise LocalError(codes.UPLOAD_LENGTH)
    uploads = call.rooms.uploads
    receiving = await asyncio.to_thread(uploads.receive, call.owner, request.content_length)
    try:
        while chunk := await request.content.read(_CHUNK):
            await asyncio.to_thread(receiving.write, chunk)
        done = await asyncio.to_thread(receiving.finish)
    except BaseException:
        receiving.drop()
        uploads.forget(receiving.upload.id)
        raise
    value = {"upload_id": done.id, "length": done.length, "sha256": done.sha256.hex()}
    return web.json_response(value, status=201)


def forget(call: Call) -> Answer:
    """DELETE /v1/uploads/{id}."""
    uploads = call.rooms.uploads
    uploads.forget(uploads.get(call.place["id"], call.owner).id)
    return Answer({"upload_id": call.place["id"], "forgotten": True})


ROUTES: Final = (
    Route("POST", "/v1/uploads", upload, stream=True),
    Route("DELETE", "/v1/uploads/{id}", forget),
)
