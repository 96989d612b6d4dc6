"""Fixtures that several rooms share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import platformdirs
import pytest
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser, expect, sync_playwright
from xdist.scheduler import LoadScopeScheduling

from rostra.mesh.home import Home
from rostra.mesh.store import DEMO_MODEL, EMBEDDING_MODEL, resolve

# As an engine sets it for itself, and here for those in the tests' own process, before torch is
# imported: see rostra.mesh.worker.engine_process.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
# One thread, too: what tests compute here is small. Engines, and tests of threads, set their own.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Of every process that a test starts: one that outlives the run, so that the demo model is
# converted once and the kernels are compiled once, and not that of whoever runs the tests.
os.environ["ROSTRA_HOME"] = os.environ.get("ROSTRA_TEST_HOME") or str(
    platformdirs.user_cache_path("rostra-tests")
)

# What is true does not depend on how busy the machine is.
settings.register_profile(
    "any machine",
    settings.default,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("any machine")

# The repository's neighbour.
SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="session")
def demo_home() -> Home:
    """Holds the demo model from the package, never the hub's, so that tests see the same weights
    everywhere.
    """
    home = Home.locate()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
        resolve(DEMO_MODEL, home)
    return home


@pytest.fixture(scope="session")
def demo_model(demo_home: Home) -> Path:
    """The folder of the demo model."""
    return resolve(DEMO_MODEL, demo_home).path


@pytest.fixture(scope="session")
def embedding_model() -> Path:
    """The folder of the built-in embedding model, from the package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
        return resolve(EMBEDDING_MODEL, Home.locate()).path


@pytest.fixture(scope="session")
def shared_data(request: pytest.FixtureRequest) -> Path:
    """The folder of real votes beside the checkout."""
    if request.config.getoption("--without-shared-data"):
        pytest.skip("without shared data, as asked")
    if not SHARED_DATA.is_dir():
        pytest.fail(f"{SHARED_DATA} is missing; give --without-shared-data to go without")
    return SHARED_DATA


LONGEST_FIRST = (
    "tests/ratings",
    "tests/models",
    "tests/arena",
    "tests/arena/browser",
    "tests/e2e",
    "tests/chaos",
    "tests/launch",
    "tests/worker",
    "tests/distributed",
    "tests/clients",
    "tests/kernels",
    "tests/engine",
    "tests/gateway",
    "tests/cli",
    "tests/deploy",
    "tests/conformance",
    "tests/benchmarks",
)


def folder_of(nodeid: str) -> str:
    return nodeid.partition("::")[0].rpartition("/")[0]


class Folders(LoadScopeScheduling):
    """Gives each folder of tests to one of the processes, whole and in order.

    What a folder shares for a session is so started once, and its tests run after each other as
    they do in a single process.
    """

    def _split_scope(self, nodeid: str) -> str:
        return folder_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Folders:
    return Folders(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, so that at the end no process waits long for the last."""
    places = {folder: place for place, folder in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(folder_of(item.nodeid), len(places)))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--without-shared-data",
        action="store_true",
        help="Skip what reads the real votes in ../shared/data, instead of failing without them.",
    )
    parser.addoption(
        "--accept-license",
        action="append",
        default=[],
        metavar="NAME",
        help="Agree to the terms of models that have their own, such as gemma, and test with them.",
    )


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, or the one that $ROSTRA_CHROMIUM names.

    One for each module: while Playwright runs, its event loop counts as running in the main thread,
    and no asynchronous test could follow.
    """
    names = (os.environ.get("ROSTRA_CHROMIUM", ""), "chromium", "google-chrome")
    found = next(filter(None, (shutil.which(name) for name in names if name)), None)
    if found is None:
        pytest.fail("no Chromium: install the package chromium or set ROSTRA_CHROMIUM")
    # What a page must come to show, not how soon: the machine may be busy.
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()
