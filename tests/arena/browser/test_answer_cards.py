from __future__ import annotations

from pathlib import Path

import pytest
from answer_page import ORIGIN, Cards

from rostra.arena.rendering import render

pytestmark = pytest.mark.browser

EVERYTHING = (Path(__file__).parent / "everything.md").read_text(encoding="utf-8")
HOSTILE = "\n\n".join(
    [
        "<script>window.harmed = 1</script><img src=x onerror='window.harmed=1'>",
        "![pixel](https://evil.example/p.png) [go](javascript:window.harmed=1)",
        "[go](java&#115;cript:window.harmed=1) [data](data:text/html,<script>harmed=1</script>)",
        "<style>*{position:fixed;inset:0;background:url(https://evil.example)}</style>",
        "<div class='vote' style='position:fixed;inset:0;z-index:9'>over</div>",
        "<iframe src='https://evil.example'></iframe><svg onload='window.harmed=1'></svg>",
        r"$\style{position:fixed;inset:0}{\class{vote}{\href{javascript:harmed=1}{x}}}$",
        r"$\hspace{99999em}x\raisebox{-9999em}{y}\text{<img src=x onerror=harmed=1>}$",
        "\u202eevil\u202c \u2066and\u2069 \u200b" + "\u200b" * 500,
        "a" + "\u0301" * 400 + " tower\u0489\u0489\u0489" * 30,
        "```html\n<script>window.harmed = 1</script>\n```",
        "> " * 200 + "deep",
        "- " * 100 + "deep",
        "| " + "a | " * 60 + "\n|" + "-|" * 60 + "\n| " + "b | " * 60,
        "w" * 20_000,
        "\x00 \ud800 <!-- comment -->",
        '<input autofocus onfocus="window.harmed=1"><meta http-equiv=refresh content="0;//evil">',
    ]
)


@pytest.fixture
def cards(chromium, request):
    options = getattr(request, "param", {})
    context = chromium.new_context(viewport=options.get("viewport"))
    yield Cards.open(context.new_page(), options.get("theme", "light"))
    context.close()


DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}


@pytest.mark.parametrize("cards", [{"viewport": DESKTOP}, {"viewport": PHONE}], indirect=True)
def test_nothing_that_is_shown_moves_while_an_answer_grows(cards):
    cards.page.evaluate("shifts.length = 0")
    short = EVERYTHING[:700] if cards.page.viewport_size == DESKTOP else ""
    cards.stream(short, EVERYTHING, step=37, pause=20)
    assert cards.shifts() == []
    assert cards.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert cards.errors == []


def test_what_was_drawn_bit_by_bit_is_what_the_whole_makes(cards):
    cards.stream(EVERYTHING, HOSTILE, step=61)
    for letter, text in (("a", EVERYTHING), ("b", HOSTILE)):
        drawn, whole = cards.page.evaluate(
            """([letter, html]) => {
              const copy = document.getElementById("host").shadowRoot
                .querySelector(`.answer.${letter} .settled`).cloneNode(true)
              for (const button of copy.querySelectorAll("button")) button.remove()
              const template = document.createElement("template")
              template.innerHTML = html
              return [copy.innerHTML, template.innerHTML]
            }""",
            [letter, render(text)],
        )
        assert drawn == whole


def test_a_hostile_answer_is_text_and_the_buttons_stay_in_reach(cards):
    cards.stream(HOSTILE, HOSTILE, step=4_000)
    page = cards.page
    assert page.evaluate("window.harmed") is None
    assert (
        page.locator(".body :is(img, script, style, iframe, svg, input, [style], [id])").count()
        == 0
    )
    assert page.locator(".body a[href]").count() == 0
    for button in page.locator(".vote button").all():
        hit = button.evaluate(
            """(button) => {
              const { x, y, width, height } = button.getBoundingClientRect()
              const at = [[0.5, 0.5], [0.2, 0.3], [0.8, 0.7]]
              return at.every(([right, down]) => button.contains(button.getRootNode()
                .elementFromPoint(x + right * width, y + down * height)))
            }"""
        )
        assert hit
        button.click()
    assert len(page.evaluate("votes")) == 4
    assert [url for url in cards.requests if not url.startswith(f"{ORIGIN}/")] == []
    assert cards.errors == []


def test_each_block_of_code_says_its_language_and_can_be_copied(cards):
    cards.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    cards.page.evaluate(
        "navigator.clipboard ?? Object.defineProperty(navigator, 'clipboard',"
        " { value: { writeText: async (text) => { window.copied = text } } })"
    )
    cards.stream(EVERYTHING, "", step=500)
    labels = cards.page.locator(".language").all_inner_texts()
    assert [label.split()[0] for label in labels] == "python javascript rust sql c".split()
    assert cards.page.locator(".language button").count() == 5
    cards.page.locator(".language button").nth(3).evaluate("(button) => button.click()")
    cards.page.wait_for_function("() => Boolean(window.copied)")
    assert cards.page.evaluate("copied").startswith("SELECT name, count(*) FROM votes")


def test_a_selection_outlives_further_words(cards):
    from dataclasses import asdict

    from rostra.arena.rendering import AnswerStream

    stream = AnswerStream()
    text = "Some words to select"
    cards.page.evaluate("draw", [asdict(stream.update(text)), None])
    cards.page.evaluate("window.node = cards[0].querySelector('.tail p').firstChild")
    for more in (" and more", " of them.\n\nNext", "\n\nLast\n"):
        text += more
        cards.page.evaluate("draw", [asdict(stream.update(text)), None])
    assert cards.page.evaluate("node.isConnected && node.data").startswith("Some words")


@pytest.mark.parametrize("cards", [{"theme": "light"}, {"theme": "dark"}], indirect=True)
def test_code_is_told_apart_with_enough_contrast(cards):
    cards.stream(EVERYTHING, "", step=5_000)
    ratios = cards.page.evaluate(
        """() => {
          const light = (colour) => {
            const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map((c) => c / 255)
              .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
            return 0.2126 * r + 0.7152 * g + 0.0722 * b
          }
          const root = document.getElementById("host").shadowRoot
          const ground = light(getComputedStyle(root.querySelector(".code")).backgroundColor)
          const names = "comment keyword type builtin function string number deleted inserted"
          const code = root.querySelector(".code code")
          return names.split(" ").map((name) => {
            const span = document.createElement("span")
            span.className = `c-${name}`
            code.append(span)
            const text = light(getComputedStyle(span).color)
            return (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05)
          })
        }"""
    )
    assert min(ratios) >= 4.5
    assert len({round(ratio, 3) for ratio in ratios}) > 5
