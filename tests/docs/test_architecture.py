"""docs/architecture.md speaks of what is there."""

from __future__ import annotations

import re
import tomllib

import pytest
from pages import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PATHS = sorted(set(re.findall(r"`((?:mesh|gateway|arena|kernels|training|protos)/[\w/.]*)`", PAGE)))


@pytest.mark.parametrize("path", PATHS)
def test_paths(path: str) -> None:
    assert (ROOT / path).exists()


def test_every_room_has_its_row() -> None:
    rooms = re.findall(r"^\| `(\w+)/` \| `([\w.]+)` \|", PAGE, re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    installed = project["tool"]["setuptools"]["package-dir"]
    assert {name: folder.split("/")[0] for name, folder in installed.items()} == {
        name: folder for folder, name in rooms
    }
    assert {name for _, name in rooms} == set(project["tool"]["importlinter"]["root_packages"])


@pytest.mark.parametrize("room", ["mesh", "gateway", "arena", "arena/ratings", "training"])
def test_a_room_has_the_names_it_is_said_to_have(room: str) -> None:
    names = re.findall(r"`(rostra\.[\w.]+\.\w+)`", (ROOT / room / "__init__.py").read_text())
    assert names
    for name in names:
        file = ROOT / name.removeprefix("rostra.").replace(".", "/")
        if file.is_dir() or file.with_suffix(".py").exists():
            continue
        text = file.parent.with_suffix(".py").read_text()
        assert re.search(rf"^(?:async def|def|class) {file.name}\b", text, re.MULTILINE), name
