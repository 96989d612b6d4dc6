"""Rank 0: it has the scheduler, and tells the others what to compute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from torch import Tensor

from rostra.mesh.adapters import PreparedAdapter
from rostra.mesh.distributed.channel import Channel, Launch, LoadAdapter
from rostra.mesh.distributed.parallel import DistributedParallel
from rostra.mesh.engine.engine import PendingStep, StepRunner
from rostra.mesh.engine.grammar_table import Grammars
from rostra.mesh.engine.plan import StepPlan, StepResult
from rostra.mesh.engine.sampler import PendingSample, Sampler, SamplingRow
from rostra.mesh.errors import RostraError


class Leader:
    """A `StepRunner` whose steps the other ranks compute too."""

    def __init__(self, runner: StepRunner, channel: Channel) -> None:
        self._runner = runner
        self._channel = channel
        self._num_results = 0

    @property
    def num_blocks(self) -> int:
        return self._runner.num_blocks

    @property
    def block_size(self) -> int:
        return self._runner.block_size

    @property
    def max_model_len(self) -> int:
        return self._runner.max_model_len

    @property
    def vocab_size(self) -> int:
        return self._runner.vocab_size

    @property
    def grammars(self) -> Grammars | None:
        return self._runner.grammars

    @property
    def overlaps(self) -> bool:
        return self._runner.overlaps

    def launch(self, plan: StepPlan) -> PendingStep:
        self._channel.send(Launch(plan, self._num_results))
        self._num_results = 0
        return _CountedStep(self._runner.launch(plan), self._count_result)

    def prepare_adapter(self, folder: Path) -> PreparedAdapter:
        return self._runner.prepare_adapter(folder)

    def load_adapter(self, slot: int, adapter: PreparedAdapter) -> None:
        self._channel.send(LoadAdapter(slot, str(adapter.folder), adapter.revision))
        self._runner.load_adapter(slot, adapter)
        if not self._channel.agree(True):
            raise RostraError(
                f"another rank cannot read the adapter in {adapter.folder}, or found another there:"
                " its folder must be the same on every host"
            )

    def _count_result(self) -> None:
        self._num_results += 1


class _CountedStep:
    """The others take the result of a step in where rank 0 does: between the same two launches."""

    def __init__(self, step: PendingStep, count: Callable[[], None]) -> None:
        self._step = step
        self._count = count

    def result(self) -> StepResult:
        self._count()
        return self._step.result()


class LeadingSampler(Sampler):
    """Samples, and tells the others which tokens it chose."""

    def __init__(self, sampler: Sampler, parallel: DistributedParallel) -> None:
        self._sampler = sampler
        self._parallel = parallel

    def launch(self, logits: Tensor, rows: Sequence[SamplingRow]) -> PendingSample:
        sample = self._sampler.launch(logits, rows)
        self._parallel.broadcast(sample.token_ids)
        return sample
