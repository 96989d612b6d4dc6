"""Mixtral and Qwen3's mixtures of experts against transformers on the same weights."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
import threading

import pytest
import torch
from model_harness import Harness, check_against, expected_tokens, random_prompts
from moe_checkpoints import MIXTURES, VOCAB_SIZE, save_mixture
from stored_checkpoints import write_pair
from test_triton_wiring import check_against_float_path
from thread_ranks import chunked_logits, run_ranks

from rostra.kernels import reference
from rostra.kernels.quantize import quantize_weight
from rostra.mesh.models import load_model
from rostra.mesh.models.checkpoint import Checkpoint
from rostra.mesh.models.moe import Expert
from rostra.mesh.ops import make_ops

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
STACKED = {"save_original_format": False}
PROMPTS = random_prompts([1, 2, 16, 17, 70], VOCAB_SIZE)


@pytest.mark.parametrize("name", MIXTURES)
def test_ragged_batch_equals_transformers(tmp_path, name):
    """Prefill, chunked and not, and decoding, in steps of mixed batches."""
    model = save_mixture(tmp_path, name)
    for chunk in (33, 512):
        harness = Harness(tmp_path, max_num_batched_tokens=chunk)
        harness.generate(PROMPTS, 12)
        check_against(harness, model, PROMPTS)
    for prompt_name, prompt in PROMPTS.items():
        assert harness.token_ids(prompt_name) == expected_tokens(model, prompt, 12), prompt_name


@pytest.mark.parametrize("name", ["mixtral", "qwen3, dense layers, bias"])
@pytest.mark.parametrize("saving", [{}, {"max_shard_size": "60KB"}], ids=["single", "sharded"])
def test_stacked_experts_are_read_too(tmp_path, name, saving):
    model = save_mixture(tmp_path, name, saving=STACKED | saving)
    with Checkpoint(tmp_path) as checkpoint:
        assert any(each.endswith(".experts.gate_up_proj") for each in checkpoint.names)
    harness = Harness(tmp_path)
    harness.generate(PROMPTS, 4)
    check_against(harness, model, PROMPTS)


def test_a_request_does_not_depend_on_the_batch(tmp_path):
    save_mixture(tmp_path, "qwen3")
    together = Harness(tmp_path, max_num_batched_tokens=48, prefix_caching=False)
    together.generate(PROMPTS, 6)
    for name, prompt in PROMPTS.items():
        alone = Harness(tmp_path, prefix_caching=False)
        alone.generate({name: prompt}, 6)
        assert alone.token_ids(name) == together.token_ids(name)
        for at, logits in alone.sampler.logits.items():
            assert torch.equal(logits, together.sampler.logits[at])


@pytest.mark.parametrize(("quantization", "tolerance"), [("int8", 0.03), ("int4", 0.5)])
def test_quantised_weights_stay_close(tmp_path, quantization, tolerance):
    save_mixture(tmp_path, "mixtral, all experts, tied")
    exact, quantised = (Harness(tmp_path, quantization=each) for each in ("none", quantization))
    for harness in (exact, quantised):
        harness.generate(PROMPTS, 1)
    for at, logits in exact.sampler.logits.items():
        difference = (quantised.sampler.logits[at] - logits).norm() / logits.norm()
        assert 0 < difference < tolerance


@pytest.mark.parametrize(
    ("kind", "fate"),
    [
        ("packed", "20 kept as stored"),
        ("awq", "20 kept as stored"),
        ("fp8 block", "20 dequantised to float32"),
    ],
)
def test_experts_that_are_stored_quantised(tmp_path, caplog, kind, fate):
    """Two weights of each layer's attention, and of each of its four experts."""
    # All experts: a rounded row could go to another one.
    shape = {"num_experts": 4, "num_experts_per_tok": 4, "moe_intermediate_size": 64}
    quantised, plain = write_pair(
        tmp_path, kind, lambda folder: save_mixture(folder, "qwen3", **shape)
    )
    with caplog.at_level(logging.INFO):
        made = Harness(quantised)
    assert fate in caplog.text
    exact, expected = Harness(quantised, quantization="none"), Harness(plain)
    for harness in (made, exact, expected):
        harness.generate(PROMPTS, 1)
    for at, logits in expected.sampler.logits.items():
        assert (exact.sampler.logits[at] - logits).abs().max() < 1e-4
        assert (made.sampler.logits[at] - logits).norm() / logits.norm() < 0.05


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("stacked", [False, True], ids=["single", "stacked"])
@pytest.mark.parametrize("name", ["mixtral, one of many, window, wide heads", "qwen3"])
def test_ranks_compute_the_same_together(tmp_path, monkeypatch, name, stacked, size):
    shape = {}
    if size == 3:
        shape = {"num_attention_heads": 6, "num_key_value_heads": 3, "hidden_size": 96}
    model = save_mixture(tmp_path, name, saving=STACKED if stacked else {}, **shape)
    token_ids = PROMPTS["4: 70 tokens"]
    read = [0] * size
    ranks = threading.local()
    stock = Checkpoint.read

    def counted(*args, **kwargs):
        part = stock(*args, **kwargs)
        read[ranks.rank] += part.numel()
        return part

    monkeypatch.setattr(Checkpoint, "read", counted)

    def work(parallel):
        ranks.rank = parallel.rank
        ranked = load_model(tmp_path, CPU, torch.float32, parallel=parallel)
        return chunked_logits(ranked, token_ids, [40, 29, 1])

    logits = run_ranks(size, work)[0]
    with torch.inference_mode():
        expected = model(torch.tensor([token_ids])).logits[0]
    assert (logits - expected).abs().max() < 1e-4
    # Norms and routers are every rank's; so is a key-value head where there are too few.
    everyones = sum(
        parameter.numel()
        for name, parameter in model.named_parameters()
        if "norm" in name or "gate.weight" in name or "k_proj" in name or "v_proj" in name
    )
    total = sum(parameter.numel() for parameter in model.parameters())
    assert max(read) <= (total - everyones) / size + everyones + model.config.hidden_size


def test_experts_are_laid_out_one_by_one(tmp_path):
    save_mixture(tmp_path, "mixtral")
    ops = make_ops(CPU, torch.float32)
    waiting = []
    lay_out = ops.experts

    def experts(num_experts):
        made = lay_out(num_experts)
        add = made.add

        def counted(*weights):
            held = [thing for thing in gc.get_objects() if type(thing) is Expert]
            waiting.append(sum(one.down is not None and not one.down.is_meta for one in held))
            add(*weights)

        made.add = counted
        return made

    ops.experts = experts
    load_model(tmp_path, CPU, torch.float32, ops=ops)
    assert waiting == [1] * 8


MEASURED = """
import sys
from pathlib import Path
import torch
from rostra.mesh.models import load_model
from rostra.mesh.ops import make_ops

def anonymous():
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) * 1024

device = torch.device("cpu")
ops = make_ops(device, torch.float32)
before = anonymous()
model = load_model(Path(sys.argv[1]), device, torch.float32, ops=ops)
print(anonymous() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_many_small_experts_leave_no_gaps_in_memory(tmp_path):
    """What is read of each is freed between weights that stay."""
    sizes = {"hidden_size": 256, "moe_intermediate_size": 256, "num_experts": 40}
    model = save_mixture(tmp_path, "qwen3", **sizes)
    weights = sum(parameter.nbytes for parameter in model.parameters())
    command = [sys.executable, "-c", MEASURED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert 0.9 * weights < int(done.stdout) < 1.2 * weights


def test_a_cpu_does_not_record_steps_that_depend_on_the_tokens(tmp_path):
    save_mixture(tmp_path, "qwen3")
    assert not load_model(tmp_path, CPU, torch.float32).recordable


def test_triton_path_equals_cpu_path(tmp_path):
    save_mixture(tmp_path, "qwen3", num_hidden_layers=1)
    check_against_float_path(tmp_path, tmp_path, "none", random_prompts([1, 7], VOCAB_SIZE))


def test_quantised_triton_path_equals_that_of_rounded_weights(tmp_path):
    model = save_mixture(tmp_path / "exact", "mixtral", num_hidden_layers=1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "proj" in name or "lm_head" in name:
                rows = parameter.flatten(0, -2)
                quantized = quantize_weight(rows, torch.float8_e4m3fn)
                rounded = reference.dequantize(*quantized, torch.float32)
                assert not torch.equal(rows, rounded)
                parameter.copy_(rounded.view(parameter.shape))
    model.save_pretrained(tmp_path / "rounded")
    prompts = random_prompts([1, 7], VOCAB_SIZE)
    check_against_float_path(tmp_path / "exact", tmp_path / "rounded", "fp8", prompts)
