"""What a page needs to show answers: `_esm = ANSWER_JS + its own`, and `ANSWER_CSS` in `_stylesheets`.

Panel evaluates each component's module from a blob, which has no folder to import siblings from.
"""

from __future__ import annotations

from rostra.arena.pages.frame import HERE

ANSWER_JS = (HERE / "answer.js").read_text(encoding="utf-8")
ANSWER_CSS = (HERE / "answer.css").read_text(encoding="utf-8")
