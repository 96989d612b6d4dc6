"""The pictures of the arena's pages in the manual, taken of a running arena.

    python -m benchmarks.arena_pictures [--folder docs/images] [NAME ...]

An arena with two campaigns, made-up votes and ratings computed from them, and a gateway that always
gives the same answer; a real Chromium (Debian's, or the one that $ROSTRA_CHROMIUM names). NAME:
of a picture; default all.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from benchmarks import arena_process
from rostra.arena.access.passwords import hash_password
from rostra.arena.contestant import Contestant
from rostra.arena.matchmaking import Pair
from rostra.arena.settings import ArenaSettings
from rostra.arena.votes.records import EndedAnswer, Outcome
from rostra.arena.votes.store import VoteStore

MAKERS = {
    "aster": ("North", "Apache-2.0", 0.6),
    "birch": ("North", "MIT", 0.5),
    "cedar": ("South", "Apache-2.0", 0.2),
    "dahlia": ("South", "MIT", -0.4),
    "elm": ("East", "Apache-2.0", -0.9),
}
"""Who made a contestant, its licence, and its strength in logits."""
NUM_VOTES = 400
PASSWORD = "made up for the pictures"
PATIENCE = 240_000
"""Milliseconds; the ratings are computed meanwhile."""


def settings(folder: Path, gateway_url: str) -> ArenaSettings:
    whole = arena_process.settings(folder, gateway_url).model_dump(exclude_unset=True)
    return ArenaSettings.model_validate(
        {
            **whole,
            "contestants": [
                {"name": name, "model": name, "organisation": maker, "licence": licence}
                for name, (maker, licence, _) in MAKERS.items()
            ],
            "campaigns": [
                {
                    "name": "spring",
                    "title": "Spring trial",
                    "accent": {"light": "#7a3b8f", "dark": "#d9a0ea"},
                    "consent": {
                        "en": "Your questions are **kept**. Do not write who you are.",
                        "de": "Deine Fragen werden **aufbewahrt**.",
                    },
                    "target": 500,
                }
            ],
            "access": {
                "password": [{"name": "staff", "hash": hash_password(PASSWORD), "admin": True}]
            },
            "refresh": {"interval": 3600},
        }
    )


def cast_votes(store: VoteStore, contestants: tuple[Contestant, ...]) -> None:
    chance = random.Random(7)
    for _ in range(NUM_VOTES):
        a, b = chance.sample(contestants, 2)
        ticket = store.open_battle(
            Pair(a, b), "Why does it boil?", f"voter {chance.randint(1, 40)}"
        )
        for side in ("a", "b"):
            seconds = chance.uniform(2, 5)
            answer = EndedAnswer("Because.", seconds, seconds / 8, finish_reason="stop")
            store.end_answer(ticket.battle_id, 0, side, answer)
        odds = math.exp(MAKERS[a.name][2] - MAKERS[b.name][2])
        outcomes: list[Outcome] = ["a", "b", "tie", "both_bad"]
        store.vote(ticket, chance.choices(outcomes, [odds, 1 / odds, 0.5, 0.15])[0])


def ask(page: Page, question: str) -> None:
    page.get_by_label("Your question").fill(question)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="A is better")).to_be_enabled()


def battle(page: Page, url: str) -> None:
    page.goto(url)
    ask(page, "Why does water boil sooner on a mountain?")


def voted(page: Page, url: str) -> None:
    leaderboard(page, url)
    battle(page, url)
    page.get_by_role("button", name="A is better").click()
    expect(page.locator(".status")).to_contain_text("moves")


def campaign(page: Page, url: str) -> None:
    page.goto(f"{url}/c/spring")
    expect(page.get_by_role("button", name="I agree")).to_be_visible()


def login(page: Page, url: str) -> None:
    page.goto(f"{url}/login?next=/admin")
    expect(page.get_by_role("heading")).to_be_visible()


def admin(page: Page, url: str) -> None:
    login(page, url)
    page.locator("input[type=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("table", name="Counts of this moment")).to_be_visible()


def leaderboard(page: Page, url: str) -> None:
    page.goto(f"{url}/leaderboard")
    for _ in range(PATIENCE // 5000):
        if page.get_by_role("rowheader").count():
            return
        page.wait_for_timeout(5000)
        page.reload()
        page.get_by_role("heading", level=1).wait_for()
    raise SystemExit("there are no ratings")


def image(page: Page, url: str) -> None:
    page.goto(url)
    page.set_input_files(
        "input[type=file]", {"name": "map.png", "mimeType": "image/png", "buffer": drawing(page)}
    )
    expect(page.locator(".attached li:not([aria-busy]) img")).to_be_visible()
    ask(page, "What is drawn here?")


def drawing(page: Page) -> bytes:
    """A picture to ask about: two hills and a sun."""
    shot = page.context.new_page()
    shot.set_viewport_size({"width": 320, "height": 200})
    shot.set_content(
        "<body style='margin:0'><svg width='320' height='200'><rect width='320' height='200' "
        "fill='#cfe8f7'/><circle cx='250' cy='50' r='26' fill='#f2b84b'/><path d='M0 200 L110 70 "
        "L220 200z' fill='#5b7f62'/><path d='M120 200 L230 110 L320 200z' fill='#3f6148'/></svg>"
    )
    found = shot.screenshot()
    shot.close()
    return found


PICTURES: dict[str, tuple[Callable[[Page, str], None], dict[str, int]]] = {
    "battle": (battle, {"width": 1280, "height": 800}),
    "campaign": (campaign, {"width": 960, "height": 600}),
    "login": (login, {"width": 960, "height": 500}),
    "image-question": (image, {"width": 1280, "height": 800}),
    "leaderboard": (leaderboard, {"width": 1200, "height": 800}),
    "voted": (voted, {"width": 1280, "height": 800}),
    "admin": (admin, {"width": 1280, "height": 1200}),
}
"""What has to be there, and the size of the window."""


def take(browser: Browser, url: str, folder: Path, names: Iterable[str]) -> None:
    for name in names:
        there, size = PICTURES[name]
        context = browser.new_context(viewport=size, color_scheme="light")
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        there(page, url)
        page.wait_for_timeout(1500)
        page.screenshot(path=folder / f"{name}.png")
        print(f"{folder / name}.png", flush=True)
        context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("docs/images"))
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PICTURES))
    given = parser.parse_args()
    if unknown := set(given.names) - set(PICTURES):
        parser.error(f"there is no picture {min(unknown)!r}")
    expect.set_options(timeout=PATIENCE)
    with (
        tempfile.TemporaryDirectory() as home,
        arena_process.gateway(600, images=tuple(MAKERS)) as gateway,
    ):
        made = settings(Path(home), gateway.url)
        store = VoteStore(made.votes_url)
        cast_votes(store, made.contestants)
        store.close()
        with arena_process.arena(made) as arena, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=os.environ.get("ROSTRA_CHROMIUM", "/usr/bin/chromium"),
                args=["--no-sandbox", "--disable-gpu"],
            )
            take(browser, arena.url, given.folder, given.names or PICTURES)
            browser.close()


if __name__ == "__main__":
    main()
