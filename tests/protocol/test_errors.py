"""Refusals: their sentence, their JSON, and the two questions that their class answers."""

from __future__ import annotations

import copy
import dataclasses

import pytest

from protocol import codes
from protocol.errors import Actor, Code, LocalError, PassingError, ProtocolError, RogatoryError

CODE = Code("TEA-COLD", "7", "the tea is cold", Actor.PEER, "make a new pot")


def test_a_refusal_is_one_clear_sentence_and_the_way_out() -> None:
    assert str(ProtocolError(CODE)) == "TEA-COLD: the tea is cold. the other authority must act: make a new pot."
    assert str(ProtocolError(CODE, "41 degrees")).startswith("TEA-COLD: the tea is cold (41 degrees). ")


def test_a_refusal_as_json() -> None:
    assert LocalError(CODE, "41 degrees").as_dict() == {
        "code": "TEA-COLD",
        "check": "7",
        "says": "the tea is cold",
        "detail": "41 degrees",
        "actor": "the other authority",
        "todo": "make a new pot",
    }


def test_the_class_says_whether_to_try_again() -> None:
    for final in (ProtocolError, LocalError):
        assert issubclass(final, RogatoryError)
        assert not issubclass(final, PassingError)
    assert PassingError(CODE).seconds == 60
    assert PassingError(CODE, seconds=5).seconds == 5


def test_one_except_catches_every_refusal_and_nothing_else() -> None:
    for kind in (ProtocolError, PassingError, LocalError):
        with pytest.raises(RogatoryError) as caught:
            raise kind(CODE, "detail")
        assert (caught.value.code, caught.value.detail) == (CODE, "detail")
    assert not issubclass(RogatoryError, (ValueError, OSError, KeyError))


def test_a_code_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        CODE.code = "TEA-HOT"
    assert str(CODE) == "TEA-COLD"


def test_a_refusal_survives_a_copy() -> None:
    """Test runners and task groups copy exceptions; the code must come along."""
    refusal = copy.copy(ProtocolError(CODE, "41 degrees"))
    assert (refusal.code, refusal.detail) == (CODE, "41 degrees")


def test_every_actor_is_somebody_who_can_read_the_sentence() -> None:
    declared = [code for code in vars(codes).values() if isinstance(code, Code)]
    assert declared
    assert all(isinstance(code.actor, Actor) for code in declared)
    assert all(code.says[0].islower() or code.says.split()[0].isupper() or not code.says[0].isalpha() for code in declared)
