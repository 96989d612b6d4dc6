"""What Prometheus reads of the members of the mesh."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rostra.gateway.fleet import Fleet

_COUNTERS = {
    "prefix_cache_queries": (
        "prefix_cache_queried_tokens",
        "Prompt tokens looked for in the prefix cache.",
    ),
    "prefix_cache_hits": ("prefix_cache_hit_tokens", "Prompt tokens found in it."),
    "preemptions": ("preemptions", "Requests that gave their blocks back and began again."),
    "prompt_tokens": ("prompt_tokens", "Tokens of prompts that were begun."),
    "generation_tokens": ("generated_tokens", "Tokens generated."),
    "finished_requests": ("finished_requests", "Requests that ended in the engine."),
    "draft_tokens": ("draft_tokens", "Tokens guessed and verified."),
    "accepted_draft_tokens": ("accepted_draft_tokens", "Those guesses that were right."),
}
"""By the end of their names: the field of `GetLoadResponse`."""


class FleetCollector(Collector):
    """Reads the fleet when it is asked, so that a worker that has left leaves no stale series."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def collect(self) -> Iterator[Metric]:
        up = self._gauge("up", "1 if the worker is serving, else 0.")
        running = self._gauge("running_requests", "Requests running at the worker.")
        waiting = self._gauge("waiting_requests", "Requests queued at the worker.")
        queued = self._gauge("queued_tokens", "Tokens the worker has not computed yet.")
        used = self._gauge("kv_blocks_used", "Blocks of the KV cache held by requests.")
        total = self._gauge("kv_blocks", "Blocks of the KV cache.")
        breaker = self._gauge("breaker_open", "1 if it is left alone because its calls failed.")
        members = GaugeMetricFamily(
            "rostra_gateway_members", "Members of the mesh, by state.", labels=("state",)
        )
        counters = [
            CounterMetricFamily(
                f"rostra_gateway_worker_{name}",
                f"{text} Since the start of the worker, as it says itself.",
                labels=("worker",),
            )
            for name, (_, text) in _COUNTERS.items()
        ]
        links = list(self._fleet)
        serving = sum(link.serving for link in links)
        members.add_metric(("serving",), serving)
        members.add_metric(("out",), len(links) - serving)
        for link in links:
            labels = (link.address,)
            breaker.add_metric(labels, float(bool(link.breaker.fault)))
            up.add_metric(labels, float(link.serving))
            if link.serving:
                running.add_metric(labels, link.load.running_requests)
            if link.serving and not link.external:
                waiting.add_metric(labels, link.load.waiting_requests)
                queued.add_metric(labels, link.load.queued_tokens)
                used.add_metric(labels, link.load.kv_blocks_used)
                total.add_metric(labels, link.load.kv_blocks_total)
                for family, (field, _) in zip(counters, _COUNTERS.values(), strict=True):
                    family.add_metric(labels, getattr(link.load, field))
        gauges = (members, up, running, waiting, queued, used, total, breaker)
        return iter((*gauges, *counters, *self._spending()))

    def _spending(self) -> Iterator[Metric]:
        """Of members that are other servers, as far as they tell."""
        tokens = self._counter(
            "tokens", "Tokens of answers, by kind; cached_prompt is a part of prompt.", "kind"
        )
        cost = self._counter("cost", "What answers cost, by the prices that are configured.")
        uncounted = self._counter(
            "uncounted_answers", "Answers that did not say how many tokens they used."
        )
        for member in self._fleet.members:
            spending, name = member.spending, member.address
            for (model, kind), count in spending.tokens.items():
                tokens.add_metric((name, model, kind), count)
            for model, amount in spending.cost.items():
                cost.add_metric((name, model), amount)
            for model, count in spending.uncounted.items():
                uncounted.add_metric((name, model), count)
        return iter((tokens, cost, uncounted))

    @staticmethod
    def _counter(name: str, documentation: str, *labels: str) -> CounterMetricFamily:
        return CounterMetricFamily(
            f"rostra_gateway_member_{name}", documentation, labels=("member", "model", *labels)
        )

    @staticmethod
    def _gauge(name: str, documentation: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(f"rostra_gateway_worker_{name}", documentation, labels=("worker",))
