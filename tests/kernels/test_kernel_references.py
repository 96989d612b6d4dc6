"""The references agree with code that others wrote: PyTorch's attention and transformers' Llama."""

from __future__ import annotations

import pytest
import torch
from kernel_cases import DTYPES, AttentionCase
from torch.nn import functional
from transformers.models.gemma3.modeling_gemma3 import Gemma3RMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm, apply_rotary_pos_emb
from transformers.models.qwen3.modeling_qwen3 import Qwen3RMSNorm

from rostra.kernels import reference


@pytest.mark.parametrize("new", [1, 5, 30])
def test_attention_is_scaled_dot_product_attention(new):
    args, options = AttentionCase(((new, 37 - new),), heads=(9, 3)).build()
    query, key_cache, value_cache, block_table, _, _ = args
    pages = block_table[0, :3].long()
    keys, values = (cache[pages].flatten(0, 1)[:37] for cache in (key_cache, value_cache))
    mask = torch.ones(new, 37, dtype=torch.bool).tril(37 - new)
    expected = functional.scaled_dot_product_attention(
        query.transpose(0, 1), keys.transpose(0, 1), values.transpose(0, 1), mask, enable_gqa=True
    ).transpose(0, 1)
    actual = reference.paged_attention(*args, **options)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-5)


def test_attention_refuses_broken_bounds():
    args, options = AttentionCase(((5, 10),)).build()
    with pytest.raises(ValueError, match="5 new tokens of 15"):
        reference.paged_attention(*args, **{**options, "max_query_len": 4})
    with pytest.raises(ValueError, match="5 new tokens of 15"):
        reference.paged_attention(*args, **{**options, "max_seq_len": 14})


def test_rope_is_that_of_llama():
    query, key, value = torch.randn(6, 9, 64), torch.randn(6, 3, 64), torch.randn(6, 3, 64)
    angles = torch.outer(torch.arange(40.0), 10_000 ** -torch.linspace(0, 31 / 32, 32))
    positions = torch.tensor([0, 1, 39, 7, 8, 9])
    both = torch.cat((angles, angles), dim=-1)[positions][None]
    expected = apply_rotary_pos_emb(
        query.transpose(0, 1)[None], key.transpose(0, 1)[None], both.cos(), both.sin()
    )
    slots = torch.tensor([5, -1, 31, 0, 16, 17])
    key_cache = torch.zeros(2, 16, 3, 64)
    value_cache = torch.zeros(2, 16, 3, 64)
    rotated = (query.clone(), key.clone())
    reference.rope_and_cache(
        *rotated, value, angles.cos(), angles.sin(), positions, key_cache, value_cache, slots
    )
    for actual, wanted in zip(rotated, expected, strict=True):
        torch.testing.assert_close(actual, wanted[0].transpose(0, 1), rtol=0, atol=1e-5)
    assert torch.equal(key_cache[1, 15], rotated[1][2])
    assert torch.equal(value_cache[0, 5], value[0])
    assert value_cache.flatten(0, 1).any(dim=-1).any(dim=-1).sum() == 5


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_norm_is_that_of_llama(dtype):
    x, residual = torch.randn(5, 576).to(dtype), torch.randn(5, 576).to(dtype)
    norm = LlamaRMSNorm(576, eps=1e-5).to(dtype)
    norm.weight.data.normal_()
    assert torch.equal(reference.rms_norm(x, norm.weight.data, 1e-5), norm(x))
    total = x + residual
    assert torch.equal(reference.rms_norm(x, norm.weight.data, 1e-5, residual), norm(total))
    assert torch.equal(residual, total)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_norm_with_a_wide_weight_is_that_of_gemma(dtype):
    x = torch.randn(5, 576).to(dtype)
    norm = Gemma3RMSNorm(576, eps=1e-6).to(dtype)
    norm.weight.data.normal_()
    weight = norm.weight.data.float() + 1.0
    assert torch.equal(reference.rms_norm(x, weight, 1e-6), norm(x))


def test_norms_of_heads_are_those_of_qwen_and_partial_rotation_that_of_phi():
    """Phi rotates the first dimensions of a head and leaves the others."""
    query, key, value = torch.randn(6, 8, 64), torch.randn(6, 2, 64), torch.randn(6, 2, 64)
    norms = [Qwen3RMSNorm(64, eps=1e-6) for _ in range(2)]
    for norm in norms:
        norm.weight.data.normal_()
    angles = torch.outer(torch.arange(40.0), 10_000 ** -torch.linspace(0, 1, 24))
    positions = torch.arange(6) + 30
    both = torch.cat((angles, angles), dim=-1)[positions][None]
    expected = [norm(x).transpose(0, 1)[None] for norm, x in zip(norms, (query, key), strict=True)]
    turned = apply_rotary_pos_emb(*(x[..., :48] for x in expected), both.cos(), both.sin())
    expected = [
        torch.cat((part, x[..., 48:]), -1) for part, x in zip(turned, expected, strict=True)
    ]
    cache = torch.zeros(1, 16, 2, 64)
    reference.rope_and_cache(
        *(query, key, value, angles.cos(), angles.sin(), positions),
        *(cache, cache.clone(), torch.arange(6)),
        query_weight=norms[0].weight.data,
        key_weight=norms[1].weight.data,
        eps=1e-6,
    )
    for actual, wanted in zip((query, key), expected, strict=True):
        torch.testing.assert_close(actual, wanted[0].transpose(0, 1), rtol=0, atol=1e-5)
    assert torch.equal(cache[0, :6], key)


def test_gelu_is_that_of_gemma():
    gate, up = torch.randn(3, 40) * 3, torch.randn(3, 40)
    cubic = (2 / torch.pi) ** 0.5 * (gate + 0.044715 * gate**3)
    expected = 0.5 * gate * (1 + torch.tanh(cubic)) * up
    torch.testing.assert_close(reference.gelu_and_mul(torch.cat((gate, up), -1)), expected)


def test_activation_is_that_of_llama():
    gate, up = torch.randn(3, 40), torch.randn(3, 40)
    expected = torch.sigmoid(gate) * gate * up
    torch.testing.assert_close(reference.silu_and_mul(torch.cat((gate, up), -1)), expected)
