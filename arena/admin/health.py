"""How contestants have answered of late."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, exists, func, select

from rostra.arena.conversation import ABANDONED, CUT_SHORT, STOPPED
from rostra.arena.votes.models import Answer, Battle, ImportedBattle

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Window:
    """Answers of some time. What the voter stopped or left before its first word is not one."""

    answers: int = 0
    failures: int = 0
    first_text: float | None = None
    """Median seconds from the question to the first text."""
    total: float | None = None
    """Median seconds from the question to the end, of answers that came to theirs."""


@dataclass(frozen=True)
class Health:
    hour: Window
    day: Window
    last_error: str = ""
    """Of the day."""
    last_error_at: datetime | None = None


_CONTESTANT = case((Answer.side == "a", Battle.contestant_a), else_=Battle.contestant_b)
_FAILED = and_(Answer.error.is_not(None), ~Answer.error.endswith(CUT_SHORT, autoescape=True))
_CAME_TO_ITS_END = and_(Answer.error.is_(None), Answer.finish_reason.not_in([STOPPED, ABANDONED]))
_ASKED_HERE = ~exists().where(ImportedBattle.battle_id == Answer.battle_id)


def health(connection: Connection, now: datetime) -> dict[str, Health]:
    """By contestant, those who answered within a day."""
    windows = {length: _window(connection, now - length) for length in (HOUR, DAY)}
    errors = _last_errors(connection, now - DAY)
    none: tuple[str, datetime | None] = ("", None)
    return {
        name: Health(windows[HOUR].get(name, Window()), window, *errors.get(name, none))
        for name, window in windows[DAY].items()
    }


def _window(connection: Connection, start: datetime) -> dict[str, Window]:
    failed = func.sum(case((_FAILED, 1), else_=0))
    answered = func.sum(case((_FAILED, 1), (Answer.error.is_(None), 1), else_=0))
    rows = _answers(start, _CONTESTANT, answered, failed).group_by(_CONTESTANT)
    first = _medians(connection, start, Answer.first_text_seconds)
    total = _medians(connection, start, Answer.seconds, _CAME_TO_ITS_END)
    return {
        name: Window(int(answers), int(failures), first.get(name), total.get(name))
        for name, answers, failures in connection.execute(rows)
    }


def _answers(start: datetime, *columns: Any) -> Select[Any]:
    return (
        select(*columns)
        .select_from(Answer)
        .join(Battle, Battle.id == Answer.battle_id)
        .where(Answer.ended_at >= start, _ASKED_HERE)
    )


def _medians(
    connection: Connection, start: datetime, value: Any, *where: ColumnElement[bool]
) -> dict[str, float]:
    """Of `value` by contestant: the mean of the one or two in the middle."""
    place = func.row_number().over(partition_by=_CONTESTANT, order_by=value)
    number = func.count().over(partition_by=_CONTESTANT)
    ordered = (
        _answers(start, _CONTESTANT.label("name"), value.label("value"))
        .add_columns(place.label("place"), number.label("number"))
        .where(value.is_not(None), *where)
        .subquery()
    )
    middle = ordered.c.place.in_([(ordered.c.number + 1) // 2, (ordered.c.number + 2) // 2])
    rows = select(ordered.c.name, func.avg(ordered.c.value)).where(middle).group_by(ordered.c.name)
    return _pairs(connection.execute(rows))


def _last_errors(connection: Connection, start: datetime) -> dict[str, tuple[str, datetime]]:
    place = func.row_number().over(partition_by=_CONTESTANT, order_by=Answer.id.desc())
    ordered = (
        _answers(start, _CONTESTANT.label("name"), Answer.error, Answer.ended_at)
        .add_columns(place.label("place"))
        .where(_FAILED)
        .subquery()
    )
    rows = select(ordered.c.name, ordered.c.error, ordered.c.ended_at).where(ordered.c.place == 1)
    return {name: (error, at) for name, error, at in connection.execute(rows)}


def _pairs(rows: Iterable[Any]) -> dict[str, float]:
    return {name: float(value) for name, value in rows}
