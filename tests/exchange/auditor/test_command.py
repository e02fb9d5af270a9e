"""`rogatory verify` and `python -m exchange.auditor`: exit codes, JSON with one verdict per number, text, usage."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from exchange.auditor.__main__ import main
from exchange.auditor.examination import TITLES
from exchange.auditor.single import verify_proof_file
from exchange.export.tilefolder import write_log
from node.cli.verify import verify
from protocol.policy import format_policy, policy_for
from protocol.proof import format_proof
from tests.exchange.auditor.export import Export
from tests.exchange.auditor.world import World

Write = Callable[..., Export]
REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def root(world: World, tmp_path: Path) -> str:
    path = tmp_path / "root.json"
    path.write_bytes(world.root_file)
    return str(path)


def test_exit_codes_of_the_command(world: World, export: Write, root: str) -> None:
    run = CliRunner()
    bundle, waiting = export(), export(world.exchange(world.seal(("xb-ca",)), []))
    assert run.invoke(verify, [str(bundle.folder), "--trust", root]).exit_code == 0
    assert run.invoke(verify, [str(bundle.folder)]).exit_code == 3
    assert run.invoke(verify, [str(waiting.folder), "--trust", root]).exit_code == 4
    bundle.put("envelope.cbor", b"x")
    assert run.invoke(verify, [str(bundle.folder), "--trust", root]).exit_code == 1
    assert run.invoke(verify, []).exit_code == 2
    assert run.invoke(verify, [str(bundle.folder), "--trust", root + ".none"]).exit_code == 2
    assert run.invoke(verify, [str(bundle.folder) + ".none", "--trust", root]).exit_code == 2


def test_json_has_one_verdict_per_number(export: Write, root: str) -> None:
    output = CliRunner().invoke(verify, [str(export().folder), "--trust", root, "--json"]).output
    report = json.loads(output)
    assert [(c["number"], c["name"]) for c in report["checks"]] == list(enumerate(TITLES, 1))
    assert {c["verdict"] for c in report["checks"]} == {"proven"}
    assert (report["verdict"], report["exit_code"]) == ("proven", 0)
    assert report["facts"]["message"]["sender"] == "xa-ca"


def test_usage_errors_are_sentences_with_codes(export: Write, tmp_path: Path) -> None:
    folder = str(export().folder)
    run = CliRunner()
    assert run.invoke(verify, [folder, "--trust", str(tmp_path)]).output.startswith("AUDIT-TRUST: ")
    assert json.loads(run.invoke(verify, [folder + "x", "--json"]).output)["error"]["code"] == "AUDIT-FOLDER"
    assert run.invoke(verify, [folder + "/origin.tlog-proof"]).output.startswith("AUDIT-TRUST: ")


def test_text_says_the_verdict_last(export: Write, root: str) -> None:
    lines = CliRunner().invoke(verify, [str(export().folder), "--trust", root]).output.splitlines()
    assert lines[-1] == "bundle: PROVEN"
    assert sum(line.lstrip().split(" ")[0].isdigit() for line in lines) == len(lines) - 2


def test_the_auditor_alone_is_the_same(export: Write, root: str, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = export()
    assert main([str(bundle.folder), "--trust", root, "--json"]) == 0
    alone = json.loads(capsys.readouterr().out)
    assert alone == json.loads(CliRunner().invoke(verify, [str(bundle.folder), "--trust", root, "--json"]).output)
    assert main([str(bundle.folder), "--trust", root + ".none"]) == 2


def test_the_auditor_runs_as_a_program_and_imports_nothing_of_the_writer(export: Write, root: str) -> None:
    program = (
        "import sys\n"
        "from exchange.auditor.__main__ import main\n"
        "code = main(sys.argv[1:])\n"
        "loaded = [m for m in sys.modules if m.startswith(('exchange.', 'node')) and not m.startswith('exchange.auditor')]\n"
        "print(code, sorted(loaded))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(export().folder), "--trust", root],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "0 []"


def test_a_log_is_examined_under_a_policy(world: World, tmp_path: Path) -> None:
    log = world.parties["xb-ca"].log
    write_log(log.entries, log.note(), tmp_path / "log")
    policy = tmp_path / "policy.txt"
    policy.write_bytes(format_policy(policy_for(log.keys, (), 0)))
    run = CliRunner()
    assert run.invoke(verify, [str(tmp_path / "log")]).exit_code == 3
    found = run.invoke(verify, [str(tmp_path / "log"), "--policy", str(policy)])
    assert "ok         head: size" in found.output


def test_a_single_proof_is_judged_by_a_policy(world: World, export: Write) -> None:
    bundle = export()
    path, policy = bundle.folder / "origin.tlog-proof", bundle.read("policy-xa-ca-1.txt")
    report = verify_proof_file(path, policy)
    assert report.exit_code == 0
    assert report.facts["entry"]["says"] == "submitted"
    assert CliRunner().invoke(verify, [str(path), "--policy", str(bundle.folder / "policy.txt")]).exit_code == 0
    assert _codes(path, bundle.read("policy-xb-ca-1.txt")) == {1: "NOTE-UNSIGNED"}
    assert _codes(path, b"nonsense\n") == {1: "POLICY-FORM"}
    proof = bundle.proof("origin.tlog-proof")
    for change, code in ((replace(proof, extra=None), "PROOF-EXTRA"), (replace(proof, index=999), "PROOF-INCLUSION")):
        path.write_bytes(format_proof(change))
        assert _codes(path, policy) == {2: code}
    path.write_bytes(b"c2sp.org/tlog-proof@v2\n")
    assert _codes(path, policy) == {1: "PROOF-FORM"}


def _codes(path: Path, policy: bytes) -> dict[int, str]:
    return {c.number: c.code for c in verify_proof_file(path, policy).numbered() if str(c.verdict) == "refuted"}
