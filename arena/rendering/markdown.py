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


class _Renderer(RendererHTML):
    def image(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]
    ) -> str:
        """Only the description: loading an image would tell its host who reads which answer."""
        description = self.renderInlineAsText(tokens[idx].children, options, env)
        return f'<span class="image">[image: {escape(description or "no description")}]</span>'


MARKDOWN = MarkdownIt("commonmark", {"html": False}, renderer_cls=_Renderer).enable(
    ["table", "strikethrough"]
)
# What is relative to the page that quotes it leads nowhere the model can mean.
MARKDOWN.validateLink = re.compile(r"(https?://|mailto:)", re.IGNORECASE).match  # type: ignore


def render(text: str) -> str:
    """HTML of the Markdown `text`; safe whatever `text` is."""
    return nh3.clean(
        MARKDOWN.render(text),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        filter_style_properties={"text-align"},
        set_tag_attribute_values={"a": {"target": "_blank"}},
        link_rel="noopener noreferrer nofollow",
    )
