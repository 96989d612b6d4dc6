"""Pages and scripts that follow other files still do."""

from __future__ import annotations

import subprocess
import sys

from pages import ROOT


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_page_of_every_command_is_what_they_say() -> None:
    run("scripts/cli-reference", "--check")


def test_what_the_readme_says_to_do_can_be_followed() -> None:
    """All of it: the script refuses what it does not know."""
    told = run("scripts/follow-readme", "--list", "nowhere")
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    for line in told.splitlines():
        assert line.split(maxsplit=1)[1] in page
    assert {"make_up", "ask_curl", "run_python", "chat", "ask_grpcurl", "vote", "rate_file"} <= {
        line.split()[0] for line in told.splitlines()
    }
