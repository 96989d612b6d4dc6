"""What an engine says of its load, added up over all that ran under one worker."""

from __future__ import annotations

import msgspec

from rostra.mesh.engine.messages import EngineLoad
from rostra.mesh.worker import wire
from rostra.mesh.worker.engine_stream import StepFigures

# The part of a reading that counts since the start of the worker, whatever died in between.
COUNTERS = (
    "prefix_cache_queried_tokens",
    "prefix_cache_hit_tokens",
    "preemptions",
    "prompt_tokens",
    "generated_tokens",
    "finished_requests",
    "draft_tokens",
    "accepted_draft_tokens",
    "steps",
    "step_tokens",
    "step_requests",
)


class LoadReadings:
    def __init__(self) -> None:
        self._last = EngineLoad()
        self._before = EngineLoad()
        """The counters of engines that have ended."""

    @property
    def total(self) -> EngineLoad:
        """The last reading; counters of all engines together."""
        return _add_counters(self._last, self._before)

    def engine_began(self, load: EngineLoad) -> None:
        self._last = load

    def engine_ended(self) -> None:
        self._before = _add_counters(EngineLoad(), self._last, self._before)
        self._last = EngineLoad()

    def take(self, turn: wire.Turn, ended: float) -> StepFigures | None:
        """The step that the turn made, if it made one; it ended then, by the monotonic clock."""
        before, self._last = self._last, turn.load
        if turn.load.steps == before.steps:
            return None
        return StepFigures(
            ended=ended,
            seconds=turn.seconds,
            requests=turn.load.step_requests - before.step_requests,
            tokens=turn.load.step_tokens - before.step_tokens,
        )


def _add_counters(reading: EngineLoad, *others: EngineLoad) -> EngineLoad:
    sums = {name: sum(getattr(each, name) for each in (reading, *others)) for name in COUNTERS}
    return msgspec.structs.replace(reading, **sums)
