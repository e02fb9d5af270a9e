"""A value that a verification function has checked, told apart by its type from one that merely parsed.

A function that must not act on unchecked bytes takes ``Verified[Head]``, not ``Head``: forgetting the check is then a type
error. Only verification functions call ``vouch``; tests/protocol/test_verified.py holds the list of modules that may.
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_TOKEN: Final = object()


@dataclass(frozen=True, slots=True)
class Verified(Generic[T]):
    """``value`` passed every check of the function that returned this. Cannot be built by hand: TypeError."""

    value: T
    token: InitVar[object]

    def __post_init__(self, token: object) -> None:
        if token is not _TOKEN:
            raise TypeError("only a verification function makes a Verified")


def vouch(value: T) -> Verified[T]:
    """Say that ``value`` was verified. To be called on the last line of a verification function and nowhere else."""
    return Verified(value, _TOKEN)
