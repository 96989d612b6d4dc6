"""Model output to HTML that is safe to show.

Two independent layers: the Markdown parser shows raw HTML as text and images as their description,
and nh3 lets through only the few elements that Markdown makes. So an answer can neither run
anything nor load anything.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from markupsafe import escape

_TAGS = set(
    "p br hr h1 h2 h3 h4 h5 h6 em strong s blockquote ul ol li pre code a span "
    "table thead tbody tr th td".split()
)
_ATTRIBUTES = {
    "a": {"href", "title"},
    "ol": {"start"},
    "span": {"class"},
    "th": {"style"},
    "td": {"style"},
}
_SCHEMES = {"http", "https", "mailto"}
# As the parser counts them; `str.splitlines` knows further separators, such as a form feed.
_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)")


class _Renderer(RendererHTML):
    def image(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]
    ) -> str:
        """Only the description: loading an image would tell its host who reads which answer."""
        description = self.renderInlineAsText(tokens[idx].children, options, env)
        return f'<span class="image">[image: {escape(description or "no description")}]</span>'


_MARKDOWN = MarkdownIt("commonmark", {"html": False}, renderer_cls=_Renderer).enable(
    ["table", "strikethrough"]
)
# What is relative to the page that quotes it leads nowhere the model can mean.
_MARKDOWN.validateLink = re.compile(r"(https?://|mailto:)", re.IGNORECASE).match  # type: ignore


def render(text: str) -> str:
    """HTML of the Markdown `text`; safe whatever `text` is."""
    return nh3.clean(
        _MARKDOWN.render(text),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        filter_style_properties={"text-align"},
        set_tag_attribute_values={"a": {"target": "_blank"}},
        link_rel="noopener noreferrer nofollow",
    )


class StreamingMarkdown:
    """Renders a growing text, again and again, at the cost of its last block only.

    A block of CommonMark that is followed by another one on a complete line never changes again, so
    its HTML is settled. The exception is a reference to a link defined further down, which `render`
    of the whole text resolves when it has ended.
    """

    def __init__(self) -> None:
        self.settled = ""
        """HTML of the blocks that have ended."""
        self._start = 0

    def render(self, text: str) -> tuple[str, str]:
        """(settled HTML, HTML of the rest). `text` extends that of the call before."""
        rest = text[self._start :]
        complete = rest[: rest.rfind("\n") + 1]
        blocks = [
            token.map[0]
            for token in _MARKDOWN.parse(complete)
            if token.level == 0 and token.map is not None and token.nesting >= 0
        ]
        if len(blocks) > 1:
            length = sum(map(len, _LINE.findall(complete)[: blocks[-1]]))
            self.settled += render(rest[:length])
            self._start += length
            rest = rest[length:]
        return self.settled, render(rest)
