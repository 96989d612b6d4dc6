"""Several processes of one run, as `torchrun` starts them: what one does for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from rostra.training.errors import TrainingError

T = TypeVar("T")


def is_first() -> bool:
    """Whether this process is the one that writes and tells."""
    from accelerate import PartialState

    return bool(PartialState().is_main_process)


def number_of_processes() -> int:
    from accelerate import PartialState

    return int(PartialState().num_processes)


def start(*, cpu: bool) -> None:
    """Meets the other processes. First of all that touches them: the kind of device is settled
    then, and without cards each would take itself for the only one unless `cpu` is said."""
    from accelerate import PartialState

    PartialState(cpu=cpu)


def once(prepare: Callable[[], T]) -> T:
    """What `prepare` returns in the first process, in every one of them; its TrainingError
    likewise, so that none waits for another that has ended."""
    from accelerate.utils import broadcast_object_list

    if number_of_processes() == 1:
        return prepare()
    told: list[Any] = [None, None]
    if is_first():
        try:
            told[0] = prepare()
        except TrainingError as error:
            told[1] = str(error)
    broadcast_object_list(told, from_process=0)
    if told[1] is not None:
        raise TrainingError(told[1])
    found: T = told[0]
    return found
