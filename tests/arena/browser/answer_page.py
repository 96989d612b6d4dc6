"""A page with two answer cards and a vote bar in a shadow root, and nothing else of the arena."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from playwright.sync_api import Page, Route

from rostra.arena.pages.answer import ANSWER_CSS, ANSWER_JS
from rostra.arena.pages.templates import HERE
from rostra.arena.ratings.plots.assets import TOKENS_CSS
from rostra.arena.rendering import AnswerStream

ORIGIN = "http://answers.test"
WORDS = '{title: "Answer", copy: "Copy", copied: "Copied", copyAnswer: "Copy answer"}'
HTML = f"""<!doctype html><html data-theme="THEME"><meta charset="utf-8"><title>answers</title>
<style>{TOKENS_CSS} body {{ margin: 0 }}</style><div id="host"></div>
<script type="module">
{ANSWER_JS}
const host = document.getElementById("host")
const root = host.attachShadow({{ mode: "open" }})
const sheet = new CSSStyleSheet()
sheet.replaceSync(CSS)
root.adoptedStyleSheets = [sheet]
window.cards = ["A", "B"].map((letter) => answerCard(letter, {WORDS}))
const scroller = make("div", {{ class: "scroller" }}, make("div", {{ class: "pair" }}, ...cards))
const buttons = ["A is better", "Tie", "Both bad", "B is better"].map(
  (label) => make("button", {{ type: "button", onclick: () => window.votes.push(label) }}, label))
window.votes = []
const dock = make("div", {{ class: "dock" }}, make("div", {{ class: "vote" }}, ...buttons))
const inner = make("div", {{ class: "inner" }}, scroller, dock)
root.append(inner)
window.draw = (parts) => parts.map((part, i) => !part || drawPart(cards[i], part))
window.shifts = []
new PerformanceObserver((list) => {{
  for (const {{ sources }} of list.getEntries()) {{
    for (const {{ node, previousRect: from, currentRect: to }} of sources) {{
      const element = node?.nodeType === Node.TEXT_NODE ? node.parentNode : node
      // What stands under an answer goes down as the answer grows.
      if (!element || element.closest("footer")) continue
      window.shifts.push(`${{element.outerHTML.slice(0, 80)}}: ` +
        `${{from.x}},${{from.y}} to ${{to.x}},${{to.y}}`)
    }}
  }}
}}).observe({{ type: "layout-shift", buffered: true }})
</script></html>"""
LAYOUT = """
:host > .inner, .inner { display: flex; flex-direction: column; height: 100vh;
  color: var(--text); font: 16px/1.55 var(--font) }
"""


@dataclass
class Cards:
    """Two cards on a page, fed as a page of the arena feeds them."""

    page: Page
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, page: Page, theme: str = "light") -> Cards:
        cards = cls(page)
        css = LAYOUT + (HERE / "round.css").read_text(encoding="utf-8") + ANSWER_CSS
        html = HTML.replace("THEME", theme).replace("(CSS)", f"({css!r})")

        def answer(route: Route) -> None:
            cards.requests.append(route.request.url)
            if route.request.url == f"{ORIGIN}/":
                route.fulfill(body=html, content_type="text/html; charset=utf-8")
            else:
                route.abort()

        page.route("**/*", answer)
        page.on("pageerror", lambda error: cards.errors.append(str(error)))
        page.goto(ORIGIN)
        page.wait_for_function("() => Boolean(window.draw)")
        return cards

    def stream(self, a: str, b: str, *, step: int, pause: int = 0) -> None:
        """Writes both answers `step` characters at a time, with `pause` ms between updates."""
        streams = (AnswerStream(), AnswerStream())
        end = 0
        while not all(stream.done for stream in streams):
            end += step
            parts = [
                stream.update(text[:end], ended=end >= len(text))
                for stream, text in zip(streams, (a, b), strict=True)
            ]
            drawn = self.page.evaluate("draw", [part and asdict(part) for part in parts])
            assert drawn == [True, True]
            if pause:
                self.page.wait_for_timeout(pause)

    def shifts(self) -> list[str]:
        """What moved on the page, from where to where."""
        self.page.wait_for_timeout(200)
        return list(self.page.evaluate("shifts"))
