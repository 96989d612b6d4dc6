"""Every kind of trouble once: nothing hangs, no answer is wrong, and every failure is known."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from benchmarks.chaos import (
    REQUEST_TIMEOUT,
    SETTINGS,
    SLACK,
    WORKER_OPTIONS,
    Chaos,
    not_lost_with_gateway,
)
from benchmarks.mesh_clients import Clients, questions
from benchmarks.mesh_processes import mesh
from benchmarks.tiny_model import save_tiny_model

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

OTHERS = ("reset", "kill gateway", "full disk", "restart gateway", "gateway's full disk")
LONG = ("kill worker", "cut", "kill engine", "stop", "drain")


async def test_a_mesh_in_trouble_answers_right_or_says_why_not(tmp_path: Path) -> None:
    save_tiny_model(tmp_path / "model")
    async with mesh(
        tmp_path / "model",
        tmp_path,
        workers=3,
        gateways=2,
        worker_options=WORKER_OPTIONS,
        settings=SETTINGS,
    ) as running:
        asked = await questions(running.urls[0], 12, 24)
        chaos = Chaos(running, random.Random(3))
        clients = Clients(running, asked, 12, REQUEST_TIMEOUT + SLACK, slow_every=6)
        await clients.asked(50)

        async def after_each_other(kinds: tuple[str, ...]) -> None:
            for number, kind in enumerate(kinds):
                await chaos.cause(kind, number % (3 if kind in chaos.kinds[0] else 2))

        await asyncio.gather(after_each_other(LONG), after_each_other(OTHERS))
        await clients.asked(clients.tally.total + 100)
        tally = await clients.finish()
        assert tally.bad == []
        assert chaos.bad == []
        assert not_lost_with_gateway(running, tally) == []
        assert tally.counts["right"] >= 100
        # One in a thousand, where there are so many.
        assert tally.unstarted_failures <= max(1, tally.total // 1000), tally.codes
