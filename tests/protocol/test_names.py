"""Names: what is one, what is not, and that a name is the string that was received."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import codes, limits
from protocol.errors import Code, ProtocolError
from protocol.names import Office, Origin, parse_authority, parse_network

LABEL = "a" * 63
LONGEST_NETWORK = f"{LABEL}.{'b' * 56}"

NETWORKS = ["example.org", "a", "x9", "exercise.example", "a-b.c-d.example", "xn--caf-dma.example", LABEL, LONGEST_NETWORK]
NO_NETWORKS = [
    "",
    ".",
    "example.org.",
    ".example.org",
    "a..b",
    "-a.example",
    "a-.example",
    "Example.org",
    "exa_mple.org",
    "example org",
    "example.org\n",
    "example.org/",
    "exämple.org",
    "a\0",
    "a" * 64,
    LONGEST_NETWORK + "b",
    "１.example",
]
AUTHORITIES = ["a", "xa-ca", "xa.ca", "0", "9-9", "a--b", "a" * limits.AUTHORITY_NAME]
NO_AUTHORITIES = ["", "-a", "a-", ".a", "a.", "a..b", "A", "a_b", "a/b", "a b", "a\n", "ä", "٣", "a" * (limits.AUTHORITY_NAME + 1)]


@pytest.mark.parametrize("text", NETWORKS)
def test_network(text: str) -> None:
    assert parse_network(text) == text


@pytest.mark.parametrize("text", NO_NETWORKS)
def test_no_network(text: str) -> None:
    assert _refusal(parse_network, text) is codes.NAME_NETWORK


@pytest.mark.parametrize("text", AUTHORITIES)
def test_authority(text: str) -> None:
    assert parse_authority(text) == text


@pytest.mark.parametrize("text", NO_AUTHORITIES)
def test_no_authority(text: str) -> None:
    assert _refusal(parse_authority, text) is codes.NAME_AUTHORITY


def test_office() -> None:
    office = Office.parse("xa-ca/247")
    assert (office.authority, office.office) == ("xa-ca", "247")
    assert str(office) == "xa-ca/247"
    assert Office("a", "b") < Office("a", "c") < Office("b", "a")


@pytest.mark.parametrize("text", ["", "xa-ca", "xa-ca/", "xa-ca/a/b", "xa-ca/-", "xa-ca/A", "xa-ca/a..b", "xa-ca/" + "a" * 65])
def test_no_office(text: str) -> None:
    assert _refusal(Office.parse, text) is codes.NAME_OFFICE


@pytest.mark.parametrize("text", ["/247", "XA/247", "-/247", "a..b/247"])
def test_office_of_no_authority(text: str) -> None:
    assert _refusal(Office.parse, text) is codes.NAME_AUTHORITY


def test_origin() -> None:
    origin = Origin.parse("example.org/xa-ca/log/12")
    assert origin == Origin("example.org", "xa-ca", 12)
    assert str(origin) == "example.org/xa-ca/log/12"


def test_the_longest_origin_is_within_the_limit_and_leaves_room() -> None:
    longest = f"{LONGEST_NETWORK}/{'a' * limits.AUTHORITY_NAME}/log/999999999"
    assert len(longest) == limits.ORIGIN - 1
    assert str(Origin.parse(longest)) == longest


@pytest.mark.parametrize("n", ["", "0", "01", "-1", "+1", " 1", "1 ", "1_0", "1\n", "1e3", "٣", "1234567890"])
def test_an_origin_has_one_way_to_write_its_number(n: str) -> None:
    assert _refusal(Origin.parse, f"example.org/xa-ca/log/{n}") is codes.NAME_ORIGIN


@pytest.mark.parametrize(
    "text", ["", "example.org", "example.org/xa-ca/1", "example.org/xa-ca/Log/1", "example.org/xa-ca/log/1/", "/example.org/xa-ca/log/1"]
)
def test_no_origin(text: str) -> None:
    assert _refusal(Origin.parse, text) is codes.NAME_ORIGIN


def test_origin_of_no_network_or_authority() -> None:
    assert _refusal(Origin.parse, "Example.org/xa-ca/log/1") is codes.NAME_NETWORK
    assert _refusal(Origin.parse, "example.org/XA/log/1") is codes.NAME_AUTHORITY


alphabet = st.text(st.sampled_from("ab1.-/A_ \n\0é٣") | st.characters(), max_size=80)


@given(alphabet | st.from_regex(r"[a-z0-9.-]{1,70}(/[a-z0-9.-]{1,70}){0,2}(/log/[0-9]{1,11})?", fullmatch=True))
def test_a_name_is_the_string_received_or_refused(text: str) -> None:
    for parse in (parse_network, parse_authority, Office.parse, Origin.parse):
        try:
            name = parse(text)
        except ProtocolError as refusal:
            assert refusal.code in (codes.NAME_NETWORK, codes.NAME_AUTHORITY, codes.NAME_OFFICE, codes.NAME_ORIGIN)
            assert len(refusal.detail) < 2000
        else:
            assert str(name) == text


def _refusal(parse: object, text: str) -> Code:
    with pytest.raises(ProtocolError) as refused:
        parse(text)
    return refused.value.code
