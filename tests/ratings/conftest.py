from __future__ import annotations

import pytest

from rostra.arena.ratings.settings import FitSettings


@pytest.fixture(scope="session")
def settings() -> FitSettings:
    """Enough draws for the diagnostics to be content."""
    return FitSettings(chains=4, draws=400, tune=300, seed=7)
