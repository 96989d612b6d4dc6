from __future__ import annotations

import re
from html import unescape
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rostra.arena.rendering import AnswerStream, render
from rostra.arena.rendering.characters import MOST_MARKS, MOST_UNSEEN, Cleaner
from rostra.arena.rendering.code import (
    CLASSES,
    LANGUAGES,
    MOST_ERRORS,
    MOST_GROWING,
    _lexer,
    highlight,
    load_lexers,
)
from rostra.arena.rendering.draft import draft
from rostra.arena.rendering.mathml import mathml
from rostra.arena.rendering.sanitise import sanitise

# ---- characters


@given(st.text(st.sampled_from("a\r\n\u0301\u200b\u202e\x00\ud83d\ufe0f "), max_size=40), st.data())
def test_cleaning_in_pieces_is_cleaning_the_whole(text, data):
    cut = data.draw(st.integers(0, len(text)))
    cleaner = Cleaner()
    assert cleaner.clean(text[:cut]) + cleaner.clean(text[cut:]) == Cleaner().clean(text)


def test_what_reorders_or_floods_is_named_or_cut_short():
    assert Cleaner().clean("a\u202eb\u2069c") == "a⟨U+202E⟩b⟨U+2069⟩c"
    assert Cleaner().clean("\x00\x1b[2J\x7f\x85\ud800") == "␀␛[2J␡\ufffd\ufffd"
    assert Cleaner().clean("e" + "\u0301" * 99) == "e" + "\u0301" * MOST_MARKS
    assert Cleaner().clean("\u200b" * 9_999 + "x") == "\u200b" * MOST_UNSEEN + "x"


@pytest.mark.parametrize(
    "text",
    [
        "👩‍🚀🏳️‍🌈",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "שָׁלוֹם",
        "می‌خواهم",
        "हिन्दी",
    ],
)
def test_living_languages_and_emoji_stay_as_they_are(text):
    assert Cleaner().clean(text) == text


# ---- formulas


@pytest.mark.parametrize(
    ("text", "formulas"),
    [
        ("$5 and $10", 0),
        ("$HOME:$PATH", 0),
        ("US$5 or US$6, $ 7 $", 0),
        ("`$x$`", 0),
        (r"\$x\$", 0),
        ("$x^2$ and $y$", 2),
        (r"\(x\) and \[y\]", 2),
        ("so $$x$$ is", 1),
        ("$$\nx\n$$", 1),
        ("where\n$$\nx\n$$\nand", 1),
        ("- item\n  $$\n  x\n  $$", 1),
        (r"\begin{align}a &= b \\ c &= d\end{align}", 1),
        ("```\n$x$\n```", 0),
    ],
)
def test_what_is_a_formula_and_what_is_money(text, formulas):
    assert render(text).count("<math") == formulas


@pytest.mark.parametrize(
    "source",
    [
        r"\frac{a",
        r"\frac{a}",
        r"x_a_b",
        r"\unknowncommand",
        "{" * 200 + "}" * 200,
        "x" * 1_001,
        r"\newcommand{\a}{\b\b}\a",
        r"\def\a{\b}\a",
        r"\left(",
        "^",
        r"\begin{matrix}",
    ],
)
def test_broken_and_boundless_formulas_are_shown_as_written(source):
    assert mathml(source, block=False) is None
    assert "<math" not in render(f"${source}$")
    assert source[:40] in render(f"$${source}$$")


def test_formulas_name_no_class_address_style_or_place():
    html = render(r"$\href{javascript:x}{a}\class{vote}{b}\style{position:fixed}{c}\color{red}{d}$")
    assert "<math" in html
    assert not re.search(r"href|class|style=|color|javascript|vote|fixed", html)
    assert "<mspace></mspace>" in render(r"$\hspace{9999em} x$")


def test_only_so_many_formulas_are_drawn_in_one_block():
    html = render("$abcdefghij$ " * 150)
    assert html.count("<math") == 80
    assert html.count("abcdefghij") + html.count("<math") == 150


# ---- code


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_each_language_is_told_apart_and_keeps_its_text(language):
    code = 'if x == 1:\n  "text" <b> # 42 &amp; {} \n'
    html = highlight(code, language)
    assert unescape(re.sub(r"<[^>]*>", "", html)) == code
    assert set(re.findall(r'class="([^"]*)"', html)) <= CLASSES


@pytest.mark.parametrize(
    ("code", "language"),
    [
        ("if x", "klingon"),
        ("int " * 31 + "\n", "java"),
        ('\\"' * 101, "css"),
        ("x" * 1_001, "python"),
        ("\n" * 300, "c"),
        ("/* a " * 31, "kotlin"),
    ],
)
def test_unknown_and_unbounded_code_is_plain(code, language):
    assert "<span" not in highlight(code, language)


def test_only_so_much_of_the_code_is_highlighted_and_all_of_it_is_there():
    for code in ("x = 1  # <b>\n" * 600, "\ufeff" + "x" * 300 + "+" * 90 + "\n" * 150):
        html = highlight(code, "python")
        assert unescape(re.sub(r"<[^>]*>", "", html)) == code.removeprefix("\ufeff")
    html = highlight("x = 1\n" * 600, "python")
    assert 200 < html.count("<span") < 400


def test_code_that_is_still_written_is_told_apart_up_to_a_point_and_whole_once_it_has_ended():
    line = 'value = "a text"  # why\n'
    code = line * 120
    stream = AnswerStream()
    part = stream.update("```python\n" + code)
    assert part is not None
    growing = part.html + part.tail
    assert growing.count('"c-string"') == MOST_GROWING // len(line)
    assert growing.count("value") == code.count("value")
    whole = render("```python\n" + code + "```\n")
    assert whole.count('"c-string"') == code.count("value")


@pytest.mark.parametrize("growing", [False, True])
def test_a_lexer_that_is_lost_is_not_asked_for_the_rest(monkeypatch, growing):
    lexer, asked = _lexer("r"), []

    def tokens(code):
        for token in lexer.get_tokens(code):
            asked.append(token)
            yield token

    monkeypatch.setattr(
        "rostra.arena.rendering.code._lexer", lambda _: SimpleNamespace(get_tokens=tokens)
    )
    # The quote has no end, which the lexer looks for from every character on.
    html = highlight("'0x " + "${1e [a]" * 45 + "\n" + "${1e [a]\n" * 800, "r", growing=growing)
    assert MOST_ERRORS < len(asked) < 20 * MOST_ERRORS
    assert unescape(re.sub(r"<[^>]*>", "", html)).endswith("${1e [a]\n")


def test_a_server_has_all_lexers_before_they_are_asked_for():
    _lexer.cache_clear()
    load_lexers()
    before = _lexer.cache_info().misses
    for language in LANGUAGES:
        highlight("x", language)
    assert _lexer.cache_info().misses == before


# ---- what is still written


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Here:\n-", "Here:\n"),
        ("Here:\n- a", "Here:\n- a"),
        ("a **bold wo", "a **bold wo**"),
        ("a **bold*", "a **bold**"),
        ("a *b **c", "a *b **c***"),
        ("x `co", "x `co`"),
        ("x [a](http", "x "),
        ("x [a](http://x) y", "x [a](http://x) y"),
        ("cost $5 an", "cost $5 an"),
        ("then $x^", "then "),
        ("```py", ""),
        ("```py\nx = 1\n``", "```py\nx = 1\n"),
        ("```py\nx = 1\n- ", "```py\nx = 1\n- "),
        ("| a | b |\n|--", ""),
        ("|a|\n|-|\n|1|\n|2", "|a|\n|-|\n|1|\n"),
        ("so\n$$\nx\n", "so\n"),
        ("a &am", "a "),
        ("2026 was", "2026 was"),
    ],
)
def test_nothing_is_shown_that_will_turn_into_something_else(written, shown):
    assert draft(written) == shown


def test_what_is_never_closed_is_shown_in_the_end():
    for text in ("x [a](http", "then $x^", "| a | b", "$$\nx", "a **b", "-", "a &am"):
        shown = unescape(re.sub(r"<[^>]*>", "", render(text)))
        assert re.sub(r"\W", "", shown) == re.sub(r"\W", "", text)


# ---- the second wall


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from("<>\"'&;:/=![]()#*$\\{}^_|-` \n\u202eascriptmhyle"), max_size=80))
def test_sanitising_again_changes_nothing(text):
    html = render(text)
    assert sanitise(html) == html


def test_what_is_on_no_list_does_not_pass():
    hostile = (
        '<div class="vote code" id="x" style="position:fixed" onclick="x()">a</div>'
        '<span class="body"></span><button>d</button><svg></svg><a href="javascript:x()">c</a>'
        '<math href="x" style="x" class="vote"><mspace width="9999em"></mspace></math>'
        '<ol start="x"><li value=9>b</li></ol>'
    )
    html = sanitise(hostile)
    assert not re.search(
        r"vote|id=|style|onclick|body|9999|javascript|svg|button|start|value", html
    )
    assert 'class="code"' in html


@pytest.mark.parametrize(
    ("link", "host"),
    [
        ("[a](https://good.example@evil.example/)", "evil.example"),
        ("[bank.example](https://evil.example)", "evil.example"),
        ("[mail](mailto:a@b.example)", "a@b.example"),
    ],
)
def test_a_link_says_where_it_leads(link, host):
    assert f'<span class="host"> ({host})</span>' in render(link)


def test_blocks_find_their_own_direction_and_headings_stay_below_the_page():
    html = render("# مرحبا\n\n- שלום\n\ntext\n\n###### six")
    assert re.findall(r'<(\w+) dir="auto"', html) == ["h3", "ul", "p", "h6"]
    assert "<h1" not in html
    assert "<h2" not in html
