"""One update of an answer does a bounded piece of work, whatever the answer: counted, not timed."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rostra.arena.rendering import AnswerStream, code, draft, markdown, mathml, pieces, stream
from rostra.arena.rendering.code import MOST_TOKENS
from rostra.arena.rendering.markdown import MOST_LATEX
from rostra.arena.rendering.mathml import MOST_SYMBOLS
from rostra.arena.rendering.pieces import LONGEST_BLOCK, LONGEST_CODE
from rostra.arena.rendering.tables import MOST_CELLS, MOST_COLUMNS

LENGTH = 12_000
ATOMS = (
    "- item\n;- a\n\n;  - b\n;- [ ] **c**\n;1. d\n;> ;> - e\n;>>>>>>>> f\n;|;|1|2|\n;|1\n;|a|b|\n;"
    '|-|-|\n;word ;a;\n;***\n;# h\n;---\n;    code\n;```\n;```java\nx\n```\n;~~~css\n;\\";*;**;_;'
    "*g* ;*h **i ;~~j~~ ;`;`k` ;[;![;](;[l](https://x.example/) ;[m][n] ;[o]: https://x.example/\n;"
    "<https://x.example/> ;<;&;&#65 ;\\a;$;$x^2$ ;$$\\frac{p}{q}$$\n\n;\\(;\\[\n;{;{};\u200b;漢字"
).split(";")


class Work:
    """What an update did."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clear()
        parse, tokenise = markdown.blocks, markdown._MARKDOWN.parse
        convert, lexer = mathml._serialised, code._lexer

        def blocks(text):
            self.parsed += len(text)
            tokens = parse(text)
            self.tokens += len(tokens)
            return tokens

        def whole(text, env):
            self.parsed += len(text)
            tokens = tokenise(text, env)
            self.tokens += sum(1 + len(token.children or ()) for token in tokens)
            return tokens

        def formula(element, depth):
            self.symbols += 1
            return convert(element, depth)

        def lexed(language):
            found = lexer(language)
            return found and SimpleNamespace(get_tokens=partial(self.lex, found))

        for module in (pieces, draft):
            monkeypatch.setattr(module, "blocks", blocks)
        monkeypatch.setattr(markdown._MARKDOWN, "parse", whole)
        monkeypatch.setattr(mathml, "_serialised", formula)
        monkeypatch.setattr(code, "_lexer", lexed)

    def lex(self, lexer, text):
        for token in lexer.get_tokens(text):
            self.lexed += 1
            yield token

    def clear(self) -> None:
        self.parsed = self.tokens = self.symbols = self.lexed = 0

    def check(self) -> None:
        # Once to find the blocks, twice for what is to be drawn of the last one, once to draw it.
        window = LONGEST_CODE + LONGEST_BLOCK
        assert self.parsed <= 4 * window
        assert self.tokens <= 12_000
        assert self.symbols <= 4 * (MOST_LATEX + MOST_SYMBOLS)
        assert self.lexed <= MOST_TOKENS + 1
        self.clear()


@pytest.fixture
def work(monkeypatch):
    return Work(monkeypatch)


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.sampled_from(ATOMS), min_size=1, max_size=3).map("".join), st.integers(1, 5_000))
@example("|", 1)
@example('\\"', 4_000)
def test_an_update_does_a_bounded_piece_of_work_whatever_the_answer(work, atom, step):
    text = atom * (LENGTH // len(atom))
    whole = AnswerStream()
    while not whole.done:
        whole.update(text, ended=True, budget=0.0)
        work.check()
    growing = AnswerStream()
    for end in range(0, LENGTH, 1_000 + step):
        growing.update(text[:end], budget=0.0)
        growing.update(text[: end + 1], budget=0.0)
        work.clear()
        growing.update(text[: end + 2], budget=0.0)
        work.check()


def test_a_short_row_does_not_ask_for_thousands_of_cells():
    head = "|a" * MOST_COLUMNS + "|\n" + "|-" * MOST_COLUMNS + "|\n"
    html = stream.render(head + "|1\n" * 400)
    assert html.count("<td") <= 400 * MOST_COLUMNS
    assert html.count("<table>") == html.count("<thead>") == 50
    assert html.count(">1</td>") == 400
    wider = "|a" * (MOST_COLUMNS + 1) + "|\n" + "|-" * (MOST_COLUMNS + 1) + "|\n"
    assert "<table" not in stream.render(wider + "|1\n" * 400)


def test_a_table_of_many_cells_goes_on_under_its_head_and_ends_where_it_ends():
    columns = 8
    row = "|1" * columns + "|\n"
    rows = 3 * (MOST_CELLS // columns)
    html = stream.render("|a" * columns + "|\n" + "|-" * columns + "|\n" + row * rows + "\nafter\n")
    assert html.count("<table>") == 3
    assert html.count(">1</td>") == rows * columns
    assert html.endswith('<p dir="auto">after</p>\n')


def test_code_of_any_length_is_told_apart_from_what_follows_it():
    for lines in (1, 800, 3_000):
        html = stream.render("~~~py\n" + "x = 1\n" * lines + "~~~\n**after**\n")
        assert html.endswith('<p dir="auto"><strong>after</strong></p>\n')
        assert html.count("~~~") == 0
