"""While a model is loaded, no more than one of its linear maps is held as it was read."""

from __future__ import annotations

import gc

import pytest
import torch
from model_checkpoints import SHAPES, save_checkpoint

from rostra.mesh.models import load_model
from rostra.mesh.models.layers import Projection
from rostra.mesh.ops import make_ops


class Counting:
    """Operations that note how many linear maps wait to be laid out when one of them is."""

    def __init__(self):
        self._ops = make_ops(torch.device("cpu"), torch.float32)
        self.waiting = []

    def __getattr__(self, name):
        return getattr(self._ops, name)

    def linear(self, weight, bias, *, sensitive=False):
        projections = [thing for thing in gc.get_objects() if issubclass(type(thing), Projection)]
        weights = [projection.weight for projection in projections]
        self.waiting.append(sum(weight is not None and not weight.is_meta for weight in weights))
        return self._ops.linear(weight, bias, sensitive=sensitive)


@pytest.mark.parametrize("shape", ["multi-query, biased", "grouped, tied"])
def test_weights_are_laid_out_one_by_one(tmp_path, shape):
    save_checkpoint(tmp_path, SHAPES[shape])
    ops = Counting()
    load_model(tmp_path, torch.device("cpu"), torch.float32, ops=ops)
    tied = SHAPES[shape].get("tie_word_embeddings", False)
    # The tied output head is laid out from the embedding, which stays.
    assert ops.waiting == [1] * 12 + [0 if tied else 1]
