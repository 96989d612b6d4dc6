from __future__ import annotations

import sys
from pathlib import Path

import pytest

# buf comes with the packages of the client in Node, which is another folder's to install.
sys.path.append(str(Path(__file__).parents[1] / "clients"))

from client_programs import install_node_packages


@pytest.fixture(scope="session")
def node_packages() -> None:
    install_node_packages()
