"""What stands in place of ratings, in each language."""

from __future__ import annotations

import pytest

from rostra.arena.pages.document import made, no_ratings
from rostra.arena.texts import LANGUAGES, texts

ENGLISH = texts("en")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "the operator runs <code>rostra rate</code>"),
        (0.2, "ratings are made every 0.2 seconds"),
        (1, "ratings are made every second"),
        (45, "ratings are made every 45 seconds"),
        (60, "ratings are made every minute"),
        (90, "ratings are made every 1.5 minutes"),
        (300, "ratings are made every 5 minutes"),
    ],
)
def test_who_makes_ratings_and_when(seconds: float, text: str) -> None:
    assert made(seconds, ENGLISH) == text


def test_without_ratings_the_page_says_where_they_come_from() -> None:
    by_itself = no_ratings("Leaderboard", 1, 300, ENGLISH)
    assert "1 vote waits" in by_itself
    assert "ratings are made every 5 minutes" in by_itself
    assert "rostra rate" not in by_itself
    assert "<code>rostra rate</code>" in no_ratings("Leaderboard", 12, 0, ENGLISH)
    nobody = no_ratings("Analyst", 0, 300, ENGLISH, "/c/a&b")
    assert "Nobody has voted yet" in nobody
    assert '<a href="/c/a&amp;b">' in nobody


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_says_so_in_every_language(language) -> None:
    words = texts(language)
    page = no_ratings(words("nav.leaderboard"), 2, 60, words)
    assert words("leaderboard.every_minute") in page
    assert ("There are no ratings yet." in page) == (language == "en")
