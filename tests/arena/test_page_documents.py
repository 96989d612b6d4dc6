from __future__ import annotations

import pytest

from rostra.arena.pages.document import every, no_ratings


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, ""),
        (0.2, "0.2 seconds"),
        (1, "second"),
        (45, "45 seconds"),
        (60, "minute"),
        (90, "1.5 minutes"),
        (300, "5 minutes"),
    ],
)
def test_how_often_is_said_in_words(seconds: float, text: str) -> None:
    assert every(seconds) == text


def test_without_ratings_the_page_says_where_they_come_from() -> None:
    by_itself = no_ratings("Leaderboard", 1, 300)
    assert "1 vote waits" in by_itself
    assert "ratings are made every 5 minutes" in by_itself
    assert "rostra rate" not in by_itself
    assert "<code>rostra rate</code>" in no_ratings("Leaderboard", 12, 0)
    assert "Nobody has voted yet" in no_ratings("Analyst", 0, 300)
