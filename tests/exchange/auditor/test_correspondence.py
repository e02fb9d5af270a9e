"""A whole log with its messages: what is shown is what both logs say, and whatever is not is found."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exchange.auditor.command import examine
from exchange.auditor.report import Report, Verdict
from exchange.export.export import Exporter
from protocol import limits
from protocol.dossier import Row, Shown, encode_row, read_rows
from protocol.entries import Consigned, Submitted, parse_entry
from protocol.errors import ProtocolError
from tests.world import World, make_world

A, B = "xa-ca", "xb-ca"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Letters both ways, one of them not answered yet; both logs exported."""
    folder = tmp_path_factory.mktemp("correspondence")
    made = make_world(folder, (A, B), founded=True)
    made.exchange_prekeys()
    for number in range(3):
        made.send(A, B, f"{number}".encode())
        made.deliver(A, B)
        made.send(B, A, f"{number}".encode())
        made.deliver(B, A)
    made.send(A, B, b"not carried")
    for name in (A, B):
        _export(made, name, folder / f"of-{name}")
    (folder / "root.json").write_bytes(made.root_file)
    yield made
    made.close()


def _export(world: World, name: str, folder: Path) -> None:
    exchange = world.exchanges[name]
    exchange.writer.run(lambda tx: None)  # nobody is told of the last receipts yet: a head that holds them is made when it is needed
    Exporter(exchange.store, exchange.log, exchange.messages, exchange.holdings, world.home(name).directory).export_log(folder, messages=True)


def _verify(world: World, folder: Path, *, trusted: bool = True) -> Report:
    return examine(folder, world.folder / "root.json" if trusted else None, None, world.clock.now())


@pytest.fixture
def record(world: World, tmp_path: Path) -> Path:
    """A copy of A's export that a test may change."""
    shutil.copytree(world.folder / f"of-{A}", tmp_path / "record")
    return tmp_path / "record"


@pytest.mark.parametrize("name, sent, came, shown", [(A, 4, 3, 7), (B, 3, 3, 6)])
def test_both_sides_are_proven_and_counted(world: World, name: str, sent: int, came: int, shown: int) -> None:
    report = _verify(world, world.folder / f"of-{name}")
    assert report.verdict is Verdict.PROVEN, report.text()
    counted = report.facts["messages"]
    assert (counted["submitted"], counted["answered"], counted["messages"]) == (sent, came, shown)
    assert counted["proofs"] == 6
    assert counted["heads"] >= 3
    assert counted["own_heads"] == 3
    assert [check.number for check in report.numbered()] == [1, 2, 3, 4, 5, 6, 7]


def test_without_a_root_it_is_only_consistent_with_itself(world: World) -> None:
    assert _verify(world, world.folder / f"of-{A}", trusted=False).verdict is Verdict.NOT_ANCHORED


def test_every_byte_of_every_file_counts(world: World, record: Path) -> None:
    """A change in every file, at places spread over it: none is taken."""
    for path in sorted(path for path in record.rglob("*") if path.is_file()):
        data = path.read_bytes()
        for at in {0, len(data) // 3, len(data) // 2, len(data) - 1}:
            changed = bytearray(data)
            changed[at] ^= 0x20
            path.write_bytes(bytes(changed))
            assert _verify(world, record).verdict is Verdict.REFUTED, f"{path.name} byte {at}"
        path.write_bytes(data)
    assert _verify(world, record).verdict is Verdict.PROVEN


def test_a_receipt_that_came_after_the_head_is_left_out(world: World, tmp_path: Path) -> None:
    """The export is under the head that was signed when it began; the log has grown since."""
    exchange = world.exchanges[A]
    note = exchange.log.head()
    world.deliver(A, B)
    exporter = Exporter(exchange.store, exchange.log, exchange.messages, exchange.holdings, world.home(A).directory)
    exporter._log = _Earlier(exchange.log, note)  # type: ignore[assignment]
    exporter.export_log(tmp_path / "record", messages=True)
    report = _verify(world, tmp_path / "record")
    assert report.verdict is Verdict.PROVEN, report.text()
    assert report.facts["messages"]["proofs"] == 6


class _Earlier:
    """A log whose newest head is that of a moment ago."""

    def __init__(self, log: object, head: object) -> None:
        self._log, self._head = log, head

    def head(self) -> object:
        return self._head

    def numbered(self, n: int) -> _Earlier:
        return self

    def __getattr__(self, name: str) -> object:
        return getattr(self._log, name)


# -- what a liar could write ------------------------------------------------------------------------------------------------------


def _without(rows: list[Row]) -> list[Row]:
    """The last message is not shown: that is no lie, only less."""
    return rows[:-1]


def _swapped(rows: list[Row]) -> list[Row]:
    first, second = [i for i, row in enumerate(rows) if isinstance(row, Shown)][:2]
    rows[first], rows[second] = rows[second], rows[first]
    return rows


def _twice(rows: list[Row]) -> list[Row]:
    return [*rows, rows[-1]]


def _other_envelope(rows: list[Row]) -> list[Row]:
    first, second = [row for row in rows if isinstance(row, Shown)][:2]
    return [row._replace(envelope=second.envelope) if row is first else row for row in rows]


def _other_receipt(rows: list[Row]) -> list[Row]:
    """A's first message with the receipt of its second: each is true by itself."""
    answered = [row for row in rows if isinstance(row, Shown) and row.proofs and isinstance(parse_entry(row.proofs[0].entry), Consigned)]
    return [row._replace(proofs=answered[1].proofs) if row is answered[0] else row for row in rows]


def _no_receipt(rows: list[Row]) -> list[Row]:
    """Silence about a receipt is no lie of this log: it is counted, not refuted."""
    answered = next(row for row in rows if isinstance(row, Shown) and row.proofs and isinstance(parse_entry(row.proofs[0].entry), Consigned))
    return [row._replace(proofs=()) if row is answered else row for row in rows]


def _receipt_twice(rows: list[Row]) -> list[Row]:
    return [row._replace(proofs=row.proofs * 2) if isinstance(row, Shown) and row.proofs else row for row in rows]


def _no_submission(rows: list[Row]) -> list[Row]:
    came = next(row for row in rows if isinstance(row, Shown) and row.proofs and isinstance(parse_entry(row.proofs[0].entry), Submitted))
    return [row._replace(proofs=()) if row is came else row for row in rows]


def _note_unused(rows: list[Row]) -> list[Row]:
    note = next(row for row in rows if isinstance(row, bytes))
    return [*rows, note]


def _beyond(rows: list[Row]) -> list[Row]:
    last = rows[-1]
    assert isinstance(last, Shown)
    return [*rows, last._replace(index=1_000_000)]


@pytest.mark.parametrize(
    "lie", [_swapped, _twice, _other_envelope, _other_receipt, _receipt_twice, _no_submission, _note_unused, _beyond], ids=lambda f: f.__name__
)
def test_a_lie_is_refuted(world: World, record: Path, lie: Callable[[list[Row]], list[Row]]) -> None:
    report = _rewritten(world, record, lie)
    assert report.verdict is Verdict.REFUTED
    assert {check.code for check in report.checks if check.verdict is Verdict.REFUTED} == {"LOG-MESSAGE"}


@pytest.mark.parametrize("lie", [_without, _no_receipt], ids=lambda f: f.__name__)
def test_showing_less_is_counted(world: World, record: Path, lie: Callable[[list[Row]], list[Row]]) -> None:
    before = _verify(world, record).facts["messages"]
    report = _rewritten(world, record, lie)
    after = report.facts["messages"]
    assert after["messages"] + after["proofs"] < before["messages"] + before["proofs"]
    assert after["submitted"] == before["submitted"]


def _rewritten(world: World, record: Path, change: Callable[[list[Row]], list[Row]]) -> Report:
    path = record / "messages/000"
    rows = list(read_rows([path.read_bytes()]))
    path.write_bytes(b"".join(map(encode_row, change(rows))))
    return _verify(world, record)


def test_a_head_of_ours_that_never_was_is_found(world: World, record: Path) -> None:
    """B's receipts cite our heads; in an export of another history of ours they would not be rebuilt. Here: a log cut short."""
    shutil.rmtree(record / "messages")
    shutil.copytree(world.folder / f"of-{B}" / "messages", record / "messages")
    assert _verify(world, record).verdict is Verdict.REFUTED


def test_files_beside_are_all_listed(world: World, record: Path) -> None:
    (record / "directory" / "more.json").write_text("{}")
    assert "BUNDLE-UNLISTED" in {check.code for check in _verify(world, record).checks}
    (record / "directory" / "more.json").unlink()
    (record / "messages/001").write_bytes(b"")
    assert _verify(world, record).verdict is Verdict.REFUTED


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_rows_are_read_however_they_come(size: int) -> None:
    rows: list[Row] = [b"note", Shown(3, b"envelope", ()), Shown(70000, b"x" * 300, ())]
    data = b"".join(map(encode_row, rows))
    assert list(read_rows(data[at : at + size] for at in range(0, len(data), size))) == rows


@pytest.mark.parametrize(
    "data", [b"\0", b"\0\0\0\5\x82\0", b"\xff" * 8, b"\0\0\0\1\x80", b"\0\0\0\2\x81\0", encode_row(Shown(1, b"e", ()))[:-1] + b"\x81"]
)
def test_what_is_no_row_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError) as refused:
        list(read_rows([data]))
    assert refused.value.code.code in {"DOSSIER-FORM", "CBOR-FORM"}


def test_a_row_is_bounded() -> None:
    with pytest.raises(ProtocolError, match="DOSSIER-FORM"):
        list(read_rows([(limits.GiB).to_bytes(4, "big") + b"x"]))
