"""Histograms that cost little, for what happens with every token and every step."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector


class Buckets:
    """The observations of one model. An upper bound belongs to its bucket."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        self.counts[bisect_left(self._bounds, value)] += times
        self.sum += value * times


class LoopHistogram(Collector):
    """By model. For one thread, and so without the locks of prometheus_client's own."""

    def __init__(self, name: str, documentation: str, bounds: Sequence[float]) -> None:
        self._name = name
        self._documentation = documentation
        self._bounds = tuple(bounds)
        self._of: dict[str, Buckets] = {}

    def of(self, model: str) -> Buckets:
        found = self._of.get(model)
        if found is None:
            found = self._of[model] = Buckets(self._bounds)
        return found

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(self._name, self._documentation, labels=("model",))
        names = [*map(str, self._bounds), "+Inf"]
        for model, buckets in self._of.items():
            totals = accumulate(buckets.counts)
            family.add_metric((model,), list(zip(names, totals, strict=True)), buckets.sum)
        yield family
