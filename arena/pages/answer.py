"""What a page with answers needs: `_esm = ANSWER_JS + its own`, and `ANSWER_CSS` in its styles.

Panel evaluates each component's module from a blob, which has no folder to import siblings from.
"""

from __future__ import annotations

from rostra.arena.pages.templates import HERE

ANSWER_JS = (HERE / "answer.js").read_text(encoding="utf-8")
ANSWER_CSS = "".join(
    (HERE / name).read_text(encoding="utf-8") for name in ("answer.css", "code.css")
)
