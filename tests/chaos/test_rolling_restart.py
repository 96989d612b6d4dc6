"""Workers are replaced one by one under load, and gateways too: nobody notices."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.mesh_clients import Clients, Tally, questions
from benchmarks.mesh_processes import mesh
from benchmarks.tiny_model import save_tiny_model

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


def nobody_noticed(tally: Tally) -> bool:
    return dict(tally.counts) == {"right": tally.total}


async def test_a_rolling_restart_loses_no_request(tmp_path: Path) -> None:
    save_tiny_model(tmp_path / "model")
    async with mesh(tmp_path / "model", tmp_path, workers=2, gateways=2) as running:
        asked = await questions(running.urls[0], 8, 200)
        clients = Clients(running, asked, 8, 120.0, slow_every=4)
        await clients.asked(20)
        for worker in running.workers:
            assert await worker.terminate() == 0
            before = clients.tally.total
            await clients.asked(before + 20)
            await worker.start()
            await running.whole()
            await clients.asked(clients.tally.total + 20)
        assert nobody_noticed(clients.tally), clients.tally
        for gateway, node in enumerate(running.gateways):
            assert await node.terminate() == 0
            await clients.asked(clients.tally.total + 20)
            await node.start()
            await running.ready(gateway)
        tally = await clients.finish()
        assert nobody_noticed(tally), tally
        assert tally.reconnects > 0
