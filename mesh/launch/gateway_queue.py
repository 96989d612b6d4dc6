"""What waits at the gateway for room at a worker."""

from __future__ import annotations

from collections.abc import Collection

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

METRIC = "rostra_gateway_queued_requests"
TIMEOUT = aiohttp.ClientTimeout(total=2.0)


class GatewayQueue:
    """By the gateway's /metrics. What cannot be read is nothing: workers tell of their own queues,
    and a gateway that is away has none."""

    def __init__(self) -> None:
        self.url: str | None = None
        """Of the gateway, once it is known."""
        self._session: aiohttp.ClientSession | None = None

    async def of(self, models: Collection[str]) -> int:
        if self.url is None:
            return 0
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=TIMEOUT)
        try:
            async with self._session.get(f"{self.url}/metrics") as response:
                return queued_requests(await response.text(), models) if response.ok else 0
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return 0

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def queued_requests(page: str, models: Collection[str]) -> int:
    """Of a page of metrics. Raises ValueError for what is none."""
    return sum(
        int(sample.value)
        for family in text_string_to_metric_families(page)
        if family.name == METRIC
        for sample in family.samples
        if sample.labels.get("model") in models
    )
