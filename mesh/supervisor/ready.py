"""Waiting until a service answers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

import aiohttp

from rostra.mesh.errors import RostraError


async def wait_ready(
    url: str,
    *,
    timeout: float,
    given_up: Callable[[], str | None],
    accept: Callable[[bytes], bool] = lambda body: True,
    interval: float = 0.1,
    certificate: Path | None = None,
) -> None:
    """Returns once `url` answers 200 with a body that `accept` takes.

    `given_up` is asked between tries; a text from it ends the wait as a RostraError, as does
    `timeout` (seconds). `certificate`: the one of an HTTPS service, in PEM, whatever names it has:
    it is the one that this host was told to use.
    """
    ssl_context = True if certificate is None else _context(certificate)
    clock = asyncio.get_running_loop().time
    end = clock() + timeout
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
        while True:
            try:
                async with session.get(url, ssl=ssl_context) as response:
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


def _context(certificate: Path) -> ssl.SSLContext:
    """Trusts this certificate, also where it is not one of an authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(cafile=certificate)
    except (OSError, ssl.SSLError) as error:
        raise RostraError(f"cannot read the certificate {certificate}: {error.strerror}") from None
    return context
