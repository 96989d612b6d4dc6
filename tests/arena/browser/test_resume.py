"""A reload, a lost tab, another voter: no vote is lost, none is anybody else's."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def ask(page, question):
    page.get_by_label("Your question").fill(question)
    page.keyboard.press("Enter")


def test_a_reload_goes_on_where_the_round_was(visit, arena, gateway, contestants):
    seen = visit()
    page = seen.page
    before = arena.store.counts()
    with page.expect_response("**/round/keep"):
        ask(page, "hold the second half")
    answers = page.get_by_role("article")
    expect(answers.locator("strong")).to_have_count(2)
    page.reload()
    expect(page.get_by_text("hold the second half")).to_be_visible()
    expect(answers.locator("strong")).to_have_count(2)
    vote = page.get_by_role("button", name="A is better")
    expect(vote).to_be_disabled()
    # It went on in the server all the time.
    gateway.release()
    expect(answers.get_by_text("The second half.")).to_have_count(2)
    expect(vote).to_be_enabled()
    page.reload()
    expect(vote).to_be_enabled()
    assert arena.store.counts().votes == before.votes
    page.keyboard.press("1")
    expect(page.get_by_role("button", name="Next pair")).to_be_focused()

    page.reload()
    labels = [contestants.a.label, contestants.b.label]
    expect(page.locator("article h2").first).to_have_text(re.compile("|".join(labels)))
    expect(vote).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name="Next pair")).to_be_visible()
    page.keyboard.press("4")
    after = arena.store.counts()
    assert (after.votes, after.battles) == (before.votes + 1, before.battles + 1)

    with page.expect_response("**/round/forget"):
        page.get_by_role("button", name="Next pair").click()
    page.reload()
    expect(page.get_by_text("Try one of these")).to_be_visible()


def test_the_ticket_is_out_of_the_reach_of_scripts_and_of_others(visit, arena):
    seen = visit()
    page = seen.page
    with page.expect_response("**/round/keep") as kept:
        ask(page, "hello")
    assert kept.value.status == 204
    expect(page.get_by_role("button", name="A is better")).to_be_enabled()
    [cookie] = [c for c in page.context.cookies() if c["name"].startswith("rostra-round-battle-")]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    battle_id, token = cookie["value"].split(".", 1)
    page.reload()
    expect(page.get_by_role("button", name="A is better")).to_be_enabled()
    held = page.evaluate("document.cookie + JSON.stringify({...sessionStorage, ...localStorage})")
    # The session's token is in the page, and tells of the cookies that the session was told of.
    for text in (held, page.content(), *seen.frames):
        assert token not in text
        assert battle_id not in text
    # A claim is good once, and a forged cookie for nothing.
    claim = page.evaluate(
        """async () => (await fetch("round/resume", {method: "POST", body: new URLSearchParams(
            {tab: "battle-" + sessionStorage["rostra-tab"]})})).text()"""
    )
    statuses = page.evaluate(
        """async (claim) => {
          const keep = (tab) => fetch("round/keep", {method: "POST",
            body: new URLSearchParams({tab, claim})}).then((response) => response.status)
          return [await keep("battle-0000000000000000"), await keep("battle-0000000000000001"),
            await keep("../etc")]
        }""",
        claim,
    )
    assert statuses == [204, 404, 400]
    other = visit().page
    other.context.add_cookies([{**cookie, "value": f"{battle_id}.{'x' * 43}"}])
    tab = cookie["name"].removeprefix("rostra-round-battle-")
    other.evaluate("(tab) => { sessionStorage['rostra-tab'] = tab }", tab)
    other.reload()
    expect(other.get_by_text("Try one of these")).to_be_visible()
    page.keyboard.press("2")
    expect(page.get_by_role("button", name="Next pair")).to_be_focused()


def test_two_tabs_of_one_round_vote_once(visit, arena):
    first = visit().page
    with first.expect_response("**/round/keep"):
        ask(first, "hello")
    expect(first.get_by_role("button", name="A is better")).to_be_enabled()
    tab = first.evaluate("sessionStorage['rostra-tab']")
    second = first.context.new_page()
    second.goto(arena.url)
    second.evaluate("(tab) => { sessionStorage['rostra-tab'] = tab }", tab)
    second.reload()
    expect(second.get_by_role("button", name="B is better")).to_be_enabled()
    before = arena.store.counts()
    first.keyboard.press("1")
    expect(first.get_by_role("button", name="Next pair")).to_be_focused()
    second.keyboard.press("4")
    expect(second.get_by_text("your first vote stands").first).to_be_visible()
    expect(second.get_by_role("button", name="A is better")).to_have_attribute(
        "aria-pressed", "true"
    )
    after = arena.store.counts()
    assert after.votes == before.votes + 1
    assert after.outcomes["a"] == before.outcomes["a"] + 1
