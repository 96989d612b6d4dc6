"""A real arena in its own process, a scripted gateway, a real Chromium."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web
from axe_core import axe_script
from playwright.sync_api import Browser, Page, Response
from running_arena import running
from threaded_gateway import ThreadedGateway

from rostra.arena.matchmaking import Pair
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.diagnostics import Diagnostics
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.provenance import Provenance
from rostra.arena.ratings.settings import FitSettings
from rostra.arena.ratings.spec import ModelSpec
from rostra.arena.refresh.settings import RefreshSettings
from rostra.arena.settings import ArenaSettings
from rostra.arena.votes.store import VoteStore


class ScriptedGateway(ThreadedGateway):
    """Answers any question. One with `hold` in it is held half-way until `release`; one with
    `fail` breaks off on the contestant with an adapter; one with `hostile` tries to do harm."""

    def __init__(self) -> None:
        super().__init__()
        self._held = asyncio.Event()

    def __exit__(self, *_: object) -> None:
        self.release()
        super().__exit__()

    def release(self) -> None:
        self.call(self._held.set)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        question = body["messages"][-1]["content"]
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)

        async def send(payload: object) -> None:
            await response.write(f"data: {json.dumps(payload)}\n\n".encode())

        async def say(text: str | None, finish: str | None = None) -> None:
            delta = {"content": text} if text else {}
            await send({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

        await say("The **first** half.\n\n")
        if "fail" in question and body["model"] == "puck-mischief":
            await send({"error": {"message": "worker of puck-mischief is lost"}})
            return response
        if "hold" in question:
            self._held.clear()
            await self._held.wait()
        if "hostile" in question:
            await say("<script>window.harmed = 1</script> <img src=x onerror='harmed=1'>\n\n")
            await say("![x](https://evil.example/pixel.png) [y](javascript:window.harmed=1)\n\n")
        await say("The second half.")
        await say(None, "stop")
        await response.write(b"data: [DONE]\n\n")
        return response


@dataclass
class RunningArena:
    url: str
    settings: ArenaSettings
    store: VoteStore


@pytest.fixture(scope="session")
def gateway() -> Iterator[ScriptedGateway]:
    with ScriptedGateway() as gateway:
        yield gateway


@pytest.fixture(scope="session")
def arena(
    gateway: ScriptedGateway, tmp_path_factory: pytest.TempPathFactory, contestants: Pair
) -> Iterator[RunningArena]:
    folder: Path = tmp_path_factory.mktemp("arena")
    settings = ArenaSettings(
        port=0,
        gateway_url=gateway.url,
        votes_url=f"sqlite:///{folder / 'votes.sqlite3'}",
        ratings_dir=folder / "ratings",
        contestants=(contestants.a, contestants.b),
        unused_session_lifetime=30,
        # What the pages show is what a test has put there.
        refresh=RefreshSettings(interval=0),
    )
    with running(settings) as url:
        store = VoteStore(settings.votes_url)
        yield RunningArena(url, settings, store)
        store.close()


@dataclass
class Visit:
    """A page, and everything that came to it."""

    page: Page
    frames: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    responses: list[Response] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@pytest.fixture
def visit(chromium: Browser, arena: RunningArena) -> Iterator[Callable[..., Visit]]:
    """Opens the page at a path in a fresh browser profile."""
    contexts = []

    def go(path: str = "/", **options: object) -> Visit:
        context = chromium.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(60_000)
        visit = Visit(context.new_page())
        visit.page.on(
            "websocket",
            lambda socket: socket.on(
                "framereceived", lambda frame: visit.frames.append(str(frame))
            ),
        )
        visit.page.on("request", lambda request: visit.outside.append(request.url))
        # Playwright marks its handlers, which a built-in method does not let it.
        visit.page.on("response", lambda response: visit.responses.append(response))  # noqa: PLW0108
        visit.page.on("pageerror", lambda error: visit.errors.append(str(error)))
        visit.page.goto(arena.url + path)
        visit.page.get_by_role("navigation", name=re.compile("Pages|Seiten|페이지")).wait_for()
        return visit

    yield go
    for context in contexts:
        context.close()


@pytest.fixture
def ratings(arena: RunningArena, contestants: Pair) -> Iterator[Posterior]:
    """Ratings on disk, as `rostra rate` leaves them, with draws made up here; gone afterwards."""
    left, right = contestants.a.name, contestants.b.name
    generator = np.random.default_rng(1)
    strength = generator.normal(0.5, 0.2, (2, 200, 1))
    posterior = Posterior(
        draws={
            "strength": np.concatenate([strength, -strength], axis=-1),
            "scale": np.ones((2, 200)),
            "side": np.zeros((2, 200)),
            "tie": np.zeros((2, 200)),
        },
        board=Board.from_comparisons([(left, right, "a"), (right, left, "tie")]),
        spec=ModelSpec(),
        provenance=Provenance(),
        settings=FitSettings(chains=2, draws=200),
        diagnostics=Diagnostics(1.0, 812, 700, 0, ()),
        versions={},
        created=datetime.now(UTC),
    )
    posterior.save(arena.settings.ratings_dir)
    yield posterior
    shutil.rmtree(arena.settings.ratings_dir)


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    return axe_script(tmp_path_factory.mktemp("axe"))
