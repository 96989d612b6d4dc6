"""Judges against people: figures that somebody else computed, and files that are broken."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from rostra.arena.imports.errors import ImportFileError
from rostra.arena.imports.verdicts import read_judged
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.judge_agreement import (
    AgreementRow,
    JudgeAgreement,
    judge_agreement,
)
from rostra.mesh.cli.judge import app
from rostra.mesh.errors import RostraError

PEOPLE = "question_id,turn,model_a,model_b,winner,judge,topic\n"


def row(
    found: JudgeAgreement, first: str, second: str, ties: bool, subset: str = "all"
) -> AgreementRow:
    (each,) = [
        each
        for each in found.rows
        if (each.first, each.second, each.subset, each.ties) == (first, second, subset, ties)
    ]
    return each


@pytest.fixture(scope="module")
def mt_bench(shared_data: Path) -> JudgeAgreement:
    folder = shared_data / "mtbench"
    read = read_judged(folder / "human.jsonl", [folder / "gpt4_pair.jsonl"])
    assert not read.malformed
    return judge_agreement(read.votes, rounds=500)


def test_mt_bench_as_it_was_reported(mt_bench: JudgeAgreement, shared_data: Path) -> None:
    path = shared_data / "mtbench" / "reported_agreement.json"
    reported = json.loads(path.read_text(encoding="utf-8"))
    for ties, subset, figures in (
        (True, "all", reported["with_ties"]),
        (False, "all", reported["ties_excluded"]),
        (True, "turn: 1", reported["by_turn"]["1"]),
        (True, "turn: 2", reported["by_turn"]["2"]),
    ):
        found = row(mt_bench, "gpt4_pair", "people", ties, subset)
        assert found.battles == figures["n"]
        assert found.agreement == pytest.approx(figures["raw_agreement"], abs=5.1e-5)
        assert found.kappa == pytest.approx(figures["cohen_kappa"], abs=5.1e-5)
        # Theirs are of battles drawn one by one; of whole questions they are as wide or wider.
        assert found.kappa_95 is not None
        low, high = found.kappa_95
        assert low < figures["cohen_kappa"] < high
        assert 0.9 < (high - low) / (figures["kappa_ci_high"] - figures["kappa_ci_low"]) < 2
    people = row(mt_bench, "people", "people", True)
    assert people.battles == reported["n_human_multi_rated"]
    assert people.kappa == pytest.approx(reported["human_krippendorff_alpha"], abs=5.1e-5)
    # As published: 85 % with people, more than the 81 % of people with each other.
    without = row(mt_bench, "people", "people", False)
    assert without.agreement == pytest.approx(0.81, abs=0.03)
    assert dict(mt_bench.left_out) == {"verdict on a battle that no person judged": 586}


def test_categories_add_up(mt_bench: JudgeAgreement) -> None:
    kinds = [
        each
        for each in mt_bench.rows
        if each.subset.startswith("category") and each.first != "people" and each.ties
    ]
    assert len(kinds) == 8
    assert sum(each.battles for each in kinds) == row(mt_bench, "gpt4_pair", "people", True).battles


def votes(*rows: tuple[str | None, str, str, str, str]) -> pl.DataFrame:
    """Judge, question, left, right, outcome of each."""
    names = ("judge", "prompt", "left", "right", "outcome")
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    return pl.DataFrame(columns, schema=dict.fromkeys(names, pl.String))


def test_whoever_stood_on_the_left() -> None:
    found = judge_agreement(
        votes(
            (None, "1", "x", "y", "a"),
            ("j", "1", "y", "x", "b"),
            (None, "2", "y", "x", "a"),
            ("j", "2", "x", "y", "a"),
        ),
        rounds=10,
    )
    each = row(found, "j", "people", True)
    assert (each.battles, each.agreement) == (2, 0.5)


def test_a_verdict_that_turns_with_the_order_is_a_tie() -> None:
    found = judge_agreement(
        votes(
            (None, "1", "x", "y", "tie"),
            ("j", "1", "x", "y", "a"),
            ("j", "1", "y", "x", "a"),
            (None, "2", "x", "y", "both_bad"),
            ("j", "2", "x", "y", "tie"),
        ),
        rounds=10,
    )
    assert row(found, "j", "people", True).agreement == 1
    assert row(found, "j", "people", False).battles == 0
    assert row(found, "j", "people", False).agreement is None


def test_judges_are_compared_with_each_other() -> None:
    found = judge_agreement(
        votes(("i", "1", "x", "y", "a"), ("j", "1", "x", "y", "a"), (None, "2", "x", "y", "b")),
        rounds=10,
    )
    assert row(found, "i", "j", True).agreement == 1


def test_nothing_in_common_is_one_line() -> None:
    apart = votes((None, "1", "x", "y", "a"), ("j", "2", "x", "y", "a"))
    with pytest.raises(RatingsError, match="1 votes of people and 1 verdicts have no battle in"):
        judge_agreement(apart)
    with pytest.raises(RatingsError, match="carry no prompt"):
        judge_agreement(apart.drop("prompt"))


ROW = st.tuples(
    st.one_of(st.none(), st.sampled_from(["i", "j"])),
    st.sampled_from(["1", "2", "3"]),
    st.sampled_from([("x", "y"), ("y", "x"), ("y", "z")]),
    st.sampled_from(["a", "b", "tie", "both_bad"]),
)


@given(st.lists(ROW, min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_any_votes_give_figures_or_a_reason(rows: list[tuple]) -> None:
    frame = votes(*((judge, prompt, *pair, outcome) for judge, prompt, pair, outcome in rows))
    people = {(prompt, *sorted(pair)) for judge, prompt, pair, _ in rows if judge is None}
    by = [{(q, *sorted(pair)) for j, q, pair, _ in rows if j == name} for name in ("i", "j")]
    if not (people & (by[0] | by[1]) or by[0] & by[1]):
        with pytest.raises(RatingsError, match="no battle in common"):
            judge_agreement(frame, rounds=20)
        return
    found = judge_agreement(frame, rounds=20)
    for each in found.rows:
        assert each.agreement is None or 0 <= each.agreement <= 1
        assert each.kappa is None or -1 <= each.kappa <= 1 or each.first == each.second
        assert (each.battles == 0) == (each.agreement is None)


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["agreement", *arguments])
    if isinstance(result.exception, RostraError):
        return 2, str(result.exception)
    return result.exit_code, result.output


def test_the_command(shared_data: Path) -> None:
    folder = shared_data / "mtbench"
    files = ("--votes", f"{folder / 'human.jsonl'}", "--verdicts", f"{folder / 'gpt4_pair.jsonl'}")
    code, output = run(*files, "--rounds", "50")
    assert code == 0
    assert "gpt4_pair and people, without ties" in output
    assert "0.767" in output
    code, output = run(*files, "--judge", "claude")
    assert code == 2
    assert "the verdicts are of gpt4_pair" in output


def test_malformed_rows_are_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    people, judge = tmp_path / "people.csv", tmp_path / "judge.csv"
    people.write_text(f"{PEOPLE}1,1,x,y,model_a,p,maths\n2,1,x,y,,p,maths\n", encoding="utf-8")
    judge.write_text(
        f"{PEOPLE}1,1,y,x,model_b,,maths\n2,1,x,y,perhaps,,maths\n3,1,x,x,tie,,maths\n",
        encoding="utf-8",
    )
    arguments = ("--votes", f"{people}", "--verdicts", f"{judge}")
    code, output = run(*arguments, "--rounds", "10")
    assert code == 3
    assert "malformed: 1 × no outcome (row 2)" in output
    assert "1 × unknown outcome (row 2: perhaps)" in output
    assert "a contestant against itself" in output
    code, output = run(*arguments, "--rounds", "10", "--output", "json")
    assert code == 3
    assert '"first": "judge"' in output


def test_files_that_cannot_be_judged_are_refused(tmp_path: Path) -> None:
    people, judge = tmp_path / "people.csv", tmp_path / "judge.jsonl"
    people.write_text(f"{PEOPLE}1,1,x,y,model_a,p,maths\n", encoding="utf-8")
    judge.write_text('{"judge": "j"\n', encoding="utf-8")
    assert run("--votes", f"{people}")[0] == 2
    code, output = run("--votes", f"{people}", "--verdicts", f"{judge}")
    assert code == 2
    assert "judge.jsonl" in output
    counts = tmp_path / "counts.csv"
    counts.write_text("model_a,model_b,win_a,win_b\nx,y,3,4\n", encoding="utf-8")
    with pytest.raises(ImportFileError, match="counts by pair"):
        read_judged(people, [counts])
    with pytest.raises(ImportFileError, match="not a file"):
        read_judged(people, [tmp_path / "nowhere.csv"])
    code, output = run("--home", f"{tmp_path}")
    assert code == 2
    assert "0 votes to compare" in output
