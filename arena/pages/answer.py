"""What a page with answers needs: `_esm = ANSWER_JS + its own`, and `ANSWER_CSS` in its styles."""

from __future__ import annotations

from rostra.arena.pages.templates import source

ANSWER_JS = source("answer.js")
ANSWER_CSS = source("answer.css", "code.css")
