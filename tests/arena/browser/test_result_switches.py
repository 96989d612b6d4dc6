"""What can be switched on the pages of ratings: level, style control, light and dark."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from rated_board import at_equal_style, by_level

from rostra.arena.ratings.plots.theme import DARK, LIGHT
from rostra.arena.ratings.posterior import Posterior

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

PAINTED = """card => {
  const canvas = (root) => {
    for (const node of root.querySelectorAll("*")) {
      const found = node.matches("canvas") ? node : node.shadowRoot && canvas(node.shadowRoot)
      if (found) return found
    }
    return null
  }
  const found = canvas(card)
  if (!found?.width) return ""
  const [r, g, b] = found.getContext("2d").getImageData(2, 2, 1, 1).data
  return "#" + [r, g, b].map((part) => part.toString(16).padStart(2, "0")).join("")
}"""
"""Colour of the ground of a figure."""


@pytest.fixture(params=["categories", "drift"])
def results(arena, contestants, request) -> Iterator[Posterior]:
    """The newest has levels, the one before is at equal style, where the order is the opposite."""
    names = tuple(sorted((contestants.a.name, contestants.b.name)))
    at_equal_style(names).save(arena.settings.ratings_dir)
    posterior = by_level(names, request.param)
    posterior.save(arena.settings.ratings_dir)
    yield posterior
    shutil.rmtree(arena.settings.ratings_dir)


def order(page: Page) -> list[str]:
    return page.locator("tbody tr[data-name]").evaluate_all("rows => rows.map(r => r.dataset.name)")


def ground_is(page: Page, name: str, color: str) -> None:
    page.wait_for_function(
        f"([card, wanted]) => ({PAINTED})(card) === wanted",
        arg=[page.locator(f"[data-plot={name}]").element_handle(), color],
        timeout=90_000,
    )


def test_the_leaderboard_shows_the_level_and_the_style_that_are_chosen(visit, results) -> None:
    seen = visit("/leaderboard")
    page = seen.page
    level = page.get_by_label(results.spec.factor.capitalize())
    expect(level).to_be_visible(timeout=60_000)
    whole = [row.contestant for row in results.rows]
    assert order(page) == whole

    at = results.at(results.levels[-1])
    level.select_option(results.levels[-1])
    best = page.locator(f"tr[data-name='{at.rows[0].contestant}'] .bar")
    expect(best).to_have_attribute("aria-label", re.compile(f"^{at.rows[0].rating:.0f} points;"))
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    taken = list(csv.DictReader(io.StringIO(download.value.path().read_text(encoding="utf-8"))))
    assert [float(row["rating"]) for row in taken] == pytest.approx(
        [row.rating for row in at.rows], abs=0.01
    )

    level.select_option("")
    page.get_by_label("Style").select_option("1")
    expect(page.locator("tbody tr[data-name]").first).to_have_attribute("data-name", whole[-1])
    assert order(page) == whole[::-1]
    assert seen.errors == []


def test_figures_follow_the_level_the_style_and_the_theme(visit, results) -> None:
    seen = visit("/analyst")
    page = seen.page
    card = page.locator("[data-plot=ratings]")
    expect(card).to_contain_text(f"leads with {results.rows[0].rating:.0f}", timeout=90_000)
    ground_is(page, "ratings", LIGHT.surface)

    at = results.at(results.levels[-1])
    page.get_by_label(results.spec.factor.capitalize()).select_option(results.levels[-1])
    expect(card).to_contain_text(
        f"{at.rows[0].contestant} leads with {at.rows[0].rating:.0f}", timeout=60_000
    )

    page.get_by_role("button", name="Toggle theme").click()
    ground_is(page, "ratings", DARK.surface)
    ground_is(page, "difference", DARK.surface)

    page.get_by_label(results.spec.factor.capitalize()).select_option("")
    page.get_by_label("Style").select_option("1")
    expect(card).to_contain_text(f"{results.rows[-1].contestant} leads with", timeout=60_000)
    ground_is(page, "ratings", DARK.surface)
    page.get_by_role("button", name="Toggle theme").click()
    ground_is(page, "ratings", LIGHT.surface)
    assert seen.errors == []
