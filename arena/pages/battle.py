"""The battle page: a pair drawn by the arena, whose names come with the vote."""

from __future__ import annotations

import logging
from typing import Any

from rostra.arena.errors import ArenaError, ToldVoterError
from rostra.arena.matchmaking import SIDES
from rostra.arena.pages.round_view import RoundView
from rostra.arena.round import Round

logger = logging.getLogger(__name__)


class BattleView(RoundView):
    mode = "battle"

    def new_round(self, chosen: dict[str, Any], *, images: bool) -> Round:
        campaign = self.campaign
        if campaign.matchmaker is None:
            raise ToldVoterError(self._texts("campaign.no_pair"))
        takers = self._arena.image_takers.among(campaign.meeting)
        try:
            draw = campaign.matchmaker.draw({each.name for each in takers} if images else None)
        except ArenaError as error:
            logger.info("no pair for a question with images: %s", error)
            raise ToldVoterError(self._texts("image.no_pair")) from error
        return self._round({side: draw.pair[side] for side in SIDES}, draw.record)
