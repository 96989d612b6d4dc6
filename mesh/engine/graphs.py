"""Decode steps as graphs: recorded once for each size, then replayed in a single launch.

A GPU's are CUDA graphs, recorded before serving. A CPU's are recordings of compiled kernels
(`rostra.mesh.ops.native.recording`), each made when its size first comes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from rostra.mesh.engine.requests import PENDING, RunnerLimits, StepInput
from rostra.mesh.engine.transfer import upload
from rostra.mesh.models import Model, ModelConfig

Work = Callable[[], None]
Capture = Callable[[Work], Work]
"""Records work on tensors that keep their addresses; what is returned does it again, on whatever
those tensors hold by then."""

_DRIVER_BYTES = 8 << 20
"""Of a recorded graph, beside its tensors: the driver's description of a few hundred kernels."""
_MOST_HOST_TOKENS = 16
_MOST_DRAFTED_TOKENS = 128
"""Guessing pays while a step waits for the weights; it does less and less in larger steps."""


def repeat(work: Work) -> Work:
    """The `Capture` of a device without graphs."""
    work()
    return work


class CudaCapture:
    """The `Capture` of a CUDA device.

    The graphs share one pool of memory, so only one may run at a time, and what one leaves there is
    lost with the next. Record the largest first: the others then fit into its memory.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool = torch.cuda.graph_pool_handle()
        self._stream = torch.cuda.Stream(device)

    def __call__(self, work: Work) -> Work:
        with torch.cuda.device(self._device):
            # Kernels are compiled, and libraries take their workspaces, outside the recording.
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                work()
                work()
            graph = torch.cuda.CUDAGraph()
            # Other threads may use the device meanwhile.
            with torch.cuda.graph(
                graph, self._pool, self._stream, capture_error_mode="thread_local"
            ):
                work()
        return graph.replay


class GraphKind(NamedTuple):
    """One recorded step."""

    num_tokens: int
    drafted: bool
    """With drafts behind the tokens."""
    adapted: bool = False
    """With adapters."""


@dataclass(frozen=True)
class GraphSizes:
    """Which decode steps are recorded, by their number of tokens, ascending."""

    plain: list[int]
    """One token for each request."""
    drafted: list[int]
    """With drafts behind the tokens."""
    max_num_seqs: int
    max_drafted_len: int
    """A token and the most drafts behind it."""
    num_adapter_slots: int

    @classmethod
    def of(cls, limits: RunnerLimits) -> GraphSizes:
        drafted_len = 1 + limits.num_draft_tokens
        most = min(limits.max_num_seqs, limits.max_num_batched_tokens)
        most_drafted = min(
            limits.max_num_seqs * drafted_len, limits.max_num_batched_tokens, _MOST_DRAFTED_TOKENS
        )
        return cls(
            plain=_sizes(most),
            drafted=_sizes(most_drafted) if drafted_len > 1 else [],
            max_num_seqs=most,
            max_drafted_len=drafted_len,
            num_adapter_slots=limits.num_adapter_slots,
        )

    @classmethod
    def small(cls, limits: RunnerLimits) -> GraphSizes:
        """Every size up to the one from which a host's own work for a step is next to nothing."""
        sizes = cls.of(limits)
        return cls(
            plain=list(range(1, min(sizes.plain[-1], _MOST_HOST_TOKENS) + 1)),
            drafted=list(range(2, _MOST_HOST_TOKENS + 1)) if sizes.drafted else [],
            max_num_seqs=min(sizes.max_num_seqs, _MOST_HOST_TOKENS),
            max_drafted_len=sizes.max_drafted_len,
            num_adapter_slots=sizes.num_adapter_slots,
        )

    @property
    def largest(self) -> int:
        return max((*self.plain, *self.drafted))

    def __len__(self) -> int:
        return (len(self.plain) + len(self.drafted)) * (2 if self.num_adapter_slots else 1)

    def descending(self) -> Iterable[GraphKind]:
        kinds = [GraphKind(size, drafted=False) for size in self.plain]
        kinds += [GraphKind(size, drafted=True) for size in self.drafted]
        if self.num_adapter_slots:
            # Twice, so that a step without adapters does not pay for asking whose they are.
            kinds += [kind._replace(adapted=True) for kind in kinds]
        return sorted(kinds, reverse=True)

    def fitting(self, step: StepInput) -> GraphKind | None:
        """The graph for a step; None where it is no decode step, or too large."""
        if not step.is_decode:
            return None
        num_tokens, num_seqs = len(step.token_ids), len(step.rows)
        drafted = num_tokens > num_seqs
        sizes = self.drafted if drafted else self.plain
        at = bisect_left(sizes, num_tokens)
        if at == len(sizes):
            return None
        if drafted and int(step.layout.query_lens.max()) > self.max_drafted_len:
            return None
        return GraphKind(sizes[at], drafted, step.layout.adapter_slots is not None)


class DecodeGraphs:
    """Forward pass and logits of decode steps, recorded on inputs at fixed addresses.

    A step is padded to the next size that was recorded. The attention of a graph is launched for
    sequences of any length: what is beyond the end of one returns at once.
    """

    def __init__(
        self,
        model: Model,
        caches: list[tuple[Tensor, Tensor]],
        last_sampled: Tensor,
        limits: RunnerLimits,
        sizes: GraphSizes,
        block_size: int,
        capture: Capture,
    ) -> None:
        """`last_sampled`, int64 by row of the request table: tokens that only the device knows."""
        device = last_sampled.device
        self._model = model
        self._caches = caches
        self._last_sampled = last_sampled
        self._sizes = sizes
        self._rows = torch.zeros(sizes.largest, dtype=torch.int64, device=device)
        self._uploaded_rows = np.zeros(0, dtype=np.int64)
        self._logits = torch.zeros(sizes.largest, model.config.vocab_size, device=device)
        self._max_model_len = limits.max_model_len
        self._block_size = block_size
        self._capture = capture
        self._recorded: dict[GraphKind, tuple[Any, Work]] = {}

    def record_all(self) -> None:
        """Before serving, where recording takes time or memory; else a size is recorded when it
        first comes."""
        for kind in self._sizes.descending():
            self._record(kind, self._inputs(kind))

    def replay(self, step: StepInput) -> Tensor | None:
        """Logits of every token of a decode step, float32 [T, vocab], valid until the next replay.

        None where no graph fits.
        """
        kind = self._sizes.fitting(step)
        if kind is None:
            return None
        self._upload_rows(step)
        recorded = self._recorded.get(kind)
        if recorded is None:
            inputs = self._inputs(kind).fill(step.layout, step.token_ids)
            self._record(kind, inputs)
        else:
            inputs, replay = recorded
            inputs.fill(step.layout, step.token_ids)
            replay()
        return self._logits[: len(step.token_ids)]

    def _inputs(self, kind: GraphKind) -> Any:
        return self._model.step_buffers(
            num_tokens=kind.num_tokens,
            num_seqs=min(kind.num_tokens, self._sizes.max_num_seqs),
            num_blocks=-(-self._max_model_len // self._block_size),
            max_query_len=self._sizes.max_drafted_len if kind.drafted else 1,
            max_seq_len=self._max_model_len,
            num_adapter_slots=self._sizes.num_adapter_slots if kind.adapted else 0,
        )

    def _record(self, kind: GraphKind, inputs: Any) -> None:
        self._recorded[kind] = inputs, self._capture(self._work(inputs, kind.num_tokens))

    def _work(self, inputs: Any, size: int) -> Work:
        logits, rows = self._logits[:size], self._rows[:size]

        def work() -> None:
            sampled = self._last_sampled[rows]
            # -1 as well where no token could be chosen: the request ends, whatever is computed.
            token_ids = torch.where(inputs.token_ids == PENDING, sampled, inputs.token_ids)
            hidden = self._model(token_ids.clamp_(min=0), inputs, self._caches)
            self._model.logits(hidden, out=logits)

        return work

    def _upload_rows(self, step: StepInput) -> None:
        if not (step.token_ids == PENDING).any():
            return
        rows = step.rows
        if len(step.token_ids) > len(rows):
            rows = rows.repeat(step.layout.query_lens)
        # Mostly the requests of the step before.
        if not np.array_equal(rows, self._uploaded_rows):
            self._rows[: len(rows)].copy_(upload(rows, self._rows.device), non_blocking=True)
            self._uploaded_rows = rows


def graph_bytes_estimate(
    config: ModelConfig, dtype: torch.dtype, limits: RunnerLimits, block_size: int
) -> int:
    """Memory that `DecodeGraphs` takes of a GPU, to be set aside before the KV cache is sized.

    The tensors of the largest graph, which the others share: logits, and what a layer makes but for
    the partial results of attention; the inputs of all; and what the driver keeps of each.
    """
    sizes = GraphSizes.of(limits)
    widest = 8 * config.hidden_size + 3 * config.intermediate_size + 2 * config.vocab_size
    tensors = sizes.largest * (widest * dtype.itemsize + 4 * config.vocab_size)
    tables = sum(
        8 * kind.num_tokens * -(-limits.max_model_len // block_size) for kind in sizes.descending()
    )
    return tensors + tables + len(sizes) * _DRIVER_BYTES


def _sizes(most: int) -> list[int]:
    """1, 2, 4, 8, 16, 24, ... 128, 160, ... and `most`."""
    steps = [1, 2, 4, *range(8, 129, 8), *range(160, most, 32)]
    return [size for size in steps if size < most] + [most]
