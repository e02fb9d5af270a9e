"""Refusals as problem documents (RFC 9457), with everything that the exception knows.

    {"type": "urn:rogatory:error:ROLE-MISSING", "title": "this person has no role ...", "status": 403, "detail": "xa-ca/mla: approver",
     "instance": "4f0c...", "code": "ROLE-MISSING", "check": "call", "says": "...", "actor": "...", "todo": "...", "errors": [...]}
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from exchange import codes as exchange_codes
from node import codes
from protocol.errors import Actor, Code, LocalError, PassingError, RogatoryError
from protocol.forms.problems import FormError

MEDIA_TYPE: Final = "application/problem+json"


class CallError(LocalError):
    """The call itself is wrong: every wrong field with place, sentence and code."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        self.errors = errors
        super().__init__(codes.CALL_FORM, ", ".join(error["loc"] for error in errors[:8]))


def problem(error: RogatoryError, request_id: str) -> web.Response:
    """The answer that tells of a refusal."""
    status = status_of(error)
    body: dict[str, Any] = {
        "type": f"urn:rogatory:error:{error.code.code}",
        "title": error.code.says,
        "status": int(status),
        "instance": request_id,
        **error.as_dict(),
    }
    if isinstance(error, FormError):
        body["errors"] = [each.as_dict() for each in error.errors]
    elif isinstance(error, CallError):
        body["errors"] = error.errors
    headers = {"Retry-After": str(error.seconds)} if isinstance(error, PassingError) else {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="rogatory"'
    return web.json_response(body, status=status, headers=headers, content_type=MEDIA_TYPE)


def status_of(error: RogatoryError) -> HTTPStatus:
    """The HTTP status of a refusal: of its code where it has one, else of who must act."""
    found = _STATUS.get(error.code)
    if found is not None:
        return found
    if isinstance(error, PassingError):
        return HTTPStatus.SERVICE_UNAVAILABLE
    if isinstance(error, LocalError) and error.code.actor is not Actor.CALLER:
        return HTTPStatus.INTERNAL_SERVER_ERROR
    return HTTPStatus.UNPROCESSABLE_ENTITY


_STATUS: Final[dict[Code, HTTPStatus]] = {
    codes.CALL_JSON: HTTPStatus.BAD_REQUEST,
    codes.CALL_CURSOR: HTTPStatus.BAD_REQUEST,
    codes.ACTOR_MISSING: HTTPStatus.BAD_REQUEST,
    codes.UPLOAD_LENGTH: HTTPStatus.LENGTH_REQUIRED,
    codes.CALL_KEY: HTTPStatus.UNAUTHORIZED,
    codes.CALL_SOCKET: HTTPStatus.FORBIDDEN,
    codes.CALL_OFFICE: HTTPStatus.FORBIDDEN,
    codes.ACTOR_OTHER: HTTPStatus.FORBIDDEN,
    codes.CALL_PATH: HTTPStatus.NOT_FOUND,
    codes.UPLOAD_UNKNOWN: HTTPStatus.NOT_FOUND,
    codes.API_KEY_UNKNOWN: HTTPStatus.NOT_FOUND,
    codes.CALL_METHOD: HTTPStatus.METHOD_NOT_ALLOWED,
    codes.CALL_SIZE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    codes.CALL_TYPE: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    codes.UPLOAD_FULL: HTTPStatus.INSUFFICIENT_STORAGE,
    exchange_codes.IDEMPOTENCY_FORM: HTTPStatus.BAD_REQUEST,
    exchange_codes.PURPOSE_MISSING: HTTPStatus.BAD_REQUEST,
    exchange_codes.ROLE_MISSING: HTTPStatus.FORBIDDEN,
    exchange_codes.SECOND_PERSON: HTTPStatus.FORBIDDEN,
    exchange_codes.PERSON_INACTIVE: HTTPStatus.FORBIDDEN,
    exchange_codes.MESSAGE_UNKNOWN: HTTPStatus.NOT_FOUND,
    exchange_codes.PART_NUMBER: HTTPStatus.NOT_FOUND,
    exchange_codes.PERSON_UNKNOWN: HTTPStatus.NOT_FOUND,
    exchange_codes.DRAFT_UNKNOWN: HTTPStatus.NOT_FOUND,
    exchange_codes.DRAFT_STATE: HTTPStatus.CONFLICT,
    exchange_codes.DELIVERY_STATE: HTTPStatus.CONFLICT,
    exchange_codes.MESSAGE_PENDING: HTTPStatus.CONFLICT,
    exchange_codes.IDEMPOTENCY_BUSY: HTTPStatus.CONFLICT,
    exchange_codes.MESSAGE_ERASED: HTTPStatus.GONE,
    exchange_codes.DRAFT_EMPTY: HTTPStatus.GONE,
    exchange_codes.STORE_STOPPED: HTTPStatus.SERVICE_UNAVAILABLE,
    exchange_codes.STORE_WRITE: HTTPStatus.INSUFFICIENT_STORAGE,
    exchange_codes.DISK_RESERVE: HTTPStatus.INSUFFICIENT_STORAGE,
    exchange_codes.LOG_STOPPED: HTTPStatus.SERVICE_UNAVAILABLE,
}
