"""Attention over the paged cache, as an implementation of transformers' attention interface.

Two implementations are registered. `PAGED` computes a step; the library knows no mask function for
it and builds no masks. `INSPECTED` computes nothing: it is how a model is asked, once, what each
layer wants of its attention, and it is handed the functions that masks would be made by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface

from rostra.mesh.models.base import LayerCache
from rostra.mesh.ops import Ops

PAGED = "rostra_paged"
INSPECTED = "rostra_inspected"

_WITHOUT_MEANING_HERE = frozenset({"position_ids"})
"""Keywords that attention functions are given and none of them uses: positions are in the queries
and keys already."""
_REASONS = {
    "s_aux": "attention sinks, which take a share of every softmax",
    "position_bias": "a bias that depends on positions",
    "alibi": "a bias that depends on positions",
}


class UnservableError(Exception):
    """Why a model does not work over the paged cache: what is to follow "because"."""


class Attends(Protocol):
    def attend(
        self,
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Any,
        scale: float | None,
        keywords: Mapping[str, Any],
    ) -> Tensor:
        """query [1, Hq, T, D], key and value [1, Hkv, T, D] -> [1, T, Hq, D]."""
        ...


_attending: ContextVar[Attends] = ContextVar("attending")


@contextmanager
def attending(attends: Attends) -> Iterator[None]:
    """Inside, the two implementations do what `attends` does."""
    token = _attending.set(attends)
    try:
        yield
    finally:
        _attending.reset(token)


def register() -> None:
    AttentionInterface.register(PAGED, _attention)
    AttentionInterface.register(INSPECTED, _attention)
    AttentionMaskInterface.register(INSPECTED, _seen_mask)


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Any,
    scaling: float | None = None,
    **keywords: Any,
) -> tuple[Tensor, None]:
    attends = _attending.get()
    return attends.attend(module, query, key, value, attention_mask, scaling, keywords), None


@dataclass(frozen=True)
class SeenMask:
    """What a layer gets in place of a mask while it is inspected."""

    function: Callable[[Any, Any, Any, Any], Any]
    """Of batch, head, query and key index: whether the query sees the key."""

    def __getattr__(self, name: str) -> Any:
        # Whatever is no attribute of its own is one of a tensor.
        raise _computes_with_masks()

    @classmethod
    def __torch_function__(cls, *_: Any, **__: Any) -> Any:
        raise _computes_with_masks()

    def window(self, num_positions: int) -> int | None:
        """How many positions a query sees, its own included; None: all up to its own.

        Raises UnservableError where what it sees is something else, at any of `num_positions`.
        """
        window: int | None = None
        last = num_positions - 1
        for query in sorted({0, 1, last // 3, last // 2, last - 1, last} & set(range(last + 1))):
            keys = torch.arange(query + 2)
            seen = self.function(0, 0, torch.tensor(query), keys)
            seen = torch.as_tensor(seen).expand(query + 2)
            count = int(seen.sum())
            if seen[query + 1]:
                raise UnservableError("its tokens attend to later ones")
            if count == 0 or not seen[query + 1 - count :][:count].all():
                raise UnservableError("its tokens attend to others than those just before them")
            if window is not None and count != min(window, query + 1):
                raise UnservableError("how far back its tokens attend depends on where they stand")
            if count <= query:
                window = count
        return window


def _computes_with_masks() -> UnservableError:
    return UnservableError("it computes with the masks of its attention")


def _seen_mask(*_: Any, mask_function: Callable[..., Any], **__: Any) -> SeenMask:
    return SeenMask(mask_function)


@dataclass(frozen=True)
class LayerPlan:
    """How a layer attends."""

    num_heads: int
    num_kv_heads: int
    head_dim: int
    scale: float
    sliding_window: int | None
    soft_cap: float | None


@dataclass
class Inspection:
    """Notes what each layer wants; raises UnservableError where that cannot be had."""

    num_positions: int
    layers: dict[int, LayerPlan] = field(default_factory=dict)
    _windows: dict[SeenMask, int | None] = field(default_factory=dict)
    """Layers share masks."""

    def attend(
        self,
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Any,
        scale: float | None,
        keywords: Mapping[str, Any],
    ) -> Tensor:
        layer = getattr(module, "layer_idx", None)
        if not isinstance(layer, int):
            raise UnservableError("its attention does not know of which layer it is")
        if layer in self.layers:
            raise UnservableError(f"layer {layer} attends more than once")
        heads, kv_heads = query.shape[1], key.shape[1]
        if key.shape[-1] != value.shape[-1]:
            raise UnservableError(
                f"its keys have {key.shape[-1]} numbers a head and its values {value.shape[-1]}"
            )
        if query.shape[-1] != key.shape[-1] or value.shape != key.shape or heads % kv_heads:
            raise UnservableError("its queries, keys and values do not match each other")
        if query.shape[2] != key.shape[2]:
            raise UnservableError("it attends to more than a token for each position")
        rest = dict(keywords)
        soft_cap = rest.pop("softcap", None)
        window = rest.pop("sliding_window", None)
        if rest.pop("is_causal", None) is False:
            raise UnservableError("it attends to later tokens")
        _refuse_unknown(rest)
        scale = query.shape[-1] ** -0.5 if scale is None else scale
        if not isinstance(scale, float | int):
            raise UnservableError("the scale of its scores is no number")
        self.layers[layer] = LayerPlan(
            num_heads=heads,
            num_kv_heads=kv_heads,
            head_dim=key.shape[-1],
            scale=float(scale),
            sliding_window=self._window(mask, window),
            soft_cap=None if soft_cap is None else float(soft_cap),
        )
        return value.new_zeros(1, query.shape[2], heads, value.shape[-1])

    def _window(self, mask: Any, said: int | None) -> int | None:
        if not isinstance(mask, SeenMask):
            raise UnservableError("it makes the masks of its attention itself")
        if mask not in self._windows:
            self._windows[mask] = mask.window(self.num_positions)
        window = self._windows[mask]
        if said is not None and said < self.num_positions and said != window:
            raise UnservableError("its attention's mask and its sliding_window differ")
        return window


def _refuse_unknown(keywords: Mapping[str, Any]) -> None:
    for name, value in keywords.items():
        unset = value is None or value is False or (name == "dropout" and value == 0)
        if not unset and name not in _WITHOUT_MEANING_HERE:
            reason = _REASONS.get(name, f"{name}, which the paged attention does not know")
            raise UnservableError(f"its attention is given {reason}")


@dataclass(frozen=True)
class PagedStep:
    """One step: writes keys and values to the caches and attends over them."""

    ops: Ops
    prepared: Any
    """What `Ops.prepare` made."""
    dtype: torch.dtype
    caches: Mapping[int, tuple[LayerPlan, LayerCache]]
    """By the layer's own number."""

    def attend(
        self,
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Any,
        scale: float | None,
        keywords: Mapping[str, Any],
    ) -> Tensor:
        layer: Any = module.layer_idx
        plan, cache = self.caches[layer]
        query, key, value = self._rows(query), self._rows(key), self._rows(value)
        self.ops.rope_and_cache(query, key, value, *cache, self.prepared, table=None)
        attended = self.ops.paged_attention(
            query,
            *cache,
            plan.scale,
            self.prepared,
            sliding_window=plan.sliding_window,
            soft_cap=plan.soft_cap,
        )
        return attended.unsqueeze(0)

    def _rows(self, heads: Tensor) -> Tensor:
        """[1, H, T, D] -> [T, H, D]"""
        rows = heads.squeeze(0).transpose(0, 1).to(self.dtype)
        return rows if rows.stride(-1) == 1 else rows.contiguous()
