"""The manual as a site: `make manual`."""

from __future__ import annotations

import os
import re
from importlib.metadata import version as version_of
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "Rostra"
author = "The Rostra authors"
copyright = author
version = release = version_of("rostra")

extensions = ["myst_parser", "sphinxcontrib.mermaid", "sphinx_copybutton"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
# Fenced as other readers of Markdown want them.
myst_fence_as_directive = ["mermaid"]
mermaid_use_local = "mermaid/mermaid.esm.min.mjs"
mermaid_height = "auto"
mermaid_fullscreen = False
d3_use_local = "mermaid/d3.min.js"

html_theme = "furo"
html_title = "Rostra"
copybutton_prompt_text = "$ "
# A command whose argument is JSON over several lines is no console to the lexer.
suppress_warnings = ["misc.highlighting_failure"]

SOURCE = os.environ.get("ROSTRA_SOURCE_URL", "").rstrip("/")
"""Where the repository can be read, as `https://host/owner/rostra/blob/main`."""


def lead_out(app: Sphinx, page: str, source: list[str]) -> None:
    """Links to files beside the manual: to `SOURCE`, else what they say is left without a link."""
    link = re.compile(r"\[((?:[^\]\[]|\[[^\]]*\])*)\]\(\.\./([^)\s]+)\)")
    told = rf"[\1]({SOURCE}/\2)" if SOURCE else r"\1"
    source[0] = link.sub(told, source[0])


def setup(app: Sphinx) -> None:
    app.connect("source-read", lead_out)
