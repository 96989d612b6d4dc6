from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rostra.arena.ratings.board import OUTCOMES, Board
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.frame import OUTCOME, SCHEMA, Selection, check, select
from rostra.arena.ratings.reduce import Wanted, reduce, reduce_wanted
from rostra.arena.ratings.style.covariates import BINS

MONDAY = datetime(2026, 11, 16, tzinfo=UTC)
VOTES = st.lists(
    st.tuples(
        *(st.sampled_from("abcdeß"),) * 2,
        st.sampled_from(OUTCOMES),
        st.sampled_from(["maths", "prose"]),
        st.integers(0, 40).map(lambda days: MONDAY + timedelta(days=days)),
        st.integers(0, 30),
        st.integers(0, 30),
    ).filter(lambda vote: vote[0] != vote[1]),
    max_size=60,
)
COLUMNS = ("left", "right", "outcome", "category", "at", "tokens_left", "tokens_right")


def frame(rows: list[tuple], columns: tuple[str, ...] = COLUMNS) -> pl.DataFrame:
    return pl.DataFrame(rows, {name: SCHEMA[name] for name in columns}, orient="row")


@given(VOTES)
def test_what_is_counted_is_what_was_voted(rows: list[tuple]) -> None:
    board = reduce(frame(rows))
    assert board.data_hash == Board.from_comparisons([row[:3] for row in rows]).data_hash


@given(VOTES)
def test_factors_only_tell_votes_apart(rows: list[tuple]) -> None:
    board = reduce(frame(rows).lazy(), ["category", "week"])
    assert board.pooled.data_hash == reduce(frame(rows)).data_hash
    weeks = board.factors["week"].levels
    assert all(datetime.fromisoformat(week).weekday() == 0 for week in weeks)
    assert set(weeks) == {
        (row[4] - timedelta(days=row[4].weekday())).date().isoformat() for row in rows
    }
    for level in board.factors["category"].levels:
        expected = Board.from_comparisons([row[:3] for row in rows if row[3] == level])
        assert board.where("category", level).num_votes == expected.num_votes


def flipped(rows: list[tuple]) -> list[tuple]:
    swap = {"a": "b", "b": "a"}
    return [
        (right, left, swap.get(outcome, outcome), category, at, tokens_right, tokens_left)
        for left, right, outcome, category, at, tokens_left, tokens_right in rows
    ]


@settings(deadline=None)
@given(VOTES, st.sampled_from([None, 1, 3, BINS]))
def test_style_is_antisymmetric_and_loses_no_vote(rows: list[tuple], bins: int | None) -> None:
    differences = {(a - b) / (a + b + 1) for *_, a, b in rows}
    if not rows:
        assert reduce(frame(rows), style=["length"], bins=bins).num_votes == 0
        return
    if len(differences) < 2:
        with pytest.raises(RatingsError, match="'length' is the same in all votes"):
            reduce(frame(rows), style=["length"], bins=bins)
        return
    board = reduce(frame(rows), style=["length"], bins=bins)
    assert board.pooled.data_hash == reduce(frame(rows)).data_hash
    other = reduce(frame(rows + flipped(rows)), style=["length"], bins=bins)
    cells = zip(other.left, other.right, other.covariates["length"], other.table, strict=True)
    by_cell = {(left, right, round(x, 9)): table.tolist() for left, right, x, table in cells}
    for (left, right, x), (a, tie, b, bad) in by_cell.items():
        assert by_cell[right, left, round(-x, 9)] == [b, tie, a, bad]


def test_bins_keep_the_mean_size_and_nearly_all_of_the_variance() -> None:
    rng = np.random.default_rng(3)
    tokens = rng.lognormal(5, 0.6, size=(50_000, 2)).astype(np.int64)
    votes = pl.DataFrame(
        {
            "left": ["a", "b"] * 25_000,
            "right": ["b", "a"] * 25_000,
            "outcome": pl.Series(["a"] * 50_000, dtype=OUTCOME),
            "tokens_left": tokens[:, 0],
            "tokens_right": tokens[:, 1],
        }
    )
    exact = reduce(votes, style=["length"], bins=None)
    binned = reduce(votes, style=["length"])

    def moment(board: Board, power: int) -> float:
        x, number = np.abs(board.covariates["length"]), board.table.sum(axis=1)
        return float((x**power * number).sum() / number.sum())

    assert len(np.unique(binned.covariates["length"])) == 2 * BINS + 1
    assert moment(exact, 2) == pytest.approx(1, abs=1e-3)
    assert moment(binned, 1) == pytest.approx(moment(exact, 1), rel=1e-9)
    assert 0.97 < moment(binned, 2) < 1
    x, left, right = exact.covariates["length"], *tokens.T
    assert np.sort(np.unique(x)) == pytest.approx(
        np.unique((left - right) / (left + right + 1)) / np.std((left - right) / (left + right + 1))
    )


def test_contestants_without_votes_belong_to_the_field() -> None:
    board = reduce(frame([("a", "b", "tie", "x", MONDAY, 1, 2)]), contestants=["z", "b"])
    assert board.contestants == ("a", "b", "z")
    assert board.votes.tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    ("columns", "factors", "style", "line"),
    [
        (("left", "right"), [], [], "votes lack the column outcome"),
        (COLUMNS[:3], ["category"], [], "the votes carry no 'category'"),
        (COLUMNS[:3], ["colour"], [], "votes are not told apart by 'colour'"),
        (COLUMNS[:3], [], ["length"], "the votes carry no 'tokens_left'"),
        (COLUMNS, [], ["charm"], "there is no style feature 'charm'"),
        (COLUMNS, [], ["length", "length"], "named twice"),
    ],
)
def test_what_is_not_there_is_refused(
    columns: tuple[str, ...], factors: list[str], style: list[str], line: str
) -> None:
    row = ("a", "b", "tie", "x", MONDAY, 1, 2)
    with pytest.raises(RatingsError, match=line):
        reduce(frame([row[: len(columns)]], columns), factors, style)


def test_a_missing_level_is_refused_and_can_be_left_out() -> None:
    rows = [("a", "b", "tie", "x", MONDAY, 1, 2), ("a", "b", "a", None, MONDAY, 1, None)]
    with pytest.raises(RatingsError, match="1 votes have no category"):
        reduce(frame(rows), ["category"])
    reduced = reduce_wanted(frame(rows), Wanted(factors=("category",)))
    assert reduced.left_out == (("no category", 1),)
    assert reduced.board.num_votes == 1
    assert reduced.first == reduced.last == MONDAY


def test_columns_of_another_type_are_refused() -> None:
    votes = frame([("a", "b", "tie", "x", MONDAY, 1, 2)])
    with pytest.raises(RatingsError, match="column 'outcome' of the votes is String"):
        check(votes.cast({"outcome": pl.String}))


def test_a_selection_accounts_for_every_vote() -> None:
    rows = [
        ("a", "b", "tie", None if day == 3 else "x", MONDAY + timedelta(days=day), 1, day)
        for day in range(8)
    ]
    rows.append(("a", "b", "tie", "x", None, 1, 9))
    found = select(
        frame(rows),
        Selection(MONDAY + timedelta(days=2), MONDAY + timedelta(days=6), ("category",)),
    )
    assert dict(found.left_out) == {
        "cast before 2026-11-18T00:00:00+00:00": 2,
        "cast at 2026-11-22T00:00:00+00:00 or later": 2,
        "no category": 1,
        "no time": 1,
    }
    kept = found.votes.collect()["at"]
    assert kept.to_list() == [MONDAY + timedelta(days=day) for day in (2, 4, 5)]


def test_nothing_left_says_why() -> None:
    rows = [("a", "b", "tie", "x", MONDAY, 1, 2)]
    with pytest.raises(RatingsError, match="no votes are left to rate from: 1 cast before"):
        reduce_wanted(frame(rows), Wanted(since=MONDAY + timedelta(days=1)))


def test_exact_style_is_a_cell_for_each_vote() -> None:
    rows = [("a", "b", "a", "x", MONDAY, number, 7) for number in range(20)]
    board = reduce(frame(rows), style=["length"], bins=None)
    assert board.table.sum(axis=1).tolist() == [1] * 20
