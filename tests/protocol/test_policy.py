"""Policies: who must have signed, and that nobody counts twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.suite import SUITE
from protocol import codes, limits
from protocol.errors import Code, ProtocolError
from protocol.note import Note, parse_note
from protocol.policy import Group, Log, Policy, Witness, format_policy, parse_policy, policy_for
from protocol.vkey import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, ED25519, VKey
from tests.protocol.c2sp import KEYS, LOG, ORIGIN, SMALL, Pair, only_lines, with_lines

PAIRS = {f"example.org/x{letter}-ca/witness": Pair(letter) for letter in "bcdefgh"}
NAMES = list(PAIRS)
WITNESSES = [pair.vkey(name, COSIGNATURE_MLDSA44) for name, pair in PAIRS.items()]
POLICY = policy_for(KEYS, WITNESSES, 5)
HEAD = SMALL.head()
LINES = [pair.cosign(name, COSIGNATURE_MLDSA44, SMALL.checkpoint()) for name, pair in PAIRS.items()]

L = str(LOG.vkey(ORIGIN, ED25519))
W1, W2, W3 = (str(Pair(str(i)).vkey(f"w{i}", COSIGNATURE_ED25519)) for i in (1, 2, 3))
ABOVE = f"log {L}\nwitness w1 {W1}\nwitness w2 {W2}\nwitness w3 {W3}\n"


def refuse(code: Code, text: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        parse_policy(text.encode("utf-8", "surrogateescape"))
    assert refused.value.code is code


def refuse_check(code: Code, policy: Policy, note: Note) -> str:
    with pytest.raises(ProtocolError) as refused:
        policy.check(note, SUITE)
    assert refused.value.code is code
    return refused.value.detail


def test_quorum_reached() -> None:
    for lines in (LINES, LINES[2:], LINES[:5]):
        seen = POLICY.check(parse_note(with_lines(HEAD, *lines)), SUITE)
        assert seen == {"self", *(line.name for line in lines)}


def test_LOG_16_quorum_minus_one() -> None:
    detail = refuse_check(codes.POLICY_QUORUM, POLICY, parse_note(with_lines(HEAD, *LINES[:4])))
    assert all(name in detail for name in NAMES[4:])
    assert not any(name in detail for name in NAMES[:4])


def test_LOG_16_all_witnesses_without_one_of_the_logs_lines() -> None:
    note = with_lines(HEAD, *LINES)
    witnesses = range(2, 2 + len(LINES))
    assert "self" in refuse_check(codes.POLICY_QUORUM, POLICY, only_lines(note, 0, *witnesses))
    refuse_check(codes.POLICY_LOG, POLICY, only_lines(note, 1, *witnesses))


def test_LOG_16_a_log_alone() -> None:
    alone = policy_for(KEYS, [], 0)
    assert alone.check(parse_note(HEAD), SUITE) == {"self"}
    assert "self" in refuse_check(codes.POLICY_QUORUM, alone, only_lines(HEAD, 0))


def test_LOG_17_one_witness_listed_twice() -> None:
    refuse(codes.POLICY_DUPLICATE, ABOVE + f"witness w1 {W1}\nquorum w1\n")
    refuse(codes.POLICY_DUPLICATE, ABOVE + "group g 2 w1 w1\nquorum g\n")
    refuse(codes.POLICY_DUPLICATE, ABOVE + "group g any w1 w2\ngroup h all g w1\nquorum h\n")


def test_LOG_17_same_key_under_two_names() -> None:
    refuse(codes.POLICY_DUPLICATE, ABOVE + f"witness other {W1}\nquorum w1\n")
    renamed = Pair("1").vkey("other-name", COSIGNATURE_ED25519)
    refuse(codes.POLICY_DUPLICATE, ABOVE + f"witness other {renamed}\nquorum w1\n")
    with pytest.raises(ProtocolError) as refused:
        policy_for(KEYS, [*WITNESSES[:2], WITNESSES[0]], 2)
    assert refused.value.code is codes.POLICY_DUPLICATE
    with pytest.raises(ProtocolError) as refused:
        policy_for(KEYS, [LOG.vkey("example.org/xa-ca/witness", COSIGNATURE_MLDSA44)], 1)  # a log is never its own witness
    assert refused.value.code is codes.POLICY_DUPLICATE


def test_LOG_17_one_log_listed_twice() -> None:
    refuse(codes.POLICY_DUPLICATE, ABOVE + f"log {LOG.vkey('example.org/xz-ca/log/1', ED25519)}\nquorum none\n")


def test_LOG_6_a_listed_log_signs_only_under_its_own_origin() -> None:
    refuse_check(codes.NOTE_UNSIGNED, POLICY, parse_note(SMALL.head(origin="example.org/xa-ca/log/2")))
    other = Pair("xb-ca")
    both = Policy((Log(KEYS.vkeys[0]), Log(other.vkey("example.org/xb-ca/log/1", ED25519))), (), (), "none")
    text = SMALL.checkpoint().text()
    refuse_check(codes.POLICY_LOG, both, Note(text, (other.line("example.org/xb-ca/log/1", ED25519, text),)))


def test_a_policy_without_logs_accepts_nothing() -> None:
    policy = Policy((), (Witness("self", KEYS.vkeys[1]),), (), "self")
    refuse_check(codes.POLICY_LOG, policy, parse_note(HEAD))


def test_a_known_witness_whose_line_fails_refuses_the_note() -> None:
    other = Pair("b").cosign(NAMES[0], COSIGNATURE_MLDSA44, SMALL.checkpoint("example.org/xz-ca/log/1"))
    refuse_check(codes.NOTE_SIGNATURE, POLICY, parse_note(with_lines(HEAD, other, *LINES[1:])))


def test_two_levels_of_groups_as_in_the_specification() -> None:
    pairs = {f"{letter}{i}": Pair(f"{letter}{i}") for letter in "XY" for i in (1, 2, 3)}
    text = f"log {L}\n" + "".join(f"witness {n} {p.vkey(n, COSIGNATURE_ED25519)}\n" for n, p in pairs.items())
    text += "group X-witnesses 2 X1 X2 X3\ngroup Y-witnesses any Y1 Y2 Y3\ngroup X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n"
    policy = parse_policy(text.encode())
    lines = {n: p.cosign(n, COSIGNATURE_ED25519, SMALL.checkpoint()) for n, p in pairs.items()}
    for names in (("X1", "X3", "Y2"), ("X1", "X2", "X3", "Y1", "Y2", "Y3")):
        assert policy.check(parse_note(with_lines(HEAD, *(lines[n] for n in names))), SUITE) == set(names)
    for too_few in (("X1", "X3"), ("X1", "Y1", "Y2", "Y3"), ()):
        refuse_check(codes.POLICY_QUORUM, policy, parse_note(with_lines(HEAD, *(lines[n] for n in too_few))))


def test_comments_tabs_urls_and_order() -> None:
    text = f"# a comment\n\n\t witness  w1\t{W1} https://w1.example/ \n  # another\nquorum w1\nlog {L} https://log.example/\n"
    policy = parse_policy(text.encode())
    assert policy == Policy(
        (Log(VKey.parse(L), "https://log.example/"),), (Witness("w1", VKey.parse(W1), "https://w1.example/"),), (), "w1"
    )
    assert parse_policy(format_policy(policy)) == policy


def test_names_are_octets() -> None:
    text = f"witness \udcff {W1}\nwitness \u212a {W2}\nwitness K {W3}\ngroup g all \udcff \u212a K\nquorum g\n"
    policy = parse_policy(text.encode("utf-8", "surrogateescape"))
    assert [w.name for w in policy.witnesses] == ["\udcff", "\u212a", "K"]
    assert format_policy(policy).count(b"\xff") == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "quorum",
        "quorum none",
        "quorum none\nquorum none\n",
        "quorum w1\n",
        "quorum none none\n",
        "Quorum none\n",
        "log\nquorum none\n",
        f"log {L} https://a https://b\nquorum none\n",
        f"log {W1}\nquorum none\n",  # a witness's type
        f"witness w1 {L}\nquorum none\n",  # a log's type
        f"witness {W1}\nquorum none\n",
        f"witness none {W1}\nquorum none\n",
        f"quorum w1\nwitness w1 {W1}\n",  # not yet defined
        ABOVE,  # no quorum
        ABOVE + "group g any\nquorum g\n",
        ABOVE + "group g 0 w1\nquorum g\n",
        ABOVE + "group g 3 w1 w2\nquorum g\n",
        ABOVE + "group g 01 w1 w2\nquorum g\n",
        ABOVE + "group g -1 w1 w2\nquorum g\n",
        ABOVE + "group g some w1 w2\nquorum g\n",
        ABOVE + "group g any none\nquorum g\n",
        ABOVE + "group none any w1\nquorum none\n",
        ABOVE + "group g any g\nquorum g\n",
        ABOVE + "group g any h\ngroup h any w1\nquorum g\n",
        ABOVE + "group g any w4\nquorum g\n",
        ABOVE + "quorum w1 # a comment is a line of its own\n",
        "quorum none\r\n",
        "quorum\x0bnone\n",
        "quorum none\x7f\n",
        "quorum\u00a0none\n",
        "#" * limits.POLICY + "\nquorum none\n",
    ],
)
def test_policies_refused(text: str) -> None:
    refuse(codes.POLICY_FORM, text)


def test_policy_with_a_key_that_is_none() -> None:
    refuse(codes.NOTE_VKEY, f"log {L[:-4]}\nquorum none\n")


def test_size_at_the_limit() -> None:
    end = b"\nquorum none\n"
    assert parse_policy(b"#" * (limits.POLICY - len(end)) + end).quorum == "none"
    refuse(codes.POLICY_FORM, "#" * (limits.POLICY - len(end) + 1) + end.decode())


def test_limits_of_lines() -> None:
    pairs = [Pair(f"limit {i}") for i in range(limits.POLICY_LINES + 1)]
    logs = [f"log {pair.vkey('x', ED25519)}\n" for pair in pairs]
    assert len(parse_policy(("".join(logs[:-1]) + "quorum none\n").encode()).logs) == limits.POLICY_LINES
    refuse(codes.POLICY_FORM, "".join(logs) + "quorum none\n")
    groups = [f"group g{i} any {f'g{i - 1}' if i else 'w1'}\n" for i in range(limits.POLICY_LINES + 1)]
    assert len(parse_policy((ABOVE + "".join(groups[:-1]) + "quorum w1\n").encode()).groups) == limits.POLICY_LINES
    refuse(codes.POLICY_FORM, ABOVE + "".join(groups) + "quorum w1\n")


def test_policies_made_by_hand_are_checked_too() -> None:
    w1 = Witness("w1", VKey.parse(W1))
    made_by_hand: list[Callable[[], Policy]] = [
        lambda: Policy((), (w1,), (), "w2"),
        lambda: Policy((), (Witness("w 1", w1.vkey),), (), "none"),
        lambda: Policy((), (Witness("", w1.vkey),), (), "none"),
        lambda: Policy((), (w1,), (Group("g", 2, ("w1",)),), "g"),
        lambda: Policy((), (w1,), (Group("g", 1, ("h",)), Group("h", 1, ("w1",))), "g"),
        lambda: policy_for(KEYS, WITNESSES[:2], 3),
    ]
    for make in made_by_hand:
        with pytest.raises(ProtocolError) as refused:
            make()
        assert refused.value.code is codes.POLICY_FORM


def test_policy_for_parses_back() -> None:
    assert parse_policy(format_policy(POLICY)) == POLICY
    assert format_policy(POLICY).decode().endswith("group all-of-them 2 self witnesses\nquorum all-of-them\n")


WORDS = st.lists(st.sampled_from(["log", "witness", "group", "quorum", "none", "any", "w1", W1, L, "\n"]))


@given(st.binary(max_size=100) | WORDS.map(lambda words: " ".join(words).encode()))
def test_any_any_bytes_are_a_policy_or_refused(data: bytes) -> None:
    try:
        policy = parse_policy(data)
    except ProtocolError as refused:
        assert refused.code in (codes.POLICY_FORM, codes.POLICY_DUPLICATE, codes.NOTE_VKEY)
    else:
        assert parse_policy(format_policy(policy)) == policy
