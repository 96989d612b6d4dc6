from __future__ import annotations

from pathlib import Path

import pytest
from grammar_engine import Writer, save_model


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grammar-model")
    save_model(folder)
    return folder


@pytest.fixture(scope="session")
def writer(folder: Path) -> Writer:
    return Writer(folder)
