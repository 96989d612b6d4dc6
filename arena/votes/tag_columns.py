"""Tags of battles as columns of a query."""

from __future__ import annotations

from sqlalchemy import ScalarSelect, case, func, select

from rostra.arena.tags.language import UNKNOWN
from rostra.arena.tags.precedence import IMPORT
from rostra.arena.tags.rules import VERSION
from rostra.arena.votes.models import Battle, BattleTag


def tag_column(name: str) -> ScalarSelect[str | None]:
    """What a battle's tag is, of whom it is believed most (`rostra.arena.tags.precedence`); null
    where there is none or it is unknown. Belongs into a query of `Battle`."""
    rank = case(
        (BattleTag.by == IMPORT, 0),
        (BattleTag.by == VERSION, 2),
        (BattleTag.by.startswith("rules "), 3),
        else_=1,
    )
    return (
        select(func.nullif(BattleTag.value, UNKNOWN))
        .where(BattleTag.battle_id == Battle.id, BattleTag.name == name)
        .order_by(rank, BattleTag.by)
        .limit(1)
        .correlate(Battle)
        .scalar_subquery()
    )
