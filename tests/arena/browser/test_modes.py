"""Pairs and contestants of the voter's choice, and what every mode shares."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def ask(page, question):
    page.get_by_label("Your question").fill(question)
    page.keyboard.press("Enter")


def test_a_named_pair_is_voted_on_apart_and_reasons_are_given_once(visit, arena, contestants):
    page = visit("/side-by-side").page
    before = arena.store.counts()
    page.get_by_label("Contestant A").select_option(contestants.b.name)
    page.get_by_label("Contestant B").select_option(contestants.b.name)
    ask(page, "who is who?")
    expect(page.get_by_text("Choose two different contestants.").first).to_be_visible()
    expect(page.get_by_label("Your question")).to_have_value("who is who?")

    page.get_by_label("Contestant B").select_option(contestants.a.name)
    page.get_by_role("button", name="Send", exact=True).click()
    titles = page.locator("article header h2")
    expect(titles).to_have_text([contestants.b.label, contestants.a.label])
    expect(page.get_by_role("button", name="B is better")).to_be_enabled()
    page.keyboard.press("4")
    # In the dock, which no length of answers pushes off the page; and read out.
    for where in (".dock .status", "p.hidden[role=status]"):
        expect(page.locator(where)).to_contain_text("kept apart from the ratings")
    after = arena.store.counts()
    assert after.outcomes["b"] == before.outcomes["b"] + 1
    assert arena.store.number_of_comparisons() == len(arena.store.comparisons())

    page.get_by_text("Say why, if you like").click()
    send = page.get_by_role("button", name="Send reasons")
    expect(send).to_be_disabled()
    page.get_by_label("Helpful").check()
    page.get_by_label("Comment").fill("It said more.")
    send.click()
    expect(page.get_by_text("your reasons are stored")).to_be_visible()
    expect(send).to_be_hidden()
    page.get_by_text("Settings", exact=True).click()
    expect(page.get_by_text("Speak as the tempest would.")).to_be_visible()


def test_a_chat_has_one_answer_and_no_vote(visit, arena, contestants):
    page = visit("/chat").page
    votes = arena.store.counts().votes
    ask(page, "hello")
    article = page.get_by_role("article")
    expect(article).to_have_count(1)
    expect(article.locator("h2")).to_have_text(contestants.a.label)
    expect(page.get_by_role("button", name="Regenerate")).to_be_visible()
    expect(page.get_by_role("group", name="Your vote")).to_have_count(0)
    page.get_by_role("button", name="Regenerate").click()
    expect(page.get_by_text("The answer is being written").first).to_be_attached()
    expect(page.get_by_role("button", name="Regenerate")).to_be_visible()
    ask(page, "and now?")
    expect(article).to_have_count(2)
    expect(article.last).to_contain_text("The second half.")
    page.keyboard.press("1")
    page.get_by_role("button", name="New chat").click()
    expect(page.get_by_text("Try one of these")).to_be_visible()
    assert arena.store.counts().votes == votes


def test_a_random_question_is_offered_and_not_sent(visit, arena):
    page = visit().page
    battles = arena.store.counts().battles
    page.get_by_role("button", name="Random question").click()
    expect(page.get_by_label("Your question")).to_have_value(re.compile(r"\w{3}"))
    expect(page.get_by_label("Your question")).to_be_focused()
    assert arena.store.counts().battles == battles


def test_the_page_speaks_the_browsers_language_and_then_the_voters(visit):
    page = visit(locale="ko-KR").page
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text("질문 하나, 답변 둘, 이름은 비공개")
    assert page.evaluate("document.documentElement.lang") == "ko"
    page.get_by_label("언어").select_option("de")
    expect(heading).to_have_text("Zwei Antworten, eine Frage, keine Namen")
    assert page.evaluate("document.documentElement.lang") == "de"
    page.get_by_role("link", name="So geht es").click()
    expect(heading).to_have_text("So geht es")
