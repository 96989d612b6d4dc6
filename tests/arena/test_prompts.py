from __future__ import annotations

import json
import random

import pytest

from rostra.arena.errors import ArenaError
from rostra.arena.prompts import Prompts, read_prompts
from rostra.arena.texts import LANGUAGES, texts


def test_without_a_file_a_few_of_our_own_in_the_voters_language():
    prompts = Prompts(rng=random.Random(1))
    for language in LANGUAGES:
        own = set(texts(language).section("prompts").values())
        assert set(prompts.suggested(language)) < own
        assert len(prompts.suggested(language)) == 3
        assert {prompts.draw(language) for _ in range(200)} == own


def test_the_operators_set_and_the_operators_three():
    assert Prompts(["one"]).suggested("ko") == ["one"]
    both = Prompts(["one", "two"], ["x", "y", "z"])
    assert both.suggested("en") == ["x", "y", "z"]
    assert {both.draw("en") for _ in range(100)} == {"one", "two"}
    assert {Prompts((), ["x", "y", "z"]).draw("en") for _ in range(200)} == {"x", "y", "z"}


def test_lines_of_text_and_of_json(tmp_path):
    plain, lines = tmp_path / "prompts.txt", tmp_path / "prompts.jsonl"
    plain.write_text("\ufeffone?\n\n  two?  \n", encoding="utf-8")
    lines.write_text(
        json.dumps("one?") + "\n" + json.dumps({"prompt": "two\nlines?", "by": "me"}) + "\n",
        encoding="utf-8",
    )
    assert read_prompts(plain, 100) == ["one?", "two?"]
    assert read_prompts(lines, 100) == ["one?", "two\nlines?"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'"fine"\n{"text": "?"}\n', "line 2: neither"),
        ("a.jsonl", b'"fine"\nnot json\n', "line 2: neither"),
        ("a.jsonl", b"[1]\n", "line 1: neither"),
        ("a.txt", b"short\n" + b"x" * 101, "line 2: 101 characters"),
        ("a.txt", b"\n \n", "holds no question"),
        ("a.txt", b"\xff\xfe", "cannot read"),
        ("missing/a.txt", None, "cannot read"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ArenaError, match=message) as caught:
        read_prompts(path, 100)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
