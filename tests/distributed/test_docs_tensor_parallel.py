"""docs/tensor-parallel.md says what is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import broadcast
from rostra.mesh.cli.config import WorkerEntry
from rostra.mesh.errors import RostraError
from rostra.mesh.models.parallel import Parallel
from rostra.mesh.supervisor.restarts import FIRST_BACKOFF

PAGE = (Path(__file__).parents[2] / "docs" / "tensor-parallel.md").read_text(encoding="utf-8")


def test_the_refusal_is_what_is_printed():
    class Two(Parallel):
        size = 2

    with pytest.raises(RostraError) as error:
        Two().share(9, "attention heads")
    assert f"error: {error.value}\n" in PAGE


def test_settings_and_numbers_are_those_of_the_code():
    assert "tensor_parallel_size" in WorkerEntry.model_fields
    assert WorkerEntry(model="m").drain_grace == 30.0
    assert "`drain_grace` says,\n30 s by default" in PAGE
    assert FIRST_BACKOFF == 0.5
    assert "after half a second at first" in PAGE
    assert f"python -m {broadcast.__name__}`" in PAGE


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (Path(__file__).parents[2] / "docs" / target).exists()
