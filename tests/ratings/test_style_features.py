"""Counts in answers, against what FastChat publishes where the two mean the same."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rostra.arena.ratings.frame import COUNTED, OUTCOME
from rostra.arena.ratings.style.covariates import STYLE
from rostra.arena.ratings.style.features import Counts, count, measured, with_features


def fastchat(text: str) -> tuple[int, int, int]:
    """Headers, lists and bold by the patterns of fastchat/serve/monitor/add_markdown_info.py."""
    for block in re.findall("```([^`]*)```", text):
        text = text.replace(block, "")
    headers = sum(len(re.findall(rf"^#{{{n}}}\s", text, re.M)) for n in range(1, 7))
    lists = len(re.findall(r"^\s*\d+\.\s", text, re.M)) + len(
        re.findall(r"^\s*[-*+]\s", text, re.M)
    )
    bold = len(re.findall(r"\*\*[^*\n]+\*\*", text)) + len(re.findall(r"__[^_\n]+__", text))
    return headers, lists, bold


def ours(text: str) -> tuple[int, int, int]:
    return count(text)[:3]


def features(text: str) -> dict[str, int]:
    return measured(pl.Series([text]), STYLE).row(0, named=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (0, 0, 0)),
        ("Plain words, 3.5 of them - or so.", (0, 0, 0)),
        ("# One\n## Two\n### Three\n###### Six", (4, 0, 0)),
        ("####### Seven\n#tag", (0, 0, 0)),
        ("- a\n- b\n  - c\n", (0, 3, 0)),
        ("* a\n+ b\n", (0, 2, 0)),
        ("1. a\n2. b\n10. c\n", (0, 3, 0)),
        ("**bold** and __bold__ and *not*", (0, 0, 2)),
        ("- **a**: b\n- **c**: d", (0, 2, 2)),
        ("# A\n\n```python\n# no\n- no\n**no**\n```\n\n- yes", (1, 1, 0)),
        ("## **Both**", (1, 0, 1)),
        ("2 * 3 * 4 and a_b_c", (0, 0, 0)),
    ],
)
def test_where_both_mean_the_same(text: str, expected: tuple[int, int, int]) -> None:
    assert ours(text) == fastchat(text) == expected


@pytest.mark.parametrize(
    ("text", "ours_", "theirs"),
    [
        ("~~~\n# a\n~~~", (0, 0, 0), (1, 0, 0)),
        ("```\nuse `x`\n# a\n```", (0, 0, 0), (1, 0, 0)),
        ("```\n# never closed", (0, 0, 0), (1, 0, 0)),
        ("a `**b**` c", (0, 0, 0), (0, 0, 1)),
        ("a\n\n    - b", (0, 0, 0), (0, 1, 0)),
        (r"\**a** \- b", (0, 0, 0), (0, 0, 1)),
        ("Title\n=====", (1, 0, 0), (0, 0, 0)),
        ("1) a\n2) b", (0, 2, 0), (0, 0, 0)),
        ("in the year\n1986. was", (0, 0, 0), (0, 1, 0)),
        ("**over\ntwo lines**", (0, 0, 1), (0, 0, 0)),
        ("2 ** 3 ** 4", (0, 0, 0), (0, 0, 1)),
        ("* * *", (0, 0, 0), (0, 1, 0)),
    ],
)
def test_where_they_differ_on_purpose(
    text: str, ours_: tuple[int, int, int], theirs: tuple[int, int, int]
) -> None:
    assert (ours(text), fastchat(text)) == (ours_, theirs)


def test_real_answers(shared_data: Path) -> None:
    """Headers and bold of 1,133 answers; what differs is accounted for by code and by lists."""
    texts = pl.read_ndjson(shared_data / "llmfao" / "answers.jsonl")["result"]
    found = [ours(text) for text in texts]
    theirs = [fastchat(text) for text in texts]
    same = sum(mine == their for mine, their in zip(found, theirs, strict=True))
    assert same / len(texts) > 0.97
    plain = [
        (mine, their)
        for text, mine, their in zip(texts, found, theirs, strict=True)
        if "`" not in text and "    " not in text and "\t" not in text
    ]
    assert len(plain) > 800
    assert sum(mine == their for mine, their in plain) / len(plain) > 0.98
    table = measured(texts, STYLE)
    assert table.columns == list(STYLE)
    assert table.select(COUNTED[:3]).rows() == found


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("😀", 1),
        ("😀😀 and 🎉", 3),
        ("👍🏽", 1),
        ("👨‍👩‍👧", 1),
        ("🇩🇪🇫🇷", 2),
        ("1️⃣ 2️⃣", 2),
        ("❤️", 1),
        ("🏴󠁧󠁢󠁳󠁣󠁴󠁿", 1),
        ("© 2026 ™ ❤ 1 2 # *", 0),
        ("`😀`", 0),
        ("```\n😀\n```\n- 😀", 1),
    ],
)
def test_emoji(text: str, number: int) -> None:
    assert features(text)["emoji"] == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", 0),
        ("Hello, world!", 4),
        ("1234567", 3),
        ("naïve café", 2),
        ("天空是蓝色的", 6),
        ("a  \n\n b", 2),
    ],
)
def test_tokens_without_a_tokenizer(text: str, number: int) -> None:
    assert features(text)["length"] == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("```\na\n```\n~~~\nb\n~~~", 2),
        ("a\n\n    b\n", 1),
        ("`a` ``b``", 0),
        ("- ```\n  x\n  ```", 1),
    ],
)
def test_blocks_of_code(text: str, number: int) -> None:
    assert count(text).code == number


@settings(deadline=None)
@given(st.text("#*_-`~ \n\t1.)ab+=>[]()😀", max_size=60))
def test_any_text_is_counted_and_code_hides_what_is_in_it(text: str) -> None:
    counts = count(text)
    assert min(counts[:4]) >= 0
    assert features(text) == {
        **dict(zip(COUNTED[:4], counts[:4], strict=True)),
        "length": features(text)["length"],
        "emoji": counts.prose.count("😀"),
    }
    inside = text.replace("~", "")
    assert count(f"~~~~\n{inside}\n~~~~") == Counts(0, 0, 0, 1, "")


@given(st.lists(st.sampled_from(["# h", "- i", "**b**", "plain", "😀"]), min_size=1, max_size=8))
def test_counts_add_up_over_paragraphs(parts: list[str]) -> None:
    text = "\n\n".join(f"{part}\n\n<!-- -->" if part == "- i" else part for part in parts)
    found = features(text)
    assert found["headers"] == parts.count("# h")
    assert found["lists"] == parts.count("- i")
    assert found["bold"] == parts.count("**b**")
    assert found["emoji"] == parts.count("😀")


def test_stored_counts_come_before_the_texts() -> None:
    votes = pl.DataFrame(
        {
            "left": ["a", "a"],
            "right": ["b", "b"],
            "outcome": pl.Series(["a", "b"], dtype=OUTCOME),
            "text_left": ["# One two", None],
            "text_right": ["Three", "Four five"],
            "tokens_left": [70, None],
            "headers_right": [5, None],
        }
    )
    found = with_features(votes, ["length", "headers"]).collect()
    assert not any(name.startswith("text") for name in found.columns)
    assert found["tokens_left"].to_list() == [70, None]
    assert found["tokens_right"].to_list() == [1, 2]
    assert found["headers_left"].to_list() == [1, None]
    assert found["headers_right"].to_list() == [5, 0]
