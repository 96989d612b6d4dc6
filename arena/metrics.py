"""What Prometheus reads of the arena, at an address of its own: voters have no business there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    start_http_server,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rostra.arena.errors import ArenaError

if TYPE_CHECKING:
    from rostra.arena.state import Arena


@contextmanager
def metrics_listener(arena: Arena) -> Iterator[None]:
    """Serves /metrics where the settings say so. Raises ArenaError for an address that cannot be
    had."""
    listen = arena.settings.metrics
    if listen is None:
        yield
        return
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    registry.register(_ArenaCollector(arena))
    host, _, port = listen.rpartition(":")
    try:
        server, thread = start_http_server(int(port), host.strip("[]"), registry)
    except (OSError, OverflowError) as error:
        problem = getattr(error, "strerror", None) or error
        raise ArenaError(
            f"cannot offer metrics on {listen}: {problem}; choose another address in [arena]"
        ) from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _ArenaCollector(Collector):
    """Runs in the listener's thread, and only reads."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena

    def collect(self) -> Iterator[Metric]:
        arena = self._arena
        yield CounterMetricFamily(
            "rostra_arena_votes",
            "Votes stored since the start, those of all campaigns.",
            arena.store.num_stored,
        )
        yield GaugeMetricFamily("rostra_arena_rounds", "Rounds in memory.", len(arena.live))
        looked = self._by_campaign(
            "last_look_timestamp_seconds", "When its votes were last looked at, since 1970."
        )
        rated = self._by_campaign(
            "last_rated_timestamp_seconds", "When its last ratings were published, since 1970."
        )
        votes = self._by_campaign("rated_votes", "Votes in these ratings.")
        for campaign, look in dict(arena.refresher.looks).items():
            looked.add_metric((campaign,), look.at)
            if look.rated_at is not None:
                rated.add_metric((campaign,), look.rated_at)
                votes.add_metric((campaign,), look.rated)
        yield from (looked, rated, votes)

    @staticmethod
    def _by_campaign(name: str, documentation: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(f"rostra_arena_{name}", documentation, labels=("campaign",))
