"""Models computed by transformers' own code, over the paged cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from rostra.mesh.models.base import LayerCache
from rostra.mesh.models.config import ModelConfig
from rostra.mesh.models.transformers_attention import (
    PAGED,
    LayerPlan,
    PagedStep,
    UnservableError,
    attending,
)
from rostra.mesh.ops import Ops, StepLayout


class TransformersModel:
    """All tokens of a step go through the library's decoder as one row, each with its position:
    what belongs to which sequence is known to attention alone."""

    def __init__(
        self,
        model: PreTrainedModel,
        config: ModelConfig,
        ops: Ops,
        dtype: torch.dtype,
        plans: Mapping[int, LayerPlan],
    ) -> None:
        """`plans` by the layers' own numbers, in the order of their caches. Takes the decoder out
        of `model` and leaves its output head there."""
        self.config = config
        self.ops = ops
        self._dtype = dtype
        self._plans = plans
        self._decoder = decoder_of(model)
        self._head = model
        self._hidden = _GivenHidden()
        for parent in list(model.modules()):
            for name, child in list(parent.named_children()):
                if child is self._decoder:
                    setattr(parent, name, self._hidden)
        self._decoder.set_attn_implementation(PAGED)

    @property
    def dtype(self) -> torch.dtype:
        return self._dtype

    @property
    def num_kv_heads(self) -> int:
        return self.config.num_key_value_heads

    @property
    def recordable(self) -> bool:
        return False

    @property
    def capturable(self) -> bool:
        return False

    def step_buffers(self, **sizes: int) -> Any:
        raise RuntimeError("steps of transformers' own code are not recorded")

    def __call__(
        self, token_ids: Tensor, layout: StepLayout, caches: Sequence[LayerCache]
    ) -> Tensor:
        step = PagedStep(
            self.ops,
            self.ops.prepare(layout, ()),
            self._dtype,
            {
                layer: (plan, cache)
                for (layer, plan), cache in zip(self._plans.items(), caches, strict=True)
            },
        )
        positions = torch.from_numpy(layout.positions).to(token_ids.device)
        with attending(step):
            made = self._decoder(
                input_ids=token_ids.unsqueeze(0),
                position_ids=positions.unsqueeze(0),
                use_cache=False,
                return_dict=True,
            )
        return made.last_hidden_state.squeeze(0)

    def logits(self, hidden: Tensor, out: Tensor | None = None) -> Tensor:
        self._hidden.value = hidden.unsqueeze(0)
        # Nothing reads the ids: the decoder that would is not there.
        token_ids = torch.zeros(1, hidden.shape[0], dtype=torch.int64, device=hidden.device)
        made = self._head(input_ids=token_ids, use_cache=False, return_dict=True)
        self._hidden.value = None
        logits = made.logits.squeeze(0).float()
        return logits if out is None else out.copy_(logits)


def decoder_of(model: PreTrainedModel) -> PreTrainedModel:
    """All but the output head. Raises UnservableError where the two cannot be told apart."""
    for found in (model.get_decoder(), model.base_model, getattr(model, "model", None)):
        if isinstance(found, PreTrainedModel) and found is not model:
            return found
    raise UnservableError("its decoder and its output head cannot be told apart")


class _GivenHidden(nn.Module):
    """In the place of a decoder: what follows it is computed of `value`."""

    value: Tensor | None = None

    def forward(self, *_: Any, **__: Any) -> _Output:
        assert self.value is not None
        return _Output(self.value)


class _Output:
    """The output of a decoder that was asked for nothing but its last hidden states."""

    def __init__(self, last_hidden_state: Tensor) -> None:
        self.last_hidden_state = last_hidden_state

    def __getitem__(self, index: int) -> Tensor:
        return (self.last_hidden_state,)[index]

    def __getattr__(self, name: str) -> None:
        return None
