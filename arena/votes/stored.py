"""Rows of the vote store as the records that leave it. `Any` has the attributes of its table in
`rostra.arena.votes.models`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any, TypeVar, cast

from rostra.arena.images.picture import Picture
from rostra.arena.matchmaking import Side
from rostra.arena.votes.models import Answer, Battle, TurnImage
from rostra.arena.votes.records import (
    EndedAnswer,
    Mode,
    Outcome,
    ReasonTag,
    StoredAnswer,
    StoredBattle,
    StoredReasons,
    StoredTurn,
    StoredVote,
)

Ended = TypeVar("Ended")
"""An answer."""
_PLACE = attrgetter("turn", "side")


def newest(answers: Iterable[Ended]) -> list[Ended]:
    """The last attempt of each turn and side, by turn and side."""
    ordered = sorted(answers, key=attrgetter("turn", "side", "attempt"))
    return list({_PLACE(answer): answer for answer in ordered}.values())


def stored_vote(vote: Any) -> StoredVote:
    return StoredVote(vote.battle_id, cast(Outcome, vote.outcome), vote.at)


def stored_reasons(reasons: Any) -> StoredReasons:
    tags = tuple(cast(ReasonTag, tag) for tag in reasons.tags)
    return StoredReasons(reasons.battle_id, tags, reasons.comment, reasons.at)


def stored_answer(answer: Answer) -> StoredAnswer:
    ended = {field.name: getattr(answer, field.name) for field in fields(EndedAnswer)}
    side = cast(Side, answer.side)
    return StoredAnswer(**ended, turn=answer.turn, side=side, attempt=answer.attempt)


def picture(image: TurnImage) -> Picture:
    return Picture(image.media_type, image.width, image.height, image.data)


def stored_battle(battle: Battle) -> StoredBattle:
    vote = battle.vote
    return StoredBattle(
        battle_id=battle.id,
        campaign=battle.campaign,
        mode=cast(Mode, battle.mode),
        contestant_a=battle.contestant_a,
        contestant_b=battle.contestant_b,
        settings_a=battle.settings_a,
        settings_b=battle.settings_b,
        created_at=battle.created_at,
        failed=battle.failed,
        identity_revealed=battle.identity_revealed,
        turns=tuple(
            StoredTurn(
                turn.number,
                turn.prompt,
                turn.asked_at,
                tuple(picture(image) for image in battle.images if image.turn == turn.number),
            )
            for turn in battle.turns
        ),
        answers=tuple(map(stored_answer, newest(battle.answers))),
        vote=None if vote is None else stored_vote(vote),
        reasons=None if vote is None or vote.reasons is None else stored_reasons(vote.reasons),
    )


def turn_images(battle_id: str, turn: int, pictures: Sequence[Picture]) -> list[dict[str, Any]]:
    """Rows of the `turn`th question, from 0."""
    return [
        {
            "battle_id": battle_id,
            "turn": turn,
            "number": number,
            "media_type": each.media_type,
            "width": each.width,
            "height": each.height,
            "sha256": each.sha256,
            "data": each.data,
        }
        for number, each in enumerate(pictures)
    ]
