"""Classical estimates against those that other people published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from classical_boards import baseball, citations, counted, puddings, square

from rostra.arena.ratings.classical import LikelihoodSettings, maximum_likelihood, newman
from rostra.arena.ratings.settings import ELO_PER_NAT


def test_baseball_without_home_effect(shared_data: Path) -> None:
    """Agresti, Categorical Data Analysis, table 10.10; the figures are those of BradleyTerry2."""
    found = maximum_likelihood(baseball(shared_data), LikelihoodSettings(side=False))
    difference, error = found.against("Baltimore")
    published = [0, 1.1077, 0.6839, 1.4364, 1.5814, 1.2476, 1.2945]
    np.testing.assert_allclose(difference, published, atol=5e-5)
    np.testing.assert_allclose(
        error[1:], [0.3339, 0.3319, 0.3396, 0.3433, 0.3359, 0.3367], atol=5e-5
    )
    assert found.deviance == pytest.approx(44.0535, abs=5e-5)
    assert found.degrees_of_freedom == 36
    assert found.loglik_of_counts == pytest.approx(-64.2593, abs=5e-5)
    assert found.converged
    assert found.gradient < 1e-9


def test_baseball_with_home_effect(shared_data: Path) -> None:
    found = maximum_likelihood(baseball(shared_data), LikelihoodSettings(side=True))
    difference, _ = found.against("Baltimore")
    published = [0, 1.1438, 0.7047, 1.4754, 1.6196, 1.2813, 1.3271]
    np.testing.assert_allclose(difference, published, atol=5e-5)
    assert found.coefficients["side"] == pytest.approx(0.30226, abs=5e-6)
    assert found.coefficient_se()["side"] == pytest.approx(0.13094, abs=5e-6)
    assert found.deviance == pytest.approx(38.6429, abs=5e-5)
    assert found.degrees_of_freedom == 35


def test_citations(shared_data: Path) -> None:
    found = maximum_likelihood(citations(shared_data), LikelihoodSettings(side=False))
    difference, error = found.against("Biometrika")
    np.testing.assert_allclose(difference, [0, -2.94907, -0.47957, 0.26895], atol=5e-6)
    np.testing.assert_allclose(error[1:], [0.10255, 0.06059, 0.07083], atol=5e-6)


def test_puddings_with_ties(shared_data: Path) -> None:
    """Davidson 1970; the figures are those of PlackettLuce."""
    found = maximum_likelihood(
        puddings(shared_data), LikelihoodSettings(ties="davidson", side=False)
    )
    assert np.exp(found.coefficients["tie"]) == pytest.approx(0.746823, abs=1e-5)
    worths = np.exp(found.strengths) / np.exp(found.strengths).sum()
    published = [0.138803, 0.173002, 0.161747, 0.165373, 0.158685, 0.202389]
    np.testing.assert_allclose(worths, published, atol=1e-5)
    # Their estimates are those of the seventh iteration, their errors do not show it.
    difference, error = found.against("1")
    np.testing.assert_allclose(difference[1:], [0.2202, 0.1530, 0.1753, 0.1339, 0.3771], atol=2e-4)
    np.testing.assert_allclose(error[1:], [0.1872, 0.1935, 0.1882, 0.1927, 0.1924], atol=5e-5)
    against_mean = [0.121949, 0.121818, 0.126823, 0.122003, 0.127054, 0.126594]
    np.testing.assert_allclose(found.se / ELO_PER_NAT, against_mean, atol=5e-6)
    assert found.coefficient_se()["tie"] == pytest.approx(0.082499, abs=5e-6)
    assert -2 * found.loglik == pytest.approx(1619.4, abs=0.05)
    by_newman = newman(puddings(shared_data))
    assert by_newman.nu == pytest.approx(0.746823, abs=1e-5)


def test_coffee() -> None:
    """Agresti, An Introduction to Categorical Data Analysis, table 8.5: brands bought first and
    second. Quasi-symmetry has the likelihood of Bradley and Terry's model."""
    brands = ("Brim", "High Point", "Nescafe", "Sanka", "Taster's Choice")
    first = [
        [27, 10, 2, 12, 4],
        [10, 93, 7, 44, 17],
        [2, 6, 15, 9, 4],
        [12, 17, 9, 155, 11],
        [9, 9, 0, 11, 46],
    ]
    found = maximum_likelihood(square(brands, first), LikelihoodSettings(side=False))
    difference, error = found.against("Brim")
    np.testing.assert_allclose(difference, [0, 0.5954, 0.3021, -0.1133, -0.0040], atol=5e-5)
    np.testing.assert_allclose(error[1:], [0.2937, 0.4016, 0.2851, 0.3294], atol=5e-5)
    assert found.deviance == pytest.approx(9.974, abs=5e-4)
    assert found.degrees_of_freedom == 6


def test_tennis() -> None:
    """Agresti, An Introduction to Categorical Data Analysis, 2nd ed., section 8.6: matches of
    2004 and 2005. Agassi and Henman did not meet."""
    players = ("Agassi", "Federer", "Henman", "Hewitt", "Roddick")
    won = [[0, 0, 0, 1, 1], [6, 0, 3, 9, 5], [0, 1, 0, 0, 1], [0, 0, 2, 0, 3], [0, 0, 1, 2, 0]]
    found = maximum_likelihood(square(players, won), LikelihoodSettings(side=False))
    difference, _ = found.against("Roddick")
    np.testing.assert_allclose(difference, [1.45, 3.88, 0.19, 0.57, 0], atol=5e-3)
    assert found.deviance == pytest.approx(8.2, abs=0.05)
    assert found.degrees_of_freedom == 5


def test_tennis_ten_years_later() -> None:
    """The same book, 3rd ed., table 8.8: matches from 2014 to 2018."""
    players = ("Djokovic", "Federer", "Murray", "Nadal", "Wawrinka")
    won = [[0, 9, 14, 9, 4], [6, 0, 5, 5, 7], [3, 0, 0, 2, 2], [2, 1, 4, 0, 4], [3, 2, 2, 3, 0]]
    found = maximum_likelihood(square(players, won), LikelihoodSettings(side=False))
    difference, error = found.against("Wawrinka")
    np.testing.assert_allclose(difference, [1.1761, 1.1358, -0.5685, -0.0619, 0], atol=5e-5)
    np.testing.assert_allclose(error[:4], [0.4995, 0.5109, 0.5683, 0.5149], atol=5e-5)
    assert found.deviance == pytest.approx(4.3958, abs=5e-5)


SPRINGALL = [
    *[(1, 2, 16, 7, 2), (1, 3, 21, 1, 0), (1, 4, 10, 10, 5), (1, 5, 15, 7, 2), (1, 6, 22, 2, 0)],
    *[(1, 7, 3, 9, 12), (1, 8, 9, 5, 13), (1, 9, 12, 3, 10), (2, 3, 11, 5, 6), (2, 4, 2, 7, 17)],
    *[(2, 5, 6, 8, 9), (2, 6, 12, 6, 8), (2, 7, 2, 0, 24), (2, 8, 3, 5, 16), (2, 9, 2, 7, 15)],
    *[(3, 4, 2, 4, 22), (3, 5, 4, 5, 14), (3, 6, 4, 7, 11), (3, 7, 1, 3, 24), (3, 8, 0, 3, 22)],
    *[(3, 9, 2, 6, 17), (4, 5, 14, 9, 3), (4, 6, 18, 4, 2), (4, 7, 6, 5, 12), (4, 8, 6, 6, 10)],
    *[(4, 9, 9, 11, 8), (5, 6, 11, 9, 5), (5, 7, 0, 2, 20), (5, 8, 2, 5, 15), (5, 9, 5, 9, 13)],
    *[(6, 7, 1, 0, 27), (6, 8, 1, 5, 19), (6, 9, 2, 2, 18), (7, 8, 13, 8, 2), (7, 9, 21, 5, 2)],
    (8, 9, 8, 8, 6),
]
"""Springall 1973, Applied Statistics 22, section 7, as in BradleyTerry2: row, column, wins of the
row, ties, wins of the column."""


def test_each_way_with_ties_finds_its_own_optimum_on_springalls_flavours() -> None:
    """No estimates are published for these nine without their response surface, so the same
    optimum must be found by another road: the equations each model's totals satisfy there."""
    board = counted([(str(i), str(j), won, tied, lost, 0) for i, j, won, tied, lost in SPRINGALL])
    davidson = maximum_likelihood(board, LikelihoodSettings(side=False))
    by_newman = newman(board)
    np.testing.assert_allclose(
        by_newman.strengths - by_newman.strengths.mean(), davidson.strengths, atol=1e-8
    )
    assert np.log(by_newman.nu) == pytest.approx(davidson.coefficients["tie"], abs=1e-8)
