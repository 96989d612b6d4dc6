"""scripts/audit-dependencies: what it makes of what pip-audit answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "audit-dependencies"
FINE = {"name": "fine", "version": "1.0", "vulns": []}
BAD = {
    "name": "bad",
    "version": "1.0",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"], "aliases": [], "description": "x"}],
}
UNKNOWN = {"name": "unknown", "skip_reason": "not found"}
UNREACHABLE = "requests.exceptions.ConnectionError: Failed to resolve"


@pytest.mark.parametrize(
    ("answer", "code", "says"),
    [
        ({"osv": [FINE]}, 0, "1 checked, 0 vulnerable"),
        ({"osv": [FINE, BAD]}, 1, "bad 1.0: PYSEC-1, mended in 1.1"),
        ({"osv": UNREACHABLE, "pypi": [FINE, UNKNOWN]}, 0, "not looked up: unknown"),
        ({"osv": UNREACHABLE, "pypi": [BAD]}, 1, "1 vulnerable"),
        ({"osv": UNREACHABLE, "pypi": UNREACHABLE}, 0, "NOT CHECKED"),
        # A mirror that has packages and no advisories.
        ({"osv": UNREACHABLE, "pypi": [UNKNOWN]}, 0, "NOT CHECKED"),
        ({"osv": "ValueError: no such file"}, 2, "no such file"),
    ],
)
def test_the_verdict(tmp_path: Path, answer: dict[str, Any], code: int, says: str) -> None:
    pip_audit(tmp_path, answer)
    run = audit(tmp_path, "constraints.txt", "scripts/ignored-advisories.txt")
    assert run.returncode == code, run.stderr
    assert says in run.stdout + run.stderr
    assert "Traceback" not in run.stderr


def test_a_schedule_wants_to_know_that_nothing_was_checked(tmp_path: Path) -> None:
    pip_audit(tmp_path, {"osv": UNREACHABLE, "pypi": [UNKNOWN]})
    run = audit(tmp_path, "--must-check")
    assert run.returncode == 3, run.stderr
    assert "NOT CHECKED" in run.stderr
    pip_audit(tmp_path, {"osv": [FINE]})
    assert audit(tmp_path, "--must-check").returncode == 0


def pip_audit(folder: Path, answer: dict[str, Any]) -> None:
    """One that answers so, by service."""
    program = folder / "pip-audit"
    program.write_text(
        f"#!{sys.executable}\n"
        "import json, sys\n"
        f"answer = json.loads({json.dumps(json.dumps(answer))})[sys.argv[-1]]\n"
        "if isinstance(answer, str):\n"
        "    sys.exit(answer)\n"
        'print(json.dumps({"dependencies": answer}))\n'
        'sys.exit(any(each.get("vulns") for each in answer))\n'
    )
    program.chmod(0o755)


def test_what_is_ignored_needs_a_reason(tmp_path: Path) -> None:
    (tmp_path / "pip-audit").touch()
    (tmp_path / "ignored").write_text("PYSEC-1\n")
    run = audit(tmp_path, "constraints.txt", str(tmp_path / "ignored"))
    assert run.returncode == 2
    assert "PYSEC-1 is ignored without a reason" in run.stderr


def audit(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        env={**os.environ, "BIN": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
