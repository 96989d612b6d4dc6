"""The battle page: a pair drawn by the arena, whose names come with the vote."""

from __future__ import annotations

from typing import Any

from rostra.arena.matchmaking import SIDES
from rostra.arena.pages.round_view import RoundView
from rostra.arena.round import Round


class BattleView(RoundView):
    mode = "battle"

    def new_round(self, chosen: dict[str, Any]) -> Round:
        draw = self._arena.matchmaker.draw()
        return self._arena.new_round(
            {side: draw.pair[side] for side in SIDES}, self.mode, self._voter, draw.record
        )
