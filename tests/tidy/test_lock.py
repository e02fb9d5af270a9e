"""Installing takes what the lock files name and nothing else: deploy/setup.sh, run for real on a wheel made here."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.tidy.source import ROOT

NAME, CONTENT = "rogatory_canary", "there = True\n"


def wheel(folder: Path) -> Path:
    """The smallest wheel there is."""
    info = f"{NAME}-1.0.dist-info"
    files = {
        f"{NAME}.py": CONTENT,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [f"{name},sha256={_record_digest(text)},{len(text)}" for name, text in files.items()]
    path = folder / f"{NAME}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr(f"{info}/RECORD", "\n".join([*record, f"{info}/RECORD,,"]) + "\n")
    return path


def _record_digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def install(folder: Path, digest: str) -> tuple[str, bool]:
    """Run setup.sh with a lock that names this digest; what it said, and whether the package is in the environment now."""
    lock = folder / "lock.txt"
    lock.write_text(f"rogatory-canary==1.0 --hash=sha256:{digest}\n")
    env = {"PATH": os.environ["PATH"], "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_CONFIG_FILE": os.devnull}
    command = ["sh", str(ROOT / "deploy/setup.sh"), sys.executable, "env", str(lock)]
    # The program itself is not in this folder, so setup.sh ends with an error either way; before or after the lock is what counts.
    said = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False)
    found = subprocess.run([folder / "env/bin/python", "-c", f"import {NAME}"], capture_output=True, check=False)
    assert said.returncode != 0
    assert not said.stdout
    return said.stderr, found.returncode == 0


def test_OPS_14_a_dependency_whose_hash_differs_from_the_lock(tmp_path: Path) -> None:
    digest = hashlib.sha256(wheel(tmp_path).read_bytes()).hexdigest()
    said, there = install(tmp_path, digest[:-1] + ("0" if digest[-1] != "0" else "1"))
    assert "DO NOT MATCH THE HASHES" in said
    assert not there
    said, there = install(tmp_path, digest)
    assert "DO NOT MATCH THE HASHES" not in said
    assert there


def test_OPS_14_every_install_from_a_lock_asks_for_hashes() -> None:
    lines = (ROOT / "deploy/setup.sh").read_text(encoding="utf-8").splitlines()
    installs = [line for line in lines if "$pip install" in line]
    assert len(installs) == 2
    assert [line for line in installs if "--require-hashes" not in line and "--no-deps" not in line] == []
