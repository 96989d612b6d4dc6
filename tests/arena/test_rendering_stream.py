from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rostra.arena.rendering import AnswerStream, Part, render
from rostra.arena.rendering.pieces import LONGEST_BLOCK

PIECES = st.sampled_from(
    "one\n;two ;# head\n;- item\n;  more\n;1. first\n;```\n;```py\n;> quote\n;\n;\n;    code\n;"
    "|a|b|\n;|-|-|\n;***\n;===\n;---\n;**b**;#;\t;-;c\u2028d\n;e\r\n;\r;$$\n;x^2;$$;\\[\n;\\]\n;"
    "\\begin{align}\n;\\end{align}\n;[a]: https://x.example\n;[a];[b](;https://y.example);*;_;`;"
    "\u0301;\u200b;\u202e;\x00;\ud83d;😀;مرحبا\n;漢字\n;~~~\n;~~;- [x] done\n".split(";")
)
TEXTS = st.lists(PIECES, max_size=24).map("".join)


class Browser:
    """What `drawPart` of answer.js does with parts."""

    def __init__(self) -> None:
        self.settled = ""
        self.tail = ""
        self.count = 0
        self.tails: list[str] = []

    def draw(self, part: Part | None) -> None:
        if part is None:
            return
        assert part.at in (0, self.count)
        if part.at == 0:
            self.settled, self.count = "", 0
        self.settled += part.html
        self.count += bool(part.html)
        before = self.tail
        kept = before.encode("utf-16-le")[: 2 * part.keep].decode("utf-16-le")
        self.tail = kept + part.tail


def streamed(text: str, cuts: list[int], budget: float | None = None) -> Browser:
    stream, browser = AnswerStream(), Browser()
    for cut in sorted(cuts):
        browser.draw(stream.update(text[:cut], budget=budget))
    while not stream.done:
        browser.draw(stream.update(text, ended=True, budget=budget))
    return browser


@settings(max_examples=100, deadline=None)
@given(TEXTS, st.data())
@example("[a]\n\n[a]: https://x.example\n", None)
def test_however_it_came_the_end_is_the_rendering_of_the_whole(text, data):
    places = st.integers(0, len(text))
    cuts = list(range(len(text))) if data is None else data.draw(st.lists(places, max_size=40))
    browser = streamed(text, cuts)
    assert browser.tail == ""
    assert browser.settled == render(text)


@settings(max_examples=25, deadline=None)
@given(TEXTS)
def test_letter_by_letter_is_like_the_whole_too(text):
    assert streamed(text, list(range(len(text)))).settled == render(text)


LONG = {
    "a line": "word " * 8_000,
    "one word": "a" * 50_000,
    "a list": "- item **b**\n" * 600,
    "a numbered list": "".join(f"{i}. item\n" for i in range(1, 500)),
    "a table": "|a|b|\n|-|-|\n" + "|1|2|\n" * 600,
    "code": "```python\n" + "x = 1  # y\n" * 4_000 + "```\n\nafter\n",
    "a quote": "> line\n" * 2_000,
    "deep quotes": "> " * 9_000 + "x",
    "brackets": "[" * 20_000,
    "open mathematics": "$$\n" + "x + y\n" * 3_000,
}


@pytest.mark.parametrize("name", LONG)
def test_long_blocks_are_cut_at_the_same_places_however_they_came(name):
    text = LONG[name]
    whole = render(text)
    step = 3_001
    assert streamed(text, list(range(0, len(text), step))).settled == whole
    assert streamed(text, [], budget=0.0).settled == whole


def test_a_cut_list_counts_on_and_a_cut_table_keeps_its_head():
    numbered = render(LONG["a numbered list"])
    assert numbered.count("<li>") == 499
    assert numbered.count("<ol") == 4
    assert 'start="128"' in numbered
    assert 'start="382"' in numbered
    tables = render(LONG["a table"])
    assert tables.count("<table>") == tables.count("<thead>") == 5
    assert tables.count("<tr>") == 600 + tables.count("<thead>")


def test_cut_code_stays_code_until_its_fence():
    html = render(LONG["code"])
    assert html.endswith('<p dir="auto">after</p>\n')
    assert html.count('<div class="code">') == len(LONG["code"]) // 16_384 + 1


def test_past_the_longest_markdown_everything_is_there_as_written(monkeypatch):
    monkeypatch.setattr("rostra.arena.rendering.pieces.MOST_MARKDOWN", 3_000)
    text = "**bold** word\n\n" * 4_000
    html = render(text)
    assert html.count("word") == text.count("word")
    assert html.rstrip().endswith("**bold** word\n\n</pre>")


def test_one_update_of_a_huge_answer_does_a_bounded_piece_of_work(monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "rostra.arena.rendering.stream.render_block",
        lambda text, links: drawn.append(len(text)) or "",
    )
    stream = AnswerStream()
    stream.update("- item\n" * 700_000, ended=True, budget=0.0)
    assert sum(drawn) <= 2 * LONGEST_BLOCK
    assert not stream.done


def test_settled_blocks_are_not_sent_again():
    stream = AnswerStream()
    first = stream.update("one\n\ntwo\n\nthr")
    assert "one" in first.html
    assert "one" not in first.tail
    second = stream.update("one\n\ntwo\n\nthree\n\nfour\n")
    assert second.at == 1
    assert "one" not in second.html


def test_of_a_growing_block_only_its_end_is_sent():
    stream, browser = AnswerStream(), Browser()
    text = "😀 a paragraph that grows " * 40
    browser.draw(stream.update(text))
    part = stream.update(text + "and grows")
    browser.draw(part)
    assert len(part.tail) < 80
    assert browser.tail.count("😀") == 40
    assert stream.update(text + "and grows") is None


def test_a_page_that_lost_all_gets_the_whole():
    stream, lost = AnswerStream(), Browser()
    stream.update("one\n\ntwo\n\nthr")
    lost.draw(stream.whole())
    lost.draw(stream.update("one\n\ntwo\n\nthree\n\nfour", ended=True))
    assert lost.settled == render("one\n\ntwo\n\nthree\n\nfour")


def test_a_link_that_is_defined_last_is_a_link_in_the_end():
    text = "see [a][1] and [b][2]\n\nmore\n\n[1]: https://x.example\n"
    stream, browser = AnswerStream(), Browser()
    for end in range(len(text)):
        browser.draw(stream.update(text[:end]))
    assert "<a " not in browser.settled
    browser.draw(stream.update(text, ended=True))
    assert 'href="https://x.example"' in browser.settled
    assert browser.settled == render(text)
