"""The campaign of two prompts: voted on by protocol, rated, and read as its page says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from benchmarks.arena_voter import VoterPage
from benchmarks.local import Local
from rostra.mesh.cli.config import RostraConfig

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

FOLDER = Path(__file__).parents[2] / "examples" / "two-prompts"
OUTCOMES = ["a", "b", "a", "tie"]


def run(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return " ".join(done.stdout.split())


def test_contestants_differ_in_nothing_but_the_prompt() -> None:
    plain, brief = RostraConfig.read(FOLDER / "rostra.toml").contestant
    different = {key for key in plain if plain[key] != brief[key]}
    assert different == {"name", "label", "system_prompt"}


async def cast(url: str) -> None:
    questions = (FOLDER / "questions.txt").read_text(encoding="utf-8").splitlines()
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session,
        VoterPage(session, url, "/c/prompts") as page,
    ):
        for outcome, question in zip(OUTCOMES, questions, strict=False):
            await page.ask(question)
            await page.read()
            await page.vote(outcome)
            await page.next_round()


async def test_votes_become_an_answer(up: Local, home: Path, tmp_path: Path) -> None:
    await cast(up.arena)
    result = str(tmp_path / "result")
    options = ("--campaign", "prompts", "--out", result, "--engine", "laplace")
    rated = run("-m", "rostra.mesh.cli.main", "rate", "--home", str(home), *options)
    assert "plain" in rated
    assert "brief" in rated
    told = run(str(FOLDER / "compare.py"), result, "--rope", "20")
    assert told.startswith(f"{len(OUTCOMES)} votes. Probability that ")
    assert "by more than 20 points" in told
    assert told.endswith("Not decided by these votes.")


def test_many_votes_decide(tmp_path: Path) -> None:
    rows = ["left,right,outcome"]
    rows += ["brief,plain,a", "plain,brief,b"] * 60 + ["brief,plain,b", "plain,brief,a"] * 25
    votes = tmp_path / "votes.csv"
    votes.write_text("\n".join(rows))
    result = str(tmp_path / "result")
    options = ("--votes", str(votes), "--out", result, "--engine", "laplace")
    run("-m", "rostra.mesh.cli.main", "rate", *options)
    assert run(str(FOLDER / "compare.py"), result).endswith("Decided: use brief.")
