"""Cases: nobody releases alone what needs a second person (WEB-18), and what was approved is what was sealed."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import replace

import pytest

from exchange import codes
from exchange.casework.once import Once
from exchange.casework.people import PersonKind
from exchange.casework.unattended import load_policies, parse_policy
from exchange.outgoing.sealing import Attachment
from keys.directory import codes as directory_codes
from protocol import codes as protocol_codes
from protocol import limits
from protocol.drafts import TABLE, DraftEvent, DraftState, after
from protocol.entries import Act, Lane, Submitted
from protocol.errors import LocalError, RogatoryError
from protocol.forms.problems import Wrong
from tests.house import form, make_house, proposal

EMERGENCY = {
    "urgency": {
        "level": "EMERGENCY_LIFE", "emergency_facts": "a child is missing", "data_relation": "last known address",
        "senior_approver": {"name": "S. Senior", "post": "head of office"},
    }
}  # fmt: skip


@pytest.fixture
def house(tmp_path):
    house = make_house(tmp_path)
    yield house
    house.close()


def refused(code, call):
    with pytest.raises(RogatoryError) as caught:
        call()
    assert caught.value.code is code
    return caught.value


def refused_unchanged(house, code, call):
    """Refused with this code, and neither log nor rows have moved."""
    before = state_of(house)
    error = refused(code, call)
    assert state_of(house) == before
    return error


def state_of(house):
    db = house.exchange.store.reader()
    rows = [db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("outgoing", "draft", "act", "once", "secret")]
    return house.exchange.log.size, rows, sorted(path.name for path in (house.home.data / "parts" / "out").iterdir())


def actions(house):
    return [entry.action for entry in house.world.entries(house.us) if isinstance(entry, Act)]


def records(**more):
    return proposal("mla", "MLA_RECORDS", "mla-records", **more)


# -- the table ----------------------------------------------------------------------------------------------------------------


def test_every_pair_of_state_and_event():
    allowed = {
        (DraftState.DRAFT, DraftEvent.PROPOSE): DraftState.IN_APPROVAL,
        (DraftState.DRAFT, DraftEvent.RELEASE): DraftState.SENT,
        (DraftState.IN_APPROVAL, DraftEvent.APPROVE): DraftState.SENT,
        (DraftState.IN_APPROVAL, DraftEvent.REJECT): DraftState.REJECTED,
        (DraftState.IN_APPROVAL, DraftEvent.LAPSE): DraftState.LAPSED,
    }
    for state in DraftState:
        for event in DraftEvent:
            assert after(state, event) is allowed.get((state, event)), (state, event)
    assert dict(TABLE) == allowed


# -- a second person ------------------------------------------------------------------------------------------------------------


def test_WEB_18_one_official_alone_cannot_release(house):
    both = house.staff("mla", "officer", "approver")
    outcome = house.cases.propose(both, records())
    assert outcome.state is DraftState.IN_APPROVAL
    refused_unchanged(house, codes.SECOND_PERSON, lambda: house.cases.approve(both, outcome.draft_id))
    assert not [entry for entry in house.world.entries(house.us) if isinstance(entry, Submitted)]


def test_WEB_18_second_person_needs_the_role_in_that_office(house):
    officer = house.staff("mla", "officer")
    outcome = house.cases.propose(officer, records())
    for other in (house.staff("247", "approver"), house.staff("mla", "officer", "auditor", "intake", "case_officer", "duty")):
        refused_unchanged(house, codes.ROLE_MISSING, lambda other=other: house.cases.approve(other, outcome.draft_id))
    system = house.staff("mla", "officer", kind=PersonKind.SYSTEM)
    refused_unchanged(house, codes.ROLE_MISSING, lambda: house.cases.approve(system, outcome.draft_id))
    refused_unchanged(house, codes.ROLE_MISSING, lambda: house.cases.approve(house.people.operator, outcome.draft_id))


def test_approval_act_and_submission_are_one_commit(house):
    officer, approver = house.staff("mla", "officer"), house.staff("mla", "approver")
    outcome = house.cases.propose(officer, records())
    sent = house.cases.approve(approver, outcome.draft_id)
    entries = house.world.entries(house.us)
    submitted, act = entries[sent.index], entries[sent.index + 1]
    assert isinstance(submitted, Submitted)
    assert submitted.envelope_hash == outcome.hash == sent.hash
    assert isinstance(act, Act)
    assert (act.action, act.actor) == ("message.approved", house.people.pseudonym(approver))
    assert house.acts.opening(1, sent.index + 1)[1] == {"draft": outcome.draft_id.hex(), "envelope": outcome.hash.hex()}
    assert house.exchange.store.reader().execute("SELECT count(*) FROM head WHERE size=?", (sent.index + 1,)).fetchone()[0] == 0


def test_what_was_approved_is_delivered(house):
    path = house.world.folder / "order.pdf"
    path.write_bytes(b"%PDF-1.7 " + bytes(range(256)) * 1000)
    officer, approver = house.staff("mla", "officer"), house.staff("mla", "approver")
    attachment = Attachment(path, "order.pdf", "application/pdf", "domestic_order")
    outcome = house.cases.propose(officer, records(attachments=[attachment]))
    plaintext = path.read_bytes()
    path.write_bytes(b"exchanged after drafting")
    assert b"".join(house.cases.attachment(approver, outcome.draft_id, 1)) == plaintext
    house.cases.approve(approver, outcome.draft_id)
    house.world.exchange_prekeys()
    house.world.deliver("xa-ca", "xb-ca")
    there = house.world.exchanges["xb-ca"].messages
    assert b"".join(there.attachment(there.inbox()[0], 1)) == plaintext


def test_a_draft_is_decided_once(house):
    officer, approver = house.staff("mla", "officer"), house.staff("mla", "approver")
    draft = house.cases.propose(officer, records()).draft_id
    house.cases.approve(approver, draft)
    refused_unchanged(house, codes.DRAFT_STATE, lambda: house.cases.approve(approver, draft))
    refused_unchanged(house, codes.DRAFT_STATE, lambda: house.cases.reject(approver, draft, "too late"))
    refused_unchanged(house, codes.DRAFT_EMPTY, lambda: house.cases.read(approver, draft))


def test_two_approvers_at_once_send_once(house):
    officer = house.staff("mla", "officer")
    approvers = [house.staff("mla", "approver") for _ in range(4)]
    draft = house.cases.propose(officer, records()).draft_id
    results, barrier = [], threading.Barrier(4)

    def approve(who):
        barrier.wait()
        try:
            results.append(house.cases.approve(who, draft).state)
        except LocalError as error:
            results.append(error.code)

    threads = [threading.Thread(target=approve, args=(who,)) for who in approvers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, results)) == ["DRAFT-STATE"] * 3 + ["sent"]
    assert actions(house).count("message.approved") == 1
    assert len([entry for entry in house.world.entries(house.us) if isinstance(entry, Submitted)]) == 1


def test_an_approver_who_was_deactivated_meanwhile(house):
    officer, approver = house.staff("mla", "officer"), house.staff("mla", "approver")
    draft = house.cases.propose(officer, records()).draft_id
    house.people.deactivate(approver, house.people.operator)
    refused_unchanged(house, codes.PERSON_INACTIVE, lambda: house.cases.approve(approver, draft))


def test_rejecting_destroys_what_was_sealed(house):
    path = house.world.folder / "big"
    path.write_bytes(b"x" * 100_000)
    officer, approver = house.staff("mla", "officer"), house.staff("mla", "approver")
    attachment = Attachment(path, "big", "application/octet-stream", "enclosure")
    draft = house.cases.propose(officer, records(attachments=[attachment])).draft_id
    stranger = house.staff("247", "approver")
    assert len(list((house.home.data / "parts" / "out").iterdir())) == 1
    refused_unchanged(house, codes.REASON_FORM, lambda: house.cases.reject(approver, draft, "  "))
    refused_unchanged(house, codes.ROLE_MISSING, lambda: house.cases.reject(stranger, draft, "no"))
    house.cases.reject(approver, draft, "wrong office")
    case = house.cases.find(draft)
    assert (case.state, case.reason, case.decider) == (DraftState.REJECTED, "wrong office", approver)
    row = house.exchange.store.reader().execute("SELECT secret, body FROM draft").fetchone()
    assert row == (None, None)
    assert list((house.home.data / "parts" / "out").iterdir()) == []
    assert actions(house)[-1] == "draft.rejected"
    assert house.cases.list() == []
    assert [case.id for case in house.cases.list(decided=True)] == [draft]


def test_the_drafter_may_withdraw(house):
    officer = house.staff("mla", "officer")
    draft = house.cases.propose(officer, records()).draft_id
    house.cases.reject(officer, draft, "a better one follows")
    assert actions(house)[-1] == "draft.withdrawn"


def test_a_draft_lapses_with_its_message(house):
    officer, approver = house.staff("mla", "officer"), house.staff("mla", "approver")
    draft = house.cases.propose(officer, records(expires=house.world.clock.now() + limits.HOUR)).draft_id
    assert house.cases.lapse() == 0
    house.world.clock.advance(limits.HOUR)
    refused_unchanged(house, codes.DRAFT_STATE, lambda: house.cases.approve(approver, draft))
    assert house.cases.lapse() == 1
    assert house.cases.find(draft).state is DraftState.LAPSED
    refused(codes.DRAFT_EMPTY, lambda: house.cases.read(approver, draft))


def test_drafts_survive_a_restart(house):
    officer, approver = house.staff("mla", "officer"), house.staff("mla", "approver")
    draft = house.cases.propose(officer, records()).draft_id
    house.reopen()
    assert house.cases.read(approver, draft).kind == "MLA_RECORDS"
    assert house.cases.approve(approver, draft).state is DraftState.SENT


def test_reading_a_draft_needs_a_role_and_is_an_act(house):
    officer, stranger = house.staff("mla", "officer"), house.staff("247", "officer")
    auditor = house.staff("mla", "auditor")
    draft = house.cases.propose(officer, records()).draft_id
    refused_unchanged(house, codes.ROLE_MISSING, lambda: house.cases.read(stranger, draft))
    refused_unchanged(house, codes.ROLE_MISSING, lambda: next(house.cases.attachment(stranger, draft, 1)))
    refused_unchanged(house, codes.PART_NUMBER, lambda: next(house.cases.attachment(auditor, draft, 1)))
    refused_unchanged(house, codes.DRAFT_UNKNOWN, lambda: house.cases.read(auditor, bytes(16)))
    assert house.cases.read(auditor, draft).from_office == "mla"
    assert actions(house)[-1] == "draft.read"


# -- one person, or a policy ------------------------------------------------------------------------------------------------------


def test_duty_officer_preserves_alone(house):
    duty = house.staff("247", "duty")
    outcome = house.cases.propose(duty, proposal(lane=Lane.URGENT))
    assert outcome.state is DraftState.SENT
    assert actions(house)[-1] == "message.sent"
    assert any(each.code is Wrong.PRACTICE_MISSING for each in outcome.advice)


def test_other_roles_do_not(house):
    officer = house.staff("247", "officer")
    assert house.cases.propose(officer, proposal()).state is DraftState.IN_APPROVAL
    duty_elsewhere = house.staff("mla", "duty")
    refused_unchanged(house, codes.ROLE_MISSING, lambda: house.cases.propose(duty_elsewhere, proposal()))
    auditor = house.staff("247", "auditor")
    refused_unchanged(house, codes.ROLE_MISSING, lambda: house.cases.propose(auditor, proposal()))
    refused_unchanged(house, codes.PERSON_UNKNOWN, lambda: house.cases.propose(bytes(16), proposal()))


def test_an_emergency_always_needs_a_second_person(house):
    duty, approver = house.staff("247", "duty"), house.staff("247", "approver")
    system = write_policy(house)
    for actor in (duty, system):
        outcome = house.cases.propose(actor, proposal(**EMERGENCY))
        assert outcome.state is DraftState.IN_APPROVAL
        assert house.cases.find(outcome.draft_id).emergency
    assert house.cases.approve(approver, outcome.draft_id).state is DraftState.SENT


def write_policy(house, **changes):
    system = house.staff("247", "officer", kind=PersonKind.SYSTEM)
    fields = {
        "name": '"court-preservation"', "offices": '["xa-ca/247"]', "kinds": '["EE_PRESERVE"]', "accounts": f'["{system.hex()}"]',
        "signed_by": '"Director"', "text": '"What the prosecutor has signed in the case system leaves without a second person."',
        **changes,
    }  # fmt: skip
    house.home.policies.mkdir(exist_ok=True)
    (house.home.policies / "court.toml").write_text("".join(f"{name} = {value}\n" for name, value in fields.items()))
    return system


def test_a_system_sends_under_its_policy_and_the_act_commits_to_the_text(house):
    system = write_policy(house)
    outcome = house.cases.propose(system, proposal())
    assert outcome.state is DraftState.SENT
    assert actions(house)[-1] == "message.sent.policy"
    about = house.acts.opening(1, outcome.index + 1)[1]
    digest = hashlib.sha256((house.home.policies / "court.toml").read_bytes()).hexdigest()
    assert about == {"envelope": outcome.hash.hex(), "policy": "court-preservation", "policy_sha256": digest}


@pytest.mark.parametrize(
    "changes", [{"accounts": '["00"]'}, {"offices": '["xa-ca/mla"]'}, {"kinds": '["ACKNOWLEDGEMENT"]'}], ids=["account", "office", "kind"]
)
def test_a_policy_covers_what_it_names_and_nothing_else(house, changes):
    system = write_policy(house, **changes)
    assert house.cases.propose(system, proposal()).state is DraftState.IN_APPROVAL


def test_a_role_that_suffices_for_a_person_does_not_for_a_system(house):
    system = house.staff("247", "duty", kind=PersonKind.SYSTEM)
    assert house.cases.propose(system, proposal()).state is DraftState.IN_APPROVAL


@pytest.mark.parametrize(
    "text", ["name = ", "name = 'x'", "name='x'\noffices=[]\nkinds=['k']\naccounts=['a']\nsigned_by='s'\ntext='t'",
             "name='x'\noffices='o'\nkinds=['k']\naccounts=['a']\nsigned_by='s'\ntext='t'",
             "name=''\noffices=['o']\nkinds=['k']\naccounts=['a']\nsigned_by='s'\ntext='t'",
             "name='x'\noffices=['o']\nkinds=['k']\naccounts=['a']\nsigned_by='s'\ntext='t'\nmore=1"],
)  # fmt: skip
def test_malformed_policies(text):
    refused(codes.POLICY_FILE, lambda: parse_policy("x.toml", text.encode()))


def test_two_policies_of_one_name(house):
    write_policy(house)
    (house.home.policies / "again.toml").write_bytes((house.home.policies / "court.toml").read_bytes())
    refused(codes.POLICY_FILE, lambda: load_policies(house.home.policies))


# -- what is proposed -------------------------------------------------------------------------------------------------------------


def test_refused_before_anything_is_stored(house):
    duty, now = house.staff("247", "duty"), house.world.clock.now()
    cases = [
        (codes.ROLE_MISSING, proposal("nowhere")),
        (codes.KIND_NOT_TAKEN, proposal(kind="MLA_RECORDS", example="mla-records")),
        (directory_codes.DIRECTORY_UNKNOWN_AUTHORITY, proposal(to="xq-ca")),
        (codes.EXPIRES_RANGE, proposal(expires=now)),
        (codes.EXPIRES_RANGE, proposal(expires=now + limits.TTL + 1)),
        (codes.MESSAGE_UNKNOWN, proposal(answers=bytes(16))),
        (codes.RECIPIENT_SELF, proposal(to="xa-ca")),
        (protocol_codes.FORM_INVALID, proposal(items=[], purpose=3)),
        (codes.ATTACHMENT_READ, proposal(attachments=[Attachment(house.world.folder / "no", "no", "text/plain", "enclosure")])),
    ]
    for code, wanted in cases:
        refused_unchanged(house, code, lambda wanted=wanted: house.cases.propose(duty, wanted))


def test_every_wrong_field_is_told(house):
    duty = house.staff("247", "duty")
    wanted = proposal(items=[], purpose=3, urgency={"level": "SOON"})
    error = refused(protocol_codes.FORM_INVALID, lambda: house.cases.propose(duty, wanted))
    assert {each.loc for each in error.errors} >= {"/items", "/purpose", "/urgency/level"}


def test_an_office_of_ours_that_the_directory_does_not_list(house):
    wanted = proposal("nowhere")
    refused(codes.OFFICE_OURS, lambda: house.cases.composer.compose(wanted))


def test_a_recipient_that_has_left(house):
    members = dict(house.world.directory.members)
    members["xb-ca"] = replace(members["xb-ca"], active=False)
    house.world.directory = replace(house.world.directory, members=members)
    refused(codes.RECIPIENT_LEFT, lambda: house.cases.composer.compose(proposal()))


def test_a_language_that_nobody_reads_is_advice(house):
    composed = house.cases.composer.compose(proposal(language="pl", translations=[{"language": "de", "certified": False}]))
    assert ("/language", Wrong.TRANSLATION_NEEDED) in {(each.loc, each.code) for each in composed.advice}
    composed = house.cases.composer.compose(proposal())
    assert "/language" not in {each.loc for each in composed.advice}


# -- answering ----------------------------------------------------------------------------------------------------------------------


def test_an_answer_joins_the_conversation_and_must_fit(tmp_path):
    house = make_house(tmp_path, us="xb-ca")
    try:
        asked = arrived(house)
        duty = house.staff("247", "duty")
        request = form("preserve")
        reply = {"in_reply_to": request["request_id"], "requesting_reference": request["requesting_reference"]}
        wanted = proposal("247", "ACKNOWLEDGEMENT", "acknowledgement", to="xa-ca", us="xb-ca", answers=asked.message_id, **reply)
        house.cases.propose(duty, wanted)
        second = house.cases.propose(duty, wanted)
        letter = house.exchange.messages.read(house.exchange.messages.find(second.hash))
        assert (letter.conversation, letter.sequence, letter.answers) == (asked.conversation, 2, asked.message_id)
        other = proposal("247", "ACKNOWLEDGEMENT", "acknowledgement", to="xa-ca", us="xb-ca", answers=asked.message_id,
                         in_reply_to="018f6b1e-6f0a-7c3e-9b55-0d6a4f3c2b99")  # fmt: skip
        error = refused_unchanged(house, protocol_codes.FORM_INVALID, lambda: house.cases.propose(duty, other))
        assert ("/in_reply_to", Wrong.ANSWER_OTHER) in {(each.loc, each.code) for each in error.errors}
        own = proposal("247", "ACKNOWLEDGEMENT", "acknowledgement", to="xa-ca", us="xb-ca", answers=second.message_id)
        refused_unchanged(house, codes.ANSWERS_OTHER, lambda: house.cases.propose(duty, own))
    finally:
        house.close()


def arrived(house):
    """A preservation request that came."""
    house.world.exchange_prekeys()
    house.world.send("xa-ca", "xb-ca", json.dumps(form("preserve")).encode())
    house.world.deliver("xa-ca", "xb-ca")
    return house.exchange.messages.inbox()[0]


# -- once ---------------------------------------------------------------------------------------------------------------------------


def test_idempotency_key_is_stored_with_its_effect_and_kept_two_days(house):
    duty = house.staff("247", "duty")
    once = Once.of("socket", "key-number-1", b"body")
    assert once.recall(house.exchange.store) is None
    outcome = house.cases.propose(duty, proposal(), lambda tx, done: once.remember(tx, 202, {"hash": done.hash.hex()}))
    assert once.recall(house.exchange.store) == (202, {"hash": outcome.hash.hex()})
    refused(codes.IDEMPOTENCY_OTHER, lambda: Once.of("socket", "key-number-1", b"other").recall(house.exchange.store))
    assert Once.of("key 1", "key-number-1", b"body").recall(house.exchange.store) is None
    house.world.clock.advance(2 * limits.DAY + 1)
    later = Once.of("socket", "key-number-2", b"body")
    house.exchange.writer.run(lambda tx: later.remember(tx, 200, {}))
    assert once.recall(house.exchange.store) is None
    assert later.recall(house.exchange.store) == (200, {})


def test_a_refused_effect_keeps_no_key(house):
    duty = house.staff("247", "duty")
    once = Once.of("socket", "key-number-1", b"body")

    def fails(tx, done):
        once.remember(tx, 202, {})
        raise LocalError(codes.DRAFT_STATE)

    refused_unchanged(house, codes.DRAFT_STATE, lambda: house.cases.propose(duty, proposal(), fails))
    assert once.recall(house.exchange.store) is None


@pytest.mark.parametrize("key", ["", "short", "x" * 201, "with space", "k\u00e9y-number"])
def test_malformed_idempotency_keys(key):
    refused(codes.IDEMPOTENCY_FORM, lambda: Once.of("socket", key))


def test_content_of_a_draft_is_nowhere_in_clear(house):
    officer = house.staff("mla", "officer")
    draft = house.cases.propose(officer, records(purpose="CANARY-7f3a purpose")).draft_id
    house.cases.reject(officer, draft, "CANARY-7f3a reason")
    house.cases.propose(officer, records(purpose="CANARY-7f3a purpose"))
    for path in house.world.folder.rglob("*"):
        assert not path.is_file() or b"CANARY-7f3a" not in path.read_bytes(), path
