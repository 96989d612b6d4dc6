"""docs/embeddings.md says what is so."""

from __future__ import annotations

import re
from pathlib import Path

from rostra.gateway.schemas import embeddings
from rostra.mesh.embedding.task import _GENERATION_ONLY
from rostra.mesh.models.encoders import ENCODERS
from rostra.mesh.worker.embedding import MAX_INPUTS

PAGE = (Path(__file__).parents[2] / "docs" / "embeddings.md").read_text(encoding="utf-8")


def test_every_encoder_is_listed():
    rows = re.findall(r"^\|(.*)\|$", PAGE.split("## Models")[1], re.MULTILINE)[2:]
    named = [name for row in rows[:-1] for name in re.findall(r"`(.*?)`", row.split("|")[1])]
    assert sorted(named) == sorted(ENCODERS)


def test_the_limits_are_those_of_the_code():
    assert f"at most {MAX_INPUTS};" in PAGE
    assert embeddings.MAX_INPUTS == MAX_INPUTS
    assert set(re.findall(r"`(--(?:tp|kv-cache-bytes|speculation))`", PAGE)) <= set(
        _GENERATION_ONLY.values()
    )
