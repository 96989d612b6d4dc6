from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from mesh_processes import Mesh, mesh
from otlp_receivers import Collected, http_collector
from tiny_model import save_tiny_model


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small-model")
    save_tiny_model(path)
    return path


@pytest.fixture(scope="session")
def collector() -> Iterator[tuple[str, Collected]]:
    with http_collector() as started:
        yield started


@pytest.fixture(scope="session")
def watched(
    small_model: Path, collector: tuple[str, Collected], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mesh]:
    """A mesh whose spans go to `collector`."""
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector[0],
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    folder = tmp_path_factory.mktemp("watched")
    with mesh(folder, small_model, environment, "--speculation", "ngram") as started:
        yield started


class Documented(NamedTuple):
    kind: str
    labels: tuple[str, ...]


@pytest.fixture(scope="session")
def documented() -> dict[str, Documented]:
    """The tables of metrics in the manual, by the name of the family."""
    text = (Path(__file__).parents[2] / "docs" / "observability.md").read_text()
    rows = re.findall(r"^\| `(rostra_\w+)` \| (\w+) \| ([^|]*) \| [^|]+ \|$", text, re.MULTILINE)
    found = {
        name.removesuffix("_total") if kind == "counter" else name: Documented(
            kind, tuple(re.findall(r"`(\w+)`", labels))
        )
        for name, kind, labels in rows
    }
    assert len(found) == len(rows)
    return found
