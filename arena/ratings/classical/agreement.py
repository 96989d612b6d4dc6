"""How far two judges of the same battles agree, and many judges among themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings.errors import RatingsError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Agreement:
    """Of two judges on the same battles."""

    labels: tuple[str, ...]
    """In ascending order."""
    table: IntArray
    """[labels, labels], battles by the first judge's label and the second's."""

    @property
    def battles(self) -> int:
        return int(self.table.sum())

    @property
    def raw(self) -> float:
        """Share of battles with the same label; NaN without battles."""
        return float(shares_alike(self.table[None])[0])

    @property
    def kappa(self) -> float:
        """Cohen's: what of the agreement is above that of chance (Cohen 1960, Educational and
        Psychological Measurement 20). NaN where chance would agree always."""
        return float(kappas(self.table[None])[0])

    def kappa_interval(
        self, level: float = 0.95, rounds: int = 2000, seed: int = 1
    ) -> tuple[float, float]:
        """Percentiles of kappa over battles drawn with replacement."""
        if not self.battles:
            return np.nan, np.nan
        rng = np.random.default_rng(seed)
        drawn = rng.multinomial(self.battles, self.table.ravel() / self.battles, size=rounds)
        drawn_kappas = kappas(drawn.reshape(rounds, *self.table.shape))
        low, high = np.quantile(drawn_kappas, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)


def agreement(first: Sequence[str], second: Sequence[str]) -> Agreement:
    """Of the labels that two judges gave to the same battles, in the same order.

    Raises RatingsError when they are not as many.
    """
    if len(first) != len(second):
        raise RatingsError(f"{len(first)} labels against {len(second)}: give one of each a battle")
    labels = sorted({*first, *second})
    index = {label: position for position, label in enumerate(labels)}
    table = np.zeros((len(labels), len(labels)), dtype=np.int64)
    for one, other in zip(first, second, strict=True):
        table[index[one], index[other]] += 1
    return Agreement(tuple(labels), table)


def majority(labels: Sequence[str], split: str) -> str:
    """The label given most often; `split` where two are."""
    (first, most), *rest = Counter(labels).most_common(2)
    return split if rest and rest[0][1] == most else first


def krippendorff_alpha(battles: Sequence[Sequence[Hashable]]) -> float:
    """Krippendorff's alpha of nominal labels: 1 full agreement, 0 that of chance.

    `battles`: for each one the labels that its judges gave, as many as there are; those with one
    label alone say nothing (Krippendorff 2011, Computing Krippendorff's alpha-reliability). NaN
    when all labels are the same or no battle has two.
    """
    names = sorted({label for labels in battles for label in labels}, key=repr)
    counted = (coincidences(labels, names) for labels in battles)
    total = sum(counted, np.zeros((len(names), len(names))))
    return float(alphas(total[None])[0])


def coincidences(labels: Sequence[Hashable], names: Sequence[Hashable]) -> FloatArray:
    """[names, names], Krippendorff's coincidences of the labels that one battle got: each ordered
    pair of them, over one less than their number. Nothing of a label alone."""
    if len(labels) < 2:
        return np.zeros((len(names), len(names)))
    counts = np.array([labels.count(name) for name in names], dtype=float)
    return np.asarray((np.outer(counts, counts) - np.diag(counts)) / (len(labels) - 1))


def alphas(tables: FloatArray) -> FloatArray:
    """[tables], Krippendorff's alpha of sums of `coincidences` [tables, names, names]."""
    number = tables.sum(axis=(1, 2))
    expected = number**2 - (tables.sum(axis=2) ** 2).sum(axis=1)
    observed = number - np.trace(tables, axis1=1, axis2=2)
    above = np.full(len(tables), np.nan)
    np.divide((number - 1) * observed, expected, out=above, where=expected > 0)
    return np.asarray(1 - above)


def shares_alike(tables: IntArray | FloatArray) -> FloatArray:
    """[tables], what of [tables, labels, labels] is on the diagonal."""
    total = tables.sum(axis=(1, 2))
    same = np.trace(tables, axis1=1, axis2=2)
    return np.divide(same, total, out=np.full(len(tables), np.nan), where=total > 0)


def kappas(tables: IntArray | FloatArray) -> FloatArray:
    """[tables], Cohen's kappa of [tables, labels, labels]."""
    total = tables.sum(axis=(1, 2)).astype(float)
    chance = (tables.sum(axis=1) * tables.sum(axis=2)).sum(axis=1)
    chance = np.divide(chance, total**2, out=np.ones(len(tables)), where=total > 0)
    above = np.full(len(tables), np.nan)
    return np.divide(shares_alike(tables) - chance, 1 - chance, out=above, where=chance < 1)
