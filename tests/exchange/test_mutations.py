"""Single-byte changes, seeded, over recorded wire bytes and stored values: each is refused with the code of a check, or changes nothing.

Wire: pouches, answers, parts. Store: every blob that a proof or a message is made of. (Bundles: tests/exchange/auditor.)
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from exchange.export.export import Exporter
from exchange.outgoing.sealing import Attachment
from keys.suite import SUITE
from protocol import merkle, pouch
from protocol.checkpoint import verify_head
from protocol.entries import Consigned, Filler, Lane, Receipted, parse_entry
from protocol.errors import ProtocolError, RogatoryError
from protocol.pouch import Bad, Later, Receipt
from tests.exchange.forgery import Forger, changes, counts
from tests.world import World, make_world

SEED = 20261124
EVIDENCE = bytes(range(256)) * 100


def _changed(choose: random.Random, data: bytes, at: int | None = None) -> tuple[int, bytes]:
    at = choose.randrange(len(data)) if at is None else at
    return at, data[:at] + bytes([data[at] ^ choose.randrange(1, 256)]) + data[at + 1 :]


def _spread(choose: random.Random, pieces: list[bytes], whole: bytes) -> int:
    """A place in one of these pieces, each as likely as any other: proofs count as much as ciphertext."""
    piece = choose.choice(pieces)
    return whole.index(piece) + choose.randrange(len(piece))


@contextmanager
def _world(folder: Path, founded: bool = False) -> Iterator[World]:
    world = make_world(folder, ("xa-ca", "xb-ca"), founded=founded)
    try:
        world.exchange_prekeys()
        world.send("xa-ca", "xb-ca", b"{}")
        world.deliver("xa-ca", "xb-ca")
        yield world
    finally:
        world.close()


def _print(what: str, codes: Counter[str], capsys: pytest.CaptureFixture[str]) -> None:
    same = codes.pop("identical", 0)
    with capsys.disabled():
        print(f"\n{what}, seed {SEED}: {codes.total()} refused, {same} identical; {dict(codes.most_common())}")


def test_three_hundred_changes_of_a_pouch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    choose = random.Random(SEED)
    codes: Counter[str] = Counter()
    lives = 0
    while codes.total() < 300:
        lives += 1
        with _world(tmp_path / str(lives)) as world:
            forger = Forger(world)
            forged = forger.seal()
            item = forger.item(forged)
            frame = forger.frame(item)
            o = item.origin
            size = int.from_bytes(frame[:4], "big")
            pieces = [frame[: size // 2], frame[size // 2 : size], frame[size : size + 24], o.entry, b"".join(o.path[:1]), item.envelope,
                      item.prekey_id, item.wrap, item.body]  # fmt: skip
            while codes.total() < 300:
                _, changed = _changed(choose, frame, _spread(choose, pieces, frame))
                before = counts(forger.theirs)
                outcome = _judge(forger, changed)
                codes[outcome] += 1
                after = counts(forger.theirs)
                if outcome == "identical":
                    assert {key: after[key] - before[key] for key in ("incoming", "secret", "log")} == {"incoming": 1, "secret": 1, "log": 1}
                    message = forger.theirs.messages.find(forged.hash)
                    assert (message.sender, message.deliveries[0].state) == ("xa-ca", "consigned")
                    assert forger.theirs.messages.envelope(message).raw == forged.raw
                    assert forger.theirs.messages.read(message).form == b"{}"
                    break
                if after != before:  # logged as refused, or a wrap counted: the next one meets a recipient that knows nothing of it
                    assert after["secret"] == before["secret"]
                    break
    _print("pouch", codes, capsys)
    assert codes.total() > 250


def _judge(forger: Forger, frame: bytes) -> str:
    try:
        (answer,) = forger.carry(frame)
    except RogatoryError as error:
        return error.code.code
    if isinstance(answer, Bad | Later):
        return answer.code
    assert isinstance(answer, Receipt)
    entry = parse_entry(answer.proven.entry)
    return "identical" if isinstance(entry, Consigned) else entry.reason  # type: ignore[attr-defined, no-any-return]


def test_two_hundred_changes_of_an_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    choose = random.Random(SEED)
    codes: Counter[str] = Counter()
    lives = 0
    query = "SELECT state, receipt, receipt_index, receipt_path, note.note FROM delivery LEFT JOIN note ON note.id=receipt_note WHERE hash=?"
    while codes.total() < 200:
        lives += 1
        with _world(tmp_path / str(lives)) as world:
            a, b = world.exchanges["xa-ca"], world.exchanges["xb-ca"]
            sent = world.send("xa-ca", "xb-ca", b"{}")
            bag = a.outbox.bag("xb-ca", Lane.ROUTINE)
            assert bag is not None
            answer = b.inbox.receive("xa-ca", bag.frame)
            _, start = pouch.parse_head(answer)
            receipt = pouch.parse_answer(pouch.parse_items(answer, start)[0])
            assert isinstance(receipt, Receipt)
            pieces = [answer[: start // 2], answer[start // 2 : start], answer[start : start + 12], receipt.proven.entry, receipt.proven.path[0]]
            head = b.log.head()
            while codes.total() < 200:
                _, changed = _changed(choose, answer, _spread(choose, pieces, answer))
                size = a.log.size
                try:
                    a.answers.take(bag, changed)
                except RogatoryError as error:
                    codes[error.code.code] += 1
                    assert a.log.size == size
                    continue
                state, *proof = a.store.reader().execute(query, (sent.hash,)).fetchone()
                if state == "delivered":
                    codes["identical"] += 1
                    assert (proof[0], proof[1], proof[3]) == (receipt.proven.entry, receipt.proven.index, head.note)
                    assert isinstance(world.entries("xa-ca")[-1], Receipted)
                    break
                assert (state, a.log.size) == ("queued", size)
                codes[a.messages.find(sent.hash).deliveries[0].last_code] += 1
                if not a.messages.find(sent.hash).deliveries[0].last_code:
                    break
    _print("answer", codes, capsys)
    assert "" not in codes
    assert codes.total() > 150


def test_a_hundred_changes_of_a_part(pair: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    choose = random.Random(SEED)
    forger = Forger(pair)
    forged = forger.seal(files=[("application/pdf", EVIDENCE)])
    forger.offer(forger.item(forged))
    codes: Counter[str] = Counter()
    parts_in = forger.theirs.parts_in
    for turn in range(100):
        _, changed = _changed(choose, forged.parts[0], turn if turn < 60 else None)  # salt and commitment, then anywhere
        cut = choose.randrange(len(changed))
        with changes(forger.theirs):
            upload = parts_in.open("xa-ca", forged.hash, 1, 0)
            upload.write(changed[:cut])
            upload.close()
            upload = parts_in.open("xa-ca", forged.hash, 1, cut)
            upload.write(changed[cut:])
            with pytest.raises(ProtocolError) as caught:
                upload.finish()
            upload.close()
            parts_in.failed(forged.hash, 1, caught.value)
        codes[caught.value.code.code] += 1
    assert codes == {"PART-DIGEST": 100}
    upload = parts_in.open("xa-ca", forged.hash, 1, 0)
    upload.write(forged.parts[0])
    upload.finish()
    upload.close()
    parts_in.done(forged.hash, 1)
    messages = forger.theirs.messages
    assert b"".join(messages.attachment(messages.find(forged.hash), 1)) == EVIDENCE
    _print("part", codes, capsys)


# -- stored values -----------------------------------------------------------------------------------------------------------

Use = Callable[[World, bytes], object]


def _read(name: str) -> Use:
    def use(world: World, hash_: bytes) -> object:
        messages = world.exchanges[name].messages
        message = messages.find(hash_)
        return messages.read(message), b"".join(messages.attachment(message, 1)), messages.opening(message, 1)

    return use


def _export(name: str) -> Use:
    """The whole bundle, byte by byte: what is exported is verified first."""

    def use(world: World, hash_: bytes) -> object:
        exchange = world.exchanges[name]
        exporter = Exporter(exchange.store, exchange.log, exchange.messages, exchange.holdings, world.home(name).directory)
        number = sum(1 for _ in world.folder.glob("bundle-*"))
        digests = exporter.export(exchange.messages.find(hash_), world.folder / f"bundle-{number}", [0, 1])
        return sorted((file, digest) for file, digest in digests.items() if "manifest" not in file)

    return use


def _log(name: str) -> Use:
    """Every entry, proven under the signed head."""

    def use(world: World, hash_: bytes) -> object:
        log = world.exchanges[name].log
        head = verify_head(log.head().note, log.keys, SUITE).value
        log._subtrees.clear()
        for index in range(head.size):
            proven = log.prove(index, head)
            merkle.check_inclusion(merkle.leaf_hash(proven.entry), index, head.size, list(proven.path), head.root)
        return head.size

    return use


def _restart(name: str) -> Use:
    def use(world: World, hash_: bytes) -> object:
        exchange = world.exchanges[name]
        from exchange.log import Log
        from protocol.names import Origin

        log = exchange.log
        again = Log(exchange.store, Origin.parse(log.origin), log.keys, log.signer, exchange.guard, log.random)
        return again.size, again.root

    return use


# table, column, where (the row altered), who uses it and how
STORED: dict[str, tuple[str, str, str, str, list[Use]]] = {
    "entry": ("entry", "bytes", "idx=(SELECT abs(random()) % count(*) FROM entry)", "xb-ca", [_log("xb-ca")]),
    "tile": ("tile", "hashes", "level=0", "xb-ca", [_restart("xb-ca"), _log("xb-ca")]),
    "head": ("head", "root", "size=(SELECT max(size) FROM head)", "xb-ca", [_restart("xb-ca")]),
    "envelope sent": ("outgoing", "envelope", "hash=?", "xa-ca", [_read("xa-ca"), _export("xa-ca")]),
    "envelope received": ("incoming", "envelope", "hash=?", "xb-ca", [_read("xb-ca"), _export("xb-ca")]),
    "body sent": ("outgoing", "body", "hash=?", "xa-ca", [_read("xa-ca")]),
    "body received": ("incoming", "body", "hash=?", "xb-ca", [_read("xb-ca")]),
    "secret": ("secret", "wrapped", "hash=?", "xb-ca", [_read("xb-ca")]),
    "receipt": ("delivery", "receipt", "hash=?", "xa-ca", [_export("xa-ca")]),
    "path of the receipt": ("delivery", "receipt_path", "hash=?", "xa-ca", [_export("xa-ca")]),
    "origin entry": ("incoming", "origin_entry", "hash=?", "xb-ca", [_export("xb-ca")]),
    "origin path": ("incoming", "origin_path", "hash=?", "xb-ca", [_export("xb-ca")]),
    "note of the receipt": ("note", "note", "id=(SELECT receipt_note FROM delivery WHERE hash=?)", "xa-ca", [_export("xa-ca")]),
    "note of the origin": ("note", "note", "id=(SELECT origin_note FROM incoming WHERE hash=?)", "xb-ca", [_export("xb-ca")]),
}
PER_VALUE = 18


def test_changes_of_stored_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    choose = random.Random(SEED)
    totals: Counter[str] = Counter()
    source = tmp_path / "evidence"
    source.write_bytes(EVIDENCE[:2000])
    with _world(tmp_path / "world", founded=True) as world:
        sent = world.send("xa-ca", "xb-ca", b"{}", attachments=[Attachment(source, "e.bin", "application/octet-stream", "annex")])
        world.deliver("xa-ca", "xb-ca")
        for exchange in world.exchanges.values():
            for _ in range(5):
                exchange.writer.run(lambda tx: tx.append(Filler))
        for name, (table, column, where, owner, uses) in STORED.items():
            codes = _alter(world, choose, sent.hash, (table, column, where, owner, uses))
            with capsys.disabled():
                print(f"\n  {name}: {dict(codes)}", end="")
            totals += codes
            assert codes["identical"] == 0 or name.startswith("note"), (name, codes)  # a line of a stranger's key may say what it likes
    _print("\nstored values", totals, capsys)
    assert totals.total() > 200


def _alter(world: World, choose: random.Random, hash_: bytes, what: tuple[str, str, str, str, list[Use]]) -> Counter[str]:
    table, column, where, owner, uses = what
    db = world.exchanges[owner].store.writer
    arguments = (hash_,) if "?" in where else ()
    codes: Counter[str] = Counter()
    honest = [use(world, hash_) for use in uses]
    for _ in range(PER_VALUE):
        key = _key(db, table, where, arguments)
        clause = " AND ".join(f"{name}=?" for name in key)
        (data,) = db.execute(f"SELECT {column} FROM {table} WHERE {clause}", (*key.values(),)).fetchone()
        _, changed = _changed(choose, data)
        db.execute(f"UPDATE {table} SET {column}=? WHERE {clause}", (changed, *key.values()))
        codes[_used(world, hash_, uses, honest)] += 1
        db.execute(f"UPDATE {table} SET {column}=? WHERE {clause}", (data, *key.values()))
    assert [use(world, hash_) for use in uses] == honest
    return codes


def _used(world: World, hash_: bytes, uses: list[Use], honest: list[object]) -> str:
    """The first code that any use of the altered value meets."""
    for use, expected in zip(uses, honest, strict=True):
        try:
            found = use(world, hash_)
        except RogatoryError as error:
            return error.code.code
        assert found == expected, "another outcome, and no code"
    return "identical"


def _key(db: Any, table: str, where: str, arguments: tuple[bytes, ...]) -> dict[str, object]:
    names = [row[1] for row in db.execute(f"PRAGMA table_info({table})") if row[5]]
    row = db.execute(f"SELECT {', '.join(names)} FROM {table} WHERE {where} LIMIT 1", arguments).fetchone()
    return dict(zip(names, row, strict=True))
