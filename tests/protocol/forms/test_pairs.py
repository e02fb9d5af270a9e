"""An answer beside what it answers."""

from __future__ import annotations

import json
from typing import Any

from protocol.forms import Form, Wrong, parse_form
from protocol.forms.answer import Answer
from protocol.forms.pairs import below_minimum, mismatches
from protocol.forms.preservation import EePreserve, PreservationReply
from tests.protocol.forms.samples import tree
from tests.vectors.forms_case import KIND


def form(example: str, **changes: Any) -> Form:
    return parse_form(KIND[example], json.dumps({**tree(example), **changes}).encode())


def fits(asked: Form, answer: Form) -> list[tuple[str, Wrong]]:
    assert isinstance(answer, Answer)
    return [(problem.loc, problem.code) for problem in mismatches(asked, answer)]


def test_worked_answers_fit() -> None:
    assert fits(form("preserve"), form("preserve-reply")) == []
    assert fits(form("mla-records"), form("acknowledgement")) == []
    assert fits(form("mla-records"), form("evidence-handover")) == []
    assert fits(form("evidence-handover"), form("evidence-receipt")) == []


def test_answer_to_another_request() -> None:
    assert fits(form("preserve"), form("acknowledgement")) == [
        ("/in_reply_to", Wrong.ANSWER_OTHER),
        ("/requesting_reference", Wrong.ANSWER_OTHER),
    ]
    assert fits(form("acknowledgement"), form("acknowledgement")) == [("/in_reply_to", Wrong.ANSWER_OTHER)]


def test_items_unknown_and_unanswered() -> None:
    items = tree("preserve-reply")["items"]
    items[1]["item_no"] = 7
    assert fits(form("preserve"), form("preserve-reply", items=items)) == [
        ("/items", Wrong.ANSWER_ITEM),
        ("/items/1/item_no", Wrong.ANSWER_ITEM),
    ]


def test_receipt_that_verifies_another_file() -> None:
    items = tree("evidence-receipt")["items"]
    items[0]["sha512"] = "0" * 128
    assert fits(form("evidence-handover"), form("evidence-receipt", items=items)) == [("/items/0/sha256", Wrong.ANSWER_HASH)]
    items[0].update(result="hash_mismatch", detail="the file was altered on the way")
    assert fits(form("evidence-handover"), form("evidence-receipt", items=items, outcome="discrepancy")) == []


def test_receipt_of_something_else() -> None:
    items = tree("evidence-receipt")["items"]
    items[1]["evidence_id"] = "018f8c3a-0000-7f02-8d6e-927a40b1e3fc"
    assert fits(form("evidence-handover"), form("evidence-receipt", items=items, custody=[])) == [
        ("/items", Wrong.ANSWER_ITEM),
        ("/items/1/evidence_id", Wrong.ANSWER_ITEM),
    ]


def test_preserved_below_the_minimum_of_its_basis() -> None:
    asked, reply = form("preserve"), form("preserve-reply")
    assert isinstance(asked, EePreserve)
    assert isinstance(reply, PreservationReply)
    assert below_minimum(asked, reply, None) == []
    items = tree("preserve-reply")["items"]
    items[0]["preserved_until"] = "2027-01-23T22:59:58Z"
    short = form("preserve-reply", items=items)
    assert isinstance(short, PreservationReply)
    assert [(problem.loc, problem.code) for problem in below_minimum(asked, short, 30)] == [
        ("/items/0/preserved_until", Wrong.BELOW_MINIMUM)
    ]
