from __future__ import annotations

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data(request: pytest.FixtureRequest) -> Path:
    """The folder of real votes beside the checkout."""
    if request.config.getoption("--without-shared-data"):
        pytest.skip("without shared data, as asked")
    if not SHARED_DATA.is_dir():
        pytest.fail(f"{SHARED_DATA} is missing; give --without-shared-data to go without")
    return SHARED_DATA
