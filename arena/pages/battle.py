"""The battle page: a pair drawn by the arena, whose names come with the vote."""

from __future__ import annotations

from typing import Any

from rostra.arena.errors import ToldVoterError
from rostra.arena.matchmaking import SIDES
from rostra.arena.pages.round_view import RoundView
from rostra.arena.round import Round


class BattleView(RoundView):
    mode = "battle"

    def new_round(self, chosen: dict[str, Any]) -> Round:
        campaign = self.campaign
        if campaign.matchmaker is None:
            raise ToldVoterError(self._texts("campaign.no_pair"))
        draw = campaign.matchmaker.draw()
        return self._arena.new_round(
            campaign,
            {side: draw.pair[side] for side in SIDES},
            self.mode,
            self._voter,
            draw.record,
        )
