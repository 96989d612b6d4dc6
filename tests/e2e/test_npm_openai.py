"""The openai package for Node, unmodified, against the real processes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

FOLDER = Path(__file__).parent / "npm"


@pytest.fixture(scope="module")
def packages(tmp_path_factory) -> Path:
    """A folder with the script and what it imports."""
    root = tmp_path_factory.mktemp("npm")
    for name in ("package.json", "package-lock.json", "openai.test.mjs"):
        (root / name).write_bytes((FOLDER / name).read_bytes())
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"]
    made = subprocess.run(
        command, cwd=root, check=False, capture_output=True, text=True, timeout=300
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return root


def test_the_npm_package_works_unmodified(up, packages):
    ran = subprocess.run(
        ["node", "--test", "--test-reporter=spec", "openai.test.mjs"],
        cwd=packages,
        check=False,
        env=os.environ | {"ROSTRA_URL": up.api},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
