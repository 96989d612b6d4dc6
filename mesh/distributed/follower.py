"""The other ranks: they compute what rank 0 plans, and sample nothing."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import torch
from torch import Tensor

from rostra.mesh.distributed.channel import Channel, LoadAdapter
from rostra.mesh.distributed.parallel import DistributedParallel
from rostra.mesh.engine.engine import PendingStep, StepRunner
from rostra.mesh.engine.logprobs import PendingLogprobs
from rostra.mesh.engine.sampler import PendingSample, Sampler, SamplingRow
from rostra.mesh.errors import RostraError

log = logging.getLogger(__name__)


def follow(runner: StepRunner, channel: Channel) -> NoReturn:
    """Computes step after step. Ends with the PeerLostError that rank 0's end is."""
    in_flight: deque[PendingStep] = deque()
    while True:
        message = channel.receive()
        if isinstance(message, LoadAdapter):
            channel.agree(_load_adapter(runner, message))
            continue
        for _ in range(message.num_results):
            in_flight.popleft().result()
        in_flight.append(runner.launch(message.plan))


def _load_adapter(runner: StepRunner, message: LoadAdapter) -> bool:
    try:
        adapter = runner.prepare_adapter(Path(message.folder))
    except RostraError as error:
        log.error("%s", error)
        return False
    if adapter.revision != message.revision:
        log.error("the adapter in %s is not the one that rank 0 has read", message.folder)
        return False
    runner.load_adapter(message.slot, adapter)
    return True


class FollowingSampler(Sampler):
    """Takes the tokens that rank 0 chose, whatever the logits: only rank 0 has them."""

    def __init__(self, parallel: DistributedParallel) -> None:
        self._parallel = parallel

    def launch(self, logits: Tensor, rows: Sequence[SamplingRow]) -> PendingSample:
        chosen = torch.empty(len(rows), dtype=torch.int64, device=logits.device)
        return PendingSample(self._parallel.broadcast(chosen), chosen, rows, None)

    def launch_logprobs(
        self, logits: Tensor, token_ids: Tensor, num_candidates: int
    ) -> PendingLogprobs:
        return PendingLogprobs.launch(logits[:0], token_ids[:0], num_candidates)
