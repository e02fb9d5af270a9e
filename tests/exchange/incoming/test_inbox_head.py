"""Check 4 on arrival: the head of a pouch, its two signature lines, and the head rule over whole exchanges."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA65PrivateKey

from keys.logkeys import LogKeyPair
from keys.suite import SUITE
from protocol import cosignature
from protocol.checkpoint import Checkpoint, Head, sign_head
from protocol.entries import Filler, Forked, Lane, TreeHead
from protocol.errors import LocalError, ProtocolError
from protocol.heads import HeadError, parse_fork_proof, verify_fork_proof
from protocol.note import format_note, parse_note
from protocol.pouch import HeadOffer, PouchHead, encode_pouch, parse_head, parse_items
from protocol.vkey import Signature
from tests.exchange.forgery import Forger, changes
from tests.world import World, make_world

L = 2**252 + 27742317777372353535851937790883648493
Lines = tuple[Signature, Signature]


def _about(forger: Forger, note: bytes, old: int | None = None) -> PouchHead:
    honest = forger.about()
    return PouchHead(honest.lane, HeadOffer(honest.head.old_size if old is None else old, honest.head.proof, note), 0, 1)


def _refused(forger: Forger, note: bytes, code: str, **deltas: int) -> None:
    """The whole pouch is refused: no row, no entry, and the good item in it is not taken either."""
    frame = forger.frame(forger.item(forger.seal()), about=_about(forger, note))
    with changes(forger.theirs, **deltas), pytest.raises(ProtocolError) as caught:
        forger.carry(frame)
    assert caught.value.code.code == code


def _relined(forger: Forger, change: Callable[[Lines], Lines | tuple[Signature, ...]]) -> bytes:
    forger.log(Filler)
    parsed = parse_note(forger.ours.log.head().note)
    first, second = parsed.signatures
    return format_note(parsed.text, change((first, second)))


def _blob(line: Signature, blob: bytes) -> Signature:
    return Signature(line.name, line.key_id, blob)


def test_SIG_1_a_flipped_bit_in_either_line(forger: Forger) -> None:
    choose = random.Random(1)
    for place in range(64):
        which, bit = place % 2, choose.getrandbits(32)

        def flip(lines: Lines, which: int = which, bit: int = bit) -> Lines:
            blob = bytearray(lines[which].blob)
            at = 8 if which else 0  # the time of the second line is signed, too, and has its own test
            at += bit % (8 * (len(blob) - at)) // 8
            blob[at] ^= 1 << bit % 8
            changed = _blob(lines[which], bytes(blob))
            return (lines[0], changed) if which else (changed, lines[1])

        _refused(forger, _relined(forger, flip), "NOTE-SIGNATURE")


def test_SIG_1_the_time_of_the_second_line_is_signed(forger: Forger) -> None:
    _refused(forger, _relined(forger, lambda lines: (lines[0], _blob(lines[1], b"\0" * 7 + b"\1" + lines[1].blob[8:]))), "NOTE-SIGNATURE")


@pytest.mark.parametrize("length", [0, 63, 65, 3309])
def test_SIG_2_length_of_the_ed25519_line(forger: Forger, length: int) -> None:
    code = "NOTE-FORM" if length == 0 else "NOTE-SIGNATURE"
    try:
        note = _relined(forger, lambda lines: (_blob(lines[0], lines[0].blob.ljust(length, b"x")[:length]), lines[1]))
    except ProtocolError as refused:  # nobody can even write it
        assert refused.code.code == code
    else:
        _refused(forger, note, code)


@pytest.mark.parametrize("length", [8, 64, 2427, 2429, 3317])
def test_SIG_2_length_of_the_mldsa_line(forger: Forger, length: int) -> None:
    _refused(forger, _relined(forger, lambda lines: (lines[0], _blob(lines[1], lines[1].blob.ljust(length, b"x")[:length]))), "NOTE-SIGNATURE")


def test_SIG_3_mldsa_half_zeroed(forger: Forger) -> None:
    _refused(forger, _relined(forger, lambda lines: (lines[0], _blob(lines[1], lines[1].blob[:8] + bytes(2420)))), "NOTE-SIGNATURE")


def test_SIG_4_ed25519_half_zeroed(forger: Forger) -> None:
    _refused(forger, _relined(forger, lambda lines: (_blob(lines[0], bytes(64)), lines[1])), "NOTE-SIGNATURE")


@pytest.mark.parametrize("which", [0, 1])
def test_SIG_5_only_one_line(forger: Forger, which: int) -> None:
    _refused(forger, _relined(forger, lambda lines: (lines[which],)), "CHECKPOINT-SIGNATURES")


@pytest.mark.parametrize("which", [0, 1])
def test_SIG_6_lines_of_two_heads(forger: Forger, which: int) -> None:
    older = parse_note(forger.ours.log.head().note).signatures
    _refused(forger, _relined(forger, lambda lines: (lines[0], older[1]) if which else (older[0], lines[1])), "NOTE-SIGNATURE")


def test_SIG_8_malleated_ed25519(forger: Forger) -> None:
    def malleate(lines: Lines) -> Lines:
        blob = lines[0].blob
        s = int.from_bytes(blob[32:], "little") + L
        return _blob(lines[0], blob[:32] + s.to_bytes(32, "little")), lines[1]

    _refused(forger, _relined(forger, malleate), "NOTE-SIGNATURE")


def test_SIG_18_one_lines_signature_in_the_other(forger: Forger) -> None:
    _refused(forger, _relined(forger, lambda lines: (_blob(lines[0], lines[1].blob), lines[1])), "NOTE-SIGNATURE")
    _refused(forger, _relined(forger, lambda lines: (lines[0], _blob(lines[1], lines[1].blob[:8] + lines[0].blob))), "NOTE-SIGNATURE")


def test_SIG_19_mldsa_of_another_kind_or_context(forger: Forger, pair: World) -> None:
    secret = pair.holdings["xa-ca"].log.secret[32:]
    own, larger = MLDSA44PrivateKey.from_seed_bytes(secret), MLDSA65PrivateKey.from_seed_bytes(secret)
    for sign in (lambda message: own.sign(message, b"context"), larger.sign):

        def other(lines: Lines, sign: Callable[[bytes], bytes] = sign) -> Lines:
            head = forger.ours.log.head()
            vkey = forger.ours.log.keys.vkeys[1]
            time_s = cosignature.unpack(lines[1].blob)[0]
            message = cosignature.message_0x06(vkey.name, time_s, head.origin, 0, head.size, head.root)
            return lines[0], _blob(lines[1], lines[1].blob[:8] + sign(message))

        _refused(forger, _relined(forger, other), "NOTE-SIGNATURE")


def test_SIG_20_a_signature_over_other_bytes(forger: Forger, pair: World) -> None:
    signer = pair.holdings["xa-ca"].log
    for message in (b"", b"POST /v1/pouch HTTP/1.1\r\n", forger.ours.log.entry(0)):
        signature = signer.sign_ed25519(message)
        _refused(forger, _relined(forger, lambda lines, s=signature: (_blob(lines[0], s), lines[1])), "NOTE-SIGNATURE")  # type: ignore[misc]


def test_SIG_21_a_head_of_another_authority(three: World) -> None:
    forger = Forger(three)
    _refused(forger, three.exchanges["xc-ca"].log.head().note, "HEAD-ORIGIN")
    other = three.holdings["xc-ca"].log
    origin = forger.ours.log.origin
    checkpoint = Checkpoint(origin, 9, bytes(32))
    _refused(forger, sign_head(checkpoint, 1_795_500_001, other, other.log_keys(origin)), "NOTE-UNSIGNED")


def test_SIG_22_unknown_keys(forger: Forger) -> None:
    stranger, origin = LogKeyPair.generate(), forger.ours.log.origin
    checkpoint = Checkpoint(origin, 9, bytes(32))
    _refused(forger, sign_head(checkpoint, 1_795_500_001, stranger, stranger.log_keys(origin)), "NOTE-UNSIGNED")


def test_SIG_23_a_colliding_key_id_is_not_the_key(forger: Forger) -> None:
    stranger = LogKeyPair.generate()
    text = parse_note(forger.ours.log.head().note).text
    _refused(forger, _relined(forger, lambda lines: (_blob(lines[0], stranger.sign_ed25519(text)), lines[1])), "NOTE-SIGNATURE")


def test_NOTE_1_a_line_twice(forger: Forger) -> None:
    _refused(forger, _relined(forger, lambda lines: (*lines, lines[0])), "NOTE-REPEATED")


def test_LOG_1_a_head_of_size_0(forger: Forger) -> None:
    parsed = parse_note(forger.ours.log.head().note)
    text = parsed.text.split(b"\n")
    text[1] = b"0"
    _refused(forger, b"\n".join(text) + b"\n" + forger.ours.log.head().note.partition(b"\n\n")[2], "CHECKPOINT-EMPTY")
    text[1] = b"04"
    _refused(forger, b"\n".join(text) + b"\n" + forger.ours.log.head().note.partition(b"\n\n")[2], "CHECKPOINT-FORM")


def test_LOG_6_a_head_of_the_standby_log_under_the_same_keys(forger: Forger, pair: World) -> None:
    signer = pair.holdings["xa-ca"].log
    origin = forger.ours.log.origin[:-1] + "2"
    note = sign_head(Checkpoint(origin, 9, bytes(32)), 1_795_500_001, signer, signer.log_keys(origin))
    _refused(forger, note, "HEAD-ORIGIN")


# -- the head rule -----------------------------------------------------------------------------------------------------------


def _copy(world: World, name: str, folder: Path) -> World:
    """A second life of an authority: the same keys, a log that begins again."""
    other = World(folder, world.clock, {name: world.holdings[name]}, world.directory)
    other.open(name)
    return other


def _fork(forger: Forger, folder: Path) -> Head:
    """A head that xa-ca signed in another history, of the size that xb-ca has confirmed."""
    other = _copy(forger.world, forger.us, folder)
    exchange = other.exchanges[forger.us]
    while exchange.log.size < forger.theirs.peers.greatest(forger.us):
        exchange.writer.run(lambda tx: tx.append(Filler))
    head = exchange.log.head()
    other.close()
    return head


def test_LOG_10_same_size_other_root_is_kept_logged_and_stops_the_origin(forger: Forger, tmp_path: Path) -> None:
    head = _fork(forger, tmp_path / "other")
    with changes(forger.theirs, log=1), pytest.raises(HeadError) as caught:
        forger.carry(forger.frame(about=PouchHead(forger.about().lane, HeadOffer(0, (), head.note), 0, 1)))
    assert caught.value.code.code == "HEAD-FORKED"
    last = forger.world.entries("xb-ca")[-1]
    assert isinstance(last, Forked)
    kept = forger.theirs.store.reader().execute("SELECT forked FROM peer_head WHERE origin=?", (last.origin,)).fetchone()[0]
    verify_fork_proof(parse_fork_proof(kept), forger.ours.log.keys, SUITE)
    _refused(forger, forger.ours.log.head().note, "HEAD-STOPPED")
    with changes(forger.theirs), pytest.raises(ProtocolError) as again:
        forger.carry(forger.frame(about=PouchHead(forger.about().lane, HeadOffer(0, (), head.note), 0, 1)))
    assert again.value.code.code == "HEAD-STOPPED"


def test_HEAD_4_a_junk_path_accuses_nobody(forger: Forger) -> None:
    forger.log(Filler)
    forger.log(Filler)
    honest = forger.about()
    junk = PouchHead(honest.lane, HeadOffer(honest.head.old_size, (b"j" * 32,) * len(honest.head.proof), honest.head.note), 0, 1)
    with changes(forger.theirs), pytest.raises(HeadError) as caught:
        forger.carry(forger.frame(about=junk))
    assert (caught.value.code.code, caught.value.fork) == ("HEAD-BROKEN", None)
    forger.offer()  # the honest one is taken all the same


def test_HEAD_1_a_lost_answer(pair: World) -> None:
    a, b = pair.exchanges["xa-ca"], pair.exchanges["xb-ca"]
    pair.send("xa-ca", "xb-ca", b"{}")
    pair.deliver("xa-ca", "xb-ca")
    sent = pair.send("xa-ca", "xb-ca", b"{}")
    bag = a.outbox.bag("xb-ca", Lane.ROUTINE)
    assert bag is not None
    b.inbox.receive("xa-ca", bag.frame)  # the answer is lost
    second = pair.send("xa-ca", "xb-ca", b"{}")
    again = a.outbox.bag("xb-ca", Lane.ROUTINE)
    assert again is not None
    with changes(b), pytest.raises(HeadError) as caught:
        b.inbox.receive("xa-ca", again.frame)
    assert caught.value.code.code == "HEAD-UNLINKED"
    assert caught.value.greatest == bag.head.size
    assert a.links.hint("xb-ca", caught.value.greatest)
    with changes(b, incoming=1, secret=1, log=1, note=1):
        pair.deliver("xa-ca", "xb-ca")
    assert {d.state for s in (sent, second) for d in a.messages.find(s.hash).deliveries} == {"delivered"}
    assert not [e for e in pair.entries("xb-ca") if isinstance(e, Forked)]


def test_HEAD_5_the_record_moves_only_over_its_own_connection(three: World) -> None:
    b = three.exchanges["xb-ca"]
    before = b.peers.greatest("xa-ca")
    forger = Forger(three, "xa-ca")
    forger.log(Filler)
    with changes(b), pytest.raises(ProtocolError) as caught:
        forger.carry(forger.frame(), peer="xc-ca")
    assert caught.value.code.code == "HEAD-ORIGIN"
    assert b.peers.greatest("xa-ca") == before


def test_HEAD_6_a_larger_head_of_ours_without_signatures(forger: Forger) -> None:
    item = forger.item(forger.seal())
    about = forger.about()
    bold = PouchHead(about.lane, about.head, yours=10_000, directory_version=1)
    with changes(forger.theirs, incoming=1, secret=1, note=1, log=1):
        forger.offer(item, about=bold)
    assert not forger.ours.links.hint("xb-ca", 10_000)
    forger.ours.contact.shown_own_head(b"not a note")
    stranger = LogKeyPair.generate()
    keys = forger.ours.log.keys
    forger.ours.contact.shown_own_head(sign_head(Checkpoint(keys.origin, 10_000, bytes(32)), 9, stranger, stranger.log_keys(keys.origin)))
    forger.ours.contact.shown_own_head(forger.ours.log.head().note)
    forger.log(Filler)  # we go on


def test_HEAD_6_with_both_signatures_we_stop(forger: Forger, pair: World) -> None:
    keys, signer = forger.ours.log.keys, pair.holdings["xa-ca"].log
    stolen = sign_head(Checkpoint(keys.origin, 10_000, bytes(32)), 9, signer, keys)
    with pytest.raises(LocalError) as caught:
        forger.ours.contact.shown_own_head(stolen)
    assert caught.value.code.code == "LOG-STOPPED"
    with pytest.raises(LocalError) as refused:
        forger.ours.log.head()
    assert refused.value.code.code == "LOG-STOPPED"
    with pytest.raises(LocalError):
        forger.log(Filler)


def test_HEAD_6_what_stopped_us_stops_the_next_start_too(forger: Forger, pair: World) -> None:
    keys, signer = forger.ours.log.keys, pair.holdings["xa-ca"].log
    with pytest.raises(LocalError):
        forger.ours.contact.shown_own_head(sign_head(Checkpoint(keys.origin, 10_000, bytes(32)), 9, signer, keys))
    with pytest.raises(LocalError) as caught:
        pair.reopen("xa-ca")
    assert caught.value.code.code == "LOG-STOPPED"


def test_HEAD_6_another_root_at_a_size_of_ours(forger: Forger, pair: World) -> None:
    keys, signer = forger.ours.log.keys, pair.holdings["xa-ca"].log
    with pytest.raises(LocalError) as caught:
        forger.ours.contact.shown_own_head(sign_head(Checkpoint(keys.origin, 2, bytes(32)), 9, signer, keys))
    assert caught.value.code.code == "LOG-STOPPED"


def test_HEAD_3_a_head_behind_is_used_and_moves_nothing(forger: Forger) -> None:
    forged = forger.seal()
    index = forger.submit(forged)
    behind = forger.ours.log.head()
    item = forger.item(forged, index)
    forger.log(Filler)
    forger.offer()
    greatest = forger.theirs.peers.greatest("xa-ca")
    assert greatest > behind.size
    later = forger.ours.log.head()
    about = PouchHead(forger.about().lane, HeadOffer(later.size, forger.ours.log.consistency(behind.size, later), behind.note), 0, 1)
    with changes(forger.theirs, incoming=1, secret=1, note=1, log=1):
        forger.carry(forger.frame(item, about=about))
    assert forger.theirs.peers.greatest("xa-ca") == greatest


def test_first_contact_starts_at_0(tmp_path: Path) -> None:
    world = make_world(tmp_path, ("xa-ca", "xb-ca"))
    forger = Forger(world)
    head = forger.ours.log.head()
    for old, proof in ((2, ()), (0, (bytes(32),))):
        with changes(forger.theirs), pytest.raises(HeadError) as caught:
            forger.carry(forger.frame(about=PouchHead(forger.about().lane, HeadOffer(old, proof, head.note), 0, 1)))
        assert (caught.value.code.code, caught.value.greatest) == ("HEAD-UNLINKED", 0)
    with changes(forger.theirs, peer_head=1):
        forger.offer()
    assert forger.theirs.peers.record(head.origin).confirmed == (TreeHead(head.size, head.root),)  # type: ignore[union-attr]
    world.close()


def test_a_log_that_is_not_in_force_and_an_authority_that_is_unknown(forger: Forger) -> None:
    with changes(forger.theirs), pytest.raises(ProtocolError) as caught:
        forger.carry(forger.frame(), peer="xz-ca")
    assert caught.value.code.code == "DIRECTORY-UNKNOWN-AUTHORITY"


def test_a_fork_shown_in_an_answer_is_kept_too(forger: Forger, tmp_path: Path) -> None:
    """xb-ca answers under another history than the one that xa-ca has confirmed."""
    world = forger.world
    world.send("xa-ca", "xb-ca", b"{}")
    world.deliver("xa-ca", "xb-ca")
    other = _copy(world, "xb-ca", tmp_path / "other")
    sent = world.send("xa-ca", "xb-ca", b"{}")
    bag = forger.ours.outbox.bag("xb-ca", Lane.ROUTINE)
    assert bag is not None
    lying = other.exchanges["xb-ca"]
    while lying.log.size < forger.ours.peers.greatest("xb-ca"):
        lying.writer.run(lambda tx: tx.append(Filler))
    answer = forger.theirs.inbox.receive("xa-ca", bag.frame)
    about = PouchHead(bag.lane, HeadOffer(0, (), lying.log.head().note), 0, 1)
    frame = forger.frame(*_items(answer), about=about)
    with changes(forger.ours, log=1), pytest.raises(HeadError) as caught:
        forger.ours.answers.take(bag, frame)
    assert caught.value.code.code == "HEAD-FORKED"
    assert isinstance(world.entries("xa-ca")[-1], Forked)
    assert forger.ours.messages.find(sent.hash).deliveries[0].state == "queued"
    with changes(forger.ours), pytest.raises(ProtocolError) as stopped:
        forger.ours.contact.take_prekeys("xb-ca", forger.theirs.contact.prekeys_frame(0, 1))
    assert stopped.value.code.code == "HEAD-STOPPED"
    other.close()


def _items(frame: bytes) -> list[bytes]:
    _, start = parse_head(frame)
    return parse_items(frame, start)


def test_what_the_peer_has_confirmed_survives_a_restart(pair: World) -> None:
    """The first pouch after a restart is linked rightly at once: no 409, and the head that receipts cite is kept."""
    pair.send("xa-ca", "xb-ca", b"{}")
    pair.deliver("xa-ca", "xb-ca")
    a = pair.reopen("xa-ca")
    pair.send("xa-ca", "xb-ca", b"{}")
    bag = a.outbox.bag("xb-ca", Lane.ROUTINE)
    assert bag is not None
    answer = pair.exchanges["xb-ca"].inbox.receive("xa-ca", bag.frame)
    with changes(a, log=1, note=2):
        a.answers.take(bag, answer)
    kept = a.store.reader().execute("SELECT note FROM note WHERE origin=? AND size=?", (a.log.origin, bag.head.size)).fetchone()
    assert kept == (bag.head.note,)


def test_a_newer_directory_is_told_of_before_a_head_is_refused(forger: Forger) -> None:
    """A peer that changed its log is refused by whoever has the old directory: its pouch must say that there is a newer one."""
    told: list[tuple[str, int]] = []
    forger.theirs.inbox.on_version = lambda peer, version: told.append((peer, version))
    stranger = b"exercise.example/xa-ca/log/9\n1\n" + b"A" * 43 + b"=\n\n"
    head = PouchHead(Lane.ROUTINE, HeadOffer(0, (), stranger), 0, 7)
    with pytest.raises(ProtocolError):
        forger.theirs.inbox.receive("xa-ca", encode_pouch(head, []))
    assert told == [("xa-ca", 7)]
