"""Where the time of a step goes, measured from outside the engine."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from inspect import getmembers, isfunction
from typing import Any
from unittest.mock import patch

import torch

from rostra.mesh.engine.engine import Engine
from rostra.mesh.engine.launched import LaunchedStep
from rostra.mesh.engine.requests import RequestTable
from rostra.mesh.engine.runner import Runner
from rostra.mesh.engine.sampler import Sampler
from rostra.mesh.engine.scheduler import Scheduler
from rostra.mesh.models import Model
from rostra.mesh.ops import make_ops
from rostra.mesh.ops.native.recording import Recording

PARTS: tuple[tuple[type, str, str], ...] = (
    (Engine, "step", "rest"),
    (Scheduler, "schedule", "schedule"),
    (Scheduler, "apply", "apply"),
    (RequestTable, "lay_out", "lay_out"),
    (Runner, "launch", "launch, rest"),
    (LaunchedStep, "result", "result"),
    (Sampler, "launch", "sampling"),
    (Sampler, "sample", "sampling"),
    (Model, "forward", "model: other"),
    (Model, "logits", "model: other"),
    (Recording, "replay", "model: other"),
)
"""Class, method, and the part of a step that its own time counts as. On a GPU the wait for the
device is in `result`, and launches are in `launch, rest` and `model: other`."""
OPS = {"paged_attention": "model: attention", "linear": "model: matmul"}


class Stopwatch:
    """Sums up time by part. While one part calls another, only the inner one's time runs."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self._open: list[tuple[str, float]] = []

    def wrap(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function, updated=())
        def timed(*args: Any, **kwargs: Any) -> Any:
            now = time.perf_counter()
            if self._open:
                outer, since = self._open[-1]
                self.seconds[outer] += now - since
            self._open.append((part, now))
            try:
                return function(*args, **kwargs)
            finally:
                now = time.perf_counter()
                name, since = self._open.pop()
                self.seconds[name] += now - since
                self.calls[name] += 1
                if self._open:
                    self._open[-1] = (self._open[-1][0], now)

        return timed

    def clear(self) -> None:
        self.seconds.clear()
        self.calls.clear()


class TimedLinear:
    """A linear map that can still be asked for whatever else the engine's own one has."""

    def __init__(self, stopwatch: Stopwatch, linear: Callable[..., Any]) -> None:
        self._linear = linear
        self._timed = stopwatch.wrap(OPS["linear"], linear.__call__)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._timed(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._linear, name)


@contextmanager
def watching(
    stopwatch: Stopwatch, device: torch.device, dtype: torch.dtype, *, inside_model: bool
) -> Iterator[None]:
    """Times engines that are built within the block, as long as it lasts.

    With `inside_model` its operations one by one, which costs about a microsecond for each call and
    says nothing on a GPU, where they return before they are done.
    """
    with ExitStack() as stack:
        for owner, method, part in PARTS:
            if method in vars(owner):
                timed = stopwatch.wrap(part, vars(owner)[method])
                stack.enter_context(patch.object(owner, method, timed))
        if inside_model:
            ops = type(make_ops(device, dtype))
            for method, function in getmembers(ops, isfunction):
                if method.startswith("_"):
                    continue
                timed = (
                    _timed_linear(stopwatch, function)
                    if method == "linear"
                    else stopwatch.wrap(OPS.get(method, f"model: {method}"), function)
                )
                stack.enter_context(patch.object(ops, method, timed))
        yield


def _timed_linear(stopwatch: Stopwatch, make: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(make)
    def linear(*args: Any, **kwargs: Any) -> TimedLinear:
        return TimedLinear(stopwatch, make(*args, **kwargs))

    return linear
