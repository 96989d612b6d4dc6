"""Style sheets and script that pages and report share."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TOKENS_CSS = (HERE / "tokens.css").read_text(encoding="utf-8")
DOCUMENT_CSS = (HERE / "document.css").read_text(encoding="utf-8")
FIGURES_CSS = (HERE / "figures.css").read_text(encoding="utf-8")
FIGURES_JS = (HERE / "figures.js").read_text(encoding="utf-8")


def themes() -> dict[str, Any]:
    """What `figures.js` paints figures by."""
    # With its palettes comes all of Matplotlib; a page without figures has no use for either.
    from rostra.arena.ratings.plots.theme import DARK, LIGHT

    return {"light": asdict(LIGHT), "dark": asdict(DARK)}
