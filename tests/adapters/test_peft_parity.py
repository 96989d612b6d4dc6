"""What the engine makes with an adapter is what PEFT's merged model makes."""

from __future__ import annotations

import pytest
import torch
from adapter_harness import AdapterHarness, random_prompt, reference_logits
from peft_adapters import ALL, CASES, AdapterCase, save_base

from rostra.mesh.engine.adapters import UnknownAdapterError
from rostra.mesh.ops.torch_cpu import TorchCpuOps


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    return folder, save_base(folder)


@pytest.fixture(scope="module")
def adapters(base, tmp_path_factory):
    """(folder, PEFT's merged model) of each case."""
    made = {}
    for name, case in CASES.items():
        folder = tmp_path_factory.mktemp("adapter")
        made[name] = folder, case.save(folder, base[1])
    return made


@pytest.fixture(scope="module", params=["compiled", "torch", "compiled, without graphs"])
def harness(base, adapters, request):
    ops = TorchCpuOps(torch.float32) if request.param == "torch" else None
    graphs = request.param == "compiled"
    made = AdapterHarness(base[0], max_adapters=len(CASES), ops=ops, graphs=graphs)
    for name, (folder, _) in adapters.items():
        made.load(name, folder)
    return made


@pytest.mark.parametrize("name", CASES)
def test_logits_are_those_of_the_merged_model(harness, adapters, name):
    prompt = random_prompt(21, seed=len(name))
    tokens, logits = harness.generate(f"alone {name}", prompt, name)
    expected = reference_logits(adapters[name][1], prompt, tokens)
    assert (logits - expected).abs().max() < 1e-3
    assert tokens == expected.argmax(-1).tolist()


def test_each_request_of_a_mixed_batch_has_its_own_adapter(harness, base, adapters):
    models = {"": base[1], **{name: model for name, (_, model) in adapters.items()}}
    prompts = {name: random_prompt(3 + 7 * i, seed=i) for i, name in enumerate(models)}
    for name, prompt in prompts.items():
        harness.add(f"mixed {name}", prompt, name, max_tokens=9)
        harness.step()  # so that prompts and decoding meet
    harness.run()
    results = []
    for name, prompt in prompts.items():
        tokens = harness.tokens[f"mixed {name}"]
        logits = torch.stack(harness.sampler.logits[f"mixed {name}"])
        expected = reference_logits(models[name], prompt, tokens)
        assert (logits - expected).abs().max() < 1e-3, name
        results.append(tokens)
    assert len(set(map(tuple, results))) == len(results), "the adapters make no difference"


def test_a_request_is_the_same_to_the_last_bit_whoever_rides_with_it(base, adapters):
    def run(others):
        harness = AdapterHarness(base[0], max_adapters=len(CASES), prefix_caching=False)
        for name, (folder, _) in adapters.items():
            harness.load(name, folder)
        for index, name in enumerate(others):
            harness.add(f"other {index}", random_prompt(5 + index, index), name, max_tokens=20)
            harness.step()
        return harness.generate("it", random_prompt(30, seed=77), "rank 8, fused in part", 12)

    tokens, logits = run([])
    for others in (["", ""], ["rank 8, fused in part"] * 3, ["rank 256", "", "rank 1"]):
        again, again_logits = run(others)
        assert again == tokens
        assert torch.equal(again_logits, logits)


def test_fused_maps_of_the_base_model(tmp_path):
    """Query, key and value are one tensor in Phi-3's checkpoints, and have one A."""
    from transformers import Phi3Config, Phi3ForCausalLM

    torch.manual_seed(0)
    config = Phi3Config(
        vocab_size=199,
        hidden_size=48,
        intermediate_size=80,
        num_hidden_layers=2,
        num_attention_heads=6,
        num_key_value_heads=2,
        max_position_embeddings=512,
        pad_token_id=0,
    )
    model = Phi3ForCausalLM(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.normal_(std=0.08)
    model.save_pretrained(tmp_path / "base")
    case = AdapterCase(5, ["qkv_proj", "gate_up_proj", "o_proj"], seed=9)
    merged = case.save(tmp_path / "adapter", model)
    harness = AdapterHarness(tmp_path / "base")
    harness.load("phi", tmp_path / "adapter")
    prompt = random_prompt(17, seed=1)
    tokens, logits = harness.generate("it", prompt, "phi")
    assert (logits - reference_logits(merged, prompt, tokens)).abs().max() < 1e-3


def test_quantised_base_weights(base, adapters):
    """The adapter itself is never quantised: beside int8 weights it makes the same difference."""
    harness = AdapterHarness(base[0], quantization="int8")
    folder, merged = adapters["rank 1"]
    harness.load("it", folder)
    prompt = random_prompt(9, seed=3)
    tokens, logits = harness.generate("it", prompt, "it", max_tokens=1)
    expected = reference_logits(merged, prompt, tokens)
    plain = reference_logits(base[1], prompt, tokens)
    assert (logits - expected).norm() < 0.1 * (plain - expected).norm()


def test_the_prefix_cache_is_never_shared_across_adapters(base, tmp_path):
    first = AdapterCase(4, ALL, seed=11)
    second = AdapterCase(4, ALL, seed=12)
    model = base[1]
    merged = {
        name: case.save(tmp_path / name, model)
        for name, case in {"first": first, "second": second}.items()
    }
    harness = AdapterHarness(base[0])
    prompt = random_prompt(70, seed=5)
    harness.load("a", tmp_path / "first")
    harness.load("b", tmp_path / "second")
    harness.generate("plain", prompt)
    harness.generate("plain again", prompt)
    assert harness.cached["plain again"] == 64
    for name, folder in (("a", "first"), ("b", "second")):
        tokens, logits = harness.generate(name, prompt, name)
        assert harness.cached[name] == 0
        assert (logits - reference_logits(merged[folder], prompt, tokens)).abs().max() < 1e-3
        harness.generate(f"{name} again", prompt, name)
        assert harness.cached[f"{name} again"] == 64
    # Another adapter under the same name, in the same slot, never meets the blocks of the first.
    harness.engine.adapters.dismiss("a")
    assert harness.engine.adapters.take_gone() == ["a"]
    harness.load("a", tmp_path / "second")
    tokens, logits = harness.generate("reloaded", prompt, "a")
    assert harness.cached["reloaded"] == 0
    assert (logits - reference_logits(merged["second"], prompt, tokens)).abs().max() < 1e-3
    # A salt that imitates the key of an adapter's blocks opens none of them.
    revision = harness.engine.adapters.find("b").revision
    harness.add("forged", prompt, cache_salt=f"b\n{revision}\n")
    harness.run()
    assert harness.cached["forged"] == 0


def test_an_adapter_leaves_when_its_last_request_has_ended(base, adapters):
    harness = AdapterHarness(base[0], max_adapters=1)
    folder, merged = adapters["stabilised"]
    harness.load("it", folder)
    prompt = random_prompt(12, seed=8)
    harness.add("running", prompt, "it", max_tokens=20)
    harness.step()
    table = harness.engine.adapters
    table.dismiss("it")
    with pytest.raises(UnknownAdapterError, match="no adapter named 'it' is resident"):
        harness.add("late", prompt, "it")
    harness.step()
    assert table.take_gone() == []
    harness.run()
    assert table.take_gone() == ["it"]
    assert table.find("it") is None
    expected = reference_logits(merged, prompt, harness.tokens["running"])
    assert expected.argmax(-1).tolist() == harness.tokens["running"]
    harness.load("next", folder)
