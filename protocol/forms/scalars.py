"""The small texts that fields are made of: instants, days, names of offices, languages, hashes.

Each is kept as the text received, so an offset from UTC is never lost and rendering gives back what was parsed.
An instant always has its offset: a date and time without one is refused, because a day can shift when it is normalised.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from protocol import names
from protocol.errors import ProtocolError
from protocol.forms.problems import Wrong


@dataclass(frozen=True, slots=True)
class Shape:
    """What a text must look like: a pattern for its whole length, at most ``most`` characters, and perhaps one more check."""

    pattern: str
    says: str
    most: int = 300
    code: Wrong = Wrong.FORMAT
    check: Callable[[str], bool] | None = None
    format: str = ""

    def holds(self, text: str) -> bool:
        """Whether a text has this shape."""
        return len(text) <= self.most and bool(re.fullmatch(self.pattern, text)) and (not self.check or self.check(text))

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self._accept, handler(source))

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        extra = {"format": self.format} if self.format else {}
        return {**handler(schema), "minLength": 1, "maxLength": self.most, "pattern": f"^(?:{self.pattern})$", **extra}

    def _accept(self, text: str) -> str:
        if len(text) > self.most and self.code is Wrong.FORMAT:
            raise PydanticCustomError("LENGTH", "is longer than {most} characters", {"most": self.most})
        if not self.holds(text):
            raise PydanticCustomError(self.code.value, "is not {says}", {"says": self.says})
        return text


def instant_ms(text: str) -> int | None:
    """Milliseconds since 1970 of an instant; None when the text is not one."""
    if not re.fullmatch(_INSTANT, text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return round(moment.timestamp() * 1000)


def zone_of(text: str) -> ZoneInfo | None:
    """The time zone of an IANA name; None when there is none."""
    if not re.fullmatch(_ZONE, text):
        return None
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_office(text: str) -> bool:
    try:
        names.Office.parse(text)
    except ProtocolError:
        return False
    return True


def _is_instant(text: str) -> bool:
    return instant_ms(text) is not None


def _is_zone(text: str) -> bool:
    return zone_of(text) is not None


_DAY = r"(?:19|2[0-9])[0-9]{2}-[0-9]{2}-[0-9]{2}"
_INSTANT = (
    _DAY
    + r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,3})?"
    + r"(?:Z|[+](?:0[0-9]|1[0-4]):[0-5][0-9]|-(?:0[1-9]|1[0-2]):[0-5][0-9]|-00:(?:0[1-9]|[1-5][0-9]))"
)
_ZONE = r"UTC|[A-Z][A-Za-z_]+(?:/[A-Za-z0-9_+-]+){1,2}"
_INLINE = r"[^\n\t]*[^\s][^\n\t]*"
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_DIRECTING = "\u202a-\u202e\u2066-\u2069"  # marks that turn text around: a file name must read as it is

Line: TypeAlias = Annotated[str, Shape(_INLINE, "one line of text")]
Text: TypeAlias = Annotated[str, Shape(r"[\s\S]*[^\s][\s\S]*", "text", most=65536)]
Instant: TypeAlias = Annotated[
    str,
    Shape(
        _INSTANT,
        "an instant: RFC 3339 date, time and offset, as 2026-11-24T09:41:00Z",
        40,
        Wrong.INSTANT,
        _is_instant,
        "date-time",
    ),
]
Day: TypeAlias = Annotated[str, Shape(_DAY, "a calendar day, as 2026-12-20", 10, Wrong.DAY, _is_day, "date")]
Zone: TypeAlias = Annotated[str, Shape(_ZONE, "an IANA time zone, as Europe/Berlin", 64, Wrong.ZONE, _is_zone)]
Uuid: TypeAlias = Annotated[str, Shape(_UUID, "a UUID of version 4 or 7 in lower case", 36, format="uuid")]
Office: TypeAlias = Annotated[str, Shape(r"[a-z0-9.-]+/[a-z0-9.-]+", "an office, as xa-ca/247", 129, check=_is_office)]
State: TypeAlias = Annotated[str, Shape(r"[A-Z]{2}", "a State's ISO 3166-1 code of two letters", 2)]
Language: TypeAlias = Annotated[
    str, Shape(r"[a-z]{2,3}(?:-[A-Z][a-z]{3})?(?:-(?:[A-Z]{2}|[0-9]{3}))?", "a BCP 47 language tag, as fr or zh-Hans", 12)
]
Phone: TypeAlias = Annotated[str, Shape(r"[+][1-9][0-9]{6,14}", "an E.164 telephone number, as +12025550123", 16)]
Email: TypeAlias = Annotated[str, Shape(r"[^\s@]+@[^\s@]+[.][^\s@.]+", "an e-mail address", 254)]
Sha256: TypeAlias = Annotated[str, Shape(r"[0-9a-f]{64}", "a SHA-256 value in lower-case hex", 64)]
Sha512: TypeAlias = Annotated[str, Shape(r"[0-9a-f]{128}", "a SHA-512 value in lower-case hex", 128)]
Base64: TypeAlias = Annotated[
    str, Shape(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", "base64 with padding", 16384)
]
MediaType: TypeAlias = Annotated[str, Shape(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+", "a media type, as application/pdf", 127)]
FileName: TypeAlias = Annotated[
    str, Shape(rf"[^/\\\n\t{_DIRECTING}]+", "a file name without folders", 255, check=lambda name: name.strip(" .") != "")
]
Token: TypeAlias = Annotated[
    str, Shape(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", "a short id of letters, digits, dot and hyphen", 64)
]
Amount: TypeAlias = Annotated[str, Shape(r"(?:0|[1-9][0-9]{0,14})(?:[.][0-9]{1,4})?", "an amount, as 1250.00", 20)]
Currency: TypeAlias = Annotated[str, Shape(r"[A-Z]{3}", "an ISO 4217 currency code", 3)]
NotifySubject: TypeAlias = Annotated[
    str,
    Shape(
        rf"allowed|prohibited|not_before:{_INSTANT}",
        "`allowed`, `prohibited` or `not_before:` and an instant",
        60,
        Wrong.NOTIFY_SUBJECT,
        lambda text: not text.startswith("not_before:") or _is_instant(text.removeprefix("not_before:")),
    ),
]
Handling: TypeAlias = Annotated[
    str,
    Shape(
        r"no_forward|no_print|eyes_only:[A-Z0-9_]+(?:,[A-Z0-9_]+)*", "`no_forward`, `no_print` or `eyes_only:` and roles", 120
    ),
]
