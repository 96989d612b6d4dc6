from __future__ import annotations

import csv
import io
import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def names(page) -> list[str]:
    return page.locator("tbody tr[data-name]").evaluate_all("rows => rows.map(r => r.dataset.name)")


def test_the_table_sorts_searches_and_opens_by_keyboard(visit, ratings, contestants) -> None:
    seen = visit("/leaderboard")
    page = seen.page
    heading = page.get_by_role("button", name="Rating")
    expect(heading).to_be_visible(timeout=30_000)
    best = [row.contestant for row in ratings.rows]
    assert names(page) == best
    heading.focus()
    page.keyboard.press("Enter")
    assert names(page) == best
    page.keyboard.press("Enter")
    assert names(page) == best[::-1]
    expect(page.get_by_role("columnheader", name="Rating")).to_have_attribute(
        "aria-sort", "ascending"
    )

    page.get_by_label("Find").fill(contestants.b.label)
    expect(page.get_by_text("1 of 2", exact=True)).to_be_visible()
    expect(page.locator("tbody tr[data-name]:visible")).to_have_count(1)
    page.get_by_label("Find").fill("")

    opened = page.get_by_role("button", name=contestants.a.label)
    opened.focus()
    page.keyboard.press("Enter")
    record = page.get_by_role("region", name="Record by opponent")
    expect(record.get_by_role("row").last).to_contain_text(
        re.compile(rf"{re.escape(contestants.b.label)}\s*1\s*1\s*0\s*0"), timeout=60_000
    )
    expect(opened).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("Enter")
    expect(record).to_have_count(0)
    assert seen.errors == []


def test_the_table_can_be_taken_away(visit, ratings) -> None:
    page = visit("/leaderboard").page
    link = page.get_by_role("link", name="CSV")
    expect(link).to_be_visible(timeout=30_000)
    with page.expect_download() as download:
        link.click()
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text(encoding="utf-8"))))
    assert [row["contestant"] for row in rows] == [row.contestant for row in ratings.rows]
    assert float(rows[0]["rating"]) == pytest.approx(ratings.rows[0].rating, abs=0.01)
