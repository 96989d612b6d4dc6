from __future__ import annotations

import asyncio
import os
import signal
import socket

import aiohttp
import pytest

from rostra.arena.app import ArenaError, serve
from rostra.arena.settings import ArenaSettings


@pytest.fixture
def settings(votes_url, tmp_path, pair) -> ArenaSettings:
    return ArenaSettings(
        port=0, votes_url=votes_url, ratings_dir=tmp_path, contestants=(pair.a, pair.b)
    )


async def test_a_taken_port_is_one_clear_line(settings):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ArenaError, match=f"cannot listen on 127.0.0.1:{port}") as caught:
            await serve(settings.model_copy(update={"port": port}))
    assert "\n" not in str(caught.value)


async def test_it_serves_until_it_is_told_to_stop(settings):
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(settings, ready.set_result))
    url = await asyncio.wait_for(ready, 60)
    async with aiohttp.ClientSession() as session, session.get(f"{url}/health") as response:
        assert await response.text() == "ok\n"
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(serving, 60)
