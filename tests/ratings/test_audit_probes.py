"""Each probe speaks up where its defect was planted, and not where nothing is wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from audit_boards import League, Votes, normal_posterior
from audit_planted import CLEAN, PLANTED
from ratings_boards import names, two_groups

from rostra.arena.ratings import audit
from rostra.arena.ratings.audit import Evidence, Finding
from rostra.arena.ratings.audit.side_bias import MATERIAL
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.spec import ModelSpec

MODULES = {module.__name__.rpartition(".")[2]: module for module in audit.PROBES}
SEEDS = 6


def found(name: str, evidence: Evidence) -> Finding:
    finding = MODULES[name].probe(evidence)
    assert finding.name == name
    return finding


def without(votes: Votes, voters: bool = True, weeks: bool = True) -> Evidence:
    evidence = votes.evidence()
    return Evidence(
        evidence.posterior,
        by_voter=evidence.by_voter if voters else None,
        by_week=evidence.by_week if weeks else None,
    )


def test_every_probe_has_a_planted_board() -> None:
    assert set(PLANTED) | {"connectivity", "judge_bias"} == set(MODULES) == set(audit.TITLES)


@pytest.mark.parametrize("name", PLANTED)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_planted_defect_is_named(name: str, seed: int) -> None:
    league, _, verdicts = PLANTED[name]
    assert found(name, league.draw(seed).evidence()).verdict in verdicts


def test_a_clean_board_raises_no_alarm() -> None:
    """`benchmarks/audit_rates.py` counts alarms over many more seeds."""
    alarms: Counter[str] = Counter()
    for seed in range(SEEDS):
        for finding in audit.run(CLEAN.draw(seed).evidence(), quick=True):
            alarms[finding.name] += finding.verdict in ("warning", "fail")
            if finding.name != "side_bias":
                assert finding.verdict != "cannot tell"
    # Drift errs once in a hundred boards on purpose.
    assert alarms.pop("drift") <= 2
    assert not any(alarms.values())


def test_groups_that_never_met_fail() -> None:
    evidence = Evidence.of(normal_posterior(two_groups(), ModelSpec()))
    finding = found("connectivity", evidence)
    assert finding.verdict == "fail"
    assert "c02 and c03 cannot be compared with the rest" in finding.sentence
    # Every other probe has an answer too, and none of them places one group above the other.
    for other in audit.run(evidence):
        assert other.verdict in ("pass", "warning", "fail", "cannot tell")
    assert not evidence.separated[:2, 2:].any()
    assert not evidence.separated[2:, :2].any()


def test_few_votes_between_two_groups_are_named() -> None:
    votes = CLEAN.draw(1)
    across = (votes.left < 3) != (votes.right < 3)
    kept = ~across | (np.cumsum(across) <= 8)
    finding = found("connectivity", votes.where(kept).evidence())
    assert finding.verdict == "warning"
    assert finding.numbers["weakest_cut"] == 8
    assert finding.sentence.startswith("Only 8 votes link c0")


def test_who_never_lost_is_named() -> None:
    votes = CLEAN.draw(1)
    on_left, on_right = votes.left == 0, votes.right == 0
    votes.outcome[on_left], votes.outcome[on_right] = 0, 2
    finding = found("connectivity", votes.evidence())
    assert finding.verdict == "warning"
    assert finding.sentence.startswith("c00 never lost or tied against the rest")


def test_a_contestant_without_votes_fails_and_one_with_few_is_warned_of() -> None:
    board = CLEAN.draw(1).board()
    unseen = Board.of(names(7), board.left, board.right, board.table)
    finding = found("coverage", Evidence.of(normal_posterior(unseen, ModelSpec())))
    assert finding.verdict == "fail"
    assert "c06 has no vote" in finding.sentence
    thin = Board.of(
        names(7), [*board.left, 6], [*board.right, 0], [*board.table.tolist(), [3, 0, 4, 0]]
    )
    finding = found("coverage", Evidence.of(normal_posterior(thin, ModelSpec())))
    assert finding.verdict == "warning"
    assert "c06 has fewer than 30 votes" in finding.sentence


def test_that_ties_alone_resample_to_ties_makes_nobody_the_best() -> None:
    votes = CLEAN.draw(1)
    votes.outcome[:] = 1
    evidence = votes.evidence()
    finding = found("rank_volatility", evidence)
    assert 0 < finding.numbers["first_is_best"] < 0.6
    assert f"is the best in {finding.numbers['first_is_best']:.0%} of cases" in finding.sentence
    assert found("voter_influence", evidence).numbers["largest_shift_in_median_gaps"] is None
    assert evidence.widened == 1
    assert found("clustering", evidence).verdict == "cannot tell"


def test_who_heads_the_table_is_not_said_to_be_put_first() -> None:
    """Where means and modes disagree on who is first, the probes that refit speak of modes."""
    evidence = (
        League(strengths=np.zeros(4), votes=2000, voters=60, heavy=(0.1, 0, 3.0)).draw(1).evidence()
    )
    put_first = found("voter_influence", evidence).details["first_without"]
    by_mode, other = evidence.mode.order[0], evidence.names.index(put_first[0])
    strengths = np.array(evidence.posterior.strengths)
    strengths[..., other] += 1.1 * (evidence.means[by_mode] - evidence.means[other])
    strengths -= strengths.mean(axis=-1, keepdims=True)
    draws = {**evidence.posterior.draws, "strength": strengths}
    moved = replace(evidence, posterior=replace(evidence.posterior, draws=draws))
    assert moved.leader == moved.names[other]
    dropped = found("drop_votes", moved)
    assert dropped.verdict == "fail"
    assert dropped.numbers["votes"] == 0
    assert dropped.sentence.startswith(f"{moved.leader} is first by the mean strengths")
    assert moved.leader not in found("voter_influence", moved).details["first_without"]


def test_one_voter_with_half_the_votes_is_named_whatever_they_say() -> None:
    finding = found("voter_influence", League(heavy=(0.5, 0, 0.0)).draw(1).evidence())
    assert finding.verdict == "warning"
    assert finding.sentence.startswith("One voter cast 51% of the votes.")


def test_a_claim_that_one_voter_undoes_fails_where_too_few_voters_widen_the_intervals() -> None:
    league = League(
        strengths=np.array([0.6, 0.55, 0.2, 0.0, -0.3, -1.0]), voters=10, heavy=(0.3, 3, 3.0)
    )
    evidence = league.draw(1).evidence()
    assert evidence.widened == 1
    finding = found("voter_influence", evidence)
    assert finding.verdict == "fail"
    assert finding.numbers["voters_who_swap_separated_pairs"] > 0


def test_intervals_are_widened_before_anything_is_separated() -> None:
    evidence = PLANTED["clustering"][0].draw(1).evidence()
    assert evidence.widened == evidence.cluster_ratio > 2
    own = evidence.posterior.tiers.separated
    assert evidence.separated.sum() < np.triu(own).sum()
    assert "times as wide" in found("separation", evidence).sentence


@pytest.mark.parametrize(
    ("name", "votes", "kept", "why"),
    [
        ("clustering", CLEAN, {"voters": False}, "do not tell who cast them"),
        ("voter_influence", CLEAN, {"voters": False}, "do not tell who cast them"),
        ("drift", CLEAN, {"weeks": False}, "do not tell when they were cast"),
        ("clustering", League(voters=12), {}, "12 voters are too few"),
        ("voter_influence", League(voters=2), {}, "2 voters are too few"),
        ("drift", League(votes=60), {}, "Too few votes"),
        ("intransitivity", League(strengths=np.array([1.0, 0.0, -1.0])), {}, "Only 1 triads"),
        ("side_bias", League(votes=300), {}, "neither shown nor ruled out"),
    ],
)
def test_what_the_votes_cannot_answer_is_not_answered(
    name: str, votes: League, kept: dict[str, bool], why: str
) -> None:
    finding = found(name, without(votes.draw(1), **kept))
    assert finding.verdict == "cannot tell"
    assert why in finding.sentence


@pytest.mark.parametrize("name", ["side_bias", "side_reordering"])
def test_sides_are_not_told_from_columns_sorted_by_name(name: str) -> None:
    votes = CLEAN.draw(1)
    swap = votes.left > votes.right
    left = np.where(swap, votes.right, votes.left)
    right = np.where(swap, votes.left, votes.right)
    outcome = np.where(swap & (votes.outcome != 1), 2 - votes.outcome, votes.outcome)
    ordered = Votes(votes.size, left, right, outcome, votes.voter, votes.week)
    finding = found(name, ordered.evidence())
    assert finding.verdict == "cannot tell"
    assert "cannot be told from one of the contestant" in finding.sentence


@pytest.mark.parametrize("side", [True, False])
def test_a_side_effect_is_judged_by_its_size_whether_it_is_modelled_or_not(side: bool) -> None:
    spec = ModelSpec(side=side)
    large = found("side_bias", League(side=0.3).draw(1).evidence(spec))
    assert large.verdict == "warning"
    assert large.numbers["low"] > MATERIAL
    assert ("are corrected" in large.sentence) == side
    many = League(strengths=np.linspace(0.5, -0.5, 4), side=0.02, votes=150_000).draw(1)
    small = found("side_bias", many.evidence(spec))
    assert small.verdict == "pass"
    assert 0 < small.numbers["low"] < small.numbers["high"] < MATERIAL
    assert "detectable, but immaterial" in small.sentence


def test_an_order_of_sides_fails_where_sides_are_not_modelled() -> None:
    league = PLANTED["side_reordering"][0]
    finding = found("side_reordering", league.draw(1).evidence(ModelSpec(side=False)))
    assert finding.verdict == "fail"
    assert finding.numbers["reversed"] > 0


@pytest.mark.parametrize("ties", ["davidson", "rao-kupper", "bradley-terry"])
def test_a_clean_board_is_clean_under_every_likelihood(ties: str) -> None:
    spec = ModelSpec(ties=ties)
    for finding in audit.run(CLEAN.draw(4).evidence(spec), quick=True):
        assert finding.verdict in (
            "pass",
            *(["cannot tell"] if finding.name == "side_bias" else []),
        )


def test_without_ties_no_convention_bears_on_the_order() -> None:
    finding = found("tie_convention", League(tie=-np.inf).draw(1).evidence())
    assert finding.verdict == "pass"
    assert finding.sentence.startswith("There are no ties")


def test_the_design_effect_of_votes_cast_twice_is_two() -> None:
    """Each voter's votes repeated: as many again that tell nothing new."""
    votes = League(voters=6000).draw(1)
    once = np.arange(6000)
    own = Votes(6, votes.left, votes.right, votes.outcome, once, votes.week)
    twice = own.where(np.repeat(once, 2))
    numbers = found("clustering", twice.evidence()).numbers
    assert numbers["design_effect"] == pytest.approx(2, abs=1e-3)
    assert numbers["effective_votes"] == pytest.approx(6000, abs=5)
    assert found("clustering", own.evidence()).numbers["design_effect"] == pytest.approx(
        1, abs=1e-3
    )


def test_habits_of_a_few_voters_are_no_bias_of_the_side() -> None:
    """Each favours the left or the right of its own, none of the two more often."""
    drawn = [League(habit=1.0, voters=25).draw(seed) for seed in range(12)]
    by_voter = [found("side_bias", votes.evidence()) for votes in drawn]
    unknown = [found("side_bias", without(votes, voters=False)) for votes in drawn]
    assert sum(finding.verdict == "warning" for finding in by_voter) <= 1
    assert sum(finding.verdict == "warning" for finding in unknown) >= 6
    assert min(finding.numbers["ratio"] for finding in by_voter) > 3
    assert all("by voter" in finding.sentence for finding in by_voter)


@pytest.mark.parametrize("side", [True, False])
def test_a_bias_that_voters_share_is_found_beside_their_habits(side: bool) -> None:
    evidence = League(side=0.3, habit=0.5).draw(1).evidence(ModelSpec(side=side))
    finding = found("side_bias", evidence)
    assert finding.verdict == "warning"
    assert finding.numbers["low"] > MATERIAL
    assert finding.numbers["ratio"] == pytest.approx(1.6, abs=0.3)


def test_the_side_of_votes_cast_twice_has_an_interval_for_half_of_them() -> None:
    once = np.arange(6000)
    votes = League(voters=6000).draw(1)
    own = Votes(6, votes.left, votes.right, votes.outcome, once, votes.week)
    twice = found("side_bias", own.where(np.repeat(once, 2)).evidence())
    assert twice.numbers["ratio"] == pytest.approx(np.sqrt(2), abs=1e-3)
