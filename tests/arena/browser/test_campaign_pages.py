"""Two campaigns side by side: their looks, what they ask of a voter, and who comes in."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_core import violations
from playwright.sync_api import Browser, Locator, Page, expect
from running_arena import running
from sqlalchemy import create_engine, text

from rostra.arena.campaigns import stored
from rostra.arena.campaigns.settings import CampaignSettings
from rostra.arena.refresh.settings import RefreshSettings
from rostra.arena.settings import ArenaSettings
from rostra.arena.votes.store import VoteStore

pytestmark = pytest.mark.browser

LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/><script>x</script></svg>'
)
CONSENT = "Questions are **kept** <img src=x onerror='window.harmed=1'>."
SPRING = {
    "name": "spring",
    "title": "Spring trial",
    "accent": {"light": "#7a3b8f", "dark": "#d9a0ea"},
    "texts": {"en": {"battle": {"title": "Which would you send?"}}},
    "consent": CONSENT,
    "modes": ["battle", "direct"],
    "suggested_prompts": ["One?", "Two?", "Three?"],
    "target": 3,
}
SMALL = {**SPRING, "name": "small", "title": "Small", "target": 1}
OTHERS = [
    {"name": "later", "opens": "2126-01-01T09:00:00+01:00"},
    {"name": "talk", "modes": ["direct"]},
    {"name": "staff", "audience": ["staff"]},
]


class Site:
    """An arena with several campaigns, and browsers that visit it."""

    def __init__(self, url: str, settings: ArenaSettings, store: VoteStore) -> None:
        self.url = url
        self.settings = settings
        self.store = store

    def battles(self) -> list[tuple]:
        engine = create_engine(self.settings.votes_url)
        with engine.connect() as connection:
            rows = connection.execute(
                text("SELECT campaign, mode, consent_sha256 FROM battles ORDER BY created_at")
            )
            return [tuple(row) for row in rows]


@pytest.fixture(scope="module")
def site(gateway, contestants, tmp_path_factory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("campaigns")
    (folder / "logo.svg").write_text(LOGO)
    settings = ArenaSettings(
        port=0,
        gateway_url=gateway.url,
        votes_url=f"sqlite:///{folder / 'votes.sqlite3'}",
        ratings_dir=folder / "ratings",
        contestants=(contestants.a, contestants.b),
        campaigns=[{**SPRING, "logo": folder / "logo.svg"}, SMALL, *OTHERS],
        refresh=RefreshSettings(interval=0),
    )
    with running(settings) as url:
        store = VoteStore(settings.votes_url)
        yield Site(url, settings, store)
        store.close()


@pytest.fixture
def browse(chromium: Browser, site: Site) -> Iterator[Callable[..., Page]]:
    contexts = []

    def go(path: str, **options: object) -> Page:
        context = chromium.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(60_000)
        page = context.new_page()
        page.goto(site.url + path)
        return page

    yield go
    for context in contexts:
        context.close()


def ask(page: Page, question: str) -> None:
    page.get_by_label("Your question").fill(question)
    page.keyboard.press("Enter")


def seen(page: Page, text: str) -> Locator:
    return page.get_by_text(text).locator("visible=true")


def colour_of(page: Page, name: str) -> str:
    button = page.get_by_role("button", name=name, exact=True)
    return button.evaluate("node => getComputedStyle(node).backgroundColor")


def test_a_campaign_looks_its_own_and_asks_for_consent_before_the_first_question(
    browse, site: Site, axe
) -> None:
    page = browse("/c/spring")
    agree = page.get_by_role("button", name="I agree")
    agree.wait_for()
    expect(page.get_by_label("Your question")).to_be_hidden()
    expect(page.get_by_role("button", name="A is better")).to_be_hidden()
    expect(page.get_by_role("region", name="Before your first question")).to_contain_text("<img")
    assert page.title() == "Battle · Spring trial"
    links = page.get_by_role("navigation", name="Pages").get_by_role("link")
    assert [link.get_attribute("href") for link in links.all()] == [
        *("/c/spring", "/c/spring", "/c/spring/chat", "/c/spring/leaderboard"),
        *("/c/spring/analyst", "/c/spring/how", "/campaigns"),
    ]
    picture = links.first.locator("img")
    assert picture.evaluate("node => node.complete")
    assert colour_of(page, "I agree") == "rgb(122, 59, 143)"
    assert violations(page, axe) == "[]"

    agree.click()
    expect(page.get_by_role("heading", name="Which would you send?")).to_be_visible()
    expect(page.get_by_role("button", name="Two?")).to_be_visible()
    expect(seen(page, "0 of 3 votes")).to_be_visible()
    ask(page, "hello")
    vote = page.get_by_role("button", name="A is better")
    expect(vote).to_be_enabled()
    expect(seen(page, "of 3 votes")).to_have_count(0)
    vote.click()
    expect(seen(page, "1 of 3 votes")).to_be_visible()
    digest = hashlib.sha256(CONSENT.encode())
    assert site.battles()[-1] == ("spring", "battle", digest.digest())
    assert page.evaluate("window.harmed") is None

    # Kept for this campaign, and for its other pages.
    page.goto(f"{site.url}/c/spring/chat")
    expect(page.get_by_label("Your question")).to_be_visible()
    kept = {cookie["name"]: cookie for cookie in page.context.cookies()}["rostra-consent"]
    assert (kept["value"], kept["path"]) == (digest.hexdigest(), "/c/spring")
    # The round of one campaign is not taken up by another in the same tab.
    page.goto(site.url)
    expect(page.get_by_role("heading", name="Two answers, one question")).to_be_visible()
    expect(page.get_by_role("article")).to_have_count(0)
    assert colour_of(page, "Send") == "rgb(0, 114, 178)"


def test_at_its_target_a_campaign_closes_and_open_rounds_still_count(
    browse, site: Site, gateway
) -> None:
    first, second = browse("/c/small", color_scheme="dark"), browse("/c/small")
    for page in (first, second):
        page.get_by_role("button", name="I agree").click()
        ask(page, "hello")
        expect(page.get_by_role("button", name="A is better")).to_be_enabled()
    assert colour_of(first, "Send") == "rgb(217, 160, 234)"
    first.get_by_role("button", name="A is better").click()
    expect(seen(first, "votes that were wanted have been cast")).to_be_visible()
    expect(first.get_by_label("Your question")).to_be_hidden()
    first.get_by_role("button", name="Next pair").click()
    expect(first.get_by_role("heading", name="This campaign is closed")).to_be_visible()

    ask(second, "and then?")
    expect(second.get_by_text("takes no more questions. A vote").first).to_be_visible()
    expect(second.get_by_label("Your question")).to_be_hidden()
    second.reload()
    expect(second.get_by_role("article")).to_have_count(2)
    before = site.store.counts().votes
    second.get_by_role("button", name="B is better").click()
    expect(second.get_by_text("The vote is stored").first).to_be_visible()
    assert site.store.counts().votes == before + 1
    second.goto(f"{site.url}/c/small/leaderboard")
    expect(second.get_by_role("heading", name="Leaderboard")).to_be_visible()


def test_who_may_not_see_a_campaign_is_told_with_the_right_status(browse, site: Site) -> None:
    page = browse("/c/nobody")
    for path, status, line in (
        ("/c/nobody", 404, "no campaign at this address"),
        ("/c/nobody/chat", 404, "no campaign at this address"),
        ("/c/spring/side-by-side", 404, "does not have this page"),
        ("/c/staff", 403, "is for others"),
        ("/c/staff/leaderboard", 403, "is for others"),
    ):
        answer = page.goto(site.url + path)
        assert answer.status == status
        expect(page.get_by_text(line)).to_be_visible()
    for path in ("/c/staff/logo", "/c/staff/results/table", "/c/nobody/results/table"):
        assert page.request.get(site.url + path).status == 404
    page.get_by_role("link", name="Campaigns").click()
    expect(page.get_by_role("heading", name="Campaigns")).to_be_visible()
    shown = page.get_by_role("heading", level=2)
    expect(shown).to_have_text(["Rostra", "Spring trial", "Small", "later", "talk"])
    expect(page.get_by_text("opens on 2126-01-01, 09:00 (UTC+01:00)")).to_be_visible()
    for path, there in (("/c/talk", "/c/talk/chat"), ("/c/default/how", "/how")):
        page.goto(site.url + path)
        assert page.url == site.url + there
    logo = page.request.get(f"{site.url}/c/spring/logo")
    assert logo.headers["content-type"] == "image/svg+xml"
    assert "sandbox" in logo.headers["content-security-policy"]


def test_before_it_opens_a_campaign_says_when(browse, axe) -> None:
    page = browse("/c/later", viewport={"width": 360, "height": 700})
    expect(page.get_by_text("opens on 2126-01-01, 09:00 (UTC+01:00)")).to_be_visible()
    expect(page.get_by_label("Your question")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert violations(page, axe) == "[]"


def test_campaigns_of_the_store_come_and_change_while_the_arena_runs(
    browse, site: Site, contestants
) -> None:
    autumn = CampaignSettings(name="autumn", title="Autumn", consent="First text.")
    with site.store.changing() as session:
        stored.create(session, "ada", autumn)
    page = browse("/campaigns")

    until(lambda: "· Autumn<" in page.request.get(f"{site.url}/c/autumn").text())
    page.goto(f"{site.url}/c/autumn")
    page.get_by_role("button", name="I agree").click()
    expect(page.get_by_label("Your question")).to_be_visible()
    again = autumn.model_copy(update={"title": "November", "consent": "Second text."})
    with site.store.changing() as session:
        stored.change(session, "ada", again, 1)
        stored.pause(session, "ada", "autumn", contestants.a.name)

    until(lambda: "· November<" in page.request.get(f"{site.url}/c/autumn").text())
    page.reload()
    expect(page.get_by_text("Second text.")).to_be_visible()
    page.get_by_role("button", name="I agree").click()
    ask(page, "hello")
    expect(page.get_by_text("No pair can be drawn just now").first).to_be_visible()
    expect(page.get_by_label("Your question")).to_have_value("hello")
    page.goto(f"{site.url}/c/autumn/chat")
    expect(page.get_by_label("Contestant").locator("option")).to_have_text([contestants.b.label])


def test_a_question_in_the_instant_of_asking_again_is_sent_when_the_answers_have_ended(
    browse, site: Site
) -> None:
    page = browse("/")
    ask(page, "first")
    expect(page.get_by_role("button", name="A is better")).to_be_enabled()
    line = page.get_by_label("Your question")
    line.fill("second")
    regenerate = page.get_by_role("button", name="Regenerate").element_handle()
    line.evaluate(
        """(line, button) => {
          button.click()
          line.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", cancelable: true }))
        }""",
        regenerate,
    )
    expect(page.get_by_role("article")).to_have_count(4)
    expect(page.locator(".question .text")).to_have_text(["first", "second"])
    expect(line).to_have_value("")
    expect(page.get_by_role("button", name="A is better")).to_be_enabled()


def until(done: Callable[[], bool]) -> None:
    for _ in range(200):
        if done():
            return
        time.sleep(0.1)
    raise AssertionError("not within 200 looks")
