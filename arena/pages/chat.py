"""The page on which one contestant of the voter's choice answers. There is no vote."""

from __future__ import annotations

from typing import Any

from rostra.arena.pages.named import NamedView
from rostra.arena.round import Round


class ChatView(NamedView):
    mode = "direct"

    def __init__(self, *args: Any, **params: Any) -> None:
        super().__init__(*args, sides=["a"], **params)

    def new_round(self, chosen: dict[str, Any], *, images: bool) -> Round:
        contestant = self._contestant(chosen.get("a"), images=images)
        return self._round({"a": contestant})
