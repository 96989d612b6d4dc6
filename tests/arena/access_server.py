"""An arena whose access is set, in this process, and clients that keep cookies or do not."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from rostra.arena.app import serve
from rostra.arena.settings import ArenaSettings


@asynccontextmanager
async def serving(
    folder: Path, access: Mapping[str, Any], *, behind_proxy: bool = False
) -> AsyncIterator[str]:
    """Yields its address."""
    settings = ArenaSettings.model_validate(
        {
            "port": 0,
            "votes_url": f"sqlite:///{folder / 'votes.sqlite3'}",
            "ratings_dir": folder / "ratings",
            "contestants": [{"name": "one", "model": "one"}, {"name": "two", "model": "two"}],
            "refresh": {"interval": 0},
            "access": access,
            "behind_proxy": behind_proxy,
        }
    )
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(settings, ready.set_result))
    await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task
    yield ready.result()
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(task, 60)


class Browser:
    """Keeps cookies, and follows no redirect on its own."""

    def __init__(self, url: str, **headers: str) -> None:
        self.url = url
        self.session = aiohttp.ClientSession(
            cookie_jar=aiohttp.CookieJar(unsafe=True), headers=headers
        )

    async def __aenter__(self) -> Browser:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    async def get(self, path: str, **given: Any) -> tuple[aiohttp.ClientResponse, str]:
        url = path if path.startswith("http") else self.url + path
        async with self.session.get(url, allow_redirects=False, **given) as response:
            return response, await response.text()

    async def post(self, path: str, **form: str) -> tuple[aiohttp.ClientResponse, str]:
        async with self.session.post(self.url + path, data=form, allow_redirects=False) as response:
            return response, await response.text()

    async def log_in(self, path: str = "/login", **typed: str) -> aiohttp.ClientResponse:
        _, page = await self.get("/login")
        found = re.search(r'name="_xsrf" value="([^"]+)"', page)
        assert found is not None
        response, _ = await self.post(path, _xsrf=found[1], **typed)
        return response

    async def token(self, path: str) -> str:
        """Of the session of a page."""
        _, page = await self.get(path)
        found = re.search(r'"token":\s*"([^"]+)"', page)
        assert found is not None, page
        return found[1]

    async def socket(self, path: str, token: str) -> str:
        """What a socket of a page says first: `ACK`, or why it says nothing."""
        try:
            async with self.session.ws_connect(
                self.url + path, protocols=("bokeh", token), origin=self.url
            ) as socket:
                said = await asyncio.wait_for(socket.receive(), 20)
                return "ACK" if "ACK" in str(said.data) else "closed"
        except aiohttp.WSServerHandshakeError as error:
            return str(error.status)

    def cookies(self) -> dict[str, str]:
        return {cookie.key: cookie.value for cookie in self.session.cookie_jar}
