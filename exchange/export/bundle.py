"""Composes the exported folder of one message: everything a stranger needs to verify it offline, and nothing secret.

    envelope.cbor                     E as carried
    origin.tlog-proof                 the sender's `submitted`; origin-<n>.tlog-proof: the same in an earlier log n
    origin.before, receipt-….before   a witnessed head of the same log that does not hold the entry: it was not shown before
    receipt-<authority>.link          from the head that this receipt cites to the head of origin.tlog-proof
    receipt-<authority>.tlog-proof    each recipient's `consigned` or `refused`; receipt.tlog-proof is the first of them
    policy-<authority>-<n>.txt        C2SP policy of each log used; policy.txt: their Ed25519 keys for simple tools
    directory/                        the signed metadata that leads from the trust root to those keys
    disclosed/part-<i>[.json]         plaintext of a part, and its media type and opening r_i (never r)
    manifest.json  README.txt

Same materials, same bytes. The auditor reads this folder and shares no code with it. (SPEC.md section 7)
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from exchange import codes
from exchange.export.readme import readme
from exchange.peering.quorum import weigh, witness_keys
from keys.directory import codes as directory_codes
from keys.directory import mirror, trust
from keys.directory.view import Directory, LogRecord
from keys.suite import SUITE
from protocol.body import Addressing, parse_body
from protocol.canonical import to_base64
from protocol.checkpoint import verify_head
from protocol.envelope import Envelope, parse_envelope
from protocol.errors import LocalError, ProtocolError
from protocol.grades import is_quorum
from protocol.policy import NONE, Log, Policy, format_policy, policy_for
from protocol.pouch import Path as Hashes
from protocol.pouch import Proven
from protocol.proof import TlogProof, format_proof, verify_logged
from protocol.treehead import stated_checkpoint

FORMAT: Final = "rogatory/bundle/v1"

_ROOT: Final = "1.root.json"
_STEP: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Evidence:
    """An entry with its place, and the note of the head that its path leads to; witnesses' lines may stand in the note."""

    proven: Proven
    note: bytes


@dataclass(frozen=True, slots=True)
class Disclosure:
    """A part to be shown: its media type, r_i (32 bytes), and the plaintext in memory or in a file."""

    part: int
    media_type: str
    opening: bytes
    plaintext: bytes | Path


@dataclass(frozen=True, slots=True)
class Materials:
    """All that goes into a bundle. ``receipts`` by authority.

    ``metadata``: the directory's files by the names ``mirror`` serves, ``1.root.json`` and ``timestamp.json`` among them, and
    ``directory``, what they verify to: both from ``metadata_of``. ``earlier``: submissions of the same envelope in earlier
    logs, when it was submitted again after a change of logs and a receipt cites the earlier place. ``before``: by ``origin`` or the
    receipt's authority, a witnessed note of the same log that does not hold the entry; ``links``: by the receipt's authority, the size
    that it cites and the full consistency path from there to the head of ``origin``.
    """

    envelope: bytes
    origin: Evidence
    receipts: Mapping[str, Evidence]
    directory: Directory
    metadata: Mapping[str, bytes]
    disclosures: tuple[Disclosure, ...] = ()
    earlier: tuple[Evidence, ...] = ()
    before: Mapping[str, bytes] = field(default_factory=dict)
    links: Mapping[str, tuple[int, Hashes]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _File:
    """One file of the bundle. ``original``: the name that the body gives a disclosed attachment."""

    name: str
    what: str
    content: bytes | Path
    original: str | None = None


@dataclass(frozen=True, slots=True)
class _Composed:
    """A proof file's bytes, with the log's record and the witnesses whose lines were kept."""

    data: bytes
    record: LogRecord
    policy: Policy


def write_bundle(materials: Materials, folder: Path) -> dict[str, str]:
    """Write the bundle, whole or not at all, into a new or empty folder. Gives the SHA-256 (hex) of every file by name.

    Raises EXPORT-FOLDER when the folder holds something or cannot be written, EXPORT-PART for a disclosure that is not a part
    of this envelope; and the codes of ``protocol`` when a proof does not hold: none is exported that the auditor would refuse.
    """
    envelope = parse_envelope(materials.envelope)
    files = list(_files(materials, envelope))
    temporary = _new_folder(folder)
    try:
        digests = {file.name: _write(temporary, file) for file in files}
        manifest = _manifest(files, digests, temporary)
        digests["manifest.json"] = _write(temporary, _File("manifest.json", "", manifest))
        temporary.rename(folder)  # replaces an empty folder, refuses any other
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise LocalError(codes.EXPORT_FOLDER, f"{folder.name}: {error.strerror}") from None
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return digests


def metadata_of(folder: Path) -> tuple[Directory, dict[str, bytes]]:
    """The directory in force in a node's directory folder, and exactly the files that a verifier needs to arrive at it.

    Raises the DIRECTORY-* codes. Cost grows with the network, not with the message: keep the result while ``version`` stays.
    """
    root_file = mirror.read(folder, _ROOT)
    if root_file is None:
        raise LocalError(directory_codes.DIRECTORY_NOT_ANCHORED, folder.name)
    files = _Read(folder)
    directory = trust.verify_files(root_file, files)
    return directory, {_ROOT: root_file, **files.read}


class _Read(Mapping[str, bytes]):
    """A directory folder's files as they are served; remembers which were asked for."""

    __slots__ = ("_folder", "read")

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.read: dict[str, bytes] = {}

    def __getitem__(self, name: str) -> bytes:
        data = mirror.read(self._folder, name)
        if data is None:
            raise KeyError(name)
        self.read[name] = data
        return data

    def __iter__(self) -> Iterator[str]:
        return iter(mirror.names(self._folder))

    def __len__(self) -> int:
        return len(mirror.names(self._folder))


def _files(materials: Materials, envelope: Envelope) -> Iterator[_File]:
    directory = materials.directory
    yield _File("envelope.cbor", "the envelope as carried; its SHA-256 names the message in every log", materials.envelope)
    origin = _compose(materials.origin, directory)
    if "origin" in materials.before:
        yield _File("origin.before", "a witnessed head of that log without this entry", _witnessed(materials.before["origin"], directory))
    yield _File("origin.tlog-proof", f"proof that {envelope.sender} submitted this envelope", origin.data)
    composed = [origin]
    for proof in (_compose(evidence, directory) for evidence in materials.earlier):
        composed.append(proof)
        yield _File(f"origin-{proof.record.origin.n}.tlog-proof", f"the same submission in {proof.record.origin}", proof.data)
    for place, authority in enumerate(sorted(materials.receipts)):
        receipt = _compose(materials.receipts[authority], directory)
        composed.append(receipt)
        yield _File(f"receipt-{authority}.tlog-proof", f"proof of what {authority} answered", receipt.data)
        if authority in materials.before:
            earlier = _witnessed(materials.before[authority], directory)
            yield _File(f"receipt-{authority}.before", "a witnessed head of that log without this entry", earlier)
        if authority in materials.links:
            size, path = materials.links[authority]
            text = "".join(f"{line}\n" for line in (f"old {size}", *map(to_base64, path))).encode()
            yield _File(f"receipt-{authority}.link", "from the head that this receipt cites to that of origin.tlog-proof", text)
        if place == 0:
            yield _File("receipt.tlog-proof", f"the same file as receipt-{authority}.tlog-proof", receipt.data)
    for proof in composed:
        name = f"policy-{proof.record.origin.authority}-{proof.record.origin.n}.txt"
        yield _File(name, f"C2SP tlog-policy for {proof.record.origin}", format_policy(proof.policy))
    simple = Policy(tuple(Log(proof.record.keys.vkeys[0]) for proof in composed), (), (), NONE)
    yield _File("policy.txt", "the Ed25519 keys of these logs, for tools that know no other kind", format_policy(simple))
    for name, data in sorted(materials.metadata.items()):
        yield _File(f"directory/{name}", "signed metadata of the directory", data)
    yield from _disclosed(materials, envelope)
    yield _File(
        "README.txt", "how to read and verify this folder", readme(envelope, directory, sorted(materials.receipts)).encode()
    )


def _compose(evidence: Evidence, directory: Directory) -> _Composed:
    """The proof file, with the lines that verify and no others. Raises what a proof that does not hold raises."""
    record = directory.log(stated_checkpoint(evidence.note).origin)
    weighed = weigh(evidence.note, record, directory, SUITE)
    proven = evidence.proven
    verify_logged(proven.entry, proven.index, proven.path, verify_head(weighed.note, record.keys, SUITE))
    quorum = record.quorum if is_quorum(weighed.times.values(), record.quorum) else 0
    data = format_proof(TlogProof(proven.entry, proven.index, tuple(proven.path), weighed.note))
    return _Composed(data, record, policy_for(record.keys, tuple(witness_keys(record, directory).values()), quorum))


def _witnessed(note: bytes, directory: Directory) -> bytes:
    """A note with the lines that verify."""
    return weigh(note, directory.log(stated_checkpoint(note).origin), directory, SUITE).note


def _disclosed(materials: Materials, envelope: Envelope) -> Iterator[_File]:
    shown = {disclosure.part: disclosure for disclosure in materials.disclosures}
    if len(shown) != len(materials.disclosures) or any(not 0 <= part < len(envelope.parts) for part in shown):
        raise LocalError(codes.EXPORT_PART, f"parts {sorted(shown)} of {len(envelope.parts)}")
    names = _original_names(shown.get(0), envelope)
    for part, disclosure in sorted(shown.items()):
        opening = {"part": part, "media_type": disclosure.media_type, "opening": disclosure.opening.hex()}
        yield _File(f"disclosed/part-{part}", f"plaintext of part {part}", disclosure.plaintext, names.get(part))
        yield _File(f"disclosed/part-{part}.json", f"media type and opening of part {part}", _json(opening))


def _original_names(body: Disclosure | None, envelope: Envelope) -> dict[int, str]:
    """The attachments' names; only a disclosed body that parses vouches for them, so without it none is written."""
    if body is None:
        return {}
    raw = body.plaintext if isinstance(body.plaintext, bytes) else body.plaintext.read_bytes()
    try:
        letter = parse_body(Addressing.of(envelope), len(envelope.parts), raw)
    except ProtocolError:
        return {}  # the body itself may be what the holder wants to show
    return {place: attachment.filename for place, attachment in enumerate(letter.attachments, 1)}


def _manifest(files: list[_File], digests: Mapping[str, str], folder: Path) -> bytes:
    lines = {}
    for file in files:
        line: dict[str, object] = {"sha256": digests[file.name], "size": (folder / file.name).stat().st_size, "what": file.what}
        if file.original is not None:
            line["original"] = file.original
        lines[file.name] = line
    return _json({"format": FORMAT, "suite": 1, "files": lines})


def _json(value: object) -> bytes:
    """ASCII only: a name from a stranger cannot play with a terminal or an editor."""
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=True).encode() + b"\n"


def _new_folder(folder: Path) -> Path:
    try:
        if folder.is_symlink() or (folder.exists() and any(folder.iterdir())):
            raise LocalError(codes.EXPORT_FOLDER, f"{folder.name} is not empty")
        folder.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=".export-", dir=folder.parent))
    except OSError as error:
        raise LocalError(codes.EXPORT_FOLDER, f"{folder.name}: {error.strerror}") from None


def _write(folder: Path, file: _File) -> str:
    """Write one file and give its SHA-256 (hex)."""
    digest = hashlib.sha256()
    path = folder / file.name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as out:
        for piece in _pieces(file.content):
            digest.update(piece)
            out.write(piece)
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest()


def _pieces(content: bytes | Path) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as source:
        while piece := source.read(_STEP):
            yield piece
