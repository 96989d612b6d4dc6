from __future__ import annotations

import pytest
from client_programs import install_node_packages


@pytest.fixture(scope="session")
def node_packages() -> None:
    install_node_packages()
