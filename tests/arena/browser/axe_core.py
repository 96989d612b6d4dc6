"""axe-core, which finds what keeps people from using a page."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from playwright.sync_api import Page

NPM = Path(__file__).parent / "npm"

CHECK = """async () => {
  const found = await axe.run(document, { resultTypes: ["violations"] })
  return found.violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, help, nodes }) => [
      id, help, nodes.slice(0, 5).map((node) => `${node.target.flat()}: ${node.failureSummary}`),
    ])
}"""


def axe_script(folder: Path) -> str:
    """From npm, as the lock file names it."""
    for name in ("package.json", "package-lock.json"):
        (folder / name).write_bytes((NPM / name).read_bytes())
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"]
    made = subprocess.run(
        command, cwd=folder, check=False, capture_output=True, text=True, timeout=200
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return (folder / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")


def violations(page: Page, axe: str) -> str:
    """Those that stay: a colour on its way from one theme to the other has any contrast."""
    page.evaluate(axe)
    for _ in range(4):
        if not (found := page.evaluate(CHECK)):
            break
        page.wait_for_timeout(500)
    return json.dumps(found, indent=1)
