from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing

import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import make_url

pytestmark = pytest.mark.browser

NEVER_BEFORE_THE_VOTE = re.compile(
    r"ariel|puck|mischief|goodfellow|tempest|temperature|314159", re.IGNORECASE
)
PHONE = {"viewport": {"width": 390, "height": 844}}


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def ask(page: Page, question: str) -> None:
    page.get_by_label("Your question").fill(question)
    page.keyboard.press("Enter")


def vote_button(page: Page, name: str = "A is better") -> Locator:
    return page.get_by_role("button", name=name)


def answer(page: Page, letter: str) -> Locator:
    return page.get_by_role("article", name=f"Answer {letter}")


def everything_shown(page: Page) -> str:
    """HTML of the page with that of every shadow root in it."""
    return page.evaluate(
        """() => {
          const read = (root) => root.innerHTML + [...root.querySelectorAll("*")]
            .map((node) => node.shadowRoot ? read(node.shadowRoot) : "").join("")
          return document.documentElement.outerHTML + read(document)
        }"""
    )


def test_a_round_from_the_question_to_the_names(visit, arena, gateway, contestants):
    seen = visit()
    page = seen.page
    before = arena.store.counts()
    expect(page.get_by_label("Your question")).to_be_focused()
    ask(page, "hold the second half")
    for letter in "AB":
        expect(answer(page, letter).locator("strong")).to_have_text("first")
        expect(answer(page, letter)).not_to_contain_text("second half")
    expect(
        page.get_by_text(re.compile(r"Both answers are being written, \d+ s")).first
    ).to_be_visible()
    expect(vote_button(page)).to_be_disabled()
    page.keyboard.press("ArrowLeft")
    assert arena.store.counts().battles == before.battles + 1

    gateway.release()
    for letter in "AB":
        expect(answer(page, letter)).to_contain_text("The second half.")
    expect(vote_button(page)).to_be_enabled()
    assert arena.store.counts().votes == before.votes
    assert seen.frames
    for text in (page.title(), everything_shown(page), *seen.frames):
        assert not NEVER_BEFORE_THE_VOTE.search(text)

    vote_button(page).dblclick()
    page.keyboard.press("4")
    expect(page.get_by_role("button", name="Next pair")).to_be_focused()
    labels = {contestants.a.label, contestants.b.label}
    assert {answer(page, letter).locator("header h2").inner_text() for letter in "AB"} == labels
    after = arena.store.counts()
    assert (after.votes, after.outcomes["a"]) == (before.votes + 1, before.outcomes["a"] + 1)
    stored = arena.store.comparisons()[-1]
    winner = contestants.a if stored.left == contestants.a.name else contestants.b
    assert answer(page, "A").locator("header h2").inner_text() == winner.label

    page.keyboard.press("Enter")
    expect(page.get_by_text("Try one of these")).to_be_visible()
    assert not NEVER_BEFORE_THE_VOTE.search(page.get_by_role("main").inner_text())
    assert seen.errors == []


def test_keys_vote_once(visit, arena):
    page = visit().page
    for key, outcome in (("1", "a"), ("2", "tie"), ("3", "both_bad"), ("ArrowRight", "b")):
        before = arena.store.counts().outcomes
        page.get_by_role("list", name="Try one of these").get_by_role("button").first.click()
        expect(vote_button(page)).to_be_enabled()
        for pressed in (key, key, "1", "4"):
            page.keyboard.press(pressed)
        expect(page.get_by_role("button", name="Next pair")).to_be_focused()
        after = arena.store.counts().outcomes
        assert {name: after[name] - before[name] for name in after} == {
            name: int(name == outcome) for name in after
        }
        page.keyboard.press("Enter")


def test_a_vote_that_could_not_be_stored_can_be_cast_again(visit, arena):
    page = visit().page
    ask(page, "hello")
    expect(vote_button(page)).to_be_enabled()
    before = arena.store.counts()
    with closing(sqlite3.connect(make_url(arena.settings.votes_url).database)) as database:
        database.execute(
            "CREATE TRIGGER broken BEFORE INSERT ON votes BEGIN SELECT RAISE(ABORT, 'broken'); END"
        )
        try:
            page.keyboard.press("1")
            expect(page.get_by_text("Something went wrong").first).to_be_visible()
        finally:
            database.execute("DROP TRIGGER broken")
    assert arena.store.counts().votes == before.votes
    page.keyboard.press("1")
    expect(page.get_by_role("button", name="Next pair")).to_be_focused()
    assert arena.store.counts().votes == before.votes + 1


def test_keys_are_text_while_a_question_is_written(visit, arena):
    page = visit().page
    ask(page, "hello")
    expect(vote_button(page)).to_be_enabled()
    votes = arena.store.counts().votes
    page.get_by_label("Your question").press_sequentially("1234")
    expect(page.get_by_label("Your question")).to_have_value("1234")
    assert arena.store.counts().votes == votes


def test_a_further_question_goes_to_both_and_stop_ends_them(visit, arena):
    page = visit().page
    ask(page, "first question")
    expect(vote_button(page)).to_be_enabled()
    ask(page, "hold on, second question")
    expect(answer(page, "A")).to_have_count(2)
    expect(answer(page, "A").last).to_contain_text("half")
    expect(answer(page, "B").last).to_contain_text("half")
    expect(vote_button(page)).to_be_disabled()
    page.get_by_role("button", name="Stop").click()
    expect(answer(page, "A").last).to_contain_text("stopped here")
    # A note is shown when its own answer is stored; the vote opens when both are.
    expect(vote_button(page)).to_be_enabled()
    expect(answer(page, "A").first).to_contain_text("The second half.")
    votes = arena.store.counts().votes
    page.keyboard.press("2")
    expect(page.get_by_role("button", name="Next pair")).to_be_focused()
    assert arena.store.counts().votes == votes + 1


def test_a_failed_answer_names_nobody_and_another_pair_can_be_asked(visit, arena):
    seen = visit()
    page = seen.page
    failed = arena.store.counts().failed_battles
    ask(page, "please fail")
    expect(page.get_by_role("button", name="Try again")).to_be_focused()
    expect(page.get_by_text(re.compile("Answer [AB] could not be completed")).first).to_be_visible()
    expect(vote_button(page)).to_be_disabled()
    for text in (everything_shown(page), *seen.frames):
        assert not NEVER_BEFORE_THE_VOTE.search(text)
    assert arena.store.counts().failed_battles == failed + 1
    page.get_by_role("button", name="Ask another pair").click()
    assert wait_until(lambda: arena.store.counts().failed_battles == failed + 2)
    expect(page.get_by_text("please fail")).to_be_visible()


def test_a_hostile_answer_does_nothing(visit, arena):
    seen = visit()
    page = seen.page
    ask(page, "be hostile")
    expect(vote_button(page)).to_be_enabled()
    expect(answer(page, "A")).to_contain_text("<script>window.harmed = 1</script>")
    assert answer(page, "A").locator("img, script, a[href^=javascript]").count() == 0
    assert page.evaluate("window.harmed") is None
    local = (arena.url, "blob:", "data:")
    assert [url for url in seen.outside if not url.startswith(local)] == []


def test_on_a_phone_answers_are_stacked_and_the_vote_bar_stays(visit):
    page = visit(**PHONE).page
    ask(page, "hello")
    expect(vote_button(page)).to_be_enabled()
    a, b = (answer(page, letter).bounding_box() for letter in "AB")
    assert b["y"] >= a["y"] + a["height"]
    assert a["width"] > 300
    bar = page.get_by_role("group", name="Your vote").bounding_box()
    assert bar["y"] + bar["height"] <= 844
    page.get_by_role("button", name="Answer B", exact=True).click()
    expect(answer(page, "B")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    ask(page, "and further?")
    expect(answer(page, "A")).to_have_count(2)
    expect(vote_button(page)).to_be_enabled()
    question = page.get_by_text("and further?").bounding_box()
    switch = page.get_by_role("group", name="Go to").bounding_box()
    assert question["y"] >= switch["y"] + switch["height"]


def test_the_vote_bar_does_not_move(visit, gateway):
    page = visit().page
    bar = page.get_by_role("group", name="Your vote")
    # The last thing that a page does when it opens.
    expect(page.get_by_label("Your question")).to_be_focused()
    places = [bar.bounding_box()]
    ask(page, "hold still")
    expect(answer(page, "A")).to_contain_text("half")
    places.append(bar.bounding_box())
    gateway.release()
    expect(vote_button(page)).to_be_enabled()
    places.append(bar.bounding_box())
    page.keyboard.press("1")
    expect(page.get_by_role("button", name="Next pair")).to_be_focused()
    places.append(bar.bounding_box())
    assert places == [places[0]] * 4
