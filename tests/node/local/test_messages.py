"""Messages over both doors: sending, forms with every wrong field, idempotency, reading for a purpose, parts, exports."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json

import aiohttp
import pytest

from protocol.entries import Accessed, Act, HandedOver, Submitted
from protocol.names import Office
from tests.house import form


def message(actor=None, office="247", kind="EE_PRESERVE", example="preserve", **more):
    found = {"from": f"xa-ca/{office}", "to": [f"xb-ca/{office}"], "kind": kind, "form": form(example), **more}
    return found if actor is None else {**found, "actor": actor}


def counts(served):
    db = served.exchange.store.reader()
    return served.exchange.log.size, [db.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in ("outgoing", "draft", "once")]


async def test_sent_and_logged(served):
    duty = served.staff("247", "duty")
    told = await served.socket("POST", "/v1/messages", 202, json=message(duty, lane="urgent"))
    entry = served.world.entries("xa-ca")[told["log"]["index"]]
    assert isinstance(entry, Submitted)
    assert told["log"]["origin"] == "exercise.example/xa-ca/log/1"
    assert (told["state"], told["message_id"], told["envelope_hash"]) == ("submitted", entry.message_id.hex(), entry.envelope_hash.hex())
    assert {"loc": "/contact_person", "msg": "is missing; practice asks for it", "code": "PRACTICE-MISSING"} in told["advice"]


async def test_every_wrong_field_of_a_form_is_listed(served):
    duty, before = served.staff("247", "duty"), None
    before = counts(served)
    wrong = message(duty) | {"form": form("preserve", items=[], purpose=3, nonsense=1)}
    told = await served.socket("POST", "/v1/messages", 422, json=wrong)
    assert (told["code"], told["type"]) == ("FORM-INVALID", "urn:rogatory:error:FORM-INVALID")
    assert {"/items", "/purpose", "/nonsense"} <= {each["loc"] for each in told["errors"]}
    assert {"title", "status", "detail", "instance", "code", "check", "actor", "todo", "errors"} <= set(told)
    assert counts(served) == before


async def test_every_wrong_field_of_a_call_is_listed(served):
    wrong = message() | {"to": [], "lane": "fast", "extra": 1, "attachments": [{"filename": 3}]}
    told = await served.socket("POST", "/v1/messages", 422, json=wrong)
    assert told["code"] == "CALL-FORM"
    assert {"/to", "/lane", "/extra", "/attachments/0/filename"} <= {each["loc"] for each in told["errors"]}


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"a": 1, "a": 2}', b'{"form": {"a": 1, "a": 2}}', b'{"a": NaN}', b"\xff{}", b'{"a": ' + b"9" * 5000 + b"}",
     b"[" * 100_000],
)  # fmt: skip
async def test_strict_json(served, body):
    headers = {"Content-Type": "application/json"}
    async with served.socket.session.post("/v1/messages", data=body, headers=headers) as response:
        told = await response.json(content_type=None)
    assert (response.status, told["code"]) == ((422, "CALL-FORM") if not body else (400, "CALL-JSON"))
    assert response.content_type == "application/problem+json"


async def test_other_media_types_and_sizes(served):
    told = await served.socket("POST", "/v1/messages", 415, data=b"<x/>", headers={"Content-Type": "application/xml"})
    assert told["code"] == "CALL-TYPE"
    huge = {"Content-Type": "application/json"}
    told = await served.socket("POST", "/v1/messages", 413, data=io.BytesIO(b"x" * (5 << 20)), headers=huge)
    assert told["code"] == "CALL-SIZE"


async def test_the_directory_decides_who_takes_what(served):
    duty = served.staff("247", "duty")
    for change, code in (
        ({"to": ["xq-ca/247"]}, "DIRECTORY-UNKNOWN-AUTHORITY"),
        ({"to": ["xb-ca/press"]}, "DIRECTORY-UNKNOWN-OFFICE"),
        ({"to": ["xb-ca/mla"]}, "KIND-NOT-TAKEN"),
        ({"to": ["nonsense"]}, "NAME-OFFICE"),
        ({"kind": "NO_SUCH_KIND"}, "KIND-NOT-TAKEN"),
        ({"to": ["xa-ca/247"]}, "RECIPIENT-SELF"),
        ({"answers": "00" * 16}, "MESSAGE-UNKNOWN"),
        ({"expires": "2026-11-24T05:00:00Z"}, "EXPIRES-RANGE"),
        ({"expires": "tomorrow"}, "CALL-FORM"),
    ):
        status = 404 if code == "MESSAGE-UNKNOWN" else 422
        told = await served.socket("POST", "/v1/messages", status, json=message(duty) | change)
        assert told["code"] == code


# -- once -------------------------------------------------------------------------------------------------------------------------


async def test_the_same_key_sends_once(served):
    duty = served.staff("247", "duty")
    headers = {"Idempotency-Key": "my-key-0001"}
    first = await served.socket("POST", "/v1/messages", 202, json=message(duty), headers=headers)
    assert "Idempotency-Replayed" not in served.socket.headers
    before = counts(served)
    again = await served.socket("POST", "/v1/messages", 202, json=message(duty), headers=headers)
    assert served.socket.headers["Idempotency-Replayed"] == "true"
    assert again == first
    assert counts(served) == before
    other = await served.socket("POST", "/v1/messages", 422, json=message(duty, lane="urgent"), headers=headers)
    assert other["code"] == "IDEMPOTENCY-OTHER"
    bad = await served.socket("POST", "/v1/messages", 400, json=message(duty), headers={"Idempotency-Key": "short"})
    assert bad["code"] == "IDEMPOTENCY-FORM"
    assert counts(served) == before


async def test_a_key_in_flight(served):
    duty = served.staff("247", "duty")
    headers = {"Idempotency-Key": "my-key-0001"}
    calls = [served.socket.session.post("/v1/messages", json=message(duty), headers=headers) for _ in range(8)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(call)) for call in calls]
    results = [task.result() for task in tasks]
    assert {status for status, _ in results} <= {202, 409}
    assert {told["code"] for status, told in results if status == 409} <= {"IDEMPOTENCY-BUSY"}
    assert len({told["message_id"] for status, told in results if status == 202}) == 1
    assert counts(served)[1][0] == 1


async def one(call):
    async with call as response:
        return response.status, await response.json(content_type=None)


async def test_keys_survive_a_restart_and_a_draft(served):
    officer = served.staff("mla", "officer")
    headers = {"Idempotency-Key": "my-key-0002"}
    body = message(officer, "mla", "MLA_RECORDS", "mla-records")
    first = await served.socket("POST", "/v1/messages", 201, json=body, headers=headers)
    assert await served.socket("POST", "/v1/messages", 201, json=body, headers=headers) == first
    assert served.exchange.store.reader().execute("SELECT count(*) FROM draft").fetchone()[0] == 1


# -- reading ------------------------------------------------------------------------------------------------------------------------


async def test_content_is_read_for_a_purpose_and_logged_first(served):
    duty, stranger = served.staff("247", "duty"), served.staff("mla", "officer")
    told = await served.socket("POST", "/v1/messages", 202, json=message(duty))
    path = f"/v1/messages/{told['message_id']}"
    plain = await served.socket("GET", path)
    assert "content" not in plain
    size = served.exchange.log.size
    for query, status, code in (
        ({"content": "1"}, 400, "PURPOSE-MISSING"),
        ({"content": "1", "purpose": "x" * 65, "actor": duty}, 400, "PURPOSE-MISSING"),
        ({"content": "1", "purpose": "case 1"}, 400, "ACTOR-MISSING"),
        ({"content": "1", "purpose": "case 1", "actor": "00" * 16}, 404, "PERSON-UNKNOWN"),
        ({"content": "1", "purpose": "case 1", "actor": "no id"}, 404, "PERSON-UNKNOWN"),
        ({"content": "1", "purpose": "case 1", "actor": stranger}, 403, "ROLE-MISSING"),
        ({"content": "1", "colour": "red"}, 422, "CALL-FORM"),
    ):
        assert (await served.socket("GET", path, status, params=query))["code"] == code
    assert served.exchange.log.size == size
    read = await served.socket("GET", path, params={"content": "1", "purpose": "case 1", "actor": duty})
    assert read["content"]["form"]["request_id"] == form("preserve")["request_id"]
    entry = served.world.entries("xa-ca")[read["accessed"]["index"]]
    assert isinstance(entry, Accessed)
    assert (entry.pseudonym, entry.purpose) == (served.rooms.people.pseudonym(bytes.fromhex(duty)), "case 1")
    pseudonym = entry.pseudonym.hex()
    again = await served.socket("GET", path, params={"content": "1", "purpose": "case 2", "actor": pseudonym})
    assert again["content"] == read["content"]


async def test_unknown_messages(served):
    assert (await served.socket("GET", f"/v1/messages/{'00' * 16}", 404))["code"] == "MESSAGE-UNKNOWN"
    assert (await served.socket("GET", "/v1/messages/zz", 404))["code"] == "MESSAGE-UNKNOWN"


async def test_pages_lose_nothing_of_one_millisecond(served):
    sent = {served.world.send("xa-ca", "xb-ca", b"{}").message_id.hex() for _ in range(7)}
    found, cursor = [], ""
    while cursor is not None:
        query = {"direction": "out", "limit": "2", **({"cursor": cursor} if cursor else {})}
        page = await served.socket("GET", "/v1/messages", params=query)
        found += [item["message_id"] for item in page["items"]]
        cursor = page["next"]
    assert len(found) == 7
    assert set(found) == sent
    for query, status, code in (
        ({"cursor": "xyz"}, 400, "CALL-CURSOR"), ({"limit": "0"}, 422, "CALL-FORM"), ({"limit": "201"}, 422, "CALL-FORM"),
        ({"direction": "up"}, 422, "CALL-FORM"),
    ):  # fmt: skip
        assert (await served.socket("GET", "/v1/messages", status, params=query))["code"] == code


async def test_parts_are_streamed_and_logged(served, short_path):
    officer, approver = served.staff("mla", "officer"), served.staff("mla", "approver")
    path = short_path / "evidence.bin"
    path.write_bytes(bytes(range(256)) * 12_000)
    attachment = {"path": str(path), "filename": "r\u00e9sum\u00e9.bin"}
    body = message(officer, "mla", "MLA_RECORDS", "mla-records", attachments=[attachment])
    draft = await served.socket("POST", "/v1/messages", 201, json=body)
    await served.socket("POST", f"/v1/drafts/{draft['draft_id']}/approve", 202, json={"actor": approver})
    [delivery] = (await served.socket("GET", f"/v1/messages/{draft['draft_id']}"))["deliveries"]
    assert delivery["bytes_sent"] == 0
    assert delivery["bytes_total"] > path.stat().st_size
    query = {"purpose": "case 1", "actor": approver}
    part = f"/v1/messages/{draft['draft_id']}/parts"
    async with served.socket.session.get(f"{part}/1", params=query) as response:
        data = await response.read()
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Content-Disposition"].startswith("attachment; filename*=UTF-8''r%C3%A9sum%C3%A9.bin")
    assert hashlib.sha256(data).digest() == hashlib.sha256(path.read_bytes()).digest()
    assert isinstance(served.world.entries("xa-ca")[-1], HandedOver)
    size = served.exchange.log.size
    assert (await served.socket("GET", f"{part}/2", 404, params=query))["code"] == "PART-NUMBER"
    assert (await served.socket("GET", f"{part}/0", 404, params=query))["code"] == "PART-NUMBER"
    assert (await served.socket("GET", f"{part}/1", 400))["code"] == "PURPOSE-MISSING"
    assert served.exchange.log.size == size


async def test_a_part_altered_on_our_disk_never_arrives_whole(served, short_path):
    officer, approver = served.staff("mla", "officer"), served.staff("mla", "approver")
    path = short_path / "evidence.bin"
    path.write_bytes(b"x" * 3_000_000)
    attachment = {"path": str(path), "filename": "x"}
    body = message(officer, "mla", "MLA_RECORDS", "mla-records", attachments=[attachment])
    draft = await served.socket("POST", "/v1/messages", 201, json=body)
    await served.socket("POST", f"/v1/drafts/{draft['draft_id']}/approve", 202, json={"actor": approver})
    (stored,) = (served.world.home("xa-ca").data / "parts" / "out").iterdir()
    raw = bytearray(stored.read_bytes())
    raw[-20] ^= 1
    stored.write_bytes(raw)
    got = b""
    with pytest.raises(aiohttp.ClientError):
        async with served.socket.session.get(
            f"/v1/messages/{draft['draft_id']}/parts/1", params={"purpose": "p", "actor": approver}
        ) as response:
            async for chunk in response.content.iter_any():
                got += chunk
    assert len(got) < 3_000_000


async def test_export_verifies_and_disclosure_is_logged(founded, short_path):
    served = founded
    duty = served.staff("247", "duty")
    told = await served.socket("POST", "/v1/messages", 202, json=message(duty))
    served.world.deliver("xa-ca", "xb-ca")
    path = f"/v1/messages/{told['message_id']}/export"
    out = short_path / "bundle"
    size = served.exchange.log.size
    assert (await served.socket("POST", path, 422, json={"out": "relative"}))["code"] == "CALL-FORM"
    assert (await served.socket("POST", path, 400, json={"out": str(out), "disclose": [0]}))["code"] == "ACTOR-MISSING"
    stranger = served.staff("mla", "officer")
    size = served.exchange.log.size
    refused = await served.socket("POST", path, 403, json={"out": str(out), "disclose": [0], "actor": stranger})
    assert refused["code"] == "ROLE-MISSING"
    assert served.exchange.log.size == size
    await served.socket("POST", path, json={"out": str(out), "disclose": [0], "actor": duty})
    assert isinstance(served.world.entries("xa-ca")[-1], HandedOver)
    assert (out / "origin.tlog-proof").exists()
    again = await served.socket("POST", path, 422, json={"out": str(out)})
    assert again["code"] == "EXPORT-FOLDER"


# -- systems ------------------------------------------------------------------------------------------------------------------------


async def test_a_system_sends_under_its_policy_over_the_port(served):
    account, headers = served.key("247", "officer")
    served.policy(account)
    told = await served.port("POST", "/v1/messages", 202, json=message(), headers=headers)
    acts = [entry for entry in served.world.entries("xa-ca") if isinstance(entry, Act)]
    assert acts[-1].action == "message.sent.policy"
    assert acts[-1].actor == served.rooms.people.pseudonym(bytes.fromhex(account))
    listed = await served.port("GET", "/v1/messages", params={"direction": "out"}, headers=headers)
    assert [item["message_id"] for item in listed["items"]] == [told["message_id"]]


async def test_a_system_without_a_policy_drafts(served):
    _, headers = served.key("247", "officer")
    told = await served.port("POST", "/v1/messages", 201, json=message(), headers=headers)
    assert told["state"] == "in_approval"
    listed = await served.port("GET", "/v1/drafts", headers=headers)
    assert [item["draft_id"] for item in listed["items"]] == [told["draft_id"]]


async def test_a_system_acts_for_itself_and_its_offices_only(served):
    _, headers = served.key("247", "officer", offices=("xa-ca/247",))
    duty = served.staff("247", "duty")
    other = await served.port("POST", "/v1/messages", 403, json=message(duty), headers=headers)
    assert other["code"] == "ACTOR-OTHER"
    records = message(None, "mla", "MLA_RECORDS", "mla-records")
    assert (await served.port("POST", "/v1/messages", 403, json=records, headers=headers))["code"] == "CALL-OFFICE"
    path = {**message(), "attachments": [{"path": "/etc/passwd", "filename": "p"}]}
    assert (await served.port("POST", "/v1/messages", 403, json=path, headers=headers))["code"] == "CALL-SOCKET"


async def test_WEB_17_a_system_sees_nothing_of_other_offices(served):
    officer, approver = served.staff("mla", "officer"), served.staff("mla", "approver")
    draft = await served.socket("POST", "/v1/messages", 201, json=message(officer, "mla", "MLA_RECORDS", "mla-records"))
    _, headers = served.key("247", "officer")
    assert (await served.port("GET", f"/v1/drafts/{draft['draft_id']}", 403, headers=headers))["code"] == "CALL-OFFICE"
    assert (await served.port("GET", "/v1/drafts", headers=headers))["items"] == []
    await served.socket("POST", f"/v1/drafts/{draft['draft_id']}/approve", 202, json={"actor": approver})
    path = f"/v1/messages/{draft['draft_id']}"
    assert (await served.port("GET", path, 404, headers=headers))["code"] == "MESSAGE-UNKNOWN"
    query = {"content": "1", "purpose": "p"}
    assert (await served.port("GET", path, 404, headers=headers, params=query))["code"] == "MESSAGE-UNKNOWN"
    assert (await served.port("GET", f"{path}/parts/1", 404, headers=headers, params={"purpose": "p"}))["code"] == "MESSAGE-UNKNOWN"
    assert (await served.port("GET", "/v1/messages?direction=out", headers=headers))["items"] == []


async def test_what_came_is_read_by_the_system_of_its_office(served):
    world = served.world
    world.send("xb-ca", "xa-ca", json.dumps(form("preserve")).encode())
    world.deliver("xb-ca", "xa-ca")
    _, headers = served.key("247", "duty")
    (item,) = (await served.port("GET", "/v1/messages", headers=headers))["items"]
    assert (item["direction"], item["sender"]) == ("in", "xb-ca")
    query = {"content": "1", "purpose": "case system"}
    read = await served.port("GET", f"/v1/messages/{item['message_id']}", headers=headers, params=query)
    assert read["content"]["kind"] == "EE_PRESERVE"
    assert isinstance(world.entries("xa-ca")[-1], Accessed)
    assert Office.parse(read["content"]["from"]) == Office("xb-ca", "247")
