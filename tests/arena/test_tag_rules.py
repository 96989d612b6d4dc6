"""The rules against questions that people labelled; what they get right is stated here."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rostra.arena.tags.exchange import Exchange, prose
from rostra.arena.tags.language import LANGUAGES, LanguageDetector
from rostra.arena.tags.rules import Rules, length_of

LABELLED = [
    json.loads(line)
    for line in (Path(__file__).parent / "labelled_prompts.jsonl").read_text("utf-8").splitlines()
]
TOGETHER, HELD_OUT = "written with the rules", "held out"
"""The second set was written when the rules were done, and no rule was changed for it."""


@pytest.fixture(scope="module")
def rules() -> Iterator[Rules]:
    with LanguageDetector() as detector:
        yield Rules(detector)


@pytest.fixture(scope="module")
def found(rules: Rules) -> dict[str, dict[str, str]]:
    return {row["text"]: rules.tags([Exchange(row["text"])]) for row in LABELLED}


def precision_and_recall(
    found: dict[str, dict[str, str]], kind: str, which: str
) -> tuple[float, float]:
    rows = [row for row in LABELLED if row["set"] == which]
    right = sum(row[kind] and found[row["text"]][kind] == "yes" for row in rows)
    said = sum(found[row["text"]][kind] == "yes" for row in rows)
    return right / said, right / sum(row[kind] for row in rows)


@pytest.mark.parametrize(
    ("kind", "which", "precision", "recall"),
    [
        ("code", TOGETHER, 1.0, 1.0),
        ("maths", TOGETHER, 1.0, 1.0),
        ("code", HELD_OUT, 1.0, 0.44),
        ("maths", HELD_OUT, 1.0, 0.6),
    ],
)
def test_kinds_are_found_as_often_as_stated(
    found: dict[str, dict[str, str]], kind: str, which: str, precision: float, recall: float
) -> None:
    got = precision_and_recall(found, kind, which)
    assert got[0] >= precision
    assert got[1] >= recall


@pytest.mark.parametrize(("which", "share"), [(TOGETHER, 0.95), (HELD_OUT, 1.0)])
def test_a_language_is_right_and_hardly_ever_wrong(
    found: dict[str, dict[str, str]], which: str, share: float
) -> None:
    rows = [row for row in LABELLED if row["set"] == which and row["language"] != "unknown"]
    said = [(row["language"], found[row["text"]]["language"]) for row in rows]
    assert sum(got not in (want, "unknown") for want, got in said) <= 1
    assert sum(want == got for want, got in said) / len(said) >= share


def test_what_is_no_language_is_unknown(found: dict[str, dict[str, str]]) -> None:
    texts = [row["text"] for row in LABELLED if row["language"] == "unknown"]
    assert {found[text]["language"] for text in texts} == {"unknown"}


def test_labels_name_languages_that_are_known() -> None:
    assert {row["language"] for row in LABELLED} <= {*LANGUAGES, "unknown"}


def test_answers_tell_the_language_of_a_question_that_is_too_short(rules: Rules) -> None:
    german = "Hallo! Wie kann ich dir heute helfen? Frag mich gern nach allem, was du willst."
    english = "Hello! How can I help you today? Ask me about anything that you would like."
    assert rules.tags([Exchange("hi", german, german)])["language"] == "German"
    assert rules.tags([Exchange("hi", german, english)])["language"] == "unknown"


def test_code_and_formulas_do_not_count_as_prose() -> None:
    text = (
        "Warum?\n```python\nfor line in open(name):\n    print(line)\n```\n$x$ `y` https://z.test/a"
    )
    assert prose(text).split() == ["Warum?"]


def test_code_in_both_answers_is_code(rules: Rules) -> None:
    code = "Gladly:\n\n```python\nprint(1)\n```"
    asked = "The same again, but faster, please."
    assert rules.tags([Exchange(asked, code, code)])["code"] == "yes"
    assert rules.tags([Exchange(asked, code, "```text\nNo.\n```")])["code"] == "no"


def test_a_second_question_makes_a_battle_multi_turn(rules: Rules) -> None:
    first, second = Exchange("What is green tea good for?"), Exchange("And black tea?")
    assert rules.tags([first])["multi_turn"] == "no"
    assert rules.tags([first, second])["multi_turn"] == "yes"
    assert rules.tags([first, Exchange("Solve x^2 = 4.")])["maths"] == "yes"


def test_lengths_part_at_their_bounds() -> None:
    assert [length_of("x" * count) for count in (0, 99, 100, 499, 500)] == [
        *("short", "short", "medium", "medium", "long")
    ]


def test_the_models_are_not_loaded_by_an_import() -> None:
    source = "import sys, rostra.arena.tags.rules; print('lingua' in sys.modules)"
    run = [sys.executable, "-c", source]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == "False\n"
