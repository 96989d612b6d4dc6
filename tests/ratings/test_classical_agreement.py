"""Judges of MT-bench: 3,355 votes of experts and 2,400 verdicts of GPT-4."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from rostra.arena.ratings.classical import agreement, krippendorff_alpha, majority
from rostra.arena.ratings.errors import RatingsError

Battle = tuple[int, int, str, str]


def read(path: Path) -> dict[Battle, list[str]]:
    """Labels of each battle (question, turn, the two models in ascending order)."""
    found: defaultdict[Battle, list[str]] = defaultdict(list)
    swapped = {"model_a": "model_b", "model_b": "model_a"}
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        a, b, winner = row["model_a"], row["model_b"], row["winner"]
        if a > b:
            a, b, winner = b, a, swapped.get(winner, winner)
        found[row["question_id"], row["turn"], a, b].append(winner)
    return found


@pytest.fixture(scope="module")
def human(shared_data: Path) -> dict[Battle, list[str]]:
    return read(shared_data / "mtbench" / "human.jsonl")


@pytest.fixture(scope="module")
def gpt4(shared_data: Path) -> dict[Battle, str]:
    votes = read(shared_data / "mtbench" / "gpt4_pair.jsonl")
    assert all(len(labels) == 1 for labels in votes.values())
    return {battle: labels[0] for battle, labels in votes.items()}


@pytest.fixture(scope="module")
def reported(shared_data: Path) -> dict[str, object]:
    path = shared_data / "mtbench" / "reported_agreement.json"
    return json.loads(path.read_text(encoding="utf-8"))


def test_gpt4_against_the_majority_of_humans(human, gpt4, reported) -> None:
    battles = [battle for battle in human if battle in gpt4]
    assert len(battles) == reported["n_comparisons"]
    assert len(gpt4) == reported["n_gpt4_verdicts"]
    labels = {battle: majority(human[battle], split="tie") for battle in battles}
    verdicts = {battle: gpt4[battle].split(" ")[0] for battle in battles}

    def of(kept: list[Battle]) -> dict[str, float]:
        found = agreement([labels[b] for b in kept], [verdicts[b] for b in kept])
        low, high = found.kappa_interval()
        return {
            "n": found.battles,
            "raw_agreement": found.raw,
            "cohen_kappa": found.kappa,
            "kappa_ci_low": low,
            "kappa_ci_high": high,
        }

    decided = [b for b in battles if "tie" not in (labels[b], verdicts[b])]
    for kept, expected in (
        (battles, reported["with_ties"]),
        (decided, reported["ties_excluded"]),
        *(
            ([b for b in battles if b[1] == int(turn)], figures)
            for turn, figures in reported["by_turn"].items()
        ),
    ):
        found = of(kept)
        for name in ("n", "raw_agreement", "cohen_kappa"):
            assert found[name] == pytest.approx(expected[name], abs=5.1e-5), name
        # Their bounds are from a bootstrap, too, with another seed.
        for name in ("kappa_ci_low", "kappa_ci_high"):
            assert found[name] == pytest.approx(expected[name], abs=0.005), name


def test_a_verdict_that_turns_with_the_sides(human, gpt4, reported) -> None:
    """Of the battles that humans judged, GPT-4 contradicts itself with sides swapped on 16 %."""
    unsure = np.mean([gpt4[battle] == "tie (inconsistent)" for battle in human])
    assert unsure == pytest.approx(reported["position_inconsistency_rate"], abs=5.1e-5)


def test_humans_among_themselves(human, reported) -> None:
    several = [labels for labels in human.values() if len(labels) > 1]
    assert len(several) == reported["n_human_multi_rated"]
    assert sum(map(len, human.values())) == reported["n_human_votes"]
    alpha = krippendorff_alpha(list(human.values()))
    assert alpha == pytest.approx(reported["human_krippendorff_alpha"], abs=5.1e-5)


def test_krippendorffs_own_example() -> None:
    """Krippendorff 2011, section C: nominal data of four observers, values missing."""
    observers = [
        "1 2 3 3 2 1 4 1 2 . . .",
        "1 2 3 3 2 2 4 1 2 5 . 3",
        ". 3 3 3 2 3 4 2 2 5 1 .",
        "1 2 3 3 2 4 4 1 2 5 1 .",
    ]
    columns = zip(*(row.split() for row in observers), strict=True)
    units = [[value for value in column if value != "."] for column in columns]
    assert krippendorff_alpha(units) == pytest.approx(0.743, abs=5e-4)


def test_agreement_at_its_ends() -> None:
    assert agreement(["a", "b", "tie"], ["a", "b", "tie"]).kappa == 1
    assert agreement(["a", "b"] * 5, ["b", "a"] * 5).kappa == -1
    assert np.isnan(agreement(["a"], ["a"]).kappa)
    assert np.isnan(agreement([], []).raw)
    assert np.isnan(krippendorff_alpha([["a", "a"], ["b"]]))
    with pytest.raises(RatingsError, match="1 labels against 2"):
        agreement(["a"], ["a", "b"])
