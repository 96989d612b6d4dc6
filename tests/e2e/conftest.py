"""The real thing: `rostra up` with the demo model, shared by the tests that do not break it."""

from __future__ import annotations

import pytest

from benchmarks.local import READY, Local, rostra_up


@pytest.fixture(scope="session")
def home(demo_home, tmp_path_factory):
    """A home of its own whose models are those already converted."""
    root = tmp_path_factory.mktemp("home")
    (root / "cache").mkdir()
    (root / "cache" / "models").symlink_to(demo_home.models, target_is_directory=True)
    return root


@pytest.fixture(scope="session")
def up(home) -> Local:
    with rostra_up("--home", str(home)) as local:
        local.wait_for(READY)
        yield local
