"""Weights for transformers' own modules, read through Rostra's checkpoints."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers
from torch import Tensor, nn
from torch.nn.modules.module import register_module_module_registration_hook
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.pytorch_utils import Conv1D

from rostra.mesh.errors import RostraError
from rostra.mesh.models.parameters import Progress, is_finite
from rostra.mesh.models.stored import StoredWeights
from rostra.mesh.ops import Linear, Ops

log = logging.getLogger(__name__)

_SEQUENTIAL = "HF_DEACTIVATE_ASYNC_LOAD"
"""Makes transformers read one tensor after the other, when each is needed."""


class PackedLinear(nn.Module):
    """In the place of a linear map whose weight the operations have laid out for themselves."""

    weight: Tensor
    """Without content: for what asks for its dtype or shape. Whatever computes with it fails."""

    def __init__(self, weight: Tensor, apply: Linear) -> None:
        super().__init__()
        self.weight = weight.detach().to("meta")
        self._apply_linear = apply

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] -> [..., out]"""
        rows = x.reshape(-1, x.shape[-1])
        return self._apply_linear(rows).view(*x.shape[:-1], -1)


class _Place(NamedTuple):
    """Where a linear map stands in the model."""

    parent: nn.Module
    name: str
    module: nn.Module

    @property
    def weight(self) -> Tensor:
        weight = self.module.weight
        assert isinstance(weight, Tensor)
        return weight

    @property
    def is_loaded(self) -> bool:
        return not any(parameter.is_meta for parameter in self.module.parameters())


class _Packer:
    """Packs linear maps where they stand."""

    def __init__(self, ops: Ops, device: torch.device, config: PreTrainedConfig) -> None:
        self._ops = ops
        self._device = device
        self._vocab_size = config.vocab_size
        self._tied = config.tie_word_embeddings
        self._waiting: list[_Place] = []

    def expect(self, parent: nn.Module, name: str, module: nn.Module | None) -> None:
        """A hook for modules that are put into others."""
        if module is not None and _is_linear(module):
            place = _Place(parent, name, module)
            # One that shares the embedding's weight gets it at the end.
            if not (self._tied and self._is_head(place)):
                self._waiting.append(place)

    def pack_loaded(self) -> None:
        """What is loaded by now."""
        loaded = [place for place in self._waiting if place.is_loaded]
        if loaded:
            self._waiting = [place for place in self._waiting if not place.is_loaded]
            for place in loaded:
                self._pack(place)

    def pack_rest(self, model: PreTrainedModel) -> None:
        places = [
            _Place(parent, name, module)
            for parent in list(model.modules())
            for name, module in parent.named_children()
            if _is_linear(module)
        ]
        for place in places:
            self._pack(place)

    def _is_head(self, place: _Place) -> bool:
        return self._vocab_size in place.weight.shape

    def _pack(self, place: _Place) -> None:
        module = place.module
        if getattr(place.parent, place.name) is not module:
            return
        weight, bias = place.weight.detach().to(self._device), module.bias
        if isinstance(module, Conv1D):
            weight = weight.T.contiguous()
        if bias is not None:
            bias = bias.detach().to(self._device)
        apply = self._ops.linear(weight, bias, sensitive=self._is_head(place))
        setattr(place.parent, place.name, PackedLinear(weight, apply))


class _StoredTensor:
    """What transformers' loader asks for a tensor when it comes to it."""

    def __init__(self, read: Callable[[str], Tensor], name: str) -> None:
        self._read = read
        self._name = name

    def __getitem__(self, _: Any) -> Tensor:
        return self._read(self._name)


def load_library_model(
    architecture: type[PreTrainedModel],
    config: PreTrainedConfig,
    weights: StoredWeights,
    device: torch.device,
    dtype: torch.dtype,
    ops: Ops,
    progress: Progress | None,
) -> PreTrainedModel:
    """The model, built without memory and filled tensor by tensor; each linear map is laid out by
    `ops` as soon as it is there.

    Raises RostraError where weights and config contradict each other, and for values that are not
    finite.
    """
    packer = _Packer(ops, device, config)
    total = sum(weights.num_bytes(name) for name in weights.names)
    done = 0

    def read(name: str) -> Tensor:
        nonlocal done
        packer.pack_loaded()
        weights.check_dtype(name)
        tensor = weights.read(name, slice(None))
        # The others hold whatever is finite in a file.
        if not is_finite(tensor.to(dtype) if dtype == torch.float16 else tensor):
            raise RostraError(
                f"{weights.where(name)}: tensor {name} has values that are not finite in {dtype}"
            )
        done += weights.num_bytes(name)
        if progress is not None:
            progress(min(done, total), total)
        return tensor

    hook = register_module_module_registration_hook(packer.expect)
    try:
        with _quiet_and_sequential():
            loaded: Any = architecture.from_pretrained(
                None,
                config=config,
                state_dict={name: _StoredTensor(read, name) for name in weights.names},
                dtype=dtype,
                ignore_mismatched_sizes=True,  # they are raised as errors below
                local_files_only=True,
                output_loading_info=True,
            )
    except RuntimeError as error:
        raise RostraError(f"{weights.folder}: {_one_line(error)}") from None
    finally:
        hook.remove()
    model: PreTrainedModel
    model, info = loaded
    _check(info, weights.folder)
    coded = sum(weights.is_coded(name) for name in weights.names)
    if coded:
        name = str(dtype).removeprefix("torch.")
        log.info("quantised weights: %d dequantised to %s", coded, name)
    packer.pack_rest(model)
    left = [name for name, parameter in model.named_parameters() if parameter.is_meta]
    if left:
        raise RostraError(f"{weights.folder}: nothing says what {left[0]} is filled with")
    nn.Module.to(model, device)
    return model.eval()


def _check(info: dict[str, Any], folder: Path) -> None:
    for kind, verb in (
        ("missing_keys", "lacks"),
        ("unexpected_keys", "has, beyond what its config.json describes,"),
    ):
        names = sorted(info[kind])
        if names:
            others = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise RostraError(f"{folder}: the checkpoint {verb} tensor {names[0]}{others}")
    for name, found, expected in sorted(info["mismatched_keys"]):
        raise RostraError(
            f"{folder}: tensor {name} has shape {list(found)}, but config.json asks for "
            f"{list(expected)}"
        )
    for message in info["error_msgs"]:
        raise RostraError(f"{folder}: {_one_line(message)}")


@contextmanager
def _quiet_and_sequential() -> Iterator[None]:
    """What the library reports of loading is raised as an error, or told as progress."""
    verbosity, bars = (
        transformers.logging.get_verbosity(),
        transformers.logging.is_progress_bar_enabled(),
    )
    before = os.environ.get(_SEQUENTIAL)
    transformers.logging.set_verbosity(logging.CRITICAL)
    transformers.logging.disable_progress_bar()
    os.environ[_SEQUENTIAL] = "1"
    try:
        yield
    finally:
        transformers.logging.set_verbosity(verbosity)
        if bars:
            transformers.logging.enable_progress_bar()
        os.environ.pop(_SEQUENTIAL)
        if before is not None:
            os.environ[_SEQUENTIAL] = before


def _is_linear(module: nn.Module) -> bool:
    """A subclass may compute something else."""
    return type(module) in (nn.Linear, Conv1D)


def _one_line(error: object) -> str:
    return " ".join(str(error).split())
