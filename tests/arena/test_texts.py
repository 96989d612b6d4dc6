"""The catalogues: whole in every language, used, and chosen as the voter wants it."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

import rostra.arena.pages.round_view as pages
from rostra.arena.texts import LANGUAGES, texts
from rostra.arena.texts.choice import choose
from rostra.arena.votes.records import MODES, OUTCOMES, REASON_TAGS

PAGES = Path(pages.__file__).parent
ENGLISH = texts("en")


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_is_whole(language):
    entries = texts(language).entries
    assert set(entries) == set(ENGLISH.entries)
    for key, text in entries.items():
        assert text.strip() == text != "", key
        assert placeholders(text) == placeholders(ENGLISH.entries[key]), key
        if language != "en" and text == ENGLISH.entries[key]:
            # Words that are the same in both.
            assert key in {"setting.adapter", "note.seconds"}, key


def test_every_text_is_used_and_every_key_exists():
    sources = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in (
            PAGES,
            PAGES.parent / "access",
            PAGES.parent / "campaigns",
            PAGES.parent / "images",
        )
        for path in folder.iterdir()
        if path.suffix in (".py", ".js", ".html")
    )
    python = set(re.findall(r'(?:texts|words)(?:\.html)?\(\s*f?"([\w.{}\[\]\'"]+)"', sources))
    script = {
        f"page.{key}" for key in re.findall(r"\b(?:words|page)\.(?:page\.)?([a-z_]+)\b", sources)
    }
    for key in {key for key in python if "{" not in key}:
        assert key in ENGLISH.entries
    made = (
        *(f"voted.{outcome}" for outcome in OUTCOMES),
        *(f"page.vote_{outcome}" for outcome in OUTCOMES),
        *(f"page.tag_{tag}" for tag in REASON_TAGS),
        *(f"{mode}.{key}" for mode in MODES for key in ("title", "lead", "new", "next")),
        *(f"{mode}.placeholder" for mode in MODES),
    )
    assert set(made) <= set(ENGLISH.entries)
    # Whose keys are put together from what they are about.
    by_name = ("nav.", "note.", "prompts.", "leaderboard_script.")
    unused = {
        key
        for key in set(ENGLISH.entries) - set(made) - python - script
        if not key.startswith(by_name) and f'"{key}"' not in sources and f"'{key}'" not in sources
    }
    assert unused <= {"status.first_words", "status.first_words_slow"}


@pytest.mark.parametrize(
    ("chosen", "operator", "accepted", "expected"),
    [
        (None, None, "", "en"),
        (None, None, "ko-KR,ko;q=0.9,en;q=0.8", "ko"),
        (None, None, "fr, de-AT;q=0.7, en;q=0.5", "de"),
        (None, None, "en;q=0.2, de;q=0.9", "de"),
        (None, None, "de;q=0, en", "en"),
        (None, None, ";;q=x,,de;q=nonsense", "en"),
        (None, "de", "ko", "de"),
        ("ko", "de", "en", "ko"),
        ("<script>", None, "de", "de"),
    ],
)
def test_the_voters_choice_comes_before_the_operators_before_the_browsers(
    chosen, operator, accepted, expected
):
    assert choose(chosen, operator, accepted) == expected


@pytest.mark.parametrize("language", LANGUAGES)
def test_how_it_works_is_told_in_every_language(language):
    english = (PAGES / "how.en.html").read_text(encoding="utf-8")
    there = (PAGES / f"how.{language}.html").read_text(encoding="utf-8")
    tags = re.compile(r"<(/?\w+)")
    assert tags.findall(there) == tags.findall(english)
