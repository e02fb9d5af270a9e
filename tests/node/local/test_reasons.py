"""Codes in words: whoever gave it, the one who must act is named as seen from here."""

from node.local.reasons import reason


def test_what_this_node_finds_by_itself():
    assert reason("PEER-UNREACHABLE", "xb-ca")["actor"] in ("the operator of xb-ca", "nobody: it passes by itself")
    assert reason("ANSWER-SENDER", "xb-ca")["actor"] == "the operator of xb-ca"
    assert reason("NO-PREKEY", "xb-ca")["actor"] == "nobody: it passes by itself"


def test_what_the_peer_answered():
    assert reason("BIND-HASH", "xb-ca")["actor"] == "this node's operator"
    assert reason("DISK-RESERVE", "xb-ca")["actor"] == "the operator of xb-ca"


def test_none_and_unknown():
    assert reason("", "xb-ca") == {"says": "", "actor": "", "todo": ""}
    assert reason("OF-ANOTHER-RELEASE", "xb-ca")["actor"] == "the operator of xb-ca"
