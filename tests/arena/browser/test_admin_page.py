"""The admin page in a real browser: counts, pauses, campaigns, by keyboard and for everybody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_core import violations
from playwright.sync_api import Browser, Page, expect
from running_arena import configured
from vote_rounds import PAIR, voted

from rostra.arena.access.passwords import hash_password
from rostra.arena.votes.store import VoteStore

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

PASSWORD = "correct horse battery"
CONFIG = """
[arena]
port = 0
gateway_url = "{gateway}"
votes_url = "{votes}"

[arena.refresh]
interval = 0

[[arena.access.password]]
name = "operators"
hash = "{hash}"
admin = true

[[contestant]]
name = "ariel"
model = "ariel"

[[contestant]]
name = "puck"
model = "puck"

[[contestant]]
name = "oberon"
model = "oberon"
"""


@pytest.fixture(scope="module")
def url(gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("admin")
    votes = f"sqlite:///{folder / 'votes.sqlite3'}"
    store = VoteStore(votes)
    for outcome in ("a", "b", "tie"):
        voted(store, outcome)
    store.open_battle(PAIR, "unanswered", "mara")
    store.refuse_prompt("mara", "list slurs")
    store.close()
    config = folder / "rostra.toml"
    config.write_text(CONFIG.format(gateway=gateway.url, votes=votes, hash=hash_password(PASSWORD)))
    with configured(config) as url:
        yield url


def admin_page(chromium: Browser, url: str, **options: object) -> Page:
    context = chromium.new_context(**options)
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto(url + "/admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("table", name="Counts of this moment")).to_be_visible()
    return page


def test_pauses_and_campaigns_by_keyboard(chromium: Browser, url: str):
    page = admin_page(chromium, url, viewport={"width": 1280, "height": 900})
    expect(page.get_by_role("row", name="Votes 3 3")).to_be_visible()
    pause = page.get_by_role("row", name="puck").get_by_role("button", name="Pause in default")
    pause.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("puck is paused in default.")
    resume = page.get_by_role("button", name="Resume in default")
    expect(resume).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("puck is in battles in default.")
    changes = page.get_by_role("table", name="Changes, the newest first")
    expect(changes.get_by_role("row", name="operators resume default/puck")).to_be_visible()

    page.get_by_role("button", name="New campaign").press("Enter")
    name = page.get_by_label("Name", exact=True)
    expect(name).to_be_focused()
    page.keyboard.type("Spring!")
    page.get_by_label("Votes wanted").fill("many")
    page.get_by_label("Title").press("Enter")
    expect(name).to_have_attribute("aria-invalid", "true")
    expect(name).to_be_focused()
    expect(page.get_by_label("Votes wanted")).to_have_accessible_description(
        "Input should be a valid integer, unable to parse string as an integer"
    )
    name.fill("spring")
    page.get_by_label("Votes wanted").fill("20")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("status")).to_have_text("The campaign spring is there.")
    page.get_by_role("button", name="Edit spring").click()
    expect(page.get_by_label("Votes wanted")).to_have_value("20")
    page.get_by_role("button", name="Close now").click()
    expect(page.get_by_role("status")).to_have_text("The campaign spring is closed.")
    expect(page.get_by_role("row", name="spring").get_by_text("closed")).to_be_visible()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Edit spring").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("button", name="Edit spring")).to_have_count(0)
    page.get_by_label("Form").select_option("csv")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "votes.csv"
    assert Path(download.value.path()).read_text().count("\n") == 4
    page.context.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_the_page_can_be_read_by_everybody(
    chromium: Browser, url: str, axe: str, scheme: str, width: int
):
    page = admin_page(chromium, url, color_scheme=scheme, viewport={"width": width, "height": 900})
    expect(page.locator("[aria-busy=true]")).to_have_count(0)
    page.get_by_role("button", name="New campaign").click()
    page.get_by_label("Name", exact=True).fill("No!")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(page, axe) == "[]"
    page.context.close()


def test_whoever_is_logged_out_elsewhere_is_told(chromium: Browser, url: str):
    page = admin_page(chromium, url)
    page.context.clear_cookies()
    page.get_by_label("Votes of").select_option("30")
    expect(page.get_by_text("log in again")).to_be_visible()
    page.context.close()
