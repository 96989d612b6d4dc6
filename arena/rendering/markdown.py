"""One block of an answer's Markdown to HTML.

Two independent walls: the parser shows raw HTML as text and images as their description, and nh3
lets through only the elements, attributes, classes and addresses on its lists. So an answer can
neither run anything nor load anything nor put on the clothes of the page.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from markupsafe import escape

from rostra.arena.rendering.code import highlight
from rostra.arena.rendering.delimiters import latex
from rostra.arena.rendering.mathml import mathml, num_symbols
from rostra.arena.rendering.sanitise import sanitise
from rostra.arena.rendering.tables import small_tables

DEEPEST = 20
"""Levels of nesting (a quote is one, a list two). What is nested deeper is shown as written."""
MOST_LATEX = 800
"""Symbols of formulas in one block that are drawn; those after them are shown as written."""

_HEADINGS = {"h1": "h3", "h2": "h4", "h3": "h5", "h4": "h6", "h5": "h6", "h6": "h6"}
_TASK = re.compile(r"\[([ xX])\](?=\s)")
_DIRECTED = {
    f"{name}_open" for name in "paragraph heading blockquote bullet_list ordered_list".split()
}
_WIDEST = 9

Env = MutableMapping[str, Any]


class _Renderer(RendererHTML):
    """Elements of the page's own making, all of them on the lists of `sanitise`."""

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """Only the description: loading an image would tell its host who reads which answer."""
        description = self.renderInlineAsText(tokens[idx].children, options, env)
        return f'<span class="image">[image: {escape(description or "no description")}]</span>'

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        token = tokens[idx]
        language = token.info.split(maxsplit=1)[0][:40] if token.info.strip() else ""
        code = highlight(token.content, language, growing=env.get("growing", False))
        return _code(code, language or "text")

    def code_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        return _code(str(escape(tokens[idx].content)), "text")

    def link_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """The host that a link leads to stands beside it, where its text does not say so."""
        opened = _opening(tokens, idx)
        host = _host(str(tokens[opened].attrGet("href") or ""))
        text = "".join(token.content for token in tokens[opened:idx])
        if not host or host in text:
            return "</a>"
        return f'</a><span class="host"> ({escape(host)})</span>'

    def math_inline(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        token = tokens[idx]
        block = token.markup in ("$$", r"\[")
        return (
            _formula(token, env, block) or f'<code class="latex">{escape(_written(token))}</code>'
        )

    def math_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        token = tokens[idx]
        drawn = _formula(token, env, True)
        if drawn is None:
            return _plain(_written(token))
        return f'<div class="display" tabindex="0">{drawn}{escape(token.info)}</div>\n'

    def math_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        return _plain(tokens[idx].content)

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        columns = "".join(f'<col class="w{width}">' for width in tokens[idx].meta["widths"])
        return f'<div class="table" tabindex="0"><table><colgroup>{columns}</colgroup>\n'

    def table_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        return "</table></div>\n"


def _code(highlighted: str, language: str) -> str:
    return (
        f'<div class="code"><div class="language">{escape(language)}</div>'
        f'<pre dir="ltr" tabindex="0"><code>{highlighted}</code></pre></div>\n'
    )


def _plain(text: str) -> str:
    return f'<pre class="plain" dir="auto">{escape(text)}</pre>\n'


def _written(token: Token) -> str:
    closer = {"$": "$", "$$": "$$", r"\(": r"\)", r"\[": r"\]"}.get(token.markup)
    return f"{token.markup}{token.content}{closer}{token.info}" if closer else token.content


def _formula(token: Token, env: Env, block: bool) -> str | None:
    env["latex"] = env.get("latex", 0) + num_symbols(token.content)
    if env["latex"] > MOST_LATEX:
        return None
    return mathml(token.content, block=block)


def _opening(tokens: Sequence[Token], idx: int) -> int:
    """The token that `tokens[idx]` closes."""
    return next(i for i in range(idx, -1, -1) if tokens[i].type == "link_open")


def _host(href: str) -> str:
    try:
        parts = urlsplit(href)
        return parts.path if parts.scheme == "mailto" else parts.hostname or href
    except ValueError:
        return href


def _shape(state: StateCore) -> None:
    """Headings below the page's own, a direction for each block, tasks, and widths of columns."""
    tokens = state.tokens
    for i, token in enumerate(tokens):
        if token.type in ("heading_open", "heading_close"):
            token.tag = _HEADINGS[token.tag]
        if token.type in _DIRECTED and token.level == 0:
            token.attrSet("dir", "auto")
        elif token.type in ("th_open", "td_open"):
            token.attrSet("dir", "auto")
            style = str(token.attrs.pop("style", ""))
            if style:
                token.attrSet("class", style.removeprefix("text-align:"))
        elif token.type == "table_open":
            token.meta = {"widths": _widths(tokens, i)}
        elif token.type == "inline" and tokens[i - 2].type == "list_item_open":
            _mark_task(token)


def _mark_task(inline: Token) -> None:
    children = inline.children or []
    task = _TASK.match(children[0].content) if children and children[0].type == "text" else None
    if not task:
        return
    done = task[1] != " "
    box = Token("task", "span", 1)
    box.attrs = {
        "class": "task done" if done else "task",
        "role": "img",
        "aria-label": "done" if done else "to do",
    }
    children[0].content = children[0].content[task.end() :]
    children[:0] = [box, Token("task", "span", -1)]


def _widths(tokens: Sequence[Token], start: int) -> list[int]:
    """The width of each column, from the first two rows alone: no later one moves them."""
    rows: list[list[int]] = []
    for i in range(start, len(tokens)):
        if tokens[i].type == "tr_open":
            if len(rows) == 2:
                break
            rows.append([])
        elif tokens[i].type in ("th_open", "td_open"):
            rows[-1].append(len(tokens[i + 1].content))
        elif tokens[i].type == "table_close":
            break
    columns = zip(*rows, strict=True) if rows else ()
    return [min(_WIDEST, 1 + max(column) // 4) for column in columns]


def _parser() -> MarkdownIt:
    markdown = MarkdownIt(
        "commonmark", {"html": False, "maxNesting": DEEPEST}, renderer_cls=_Renderer
    )
    # A line of dashes under a paragraph is a rule: a paragraph that is shown never turns into a
    # heading.
    markdown.enable(["table", "strikethrough"]).disable("lheading")
    markdown.use(latex).use(small_tables)
    markdown.core.ruler.push("shape", _shape)
    # What is relative to the page that quotes it leads nowhere the model can mean.
    markdown.validateLink = re.compile(r"(https?://|mailto:)", re.IGNORECASE).match  # type: ignore
    return markdown


_MARKDOWN = _parser()
_BLOCKS = _parser().disable(["inline", "shape"])


def blocks(text: str) -> list[Token]:
    """The block tokens of `text`, with nothing parsed within them."""
    return _BLOCKS.parse(text)


def render_block(
    text: str, references: dict[str, Any] | None = None, *, growing: bool = False
) -> str:
    """Safe HTML of the Markdown `text`, a block of an answer.

    `references` holds the links defined so far, and gets those that `text` defines. `growing`: the
    block is drawn again soon.
    """
    env: Env = {"growing": growing}
    if references is not None:
        env["references"] = references
    tokens = _MARKDOWN.parse(text, env)
    if any(token.level >= DEEPEST - 1 for token in tokens):
        return render_plain(text)
    return sanitise(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, env))


def render_plain(text: str) -> str:
    """Safe HTML of `text` as it was written."""
    return sanitise(_plain(text))
