"""The page on which one contestant of the voter's choice answers. There is no vote."""

from __future__ import annotations

from typing import Any

from rostra.arena.pages.named import NamedView
from rostra.arena.round import Round
from rostra.arena.state import Arena
from rostra.arena.texts import Texts


class ChatView(NamedView):
    mode = "direct"

    def __init__(self, arena: Arena, voter: str, texts: Texts, **params: Any) -> None:
        super().__init__(arena, voter, texts, sides=["a"], **params)

    def new_round(self, chosen: dict[str, Any]) -> Round:
        return self._arena.new_round(
            {"a": self._contestant(chosen.get("a"))}, self.mode, self._voter
        )
