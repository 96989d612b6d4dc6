"""Weights in parts over the processes of a run, where there are no cards."""

from __future__ import annotations

from typing import Any

from rostra.training.base import on_cpu
from rostra.training.settings import RunSettings


def shard(settings: RunSettings, arguments: Any) -> None:
    """Sees to `settings.fsdp` among processes without cards; before transformers' trainer is made
    of its `arguments`.

    PyTorch's `fully_shard` works over gloo, and so does all that accelerate and transformers do
    about it. But accelerate turns it on for cards alone (`AcceleratorState.__init__`), and would
    train data parallel here without a word. So it is turned on before the trainer asks.
    """
    if not (settings.fsdp and on_cpu(settings)):
        return
    from accelerate import Accelerator, PartialState
    from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin

    _ = arguments.device  # settles the state of the processes, which this changes
    PartialState().distributed_type = DistributedType.FSDP
    plugin = FullyShardedDataParallelPlugin(**arguments.fsdp_plugin_args)
    state = Accelerator(
        cpu=True, mixed_precision=arguments.mixed_precision, fsdp_plugin=plugin
    ).state
    state.fsdp_plugin = plugin
