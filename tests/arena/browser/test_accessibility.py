"""No page breaks a rule that axe-core calls serious or critical, light or dark."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from axe_core import violations
from playwright.sync_api import Page, expect
from rated_board import asked, by_level

from rostra.arena.ratings.plots.report import write_report

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def every_figure(page: Page) -> None:
    page.set_viewport_size({"width": 1280, "height": 12_000})
    expect(page.locator("[data-plot=chain-ranks] canvas").first).to_be_attached(timeout=90_000)
    expect(page.locator("[aria-busy=true]:visible")).to_have_count(0, timeout=90_000)


def opened_line(page: Page) -> None:
    page.get_by_role("rowheader").get_by_role("button").first.click()
    expect(page.get_by_role("region", name="Record by opponent")).to_be_visible()


def heading(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=30_000)


def ready(page: Page) -> None:
    expect(page.get_by_label("Your question")).to_be_focused()


def asking(question: str) -> Callable[[Page], None]:
    def ask(page: Page) -> None:
        ready(page)
        page.get_by_label("Your question").fill(question)
        page.keyboard.press("Enter")
        expect(page.get_by_role("article").first).to_be_visible()

    return ask


def answering(page: Page) -> None:
    asking("hold the second half")(page)
    expect(page.get_by_role("article").locator("strong")).to_have_count(2)


def failed(page: Page) -> None:
    asking("please fail")(page)
    expect(page.get_by_role("button", name="Try again")).to_be_focused()


def voted(page: Page) -> None:
    asking("hello")(page)
    expect(page.get_by_role("button", name="A is better")).to_be_enabled()
    page.keyboard.press("1")
    page.get_by_text("Say why, if you like").click()
    page.get_by_text("Settings", exact=True).click()
    expect(page.get_by_label("Comment")).to_be_visible()


def answered(page: Page) -> None:
    asking("hello")(page)
    expect(page.get_by_role("button", name="Regenerate")).to_be_visible()


PAGES: dict[str, tuple[str, Callable[[Page], None]]] = {
    "leaderboard": ("/leaderboard", opened_line),
    "analyst": ("/analyst", every_figure),
    "how": ("/how", heading),
    "battle": ("/", ready),
    "battle while answers come": ("/", answering),
    "battle that failed": ("/", failed),
    "battle after the vote": ("/", voted),
    "side by side": ("/side-by-side", voted),
    "chat": ("/chat", answered),
}
"""Path, and what has to be there before the page is looked at."""


@pytest.mark.parametrize("name", PAGES)
def test_a_page_breaks_no_serious_rule(visit, gateway, ratings, axe, name: str) -> None:
    path, there = PAGES[name]
    page = visit(path, color_scheme="light").page
    there(page)
    for scheme in ("light", "dark"):
        if scheme == "dark":
            page.get_by_role("button", name="Toggle theme").click()
        expect(page.locator("html")).to_have_attribute("data-theme", scheme)
        assert violations(page, axe) == "[]", scheme
    gateway.release()


def test_the_report_breaks_no_serious_rule(chromium, tmp_path, axe) -> None:
    posterior = by_level(("ash", "elm", "oak"), "categories")
    question = asked(posterior)
    path = write_report(
        posterior, tmp_path / "report.html", prices=question.prices, earlier=question.earlier
    )
    for scheme in ("light", "dark"):
        page = chromium.new_page(color_scheme=scheme)
        try:
            page.goto(path.as_uri())
            page.wait_for_selector("html[data-drawn]", state="attached")
            assert violations(page, axe) == "[]", scheme
        finally:
            page.close()
