"""An exported folder in a test: files can be replaced, with the manifest repaired so that only the deeper checks can object."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from exchange.auditor.examination import verify_bundle
from exchange.auditor.report import Report, Verdict
from exchange.export.bundle import Materials, write_bundle
from protocol.proof import TlogProof, format_proof, parse_proof
from tests.exchange.auditor.world import NOW, World

LATER = NOW + 60_000


class Export:
    """A written bundle and the trust root that its world was founded with."""

    def __init__(self, world: World, materials: Materials, folder: Path) -> None:
        self.world = world
        self.materials = materials
        self.folder = folder
        write_bundle(materials, folder)

    def read(self, name: str) -> bytes:
        """A file's bytes."""
        return (self.folder / name).read_bytes()

    def put(self, name: str, data: bytes, *, repair: bool = True) -> None:
        """Replace or add a file; with ``repair`` the manifest names it as it now is."""
        (self.folder / name).write_bytes(data)
        if repair:
            self.repair()

    def remove(self, *names: str) -> None:
        """Take files out, manifest included."""
        for name in names:
            (self.folder / name).unlink()
        self.repair()

    def repair(self) -> None:
        """A manifest of the files that are there."""
        manifest = json.loads(self.read("manifest.json"))
        files = {}
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder).as_posix()
            if path.is_file() and name != "manifest.json":
                line = manifest["files"].get(name, {"what": "put here by a test"})
                data = path.read_bytes()
                files[name] = line | {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        manifest["files"] = files
        (self.folder / "manifest.json").write_text(json.dumps(manifest))

    def proof(self, name: str) -> TlogProof:
        """A proof file, parsed."""
        return parse_proof(self.read(name))

    def put_proof(self, name: str, proof: TlogProof) -> None:
        """Replace a proof; the first receipt's copy goes with it."""
        first = name.startswith("receipt-") and self.read(name) == self.read("receipt.tlog-proof")
        self.put(name, format_proof(proof))
        if first:
            self.put("receipt.tlog-proof", format_proof(proof))

    def verify(self, *, anchored: bool = True, now: int = LATER) -> Report:
        """The auditor's report."""
        return verify_bundle(self.folder, self.world.root_file if anchored else None, now)

    def refusals(self) -> dict[int, str]:
        """Number -> code of every number that was refuted."""
        return {check.number: check.code for check in self.verify().numbered() if check.verdict is Verdict.REFUTED}
