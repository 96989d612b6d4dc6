"""Storage in 16 bits that loses nothing."""

from __future__ import annotations

import pytest
import torch

from rostra.mesh.models.layers import Embedding
from rostra.mesh.models.parallel import ALONE
from rostra.mesh.ops.lossless import in_16_bits


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_values_of_16_bits_are_stored_in_16(dtype):
    weight = torch.randn(5, 7).mul(1e-6 if dtype == torch.bfloat16 else 1).to(dtype).float()
    narrow = in_16_bits(weight)
    assert narrow.dtype == dtype
    assert torch.equal(narrow.float(), weight)


@pytest.mark.parametrize("value", [1 + 2**-20, 1e-40, float("nan")])
def test_what_would_change_is_left_alone(value):
    weight = torch.ones(5, 7)
    weight[3, 3] = value
    assert in_16_bits(weight) is weight


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_rows_of_a_compact_embedding_are_those_loaded(dtype):
    table = torch.randn(11, 6).half().to(dtype)
    embedding = Embedding("table", 11, 6, ALONE)
    embedding.weight = torch.nn.Parameter(table.clone(), requires_grad=False)
    embedding.compact()
    assert embedding.weight.element_size() == 2
    rows = embedding(torch.tensor([3, 0, 3, 10]))
    assert rows.dtype == dtype
    assert torch.equal(rows, table[[3, 0, 3, 10]])
