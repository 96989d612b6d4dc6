"""A histogram for what happens with every token."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector


class Buckets:
    """The observations of one label. An upper bound belongs to its bucket."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self._bounds, value)] += 1
        self.sum += value


class TokenHistogram(Collector):
    """As prometheus_client's Histogram, whose observations take a lock for each of its numbers.
    This one is for one thread, and costs a tenth."""

    def __init__(self, name: str, documentation: str, label: str, bounds: Sequence[float]) -> None:
        self._name = name
        self._documentation = documentation
        self._label = label
        self._bounds = tuple(bounds)
        self._of: dict[str, Buckets] = {}

    def of(self, label: str) -> Buckets:
        found = self._of.get(label)
        if found is None:
            found = self._of[label] = Buckets(self._bounds)
        return found

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(self._name, self._documentation, labels=(self._label,))
        names = [*map(str, self._bounds), "+Inf"]
        for label, buckets in self._of.items():
            totals = accumulate(buckets.counts)
            family.add_metric((label,), list(zip(names, totals, strict=True)), buckets.sum)
        yield family
