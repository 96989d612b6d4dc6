"""The vote on a round, what is told after it, and the reasons for it."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, cast

from rostra.arena.access.voter import Voter
from rostra.arena.campaigns.campaign import Campaign
from rostra.arena.errors import ToldVoterError, VoteRefusedError
from rostra.arena.pages import reveal
from rostra.arena.pages.round_page import RoundPage
from rostra.arena.round import Round
from rostra.arena.state import Arena
from rostra.arena.votes.records import OUTCOMES, Outcome


class Voting(RoundPage):
    """What a page with a round has to have for that."""

    _arena: Arena
    _voter: Voter
    _current: Round | None

    @property
    def campaign(self) -> Campaign:
        """As it is now, or as it was last before it went."""
        raise NotImplementedError

    def _show_campaign(self) -> None:
        raise NotImplementedError

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        raise NotImplementedError

    async def _vote(self, data: dict[str, Any]) -> None:
        outcome = data.get("outcome")
        if outcome not in OUTCOMES or self.phase != "ended" or self._current is None:
            return
        current = self._current
        self._arena.limits.check("vote", self._voter, self._texts)
        try:
            await current.cast(cast(Outcome, outcome))
        except VoteRefusedError:
            if current.vote is None:
                raise
            await self._reveal(current)
            self.status = self._texts("status.refused_voted")
        else:
            self.campaign.progress.votes += 1
            await self._reveal(current)

    async def _reveal(self, current: Round) -> None:
        told = await reveal.told(current, self.campaign.standings, self._texts)
        if current is self._current:
            self._tell(phase="voted", **told)
            self._show_campaign()
            self._run(self._judge(current))

    async def _judge(self, current: Round) -> None:
        lines = await reveal.verdict(current, self.campaign.results, self._texts)
        if current is self._current:
            self.verdict = lines

    async def _reasons(self, data: dict[str, Any]) -> None:
        tags, comment = data.get("tags"), str(data.get("comment", ""))
        if self._current is None or self.phase != "voted" or not isinstance(tags, list):
            return
        try:
            await self._current.give_reasons(map(str, tags), comment)
        except VoteRefusedError as error:
            raise ToldVoterError(self._texts("status.refused_reasons")) from error
        self.reasons_given = True
