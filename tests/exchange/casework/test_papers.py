"""The files that a form lists are those that go with it; what differs is named by its place, and nothing is kept."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from exchange.casework.papers import Listed, listed, mismatches
from exchange.outgoing.sealing import Attachment
from protocol import body
from protocol import codes as protocol_codes
from protocol.forms.problems import FormError, Wrong
from protocol.forms.registry import parse_form
from tests.house import form, make_house, proposal

DATA = b"%PDF-1.7 an order"


@pytest.fixture
def house(tmp_path):
    house = make_house(tmp_path)
    yield house
    house.close()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def attached(house, name="order.pdf", data=DATA):
    path = house.world.folder / name
    path.write_bytes(data)
    return Attachment(path, name, "application/pdf", "domestic_order")


def entry(number=1, **changes):
    found = {
        "attachment_id": f"att-{number}", "filename": "order.pdf", "media_type": "application/pdf", "size": len(DATA),
        "sha256": digest(DATA), "role": "domestic_order",
    }  # fmt: skip
    return found | changes


def records(*entries, files=()):
    raw = json.dumps(form("mla-records", attachments=list(entries))).encode()
    return replace(proposal("mla", "MLA_RECORDS", "mla-records", attachments=files), form=raw)


def kept(house):
    db = house.exchange.store.reader()
    rows = [db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("outgoing", "draft", "secret")]
    return house.exchange.log.size, rows, list((house.home.data / "parts" / "out").iterdir())


def test_a_form_and_its_file(house):
    officer = house.staff("mla", "officer")
    outcome = house.cases.propose(officer, records(entry(), files=[attached(house)]))
    assert outcome.draft_id is not None


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sha256": digest(b"another")}, Wrong.ATTACHMENT_OTHER),
        ({"size": len(DATA) + 1}, Wrong.ATTACHMENT_OTHER),
        ({"filename": "renamed.pdf", "size": len(DATA) + 1}, Wrong.ATTACHMENT_OTHER),
        ({"filename": "map.pdf", "sha256": digest(b"a map")}, Wrong.ATTACHMENT_MISSING),
    ],
)
def test_a_file_that_is_not_as_listed(house, changes, code):
    officer = house.staff("mla", "officer")
    before = kept(house)
    with pytest.raises(FormError) as caught:
        house.cases.propose(officer, records(entry(), entry(2, **changes), files=[attached(house)]))
    assert caught.value.code is protocol_codes.FORM_INVALID
    assert [(each.loc, each.code) for each in caught.value.errors] == [("/attachments/1", code)]
    assert kept(house) == before


def test_nothing_attached_at_all(house):
    officer = house.staff("mla", "officer")
    with pytest.raises(FormError) as caught:
        house.cases.propose(officer, records(entry()))
    assert [(each.loc, each.code) for each in caught.value.errors] == [("/attachments/0", Wrong.ATTACHMENT_MISSING)]


def test_evidence_may_follow_in_a_message_of_its_own():
    items = [Listed("/items/0", "a.csv", 3, digest(b"abc")), Listed("/items/1", "b.csv", 2, digest(b"de"))]
    assert list(mismatches(items, [])) == []
    there = [body.Attachment("text/csv", "a.csv", 3, hashlib.sha256(b"abc").digest(), "evidence")]
    assert [(each.loc, each.code) for each in mismatches(items, there)] == [("/items/1", Wrong.ATTACHMENT_MISSING)]


def test_what_a_handover_lists():
    value = form("evidence-handover")
    found = listed(parse_form("EVIDENCE_HANDOVER", json.dumps(value).encode()))
    assert [(each.loc, each.sha256) for each in found] == [(f"/items/{i}", item["sha256"]) for i, item in enumerate(value["items"])]
    assert found
