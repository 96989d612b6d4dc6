from __future__ import annotations

import urllib.request

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

DARK = {"color_scheme": "dark"}


def background(page) -> str:
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_leaderboard_without_ratings_says_how_to_get_them(visit, arena):
    page = visit("/leaderboard").page
    expect(page.get_by_text("There are no ratings yet.")).to_be_visible()
    expect(page.get_by_text("rostra rate")).to_be_visible()


def test_leaderboard_picks_up_new_ratings_and_draws_intervals(visit, arena, ratings, contestants):
    seen = visit("/leaderboard")
    page = seen.page
    expect(page.get_by_text("2 votes, computed on")).to_be_visible()
    expect(page.get_by_text(ratings.diagnostics.sentence)).to_be_visible()
    rows = page.get_by_role("row").filter(has=page.get_by_role("rowheader"))
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text(contestants.a.label)
    best = ratings.table()[0]
    for row in rows.all():
        thin, thick, dot = (
            row.locator(f".bar .{part}").bounding_box() for part in ("thin", "thick", "dot")
        )
        assert thin["x"] < thick["x"]
        assert thick["x"] + thick["width"] < thin["x"] + thin["width"]
        assert thick["x"] < dot["x"] + dot["width"] / 2 < thick["x"] + thick["width"]
        assert thick["height"] > thin["height"]
    described = rows.first.get_by_role("img").get_attribute("aria-label")
    assert described.startswith(f"{best.rating:.0f} points; 50 % between {best.eti_50[0]:.0f}")
    expect(rows.first.get_by_role("cell").first).to_have_text("1")
    assert seen.errors == []


@pytest.mark.parametrize(
    ("locale", "heading", "column", "detail", "searched"),
    [
        ("de-DE", "Rangliste", "Siegquote", "Gegen jeden der anderen", "1 von 2"),
        ("ko-KR", "순위표", "승률", "다른 참가자와의 비교", "2 중 1"),
    ],
)
def test_the_leaderboard_speaks_the_voters_language(
    visit, arena, ratings, contestants, locale, heading, column, detail, searched
):
    seen = visit("/leaderboard", locale=locale)
    page = seen.page
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    expect(page.locator("html")).to_have_attribute("lang", locale[:2])
    expect(page.get_by_role("columnheader", name=column)).to_be_visible()
    # What the ratings say of themselves is told as the English that it is.
    sentence = page.get_by_text(ratings.diagnostics.sentence)
    expect(sentence).to_have_attribute("lang", "en")
    page.locator("button.open", has_text=contestants.a.label).click()
    expect(page.get_by_role("heading", name=detail)).to_be_visible()
    page.get_by_role("searchbox").fill(contestants.a.label)
    expect(page.get_by_text(searched, exact=True)).to_be_visible()
    assert seen.errors == []


def test_theme_follows_the_system_and_then_the_choice(visit):
    page = visit("/how", **DARK).page
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert background(page) == "rgb(18, 20, 23)"
    page.get_by_role("button", name="Toggle theme").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.get_by_role("link", name="Battle").click()
    expect(page.get_by_text("Try one of these")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")


def test_how_it_works_speaks_of_votes_ratings_and_privacy(visit):
    page = visit("/how").page
    for heading in ("How it works", "Voting", "Ratings", "Privacy"):
        expect(page.get_by_role("heading", name=heading)).to_be_visible()


def test_nothing_is_loaded_from_elsewhere(visit, arena):
    for path in ("/", "/leaderboard", "/how"):
        seen = visit(path)
        local = (arena.url, "blob:", "data:")
        assert [url for url in seen.outside if not url.startswith(local)] == []
        assert seen.errors == []


def test_health_answers(arena):
    with urllib.request.urlopen(f"{arena.url}/health", timeout=30) as response:
        assert (response.status, response.read()) == (200, b"ok\n")


def test_links_that_do_not_fit_stand_in_a_menu(visit):
    page = visit("/leaderboard", viewport={"width": 480, "height": 700}).page
    header = page.get_by_role("banner")
    others, more = header.get_by_role("link", name="How it works"), header.get_by_text("More")
    # The page's own is the last to go.
    expect(header.get_by_role("link", name="Leaderboard")).to_be_visible()
    expect(others).to_be_hidden()
    # Not before: links that are still to go make it higher.
    height = header.bounding_box()["height"]
    more.focus()
    page.keyboard.press("Enter")
    expect(others).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(others).to_be_hidden()
    expect(more).to_be_focused()
    assert page.evaluate("document.documentElement.scrollWidth") <= 480
    page.set_viewport_size({"width": 1280, "height": 700})
    expect(more).to_be_hidden()
    expect(others).to_be_visible()
    names = header.get_by_role("listitem").all_inner_texts()
    assert names == ["Battle", "Side by side", "Chat", "Leaderboard", "Analyst", "How it works"]
    assert header.bounding_box()["height"] == height
