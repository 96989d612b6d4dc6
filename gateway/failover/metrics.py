"""What Prometheus reads of failover."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter


class FailoverMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.retries = Counter(
            "rostra_gateway_retries",
            "Dispatches after the first of a request, by the status that made them necessary.",
            ("status",),
            registry=registry,
        )
        self.not_retried = Counter(
            "rostra_gateway_retries_over_budget",
            "Requests that failed because the budget for further dispatches was spent.",
            ("model",),
            registry=registry,
        )
        self.resumes = Counter(
            "rostra_gateway_resumes",
            "Answers that broke off and went on at another worker.",
            ("model",),
            registry=registry,
        )
        self.hedges = Counter(
            "rostra_gateway_hedges",
            "Second dispatches for want of a first token, by who answered first.",
            ("model", "winner"),
            registry=registry,
        )
