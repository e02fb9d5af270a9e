"""People, drafts, uploads, events, outbox and forms over the API."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json

import pytest

from node.local import events as told_events
from node.local import streaming
from protocol import limits
from protocol.entries import Act, Lane, Undelivered
from tests.house import form
from tests.node.local.test_messages import message

HERE = "00" * 16


# -- people -----------------------------------------------------------------------------------------------------------------------


async def test_people_and_roles(served):
    ada = await served.socket("POST", "/v1/people", 201, json={"name": "Ada"}, headers={"Idempotency-Key": "add-ada-1"})
    again = await served.socket("POST", "/v1/people", 201, json={"name": "Ada"}, headers={"Idempotency-Key": "add-ada-1"})
    assert again["id"] == ada["id"]
    path = f"/v1/people/{ada['id']}"
    granted = await served.socket("POST", f"{path}/roles", json={"office": "xa-ca/mla", "role": "officer"})
    assert granted["roles"] == [{"office": "xa-ca/mla", "role": "officer"}]
    assert (await served.socket("GET", f"/v1/people/{ada['pseudonym']}"))["id"] == ada["id"]
    revoked = await served.socket("DELETE", f"{path}/roles", params={"office": "xa-ca/mla", "role": "officer"})
    assert revoked["roles"] == []
    assert (await served.socket("DELETE", path))["active"] is False
    listed = await served.socket("GET", "/v1/people")
    assert [person["kind"] for person in listed["items"]].count("operator") == 1
    assert listed["next"] is None


async def test_people_refusals(served):
    size = served.exchange.log.size
    for method, path, status, code, body in (
        ("POST", "/v1/people", 422, "PERSON-NAME", {"name": ""}),
        ("POST", "/v1/people", 422, "CALL-FORM", {"nam": "x"}),
        ("POST", "/v1/people", 422, "CALL-FORM", {"name": "x", "kind": "operator"}),
        ("POST", f"/v1/people/{HERE}/roles", 404, "PERSON-UNKNOWN", {"office": "xa-ca/mla", "role": "officer"}),
        ("POST", f"/v1/people/{HERE}/roles", 422, "PERSON-ROLE", {"office": "xa-ca/mla", "role": "king"}),
        ("POST", f"/v1/people/{HERE}/roles", 422, "PERSON-OFFICE", {"office": "mla", "role": "officer"}),
        ("GET", f"/v1/people/{HERE}", 404, "PERSON-UNKNOWN", None),
    ):
        told = await served.socket(method, path, status, **({} if body is None else {"json": body}))
        assert told["code"] == code
    assert served.exchange.log.size == size


# -- drafts -------------------------------------------------------------------------------------------------------------------------


async def test_drafts_are_shown_approved_and_rejected(served):
    officer, approver = served.staff("mla", "officer"), served.staff("mla", "approver")
    body = message(officer, "mla", "MLA_RECORDS", "mla-records")
    first = (await served.socket("POST", "/v1/messages", 201, json=body))["draft_id"]
    second = (await served.socket("POST", "/v1/messages", 201, json=body))["draft_id"]
    listed = await served.socket("GET", "/v1/drafts")
    assert {item["draft_id"] for item in listed["items"]} == {first, second}
    assert {(item["kind"], item["from"], tuple(item["to"])) for item in listed["items"]} == {("MLA_RECORDS", "xa-ca/mla", ("xb-ca/mla",))}
    shown = await served.socket("GET", f"/v1/drafts/{first}")
    assert shown["form"]["kind"] == "MLA_RECORDS"
    acts = [entry for entry in served.world.entries("xa-ca") if isinstance(entry, Act)]
    assert acts[-1].action == "draft.read"
    assert acts[-1].actor == served.rooms.people.pseudonym(served.rooms.people.operator)
    headers = {"Idempotency-Key": "approve-1"}
    told = await served.socket("POST", f"/v1/drafts/{first}/approve", 202, json={"actor": approver}, headers=headers)
    assert await served.socket("POST", f"/v1/drafts/{first}/approve", 202, json={"actor": approver}, headers=headers) == told
    assert (await served.socket("POST", f"/v1/drafts/{first}/approve", 409, json={"actor": approver}))["code"] == "DRAFT-STATE"
    path = f"/v1/drafts/{second}/reject"
    assert (await served.socket("POST", path, 422, json={"actor": approver, "reason": ""}))["code"] == "REASON-FORM"
    assert (await served.socket("POST", path, 400, json={"reason": "no"}))["code"] == "ACTOR-MISSING"
    assert (await served.socket("POST", path, json={"actor": approver, "reason": "wrong office"}))["state"] == "rejected"
    decided = await served.socket("GET", "/v1/drafts", params={"decided": "1"})
    assert {(item["state"], item["reason"]) for item in decided["items"]} == {("sent", ""), ("rejected", "wrong office")}
    gone = await served.socket("GET", f"/v1/drafts/{second}")
    assert "form" not in gone


async def test_WEB_18_over_the_api(served):
    both = served.staff("mla", "officer", "approver")
    draft = await served.socket("POST", "/v1/messages", 201, json=message(both, "mla", "MLA_RECORDS", "mla-records"))
    size = served.exchange.log.size
    path = f"/v1/drafts/{draft['draft_id']}/approve"
    assert (await served.socket("POST", path, 403, json={"actor": both}))["code"] == "SECOND-PERSON"
    assert served.exchange.log.size == size


# -- uploads --------------------------------------------------------------------------------------------------------------------------


async def upload(served, data, headers, expect=201):
    more = {"Content-Type": "application/octet-stream", **headers}
    return await served.port("POST", "/v1/uploads", expect, data=io.BytesIO(data), headers=more)


async def test_uploads_are_encrypted_and_sent(served):
    account, headers = served.key("mla", "officer")
    served.policy(account, '["MLA_RECORDS"]', "xa-ca/mla")
    data = b"CANARY-7f3a" * 300_000
    told = await upload(served, data, headers)
    assert (told["length"], told["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    for path in served.world.folder.rglob("*"):
        assert not path.is_file() or b"CANARY-7f3a" not in path.read_bytes(), path
    attachment = {"upload_id": told["upload_id"], "filename": "a.bin"}
    body = message(None, "mla", "MLA_RECORDS", "mla-records", attachments=[attachment])
    await served.port("POST", "/v1/messages", 202, json=body, headers=headers)
    assert list(served.world.home("xa-ca").uploads.iterdir()) == []
    served.world.deliver("xa-ca", "xb-ca")
    there = served.world.exchanges["xb-ca"].messages
    assert b"".join(there.attachment(there.inbox()[0], 1)) == data
    again = await served.port("POST", "/v1/messages", 404, json=body, headers=headers)
    assert again["code"] == "UPLOAD-UNKNOWN"


@pytest.mark.parametrize("length", [0, 1, 65_519, 65_520, 65_536, 1 << 20, (1 << 20) + 1])
async def test_uploads_of_every_length_come_back(served, length):
    account, headers = served.key("mla", "officer")
    data = bytes(index % 251 for index in range(length))
    told = await upload(served, data, headers)
    with served.rooms.uploads.open(told["upload_id"], bytes.fromhex(account)) as (reader, known):
        assert known == length
        assert b"".join(iter(lambda: reader.read(10_000), b"")) == data


async def test_uploads_belong_to_their_account(served):
    _, ours = served.key("mla", "officer")
    _, theirs = served.key("mla", "officer")
    told = await upload(served, b"x", ours)
    body = message(None, "mla", "MLA_RECORDS", "mla-records", attachments=[{"upload_id": told["upload_id"], "filename": "a"}])
    assert (await served.port("POST", "/v1/messages", 404, json=body, headers=theirs))["code"] == "UPLOAD-UNKNOWN"
    path = f"/v1/uploads/{told['upload_id']}"
    assert (await served.port("DELETE", path, 404, headers=theirs))["code"] == "UPLOAD-UNKNOWN"
    await served.port("DELETE", path, headers=ours)
    assert list(served.world.home("xa-ca").uploads.iterdir()) == []


async def test_upload_altered_on_disk_is_not_sent(served):
    account, headers = served.key("mla", "officer")
    served.policy(account, '["MLA_RECORDS"]', "xa-ca/mla")
    told = await upload(served, b"x" * 100_000, headers)
    (path,) = served.world.home("xa-ca").uploads.iterdir()
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    size = served.exchange.log.size
    body = message(None, "mla", "MLA_RECORDS", "mla-records", attachments=[{"upload_id": told["upload_id"], "filename": "a"}])
    assert (await served.port("POST", "/v1/messages", 422, json=body, headers=headers))["code"] == "PART-CONTENT"
    assert served.exchange.log.size == size


async def test_uploads_end_after_a_day_and_are_bounded(served, monkeypatch):
    account, headers = served.key("mla", "officer")
    told = await upload(served, b"x", headers)
    served.world.clock.advance(limits.DAY)
    await upload(served, b"y", headers)
    body = message(None, "mla", "MLA_RECORDS", "mla-records", attachments=[{"upload_id": told["upload_id"], "filename": "a"}])
    assert (await served.port("POST", "/v1/messages", 404, json=body, headers=headers))["code"] == "UPLOAD-UNKNOWN"
    monkeypatch.setattr("node.local.uploads.WAITING", 1)
    assert (await upload(served, b"z", headers, 507))["code"] == "UPLOAD-FULL"
    more = {**headers, "Content-Type": "text/plain"}
    assert (await served.port("POST", "/v1/uploads", 415, data=b"z", headers=more))["code"] == "CALL-TYPE"
    both = {"filename": "a", "path": "/x", "upload_id": "y"}
    for attachment in (both, {"filename": "a"}):
        body = message(None, "mla", "MLA_RECORDS", "mla-records", attachments=[attachment])
        assert (await served.port("POST", "/v1/messages", 422, json=body, headers=headers))["code"] == "CALL-FORM"
    assert account


# -- events ---------------------------------------------------------------------------------------------------------------------------


async def read_events(response, count):
    """So many events: (id, name, data)."""
    found, fields = [], {}
    while len(found) < count:
        line = (await response.content.readline()).decode().rstrip("\n")
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value
        elif not line:
            if "event" in fields:
                found.append((fields.get("id"), fields["event"], json.loads(fields["data"])))
            fields = {}
    return found


async def test_events_as_they_happen_and_replayed(served):
    duty, officer = served.staff("247", "duty"), served.staff("mla", "officer")
    async with served.socket.session.get("/v1/events") as response:
        assert response.content_type == "text/event-stream"
        draft = await served.socket("POST", "/v1/messages", 201, json=message(officer, "mla", "MLA_RECORDS", "mla-records"))
        sent = await served.socket("POST", "/v1/messages", 202, json=message(duty))
        await asyncio.to_thread(served.world.deliver, "xa-ca", "xb-ca")
        served.world.send("xb-ca", "xa-ca", json.dumps(form("preserve")).encode(), lane=Lane.URGENT)
        await asyncio.to_thread(served.world.deliver, "xb-ca", "xa-ca", Lane.URGENT)
        found = await read_events(response, 3)
    assert [name for _, name, _ in found] == ["draft.created", "message.receipted", "message.consigned"]
    assert found[0][2]["draft_id"] == draft["draft_id"]
    assert (found[1][2]["message_id"], found[1][2]["recipient"]) == (sent["message_id"], "xb-ca")
    assert (found[2][2]["sender"], found[2][2]["lane"]) == ("xb-ca", "urgent")
    async with served.socket.session.get("/v1/events", headers={"Last-Event-ID": found[0][0]}) as response:
        assert await read_events(response, 2) == found[1:]


async def test_events_hold_no_content(served):
    duty = served.staff("247", "duty")
    body = message(duty) | {"form": form("preserve", purpose="CANARY-7f3a")}
    await served.socket("POST", "/v1/messages", 202, json=body)
    await asyncio.to_thread(served.world.deliver, "xa-ca", "xb-ca")
    async with served.socket.session.get("/v1/events", params={"last": "0"}) as response:
        assert "CANARY" not in json.dumps(await read_events(response, 1))


async def test_a_system_is_told_of_its_offices_only(served):
    duty = served.staff("247", "duty")
    _, headers = served.key("mla", "officer")
    await served.socket("POST", "/v1/messages", 202, json=message(duty))
    await asyncio.to_thread(served.world.deliver, "xa-ca", "xb-ca")
    served.server.alarm("TEST-ALARM")
    async with served.port.session.get("/v1/events", params={"last": "0"}, headers=headers) as response:
        ((_, name, data),) = await read_events(response, 1)
    assert (name, data["code"]) == ("alarm", "TEST-ALARM")


async def test_undelivered_is_told(served):
    duty = served.staff("247", "duty")
    sent = await served.socket("POST", "/v1/messages", 202, json=message(duty, expires="2026-11-24T07:00:00Z"))
    served.world.clock.advance(2 * limits.HOUR)
    assert await asyncio.to_thread(served.exchange.deadletters.expire) == 1
    assert isinstance(served.world.entries("xa-ca")[-1], Undelivered)
    async with served.socket.session.get("/v1/events", params={"last": "0"}) as response:
        ((_, name, data),) = await read_events(response, 1)
    assert (name, data["message_id"]) == ("message.undelivered", sent["message_id"])


async def test_a_message_without_a_receipt_is_warned_of_before_its_end(served):
    duty = served.staff("247", "duty")
    sent = await served.socket("POST", "/v1/messages", 202, json=message(duty, lane="urgent"))
    served.world.clock.advance(6 * limits.MINUTE)
    assert await asyncio.to_thread(served.exchange.deadlines.look) == 1
    async with served.socket.session.get("/v1/events", params={"last": "0"}) as response:
        (_, late, about), (_, alarm, told) = await read_events(response, 2)
    assert (late, about["message_id"], about["recipient"], about["lane"]) == ("message.late", sent["message_id"], "xb-ca", "urgent")
    assert (alarm, told["code"], told["detail"]) == ("alarm", "DELIVERY-LATE", "xb-ca: 1")


async def test_the_newest_events_are_kept_and_a_gap_is_told(served, monkeypatch):
    monkeypatch.setattr(told_events, "KEPT", 5)
    for number in range(12):
        served.server.alarm(f"A-{number}")
    served.exchange.writer.run(lambda tx: None)
    async with served.socket.session.get("/v1/events", params={"last": "3"}) as response:
        found = await read_events(response, 6)
    assert [name for _, name, _ in found] == ["gap"] + ["alarm"] * 5
    assert [data["code"] for _, _, data in found[1:]] == [f"A-{number}" for number in range(7, 12)]


async def test_streams_beat_and_end_with_the_server(served, monkeypatch):
    monkeypatch.setattr(streaming, "HEARTBEAT", 0.01)
    async with served.socket.session.get("/v1/events") as response:
        while await response.content.readline() != b": still here\n":
            pass
        served.rooms.events.close()
        await response.content.read()
        assert response.content.at_eof()
    assert (await served.socket("GET", "/v1/events", 422, params={"last": "x"}))["code"] == "CALL-FORM"


# -- the rest -------------------------------------------------------------------------------------------------------------------------


async def test_outbox_hold_retry_reject(served):
    duty = served.staff("247", "duty")
    sent = await served.socket("POST", "/v1/messages", 202, json=message(duty))
    (row,) = (await served.socket("GET", "/v1/outbox"))["items"]
    assert (row["message_id"], row["recipient"], row["state"]) == (sent["message_id"], "xb-ca", "queued")
    path = f"/v1/outbox/{sent['message_id']}/xb-ca"
    assert (row["lane"], row["state"], row["says"]) == ("urgent" if row["lane"] == "urgent" else "routine", "queued", "")
    assert (await served.socket("GET", f"/v1/outbox?state=held&recipient=xb-ca&lane={row['lane']}"))["items"] == []
    assert len((await served.socket("GET", "/v1/outbox?recipient=xb-ca&state=queued"))["items"]) == 1
    assert (await served.socket("GET", "/v1/outbox?state=lost&lane=slow", 422))["code"] == "CALL-FORM"
    assert (await served.socket("POST", f"{path}/hold"))["state"] == "held"
    assert (await served.socket("POST", f"{path}/retry", json={}))["state"] == "queued"
    assert (await served.socket("POST", f"{path}/sing", 409))["code"] == "DELIVERY-STATE"
    assert (await served.socket("POST", f"{path}/reject"))["state"] == "rejected"
    assert (await served.socket("POST", f"{path}/hold", 409))["code"] == "DELIVERY-STATE"
    assert (await served.socket("GET", "/v1/outbox"))["items"] == []
    *_, undelivered, act = served.world.entries("xa-ca")
    assert isinstance(undelivered, Undelivered)
    assert isinstance(act, Act)
    assert act.action == "delivery.rejected"
    assert (await served.socket("POST", f"/v1/outbox/{HERE}/xb-ca/hold", 404))["code"] == "MESSAGE-UNKNOWN"


async def test_forms_and_their_schemas(served):
    kinds = [item["kind"] for item in (await served.socket("GET", "/v1/forms"))["items"]]
    assert {"EE_PRESERVE", "MLA_RECORDS"} <= set(kinds)
    for kind in kinds:
        assert (await served.socket("GET", f"/v1/forms/{kind}/schema"))["title"] == kind
    assert (await served.socket("GET", "/v1/forms/NO/schema", 422))["code"] == "FORM-KIND"


async def test_status_counts(served):
    served.staff("247", "duty")
    served.world.send("xa-ca", "xb-ca", b"{}")
    told = await served.socket("GET", "/v1/status")
    assert told["queues"] == {"queued": 1, "wanted": 0, "held": 0, "drafts": 0}
    assert told["log"]["size"] == served.exchange.log.size
    assert told["network"]["kind"] == "exercise"
