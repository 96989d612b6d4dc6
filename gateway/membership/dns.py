"""Workers by the records of a name, such as a headless service of Kubernetes."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

logger = logging.getLogger(__name__)

_JITTER = 0.2
"""Share of the interval by which lookups vary, so that gateways do not ask in step."""

Lookup = Callable[[str, int], Awaitable[frozenset[str]]]


class DnsMembership:
    """Every A and AAAA record of a name, with one port.

    A lookup that fails keeps the last answer, and is logged once until one succeeds; so does a name
    that has no records, since a resolver says both alike.
    """

    def __init__(
        self,
        name: str,
        port: int,
        interval: float,
        *,
        timeout: float = 5.0,
        lookup: Lookup | None = None,
        rng: random.Random | None = None,
    ) -> None:
        """`interval` and `timeout` are seconds: between lookups, and for one."""
        self._name = name
        self._port = port
        self._interval = interval
        self._timeout = timeout
        self._lookup = lookup or resolve
        self._rng = rng or random.Random()
        self._failing = False

    async def addresses(self) -> AsyncIterator[frozenset[str]]:
        last: frozenset[str] | None = None
        while True:
            found = await self._look()
            if found is not None and found != last:
                last = found
                logger.info("dns://%s has %d workers", self._name, len(found))
                yield found
            await asyncio.sleep(self._interval * self._rng.uniform(1 - _JITTER, 1 + _JITTER))

    async def _look(self) -> frozenset[str] | None:
        """None: there is no answer."""
        try:
            async with asyncio.timeout(self._timeout):
                found = await self._lookup(self._name, self._port)
        except TimeoutError:
            self._fail(f"no answer in {self._timeout:g} s")
        except OSError as error:
            self._fail(error.strerror or str(error))
        else:
            if self._failing:
                logger.info("dns://%s answers again", self._name)
            self._failing = False
            return found
        return None

    def _fail(self, why: str) -> None:
        if not self._failing:
            logger.warning("dns://%s: %s; its last answer holds on", self._name, why)
        self._failing = True


async def resolve(name: str, port: int) -> frozenset[str]:
    """host:port of every record, by the system's resolver. Raises OSError."""
    loop = asyncio.get_running_loop()
    records = await loop.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    hosts = {str(record[4][0]) for record in records}
    return frozenset(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host in hosts)
