"""From a question in a real browser, over real answers, to a leaderboard."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from playwright.sync_api import expect

from rostra.arena.votes.store import VoteStore
from rostra.mesh.home import Home

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.timeout(900)]

# Names and settings whole, since answers may use their words: "instructions", "temperature".
NEVER_BEFORE_THE_VOTE = re.compile(r"smollm2.135m|told to be brief|temperature\W{1,4}1\.2", re.I)
WAIT = 180_000
"""Milliseconds for two answers of the demo model on a busy machine."""


@pytest.fixture
def page(up, chromium):
    context = chromium.new_context()
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.received = []
    page.on(
        "websocket",
        lambda socket: socket.on("framereceived", lambda frame: page.received.append(str(frame))),
    )
    page.goto(up.arena)
    yield page
    context.close()


def battle(page, question):
    """One round, voted for with the mouse; returns the names shown after it."""
    page.get_by_label("Your question").fill(question)
    page.keyboard.press("Enter")
    vote = page.get_by_role("button", name="A is better")
    expect(vote).to_be_disabled()
    expect(vote).to_be_enabled(timeout=WAIT)
    for text in (page.content(), *page.received):
        assert not NEVER_BEFORE_THE_VOTE.search(text)
    vote.dblclick()
    expect(page.get_by_role("button", name="Next pair")).to_be_focused()
    return [
        page.get_by_role("article", name=f"Answer {letter}").locator("header h2").inner_text()
        for letter in "AB"
    ]


def test_votes_become_a_leaderboard(up, home, page):
    store = VoteStore(Home.locate(home).votes_url)
    names = battle(page, "What is the capital of France?")
    assert len(set(names)) == 2
    assert all(name.startswith("SmolLM2 135M") for name in names)
    assert store.counts().votes == 1

    page.reload()
    first = page.get_by_role("article", name="Answer A").locator("header h2")
    expect(first).to_have_text(names[0])
    page.get_by_role("button", name="Next pair").click()
    expect(first).to_have_count(0)
    page.received.clear()
    battle(page, "Name a colour of the sky.")
    assert store.counts().votes == 2
    stored = store.comparisons()
    store.close()
    assert {row.outcome for row in stored} == {"a"}

    command = [sys.executable, "-m", "rostra.mesh.cli.main", "rate", "--home", str(home)]
    rated = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
    assert "SmolLM2" in rated.stdout or "smollm2" in rated.stdout
    ratings = Home.locate(home).ratings
    folder = ratings / (ratings / "latest").read_text().strip()
    suffixes = {path.suffix for path in folder.iterdir()}
    assert {".nc", ".json", ".csv", ".html"} <= suffixes

    page.goto(f"{up.arena}/leaderboard")
    rated_names = {row.left for row in stored} | {row.right for row in stored}
    expect(page.get_by_role("row")).to_have_count(len(rated_names) + 1)
    # On two votes the sampler may find no rest; the page then says so instead.
    expect(page.get_by_text(re.compile("Sampled well: R-hat|Do not rely"))).to_be_visible()
