"""docs/models.md and docs/adding-a-model.md say what is so."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import family_checkpoints
import gemma_checkpoints
import moe_checkpoints
import pytest
from model_checkpoints import SHAPES
from test_rope_scaling import CASES

from rostra.mesh.models import loader
from rostra.mesh.models.attention import Attention
from rostra.mesh.models.decoder import DecoderModel
from rostra.mesh.models.loader import FAMILIES
from rostra.mesh.models.mlp import GatedMLP
from rostra.mesh.models.rotary import SCALINGS

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "adding-a-model.md").read_text(encoding="utf-8")
FAMILY, IMPORT, ENTRY, TEST = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
WITH_EXPERTS = {"MixtralForCausalLM", "Qwen3MoeForCausalLM"}


def column(heading: str, index: int) -> list[str]:
    """The code in a column of the table under a heading."""
    rows = re.findall(r"^\|(.*)\|$", TABLE.split(heading)[1].split("\n## ")[0], re.MULTILINE)
    return [cell for row in rows[2:] for cell in re.findall(r"`(.*?)`", row.split("|")[index])]


def architectures_with_tests() -> set[str]:
    """Those of the checkpoints that the parity tests are run with."""
    dense = {
        kind.__name__.replace("Config", "ForCausalLM")
        for kind, _ in family_checkpoints.FAMILIES.values()
    }
    gemma = {f"{name.capitalize()}ForCausalLM" for name, _ in gemma_checkpoints.SHAPES.values()}
    experts = {family.__name__ for family, _ in moe_checkpoints.MIXTURES.values()}
    return dense | gemma | experts


def test_every_family_has_a_row_and_a_test():
    rows = column("## Families", 1)
    assert sorted(rows) == sorted(FAMILIES)
    assert set(rows) <= architectures_with_tests()


def test_every_scaling_has_a_row_and_a_test():
    rows = column("## Rotary embeddings", 0)
    assert rows == list(SCALINGS)
    compared = [*CASES.values(), *family_checkpoints.LLAMA_ROPES.values()]
    plain = {"default" for shape in SHAPES.values() if "rope_parameters" not in shape}
    assert set(rows) == {settings["rope_type"] for settings in compared} | plain


@pytest.mark.parametrize("name", sorted(set(FAMILIES) - WITH_EXPERTS))
def test_dense_families_are_small(name):
    lines = Path(inspect.getfile(FAMILIES[name])).read_text(encoding="utf-8").count("\n")
    # Gemma 2 and 3 are two families in one file.
    assert lines < (200 if name.startswith("Gemma") else 100)


def test_guide_quotes_the_family_and_its_entry():
    assert (ROOT / "mesh" / "models" / "mistral.py").read_text(encoding="utf-8") == FAMILY
    source = Path(inspect.getfile(loader)).read_text(encoding="utf-8")
    assert IMPORT in source
    assert ENTRY in source


def test_the_guides_family_passes_the_guides_test(tmp_path, monkeypatch):
    family, test = {"__name__": "family"}, {"__name__": "test"}
    exec(compile(FAMILY, "adding-a-model.md", "exec"), family)
    exec(compile(TEST, "adding-a-model.md", "exec"), test)
    made = family["MistralForCausalLM"]
    monkeypatch.setitem(FAMILIES, "MistralForCausalLM", made)
    test["test_mistral_equals_transformers"](tmp_path)


def test_parts_offer_what_the_guide_says():
    offered = GUIDE.split("## What the parts offer")[1]
    for part in (Attention, GatedMLP):
        options = inspect.signature(part).parameters
        for call in re.findall(rf"`{part.__name__}\((.*?)\)`", offered):
            assert set(re.findall(r"(\w+)=", call)) <= set(options), call
    for name in re.findall(r"`([a-z_]+)(?:\(name\))?`", offered):
        if name not in {"residual", "x", "layer_types"}:
            assert hasattr(DecoderModel, name), name
    for name in re.findall(r"`(\w+\.py)`", GUIDE):
        assert (ROOT / "mesh" / "models" / name).is_file(), name


def test_links_lead_somewhere():
    for text in (TABLE, GUIDE):
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            assert (ROOT / "docs" / target).is_file(), target
