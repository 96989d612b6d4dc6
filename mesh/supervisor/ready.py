"""Waiting until a service answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp

from rostra.mesh.errors import RostraError


async def wait_ready(
    url: str,
    *,
    timeout: float,
    given_up: Callable[[], str | None],
    accept: Callable[[bytes], bool] = lambda body: True,
    interval: float = 0.1,
) -> None:
    """Returns once `url` answers 200 with a body that `accept` takes.

    `given_up` is asked between tries; a text from it ends the wait as a RostraError, as does
    `timeout` (seconds).
    """
    clock = asyncio.get_running_loop().time
    end = clock() + timeout
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
        while True:
            try:
                async with session.get(url) as response:
                    if response.status == 200 and accept(await response.read()):
                        return
                    last = f"it answers {response.status}"
            except (aiohttp.ClientError, TimeoutError) as error:
                last = str(error) or type(error).__name__
            if (reason := given_up()) is not None:
                raise RostraError(reason)
            if clock() >= end:
                raise RostraError(f"{url} was not ready within {timeout:.0f} s: {last}")
            await asyncio.sleep(interval)
