"""Before the vote, nothing that reaches the browser tells who answers, whatever happens."""

from __future__ import annotations

import base64
import re
import sqlite3
from contextlib import closing

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

# Name, label, model, adapter, alias, system prompt and each setting of the two contestants.
TELLING = re.compile(
    r"ariel|puck|terse|tuned|mischief|goodfellow|tempest|temperature|max_tokens|314159"
    r"|worker of|revision|prompt_tokens",
    re.IGNORECASE,
)
ENCODED = re.compile(rb"[A-Za-z0-9+/_-]{40,}")


def texts(seen) -> list[str]:
    """Bodies of the arena's own documents and answers, frames, and what both hold encoded."""
    found = list(seen.frames)
    for response in seen.responses:
        if response.status == 200 and not response.url.startswith(("blob:", "data:")):
            kind = response.headers.get("content-type", "")
            # Panel's own scripts have no knowledge of contestants, and words of many kinds.
            if kind.startswith(("text/html", "text/plain", "application/json")):
                found.append(response.text())
    for text in list(found):
        for piece in ENCODED.findall(text.encode()):
            # One character more than whole groups of four is no byte.
            whole = piece[: len(piece) - (len(piece) % 4 == 1)]
            padded = whole + b"=" * (-len(whole) % 4)
            found.append(base64.urlsafe_b64decode(padded).decode("utf-8", errors="replace"))
    return found


def assert_blind(seen) -> None:
    everything = texts(seen)
    assert len(everything) > 10
    for text in everything:
        told = TELLING.search(text)
        assert told is None, text[max(told.start() - 100, 0) : told.end() + 100]
    seen.responses.clear()


def written_again(arena) -> int:
    """Answers that were asked for a second time and have ended."""
    path = arena.settings.votes_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT count(*) FROM answers WHERE attempt = 1").fetchone()[0]


def test_every_byte_before_the_vote(visit, arena, gateway, contestants):
    seen = visit()
    page = seen.page
    vote = page.get_by_role("button", name="A is better")
    question = page.get_by_label("Your question")

    question.fill("please fail")
    page.keyboard.press("Enter")
    retry = page.get_by_role("button", name="Try again")
    expect(retry).to_be_focused()
    before = written_again(arena)
    retry.click()
    while written_again(arena) < before + 2:
        page.wait_for_timeout(50)
    expect(retry).to_be_focused()
    assert_blind(seen)

    def write_again() -> None:
        page.get_by_role("button", name="Regenerate").click()
        expect(vote).to_be_disabled()
        expect(page.get_by_role("article").locator("strong")).to_have_count(2)
        gateway.release()
        expect(vote).to_be_enabled()

    with page.expect_response("**/round/keep"):
        question.fill("hold the second half")
        page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_role("article").locator("strong")).to_have_count(2)
    gateway.release()
    expect(vote).to_be_enabled()
    write_again()
    assert_blind(seen)
    page.reload()
    expect(vote).to_be_enabled()
    write_again()
    assert_blind(seen)

    # And with the vote they are told.
    page.keyboard.press("1")
    expect(page.get_by_role("heading", name=contestants.a.label)).to_be_visible()
    assert any(TELLING.search(text) for text in texts(seen))
