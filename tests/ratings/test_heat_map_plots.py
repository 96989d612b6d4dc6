from __future__ import annotations

import numpy as np
import pytest
from bokeh.models import HoverTool, Text
from bokeh.models.glyphs import Image
from ratings_boards import made_up_posterior

from rostra.arena.ratings.plots.battles import battles
from rostra.arena.ratings.plots.heat_map import LABELLED, cell_size
from rostra.arena.ratings.plots.names import by_rating
from rostra.arena.ratings.plots.ranks import ranks
from rostra.arena.ratings.plots.superiority import superiority
from rostra.arena.ratings.plots.theme import DARK, LIGHT
from rostra.arena.ratings.posterior import Posterior

MEANS = np.array([0.1, -0.3, 0.8])


@pytest.fixture(scope="module")
def posterior() -> Posterior:
    return made_up_posterior(MEANS)


def glyphs(plot, kind):
    return [renderer for renderer in plot.figure.renderers if isinstance(renderer.glyph, kind)]


def image(plot):
    return glyphs(plot, Image)[0].data_source.data["image"][0]


def test_superiority_is_that_of_the_pairs_in_the_order_of_ratings(posterior: Posterior) -> None:
    plot = superiority(posterior)
    order = by_rating(posterior)
    expected = posterior.pairs.superiority[np.ix_(order, order)]
    assert plot.table.columns == ["contestant", "c02", "c00", "c01"]
    np.testing.assert_array_equal(plot.table.drop("contestant").to_numpy(), expected)
    shown = image(plot)
    assert np.isnan(np.diag(shown)).all()
    away = ~np.eye(3, dtype=bool)
    np.testing.assert_allclose(shown[away], expected[away], rtol=1e-6)


def test_the_middle_of_the_colours_is_one_half(posterior: Posterior) -> None:
    mapper = glyphs(superiority(posterior), Image)[0].glyph.color_mapper
    assert (mapper.low, mapper.high) == (0, 1)
    for theme in (LIGHT, DARK):
        middle = [int(theme.diverging[128][i : i + 2], 16) for i in (1, 3, 5)]
        assert max(middle) - min(middle) < 16


def test_no_cell_claims_certainty() -> None:
    plot = superiority(made_up_posterior(np.array([5.0, -5.0]), sd=0.01))
    assert sorted(glyphs(plot, Text)[0].data_source.data["text"]) == ["<1", ">99"]


def test_ranks_of_a_contestant_sum_to_one(posterior: Posterior) -> None:
    table = ranks(posterior).table
    assert table["contestant"].to_list() == [row.contestant for row in posterior.rows]
    np.testing.assert_allclose(table.drop("contestant").to_numpy().sum(axis=1), 1)


def test_battles_are_counted_on_either_side(posterior: Posterior) -> None:
    plot = battles(posterior)
    table = plot.table.drop("contestant").to_numpy()
    np.testing.assert_array_equal(table, table.T)
    assert table.sum() == 2 * posterior.board.num_votes
    assert "all of which met" in plot.text


def test_many_are_counted_off_and_can_be_looked_into() -> None:
    size = LABELLED + 30
    plot = superiority(made_up_posterior(np.linspace(1, -1, size), draws=50, chains=2))
    assert image(plot).shape == (size, size)
    assert not glyphs(plot, Text)
    assert plot.figure.frame_width == size * cell_size(size) <= 1000
    assert plot.figure.toolbar_location == "below"
    hover = plot.figure.select_one(HoverTool)
    assert hover.formatters["$x"].args["names"][0] == "c00"


@pytest.mark.parametrize("size", [2, 3, 25, 60, 61, 150, 700])
def test_a_matrix_fits_a_desk(size: int) -> None:
    assert size * cell_size(size) <= max(1000, 5 * size)
