"""The login in a real browser, of an arena as its configuration file sets it up, and the sum that a
browser does before it may ask."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_core import violations
from playwright.sync_api import Browser, Page, expect
from running_arena import configured

from rostra.arena.access.passwords import hash_password
from rostra.arena.access.proof import leading_zeros

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

PASSWORD = "correct horse battery"
PAGES = Path(__file__).parents[3] / "arena" / "pages"
CONFIG = """
[gateway]

[arena]
port = 0
gateway_url = "{gateway}"

[arena.refresh]
interval = 0

[arena.access.proof_of_work]
bits = 12
questions = 2

[[arena.access.password]]
name = "staff"
hash = "{hash}"
groups = ["staff"]
analyst = true

[[contestant]]
name = "ariel"
model = "ariel"

[[contestant]]
name = "puck"
model = "puck"
"""


@pytest.fixture(scope="module")
def url(gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("guarded")
    config = folder / "rostra.toml"
    config.write_text(CONFIG.format(gateway=gateway.url, hash=hash_password(PASSWORD)))
    with configured(config) as url:
        yield url


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context()
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()


def test_a_login_by_keyboard_leads_to_the_guarded_page(page: Page, url: str):
    outside: list[str] = []
    page.on("request", lambda request: outside.append(request.url))
    page.goto(url + "/how")
    page.get_by_role("link", name="Analyst").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    page.get_by_label("Password").fill("not the password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("That is not the password")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Password")).to_be_focused()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Analyst")).to_be_visible()
    assert page.url == url + "/analyst"
    assert "rostra-login" not in page.evaluate("document.cookie")
    page.get_by_role("link", name="Account").click()
    expect(page.get_by_text("You are logged in as staff.")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    page.goto(url + "/analyst")
    expect(page.get_by_label("Password")).to_be_visible()
    assert all(address.startswith((url, "data:", "blob:")) for address in outside)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_can_be_read_by_everybody(
    chromium: Browser, url: str, axe: str, scheme: str, width: int
):
    context = chromium.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 800}, locale="de-DE"
    )
    page = context.new_page()
    page.goto(url + "/login?next=/analyst")
    page.get_by_label("Passwort").fill("falsch")
    page.get_by_role("button", name="Anmelden").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "de"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(page, axe) == "[]"
    context.close()


def test_a_question_goes_off_when_the_browser_has_done_its_sum(page: Page, url: str):
    page.goto(url + "/")
    for number in range(3):
        question = page.get_by_label("Your question")
        expect(question).to_be_editable()
        question.fill(f"question {number}")
        question.press("Enter")
        expect(page.get_by_text("The second half.").nth(2 * number + 1)).to_be_visible()
    expect(page.get_by_text("question 2", exact=True)).to_be_visible()


def test_the_sum_is_right_and_leaves_the_page_free(page: Page, url: str):
    page.goto(url + "/login")
    challenge = "17.1000.abc." + "d" * 64
    # A bare page: the login page lets no worker in.
    page.goto("about:blank")
    script = (PAGES / "prover.js").read_text(encoding="utf-8")
    solution, ticks = page.evaluate(
        """async ([script, challenge]) => {
          const prove = new Function(`${script}; return prove`)()
          let ticks = 0
          const timer = setInterval(() => { ticks += 1 }, 5)
          const solution = await prove(challenge)
          clearInterval(timer)
          return [solution, ticks]
        }""",
        [script, challenge],
    )
    assert re.fullmatch(r"\d+", solution)
    assert leading_zeros(f"{challenge}:{solution}") >= 17
    assert ticks > 0
