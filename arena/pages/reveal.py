"""What a voter is told once the vote is stored: who it was, how they stand, what the vote does."""

from __future__ import annotations

import logging
from typing import Any

from rostra.arena.contestant import Contestant
from rostra.arena.errors import ArenaError
from rostra.arena.matchmaking import Side
from rostra.arena.pages import words
from rostra.arena.ratings.summary.one_vote import OneVote, one_vote
from rostra.arena.results import ResultsReader, Saved
from rostra.arena.round import Round
from rostra.arena.standings import StandingsReader
from rostra.arena.texts import Texts

logger = logging.getLogger(__name__)


async def told(current: Round, standings: StandingsReader, texts: Texts) -> dict[str, Any]:
    """Parameters of the page of a round that has been voted on, all but the `verdict`."""
    if current.vote is None:
        raise RuntimeError("names are due after the vote")
    contestants = current.contestants
    return {
        "choice": current.vote.outcome,
        "status": texts(f"voted.{current.vote.outcome}"),
        "names": {side: each.label for side, each in contestants.items()},
        "notes": {
            side: words.revealed_note(answer, texts) for side, answer in current.answers.items()
        },
        "ratings": await _ratings(current, standings, texts),
        "settings": {side: _settings(each, texts) for side, each in contestants.items()},
        "reasons_given": current.reasons is not None,
    }


def _settings(contestant: Contestant, texts: Texts) -> list[list[str]]:
    """Rows of the configuration that answered. Sampling settings keep their names in the API."""
    rows = [[texts("setting.model"), contestant.model]]
    if contestant.adapter:
        rows.append([texts("setting.adapter"), contestant.adapter])
    if contestant.system_prompt:
        rows.append([texts("setting.system_prompt"), contestant.system_prompt])
    sampling = contestant.sampling.model_dump(exclude_none=True)
    return rows + [[name, str(value)] for name, value in sampling.items()]


async def _ratings(current: Round, standings: StandingsReader, texts: Texts) -> dict[Side, str]:
    """A rating for each side, with or without which the names are due."""
    try:
        newest = await standings.newest()
    except ArenaError as error:
        logger.warning("%s", error)
        newest = None
    return {
        side: words.rating(newest.row(contestant.name) if newest else None, texts)
        for side, contestant in current.contestants.items()
    }


async def verdict(current: Round, results: ResultsReader, texts: Texts) -> list[str]:
    """How likely one is ahead of the other, where that is known, and how far this vote moves them.

    Takes seconds after new ratings, since it reads their draws.
    """
    if current.vote is None:
        return []
    a, b = current.contestants["a"], current.contestants["b"]
    outcome = current.vote.outcome

    def derive(saved: Saved) -> OneVote | None:
        return one_vote(saved.posterior, a.name, b.name, outcome)

    try:
        effect = await results.answer(("one vote", a.name, b.name, outcome), derive)
    except ArenaError as error:
        logger.warning("%s", error)
        effect = None
    lines = []
    if effect is not None:
        a_ahead = effect.superiority >= 0.5
        percent = 100 * max(effect.superiority, 1 - effect.superiority)
        ahead, behind = (a, b) if a_ahead else (b, a)
        lines.append(
            texts(
                "voted.standing",
                a=ahead.label,
                b=behind.label,
                percent="> 99.9" if percent > 99.9 else f"{percent:.1f}",
            )
        )
    if current.mode != "battle":
        lines.append(texts("voted.shift_named"))
    elif current.revealed:
        lines.append(texts("voted.shift_revealed"))
    elif outcome == "both_bad":
        lines.append(texts("voted.shift_none"))
    elif effect is None:
        lines.append(texts("voted.shift_unrated"))
    else:
        lines.append(
            texts(
                "voted.shift",
                a=a.label,
                b=b.label,
                shift_a=_signed(effect.left_shift),
                shift_b=_signed(effect.right_shift),
            )
        )
    return lines


def _signed(points: float) -> str:
    return f"{points:+.1f}".replace("-", "\N{MINUS SIGN}")
