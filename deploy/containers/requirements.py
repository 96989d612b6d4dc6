"""Prints what a room needs of pyproject.toml, for an image without the engine.

python deploy/containers/requirements.py [EXTRA ...] > requirements.txt
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ENGINE = {"torch", "triton", "tokenizers", "safetensors", "gguf", "huggingface-hub", "transformers"}
"""Imported by workers alone; a test starts gateway and arena without them."""


def requirements(project: dict[str, object], extras: list[str]) -> list[str]:
    """Raises KeyError for an extra that is none."""
    optional: dict[str, list[str]] = project["optional-dependencies"]  # type: ignore[assignment]
    wanted: list[str] = [*project["dependencies"]]  # type: ignore[misc]
    for extra in extras:
        wanted += optional[extra]
    return [each for each in wanted if name_of(each) not in ENGINE]


def name_of(requirement: str) -> str:
    """As PEP 503 normalises it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement)[0]).lower()


if __name__ == "__main__":
    pyproject = Path(__file__).parents[2] / "pyproject.toml"
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    print("\n".join(requirements(project, sys.argv[1:])))
