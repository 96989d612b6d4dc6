from __future__ import annotations

import urllib.error
import urllib.request

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_a_figure_is_drawn_and_downloads_as_what_it_says(visit, arena, ratings) -> None:
    seen = visit("/analyst")
    page = seen.page
    card = page.locator("[data-plot=ratings]")
    expect(card.locator("canvas").first).to_be_attached(timeout=90_000)
    expect(card.get_by_role("img")).to_have_attribute("aria-label", _label(ratings))
    beginnings = {"PNG": b"\x89PNG", "SVG": b"<svg", "CSV": b"contestant,rating"}
    for kind, beginning in beginnings.items():
        with page.expect_download() as download:
            card.get_by_role("button", name=kind).focus()
            page.keyboard.press("Enter")
        assert download.value.suggested_filename == f"ratings.{kind.lower()}"
        assert beginning in download.value.path().read_bytes()[:200]
    local = (arena.url, "blob:", "data:")
    assert [url for url in seen.outside if not url.startswith(local)] == []
    assert seen.errors == []


def _label(ratings) -> str:
    from rostra.arena.ratings.plots.intervals import intervals

    plot = intervals(ratings)
    return f"{plot.title}. {plot.text}"


def test_the_difference_follows_the_controls(visit, ratings) -> None:
    page = visit("/analyst").page
    card = page.locator("[data-plot=difference]")
    first, second = (row.contestant for row in ratings.rows)
    expect(card.get_by_role("heading")).to_have_text(f"{first} against {second}", timeout=90_000)
    page.get_by_label("equal within").fill("25")
    page.get_by_label("equal within").press("Tab")
    expect(card).to_contain_text("by more than 25 points", timeout=60_000)


@pytest.mark.parametrize(
    ("question", "line"),
    [
        ("plot?name=nothing", "no figure 'nothing'"),
        ("plot?name=difference&rope=wide", "rope 'wide' is not a number"),
        ("contestant?name=yak", "'yak' is not a contestant"),
        ("table?level=poetry", "no strengths at level 'poetry'"),
        ("everything", "no 'everything' here"),
    ],
)
def test_a_question_without_an_answer_is_refused_in_one_line(
    arena, ratings, question: str, line: str
) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{arena.url}/results/{question}", timeout=60)
    text = refused.value.read().decode()
    assert refused.value.code == 400
    assert line in text
    assert text.count("\n") == 1
