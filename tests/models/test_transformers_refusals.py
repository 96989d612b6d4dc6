"""What cannot work over the paged cache is refused at start, each for its own reason."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from library_checkpoints import REFUSED, change_config, save_library_checkpoint
from safetensors.torch import load_file, save_file
from transformers.models.glm4 import modeling_glm4

from rostra.mesh.errors import RostraError
from rostra.mesh.models import load_model, loader, transformers_loader
from rostra.mesh.models.parallel import Parallel

CPU = torch.device("cpu")


def refusal(folder, **settings):
    with pytest.raises(RostraError) as raised:
        load_model(folder, CPU, torch.float32, **settings)
    (line,) = str(raised.value).splitlines()
    return line


@pytest.fixture
def served(tmp_path):
    save_library_checkpoint(tmp_path, "Glm4")
    return tmp_path


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_served_is_refused_by_name(tmp_path, name):
    save_library_checkpoint(tmp_path, name)
    line = refusal(tmp_path)
    assert f"architecture {name}" in line
    assert REFUSED[name][1] in line


@pytest.mark.parametrize(("name", "length"), [("Llama4", 32), ("Phimoe", 128)])
def test_what_only_long_sequences_cannot_have_is_served_to_short_ones(tmp_path, name, length):
    save_library_checkpoint(tmp_path, name)
    load_model(tmp_path, CPU, torch.float32, max_model_len=length)
    with pytest.raises(RostraError):
        load_model(tmp_path, CPU, torch.float32, max_model_len=length + 1)


def test_state_is_found_where_nothing_tells_of_it(tmp_path, monkeypatch):
    """A step over the cache is compared with the library's own."""
    monkeypatch.setattr(transformers_loader, "_KEYS_AND_VALUES", ("full_attention", "conv"))
    save_library_checkpoint(tmp_path, "Lfm2")
    assert "its hidden states over a paged cache differ by" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"position_bias": torch.zeros(1)}, "a bias that depends on positions"),
        ({"window_pattern": 3}, "window_pattern, which the paged attention does not know"),
        ({"is_causal": False}, "attends to later tokens"),
        ({"sliding_window": 7}, "mask and its sliding_window differ"),
        ({"scaling": torch.ones(1)}, "the scale of its scores is no number"),
    ],
)
def test_what_attention_is_given_is_honoured_or_refused(served, monkeypatch, changed, reason):
    interface = modeling_glm4.ALL_ATTENTION_FUNCTIONS.get_interface

    def with_more(*names):
        attention = interface(*names)
        return lambda *tensors, **keywords: attention(*tensors, **(keywords | changed))

    monkeypatch.setattr(modeling_glm4.ALL_ATTENTION_FUNCTIONS, "get_interface", with_more)
    assert reason in refusal(served)


def test_heads_that_differ_between_layers_are_refused(served, monkeypatch):
    interface = modeling_glm4.ALL_ATTENTION_FUNCTIONS.get_interface

    def repeated(module, query, key, value, *rest, **keywords):
        if module.layer_idx == 2:
            key, value = (heads.repeat_interleave(2, 1) for heads in (key, value))
        return interface(module.config._attn_implementation, None)(
            module, query, key, value, *rest, **keywords
        )

    monkeypatch.setattr(modeling_glm4.ALL_ATTENTION_FUNCTIONS, "get_interface", lambda *_: repeated)
    assert "its layers differ in the number or the size of key-value heads" in refusal(served)


def test_an_unknown_architecture_is_told_what_there_is(served):
    change_config(served, architectures=["FutureForCausalLM"])
    line = refusal(served)
    assert "FutureForCausalLM is not supported" in line
    assert all(name in line for name in loader.FAMILIES)
    assert "causal models of transformers" in line


def test_ranks_are_refused_with_those_that_can_be_divided(served):
    class Pair(Parallel):
        size = 2

    line = refusal(served, parallel=Pair())
    assert "Glm4ForCausalLM" in line
    assert all(name in line for name in loader.FAMILIES)


def test_a_context_beyond_the_limit_is_refused(served):
    assert "--max-model-len 513 is beyond the model's limit of 512" in refusal(
        served, max_model_len=513
    )


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda w: w.pop("model.layers.2.mlp.down_proj.weight"), "lacks tensor model.layers.2.mlp"),
        (lambda w: w.update(extra=torch.zeros(2)), "beyond what its config.json describes"),
        (
            lambda w: w.update({"model.norm.weight": torch.ones(63)}),
            "model.norm.weight has shape [63], but config.json asks for [64]",
        ),
        (
            lambda w: w["model.layers.1.self_attn.q_proj.weight"][0].fill_(torch.inf),
            "model.layers.1.self_attn.q_proj.weight has values that are not finite",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused(served, spoil, named):
    path = served / "model.safetensors"
    weights = load_file(path)
    spoil(weights)
    save_file(weights, path, metadata={"format": "pt"})
    assert named in refusal(served)


def test_code_in_the_folder_is_not_run(served):
    (served / "modeling_own.py").write_text("raise SystemExit('ran')")
    (served / "configuration_own.py").write_text("raise SystemExit('ran')")
    change_config(
        served,
        auto_map={
            "AutoConfig": "configuration_own.Glm4Config",
            "AutoModelForCausalLM": "modeling_own.Glm4ForCausalLM",
        },
    )
    load_model(served, CPU, torch.float32)


def test_other_models_do_without_the_library():
    """It takes seconds to import, and memory."""
    code = "import sys, rostra.mesh.engine.build; assert 'transformers' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
