"""The OpenAPI document breaks no rule that Spectral recommends."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.proofs.conftest import Say

ROOT = Path(__file__).resolve().parents[2]
LOCKED = ROOT / "tests/contract"
INSTALL = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
LINT = ("node_modules/.bin/spectral", "lint", "--fail-severity=hint", "openapi.json")
SECONDS = 300


@pytest.mark.proof
@pytest.mark.skipif(shutil.which("npm") is None, reason="Spectral needs npm, which is not here")
@pytest.mark.timeout(2 * SECONDS)
def test_the_document_breaks_no_rule_of_spectral(tmp_path: Path, say: Say) -> None:
    for file in (*LOCKED.iterdir(), ROOT / "openapi.json"):
        shutil.copy(file, tmp_path)
    installed = _run(INSTALL, tmp_path)
    assert installed.returncode == 0, installed.stdout
    linted = _run(LINT, tmp_path)
    say(linted.stdout.strip())
    assert linted.returncode == 0, linted.stdout


def _run(command: tuple[str, ...], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
    )
