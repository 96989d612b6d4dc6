"""Quantised checkpoints: each format against others' reading of it, and through the engine."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from model_harness import Harness, random_prompts
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from stored_checkpoints import FORMATS, GROUP, write_pair

from rostra.mesh.models import load_model
from rostra.mesh.models.checkpoint import Checkpoint
from rostra.mesh.models.parallel import Parallel
from rostra.mesh.models.stored import open_weights
from rostra.mesh.models.stored.awq import open_awq
from rostra.mesh.models.stored.compressed_config import open_compressed
from rostra.mesh.models.stored.gptq import open_gptq
from rostra.mesh.ops.linears import keeps_coded, make_coded_linear
from rostra.mesh.ops.linears.coded import to_quantised
from rostra.mesh.ops.native import library

GOLDEN = Path(__file__).with_name("golden_stored_weights.safetensors")
"""Packed tensors, and the weights that AutoAWQ, AutoGPTQ and compressed-tensors make of them; its
metadata names the versions."""
OPENERS = {
    "awq": (open_awq, {}),
    "gptq": (open_gptq, {"bits": 4}),
    "gptq 8": (open_gptq, {"bits": 8}),
    "packed": (open_compressed, {"config_groups": {}, "format": "pack-quantized"}),
    "int8": (open_compressed, {"config_groups": {}, "format": "int-quantized"}),
    "fp8": (open_compressed, {"config_groups": {}, "format": "float-quantized"}),
    "fp8 block": (
        open_compressed,
        {"config_groups": {"g": {"weights": {"type": "float", "block_structure": [8, 16]}}}},
    ),
}
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    made = {}

    def pair(kind):
        if kind not in made:
            made[kind] = write_pair(tmp_path_factory.mktemp("stored"), kind)
        return made[kind]

    return pair


def golden_cases():
    with safe_open(GOLDEN, framework="pt") as file:
        return sorted(file.metadata())


@pytest.mark.parametrize("case", golden_cases())
def test_each_format_means_what_its_own_library_reads(tmp_path, case):
    with safe_open(GOLDEN, framework="pt") as file:
        prefix = f"{case}/"
        tensors = {
            name.removeprefix(prefix): file.get_tensor(name)
            for name in file.keys()  # noqa: SIM118
            if name.startswith(prefix)
        }
    expected = tensors.pop("expected")
    save_file(
        {f"layer.{name}": value for name, value in tensors.items()}, tmp_path / "model.safetensors"
    )
    best = max((key for key in OPENERS if case.startswith(key)), key=len)
    opener, options = OPENERS[best]
    with Checkpoint(tmp_path) as checkpoint:
        weights = opener(checkpoint, options, "config.json")
        assert list(weights.names) == ["layer.weight"]
        assert weights.shape("layer.weight") == expected.shape
        found = weights.read("layer.weight", slice(None))
    # Half a unit in the last place of float16, which some of them compute in.
    torch.testing.assert_close(found, expected, rtol=2**-11, atol=1e-8)


@pytest.mark.parametrize("kind", FORMATS)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_share_is_that_part_of_the_whole(pairs, kind, data):
    quantised, plain = pairs(kind)
    expected = load_file(plain / "model.safetensors")
    name = data.draw(st.sampled_from([name for name in expected if "_proj" in name]))
    rows, columns = (
        slice(*sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n)))))
        for n in expected[name].shape
    )
    with open_weights(quantised) as weights:
        found = weights.read(name, rows, columns)
    torch.testing.assert_close(found, expected[name][rows, columns], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", FORMATS)
def test_dequantised_the_model_computes_the_same(pairs, kind):
    quantised, plain = pairs(kind)
    prompts = random_prompts([5, 40], 200)
    made, expected = Harness(quantised, quantization="none"), Harness(plain)
    assert made.generate(prompts, 8) == expected.generate(prompts, 8)
    for key, logits in expected.sampler.logits.items():
        assert (made.sampler.logits[key] - logits).abs().max() < 1e-5


@pytest.mark.parametrize("kind", FORMATS)
def test_it_is_kept_as_stored_where_a_kernel_takes_it(pairs, kind, caplog):
    quantised, plain = pairs(kind)
    with caplog.at_level(logging.INFO):
        made = Harness(quantised)
    fate = re.search(r"quantised weights: (.*)", caplog.text)
    kept = FORMATS[kind].kept_on_cpu and library() is not None
    assert fate
    assert fate[1] == ("12 kept as stored" if kept else "12 dequantised to float32")
    prompts = random_prompts([30], 200)
    made.generate(prompts, 1)
    expected = Harness(plain, quantization="none")
    expected.generate(prompts, 1)
    for key, logits in expected.sampler.logits.items():
        # Rows of activations are rounded to eight bits, three layers deep.
        error = (made.sampler.logits[key] - logits).norm() / logits.norm()
        assert error < (0.05 if kept else 1e-5)


@pytest.mark.skipif(library() is None, reason="no compiled kernels")
@pytest.mark.parametrize("kind", [kind for kind, f in FORMATS.items() if f.kept_on_cpu])
def test_kept_codes_stand_for_the_same_weights(pairs, kind):
    quantised, plain = pairs(kind)
    name = "model.layers.0.mlp.down_proj.weight"
    weight = load_file(plain / "model.safetensors")[name]
    with open_weights(quantised) as weights:
        coded = weights.read_coded(name, slice(None))
    assert keeps_coded(coded)
    again = to_quantised(coded).dequantise()
    # A minimum keeps eleven bits: the codes are exact, and it is off by 0.8 % of a step at most.
    step = coded.scales[:, coded.groups]
    assert ((again - weight).abs() / step).max() < (0.008 if coded.kind == "int4" else 1e-4)
    x = torch.eye(weight.shape[1])
    assert (make_coded_linear(coded, None)(x) - weight.T).abs().max() < 0.01 * weight.abs().max()


def test_a_symmetric_weight_is_kept_to_the_last_bit(pairs):
    quantised, plain = pairs("packed")
    name = "model.layers.1.self_attn.q_proj.weight"
    with open_weights(quantised) as weights:
        coded = weights.read_coded(name, slice(None))
    again = to_quantised(coded).dequantise()
    assert torch.equal(again, load_file(plain / "model.safetensors")[name])


def test_a_share_of_columns_that_cuts_groups_is_dequantised(pairs):
    quantised, _ = pairs("awq")
    with open_weights(quantised) as weights:
        name = "model.layers.0.mlp.down_proj.weight"
        half = weights.read_coded(name, slice(None), slice(GROUP // 2, 3 * GROUP // 2))
        third = weights.read_coded(name, slice(None), slice(GROUP, 2 * GROUP))
    assert not keeps_coded(half)
    assert keeps_coded(third) is (library() is not None)


class Half(Parallel):
    """One rank of two that hear nothing of each other."""

    size = 2

    def __init__(self, rank):
        self.rank = rank


@pytest.mark.parametrize("kind", ["awq", "gptq act-order", "packed asymmetric", "fp8 block"])
@pytest.mark.parametrize("quantization", ["auto", "none"])
def test_the_shares_of_two_ranks_make_the_whole(pairs, kind, quantization):
    quantised, plain = pairs(kind)
    whole = load_model(plain, CPU, torch.float32).layers[1]
    shares = [
        load_model(quantised, CPU, torch.float32, quantization=quantization, parallel=Half(rank))
        for rank in range(2)
    ]
    x = torch.randn((3, 96), generator=torch.Generator().manual_seed(0))
    halves = [model.layers[1].mlp for model in shares]
    down = sum(half.down(x[:, 48 * i : 48 * i + 48], None) for i, half in enumerate(halves))
    gates, ups = zip(*(half.gate_up(x[:, :64], None).chunk(2, 1) for half in halves), strict=True)
    tolerance = 0.02 if quantization == "auto" else 1e-5
    for found, expected in (
        (down, whole.mlp.down(x, None)),
        (torch.cat(gates + ups, 1), whole.mlp.gate_up(x[:, :64], None)),
    ):
        assert (found - expected).norm() / expected.norm() < tolerance


def test_quantisation_can_be_asked_for_anew(pairs):
    quantised, plain = pairs("awq")
    ours = load_model(quantised, CPU, torch.float32, quantization="int8")
    theirs = load_model(plain, CPU, torch.float32, quantization="int8")
    x = torch.randn(3, 64)
    for module, other in ((m.layers[0].mlp.gate_up for m in pair) for pair in [(ours, theirs)]):
        assert torch.equal(module(x, None), other(x, None))


def test_progress_counts_the_bytes_of_the_files(pairs):
    quantised, _ = pairs("gptq")
    seen = []
    load_model(quantised, CPU, torch.float32, lambda done, total: seen.append((done, total)))
    size = sum(tensor.nbytes for tensor in load_file(quantised / "model.safetensors").values())
    assert seen[-1] == (size, size)
