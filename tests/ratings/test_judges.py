"""Judges with planted biases: each is found and measured, and a clean one is left in peace."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from judged_boards import BIASED, CLEAN, SPEC, Judge, JudgedLeague
from numpy.testing import assert_allclose, assert_array_equal
from pytensor.compile.mode import Mode

from rostra.arena.ratings import audit, models
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.engines import nuts
from rostra.arena.ratings.engines.laplace import approximate
from rostra.arena.ratings.engines.latent_models import latent_models
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.fit import fit
from rostra.arena.ratings.own_answers import with_own
from rostra.arena.ratings.plots.judges import judges as forest
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.settings import FitSettings
from rostra.arena.ratings.spec import ModelSpec
from rostra.arena.ratings.summary.intervals import intervals
from rostra.arena.ratings.summary.judges import judge_effects, judge_weights
from rostra.arena.ratings.summary.parameters import parameters

LIVE = FitSettings(engine="laplace", chains=4, draws=1000, seed=2)
SMALL = JudgedLeague(
    {"first": Judge(side=1.0)}, strengths=(0.8, 0.0, -0.8), votes=300, verdicts=300
)


@pytest.fixture(scope="module")
def judged() -> Posterior:
    return fit(JudgedLeague().draw(1), LIVE, spec=SPEC)


def finding(posterior: Posterior) -> audit.Finding:
    found = audit.run(audit.Evidence(posterior), quick=True)
    return next(each for each in found if each.name == "judge_bias")


def test_planted_biases_are_measured(judged: Posterior) -> None:
    """Of 20 intervals of 94 % one may lie beside the truth, and none far."""
    assert judged.diagnostics.ok, judged.diagnostics.findings
    outside = []
    for effect in judge_effects(judged):
        _, (low, high) = intervals(effect.draws)
        truth = getattr(BIASED[effect.judge], effect.bias)
        assert abs(effect.draws.mean() - truth) < 4 * effect.draws.std()
        outside += [] if low <= truth <= high else [(effect.judge, effect.bias)]
    for judge, weight in judge_weights(judged).items():
        _, (low, high) = intervals(weight)
        outside += [] if low <= BIASED[judge].weight <= high else [(judge, "weight")]
    assert len(outside) <= 1, outside


def test_the_audit_names_what_was_planted_and_nothing_else(judged: Posterior) -> None:
    found = finding(judged)
    assert found.verdict == "warning"
    for said in (
        "first favours the answer on the left",
        "long favours more length than people do",
        "vain favours answers of its own family",
        "what random prefers has little to do with what people do",
    ):
        assert said in found.sentence
    assert found.sentence.count("favours") == 3
    assert "clean" not in found.sentence


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_clean_judges_are_not_flagged(seed: int) -> None:
    league = JudgedLeague({"one": CLEAN, "two": CLEAN}, verdicts=1000)
    assert finding(fit(league.draw(seed), LIVE, spec=SPEC)).verdict == "pass"


def test_few_verdicts_cannot_clear_a_judge() -> None:
    league = JudgedLeague({"one": CLEAN}, votes=300, verdicts=40)
    assert finding(fit(league.draw(1), LIVE, spec=SPEC)).verdict == "cannot tell"


def test_ratings_are_of_people_whatever_the_judges_say(judged: Posterior) -> None:
    truth = np.array(JudgedLeague().strengths)
    off = judged.flat_strengths.mean(axis=0) - truth
    assert np.all(np.abs(off) < 4 * judged.flat_strengths.std(axis=0))
    # Together with four judges of which three follow, people's votes tell more than alone.
    alone = JudgedLeague().draw(1).where("judge", "people")
    people = fit(alone, LIVE, spec=ModelSpec(style=("length",), both_bad="out"))
    assert judged.flat_strengths.std(axis=0).mean() < people.flat_strengths.std(axis=0).mean()


def test_the_model_fits_its_own_votes(judged: Posterior) -> None:
    assert judged.predictive.notes == ()


@pytest.mark.parametrize(
    "spec",
    [
        SPEC,
        replace(SPEC, ties="rao-kupper", side=False),
        replace(SPEC, ties="bradley-terry", style=(), judge_style=(), side=False),
    ],
    ids=["all", "without a side", "strengths alone"],
)
def test_the_live_density_is_that_of_the_pymc_model(spec: ModelSpec) -> None:
    league = JudgedLeague({"first": Judge(side=1.0), "long": CLEAN}, votes=60, verdicts=60)
    board = league.draw(5)
    (latent,) = latent_models(board, spec)
    model = models.build(board, spec)
    log_density = model.compile_logp(mode=Mode("py", None))
    start = model.initial_point()
    rng = np.random.default_rng(4)
    differences = []
    for _ in range(4):
        z = 0.7 * rng.standard_normal(latent.size)
        log_scales = rng.normal(-0.5, 0.4, size=len(latent.scales))
        scales = dict(zip(latent.scales, log_scales, strict=True))
        part = {name: z[place] for name, place in latent.slices.items()}
        ours = latent.log_joint(z, log_scales)
        point = {f"{name}_log__": at for name, at in scales.items()}
        point |= {name: part[name] for name in ("side", "style", "tie") if name in part}
        point |= {"strength_zerosum__": part["strength"], "judge_weight": 1 + part["judge_weight"]}
        point["taste_deviation_zerosum__"] = part["taste"] / np.exp(scales["taste_scale"])
        ours += part["taste"].size * scales["taste_scale"]
        if "judge_bias" in part:
            point["bias_deviation"] = part["judge_bias"] / np.exp(scales["judge_scale"])
            ours += part["judge_bias"].size * scales["judge_scale"]
        if "judge_tie" in part:
            point["tie_shift"] = part["judge_tie"]
        shaped = {name: np.reshape(point[name], start[name].shape) for name in start}
        differences.append(log_density(shaped) - ours)
    assert_allclose(differences, differences[0], atol=1e-8)


def test_the_live_derivatives_are_those_of_the_density() -> None:
    (latent,) = latent_models(SMALL.draw(3), SPEC)
    rng = np.random.default_rng(2)
    at = 0.5 * rng.standard_normal(latent.size)
    _, gradient, information = latent.derivatives(at)
    step = 1e-5
    for i in range(latent.size):
        move = step * np.eye(latent.size)[i]
        up, down = latent.derivatives(at + move), latent.derivatives(at - move)
        assert (up[0] - down[0]) / (2 * step) == pytest.approx(gradient[i], abs=1e-4)
        assert_allclose((down[1] - up[1]) / (2 * step), information[i], atol=1e-3)


def test_nuts_and_the_live_engine_agree() -> None:
    board = SMALL.draw(3)
    sampled = nuts.sample(board, SPEC, FitSettings(draws=3000, tune=700, target_accept=0.9), None)
    live = approximate(board, SPEC, FitSettings(draws=2500))
    assert set(sampled.values) == set(live.values)
    assert live.pareto_k is not None
    for name, theirs in sampled.values.items():
        one, two = (draws.reshape(-1, *draws.shape[2:]) for draws in (live.values[name], theirs))
        assert np.all(np.abs(one.mean(axis=0) - two.mean(axis=0)) < 0.1 * two.std(axis=0)), name
        assert_allclose(one.std(axis=0), two.std(axis=0), rtol=0.15, err_msg=name)


def test_the_same_votes_give_the_same_draws() -> None:
    one, two = (approximate(SMALL.draw(3), SPEC, LIVE) for _ in range(2))
    for name, values in one.values.items():
        assert_array_equal(values, two.values[name])
    assert set(one.values) == set(models.variables(SPEC))


def test_a_posterior_with_judges_is_saved_and_read(judged: Posterior, tmp_path: Path) -> None:
    folder = judged.save(tmp_path)
    read = Posterior.load(folder)
    assert read.spec == judged.spec
    for name, values in judged.draws.items():
        assert_array_equal(read.draws[name], values)
    assert '"judge_bias:first:side"' in (folder / "summary.json").read_text(encoding="utf-8")


def test_parameters_tell_of_each_judge(judged: Posterior) -> None:
    told = {parameter.name: parameter for parameter in parameters(judged)}
    assert told["judge_bias:first:side"].sentence.endswith("it is biased.")
    assert told["judge_bias:clean:side"].sentence.endswith("no bias is shown.")
    assert told["judge_weight:random"].effect == pytest.approx(0, abs=0.3)


def test_the_figure_has_a_row_for_each_bias(judged: Posterior) -> None:
    plot = forest(judged)
    assert plot is not None
    assert plot.table.height == len(BIASED) * 3
    assert "first (left side)" in plot.text
    assert "clean" not in plot.text


def test_a_figure_of_judges_takes_judges() -> None:
    board = JudgedLeague().draw(1).where("judge", "people").by()
    assert forest(fit(board, LIVE, spec=ModelSpec(both_bad="out"))) is None


@pytest.mark.parametrize(
    ("level", "message"),
    [("people", "no judge's verdict bears on the order"), ("first", "no person's vote bears")],
)
def test_judges_take_people_and_judges(level: str, message: str) -> None:
    board = SMALL.draw(3)
    factor = board.factors["judge"]
    kept = factor.codes == factor.levels.index(level)
    only = Board.of(
        board.contestants,
        board.left[kept],
        board.right[kept],
        board.table[kept],
        {"judge": replace(factor, codes=factor.codes[kept])},
        {name: x[kept] for name, x in board.covariates.items()},
    )
    with pytest.raises(RatingsError, match=message):
        fit(only, LIVE, spec=SPEC)


def test_specifications_that_mean_nothing_are_refused() -> None:
    with pytest.raises(RatingsError, match="judge_style is of the structure 'judges'"):
        ModelSpec(judge_style=("own",))
    with pytest.raises(RatingsError, match="length"):
        replace(SPEC, judge_style=("length",))


def test_own_answers_are_told_by_name_and_by_family() -> None:
    board = JudgedLeague({"m0": CLEAN, "other": CLEAN}, verdicts=50).draw(1).by("judge")
    found = with_own(board, {"other": ["m2", "m3"]})
    levels = found.factors["judge"].levels
    for cell, own in enumerate(found.covariates["own"]):
        family = {"m0": {0}, "other": {2, 3}}.get(levels[found.factors["judge"].codes[cell]], set())
        expected = (found.left[cell] in family) - (found.right[cell] in family)
        assert own == expected
    assert with_own(JudgedLeague().draw(1).by("judge"), {}).covariates == {}
    with pytest.raises(RatingsError, match="'nobody' judged nothing"):
        with_own(board, {"nobody": ["m1"]})
    with pytest.raises(RatingsError, match="'m9' of the family of 'm0' is not a contestant"):
        with_own(board, {"m0": ["m9"]})
