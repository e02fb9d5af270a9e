"""Transport: TLS 1.3 both ways between two real ends, and every way in which it must not come about."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509

from keys import codes
from keys.transport import TransportKey, client_context, peer_authority, server_context, spki_pin, trust_also
from protocol import codes as protocol_codes
from protocol.errors import LocalError, ProtocolError

DAY = 86_400_000
# The certificates' times are compared by OpenSSL with the machine's own clock, which no test can set.
ALWAYS = (0, 253_370_764_800_000)
PAST = (1_000_000_000_000, 1_000_000_000_000 + DAY)


def key(authority: str, valid: tuple[int, int] = ALWAYS) -> TransportKey:
    made = TransportKey.generate()
    made.issue_certificate(authority, "example.org", *valid)
    return made


XA, XB, XC = key("xa-ca"), key("xb-ca"), key("xc-ca")
PINS = {spki_pin(XA.certificate): "xa-ca", spki_pin(XB.certificate): "xb-ca"}


@dataclass
class Met:
    """Both ends after the handshake and one byte each way."""

    client: ssl.SSLObject
    server: ssl.SSLObject


def test_two_members_meet_and_name_each_other() -> None:
    met = _meet(client_context(XA, [XB.certificate]), server_context(XB, [XA.certificate, XC.certificate]))
    assert met.client.version() == met.server.version() == "TLSv1.3"
    assert peer_authority(met.server, PINS) == "xa-ca"
    assert peer_authority(met.client, PINS) == "xb-ca"
    assert not met.client.session_reused


def test_NET_1_no_client_certificate() -> None:
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bare.check_hostname = False
    bare.load_verify_locations(cadata=XB.certificate)
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        _meet(bare, server_context(XB, [XA.certificate]))


def test_NET_2_self_signed_certificate_of_a_stranger() -> None:
    stranger = key("xa-ca")
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        _meet(client_context(stranger, [XB.certificate]), server_context(XB, [XA.certificate]))
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        _meet(client_context(XA, [XB.certificate]), server_context(key("xb-ca"), [XA.certificate]))


def test_NET_2_who_trusts_nobody_meets_nobody() -> None:
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        _meet(client_context(XA, []), server_context(XB, [XA.certificate]))


def test_NET_3_certificate_of_another_member() -> None:
    """A caller trusts the one it calls alone; a listener trusts all, and the pin tells who came."""
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        _meet(client_context(XA, [XB.certificate]), server_context(XC, [XA.certificate]))
    met = _meet(client_context(XC, [XB.certificate]), server_context(XB, [XA.certificate, XC.certificate]))
    _unnamed(met.server, PINS)


def test_NET_4_expired_certificate() -> None:
    expired, later = key("xa-ca", PAST), key("xa-ca", (253_370_000_000_000, 253_370_764_800_000))
    for wrong in (expired, later):
        with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
            _meet(client_context(wrong, [XB.certificate]), server_context(XB, [wrong.certificate]))
        with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
            _meet(client_context(XA, [wrong.certificate]), server_context(wrong, [XA.certificate]))


def test_NET_5_tls_1_2() -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname = False
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    XA.load_into(old)
    trust_also(old, [XB.certificate])
    with pytest.raises(ssl.SSLError, match="PROTOCOL"):
        _meet(old, server_context(XB, [XA.certificate]))


def test_a_stolen_certificate_is_nothing_without_its_key() -> None:
    """Another key cannot be loaded under a member's certificate, and a copy of the names does not pass for it."""
    with pytest.raises(ValueError, match="another key"):
        TransportKey(TransportKey.generate().secret, XA.certificate)


def test_no_session_is_resumed() -> None:
    server = server_context(XB, [XA.certificate])
    client = client_context(XA, [XB.certificate])
    session = _meet(client, server).client.session
    assert session is None or not session.has_ticket
    assert server.num_tickets == 0


def test_certificate_is_changed_on_a_running_listener() -> None:
    server = server_context(XB, [XA.certificate])
    new = key("xb-ca")
    both = client_context(XA, [XB.certificate, new.certificate])
    before = _meet(both, server)
    new.load_into(server)
    after = _meet(both, server)
    assert before.client.getpeercert(binary_form=True) == XB.certificate
    assert after.client.getpeercert(binary_form=True) == new.certificate
    assert peer_authority(before.client, PINS) == "xb-ca"
    _unnamed(after.client, PINS)
    assert peer_authority(after.client, {**PINS, spki_pin(new.certificate): "xb-ca"}) == "xb-ca"


def test_trust_in_a_new_member_is_added_to_a_running_listener() -> None:
    server = server_context(XB, [XA.certificate])
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        _meet(client_context(XC, [XB.certificate]), server)
    trust_also(server, [XC.certificate, XA.certificate])
    _meet(client_context(XC, [XB.certificate]), server)
    _meet(client_context(XA, [XB.certificate]), server)


def test_without_a_connection_or_certificate_there_is_no_authority() -> None:
    _unnamed(None, PINS)
    met = _meet(client_context(XA, [XB.certificate]), server_context(XB, [XA.certificate]))
    _unnamed(met.server, {})


def test_the_pin_is_of_the_key_not_of_the_certificate() -> None:
    again = TransportKey(XA.secret)
    assert again.issue_certificate("xa-ca", "example.org", *ALWAYS) != XA.certificate
    assert spki_pin(again.certificate) == spki_pin(XA.certificate)


def test_certificate_says_who_and_until_when() -> None:
    made = key("xa-ca", PAST)
    certificate = x509.load_der_x509_certificate(made.certificate)
    assert certificate.subject == certificate.issuer
    assert certificate.subject.rfc4514_string() == "CN=xa-ca,O=example.org"
    assert certificate.not_valid_before_utc.timestamp() * 1000 == PAST[0]
    assert certificate.not_valid_after_utc.timestamp() * 1000 == PAST[1]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_what_is_no_certificate_is_refused() -> None:
    for wrong in (b"", b"\x30\x03\x02\x01\x01", os.urandom(300), XA.certificate[:-1]):
        with pytest.raises(LocalError) as caught:
            spki_pin(wrong)
        assert caught.value.code is codes.TRANSPORT_CERTIFICATE
    with pytest.raises(LocalError) as caught:
        client_context(XA, [b"\x30\x03\x02\x01\x01"])
    assert caught.value.code is codes.TRANSPORT_CERTIFICATE
    with pytest.raises(LocalError) as caught:
        client_context(TransportKey.generate(), [XB.certificate])
    assert caught.value.code is codes.TRANSPORT_CERTIFICATE


@pytest.mark.parametrize("secret", [b"", bytes(31), bytes(32), b"\xff" * 32, bytes(33)])
def test_what_is_no_key_is_refused(secret: bytes) -> None:
    with pytest.raises(ValueError):
        TransportKey(secret)


def test_drawing_again_when_the_random_bytes_are_no_key() -> None:
    drawn = iter([bytes(32), b"\xff" * 32, bytes(31) + b"\1"])
    assert TransportKey.generate(lambda _: next(drawn)).secret == bytes(31) + b"\1"


def test_OPS_5_the_key_leaves_no_file_and_no_descriptor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("TMPDIR", "TMP", "TEMP"):
        monkeypatch.setenv(name, str(tmp_path))
    before = _descriptors()
    server_context(XB, [XA.certificate])
    assert _descriptors() == before
    assert list(tmp_path.iterdir()) == []


def _descriptors() -> set[str]:
    links = {name: f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")}
    return {os.readlink(link) for link in links.values() if os.path.lexists(link)}


def _unnamed(connection: ssl.SSLObject | None, pins: dict[bytes, str]) -> None:
    with pytest.raises(ProtocolError) as caught:
        peer_authority(connection, pins)
    assert caught.value.code is protocol_codes.TLS_AUTHORITY


def _meet(client: ssl.SSLContext, server: ssl.SSLContext) -> Met:
    """Both ends in memory: handshake, then a byte each way, so that an alert of either side has arrived."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    caller = client.wrap_bio(to_client, to_server, server_hostname="peer.example")
    listener = server.wrap_bio(to_server, to_client, server_side=True)
    _take_turns([caller.do_handshake, listener.do_handshake])
    listener.write(b"s")
    caller.write(b"c")
    _take_turns([lambda: listener.read(1), lambda: caller.read(1)])
    return Met(caller, listener)


def _take_turns(steps: Iterable[Callable[[], object]]) -> None:
    left = list(steps)
    for _ in range(20):
        for step in list(left):
            try:
                step()
                left.remove(step)
            except ssl.SSLWantReadError:
                pass
        if not left:
            return
    raise AssertionError("the two ends wait for each other")
