"""Adapters divided among ranks make what one rank makes, and what PEFT's merged model makes."""

from __future__ import annotations

import pytest
from adapter_harness import random_prompt, reference_logits
from peft_adapters import ALL, AdapterCase, save_base
from rank_adapters import generate_adapted, load_what_others_lack
from rank_engine import engine_config

CASES = {
    "all": AdapterCase(6, ALL),
    "some": AdapterCase(16, ["k_proj", "o_proj", "up_proj"], seed=1, options={"use_rslora": True}),
}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Two key-value heads, so that four ranks share them."""
    folder = tmp_path_factory.mktemp("base")
    return folder, save_base(folder, num_attention_heads=8, hidden_size=64)


@pytest.fixture(scope="module")
def adapters(base, tmp_path_factory):
    made = {}
    for name, case in CASES.items():
        folder = tmp_path_factory.mktemp(name)
        made[name] = folder, case.save(folder, base[1])
    return made


@pytest.mark.parametrize("size", [2, 4])
def test_every_share_of_an_adapter(ranks, base, adapters, size):
    config = engine_config(base[0], max_adapters=2, max_adapter_rank=16)
    folders = {name: folder for name, (folder, _) in adapters.items()}
    prompt = random_prompt(19, seed=4)
    alone, *_ = ranks.run(1, generate_adapted, config, folders, prompt)
    made, *_ = ranks.run(size, generate_adapted, config, folders, prompt)
    models = {"none": base[1], **{name: model for name, (_, model) in adapters.items()}}
    assert len({tuple(tokens) for tokens, _ in made.values()}) == 3
    for name, (tokens, logits) in made.items():
        assert tokens == alone[name][0]
        assert (logits - alone[name][1]).abs().max() < 1e-4
        assert (logits - reference_logits(models[name], prompt, tokens)).abs().max() < 1e-3


def test_a_rank_that_finds_another_adapter_refuses_for_all(ranks, base, adapters, tmp_path):
    config = engine_config(base[0], max_adapters=1, max_adapter_rank=16)
    (mine, _), (other, _) = adapters.values()
    prompt = random_prompt(9, seed=5)
    _, expected = ranks.run(2, load_what_others_lack, config, mine, mine, prompt)[0]
    for folder in (other, tmp_path / "nowhere"):
        refusal, made = ranks.run(2, load_what_others_lack, config, folder, mine, prompt)[0]
        assert f"another rank cannot read the adapter in {folder}" in refusal
        assert made == expected
