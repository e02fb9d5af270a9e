"""Values of identifiers: what fits its type and what does not."""

from __future__ import annotations

import pytest

from protocol.forms.codelists_evidence import IdentifierType, RecordIdentifierType
from protocol.forms.identifiers import fits, means_everything

GOOD = {
    "IPV_4": "203.0.113.9",
    "IPV_6": "2001:db8::1",
    "IP_ADDRESS_RANGE": "203.0.113.9-203.0.113.20",
    "IP_BLOCKS": "203.0.113.0/24",
    "EMAIL": "пример@пример.example",
    "PHONE_NUMBER": "+12025550123",
    "IMEI_NUMBER": "490154203237518",
    "MAC_ADDRESS": "00:00:5E:00:53:01",
    "IMSI": "001010123456789",
    "ICCID": "8988211000000000001",
    "URL": "https://example.org/a?b=c",
    "DOMAIN": "xn--e1afmkfd.example",
    "HOSTNAME": "mail",
    "FILE_HASH": "d41d8cd98f00b204e9800998ecf8427e",
    "ASN": "AS64496",
    "IBAN": "GB82WEST12345698765432",  # the example of ISO 13616
    "BIC": "FICTXCXXXXX",
    "LEI": "5493001KJTIIGC8Y1R12",
}
BAD = {
    "IPV_4": "203.0.113.09",
    "IPV_6": "fe80::1%eth0",
    "IP_ADDRESS_RANGE": "203.0.113.20-203.0.113.9",
    "IP_BLOCKS": "203.0.113.1/24",
    "EMAIL": "user at example.org",
    "PHONE_NUMBER": "0049 30 123456",
    "IMEI_NUMBER": "49015420323751A",
    "MAC_ADDRESS": "00:00:5E:00:53",
    "IMSI": "12345",
    "ICCID": "7788211000000000001",
    "URL": "example.org/a",
    "DOMAIN": "localhost",
    "HOSTNAME": "a b",
    "FILE_HASH": "d41d8cd9",
    "ASN": "64496",
    "IBAN": "GB82WEST12345698765433",
    "BIC": "FICTXC",
    "LEI": "5493001KJTIIGC8Y1R13",
}
FREE = {"USER_ID", "ACCOUNT_HANDLE", "DEVICE_SERIAL", "CRYPTO_ADDRESS", "TX_HASH", "AD_ID"} | {
    "ACCOUNT_NUMBER",
    "REGISTRY_NUMBER",
    "TAX_NUMBER",
    "OTHER",
}


@pytest.mark.parametrize("kind", sorted(GOOD))
def test_value_fits_its_type(kind: str) -> None:
    assert fits(kind, GOOD[kind])
    assert not fits(kind, BAD[kind])


def test_every_type_is_checked_or_known_to_be_free() -> None:
    assert set(GOOD) | FREE == set(IdentifierType) | set(RecordIdentifierType)
    assert all(fits(kind, "any sign §") for kind in FREE)


@pytest.mark.parametrize("value", ["*", "all", "ALL DATA", " any ", "everything.", "0.0.0.0/0", "::/0", "unknown"])
def test_values_that_name_no_one_thing(value: str) -> None:
    assert means_everything(value)


def test_values_that_name_one() -> None:
    assert not any(means_everything(value) for value in GOOD.values())
