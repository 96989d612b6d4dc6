"""A client's time, from a header of the gateway to the scheduler of a real engine."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway_harness import gateway_before
from worker_harness import eventually, running, tiny_config

BODY = {"model": "tiny", "prompt": "the fox", "max_tokens": 400, "ignore_eos": True}
URL = "/v1/completions"


async def test_a_deadline_ends_a_request_in_the_queue_and_while_it_runs(tiny_model: Path) -> None:
    config = tiny_config(tiny_model, max_num_seqs=1, num_blocks=1024)
    async with running(config) as service, gateway_before([service.address]) as client:
        assert (await service.load()).max_running_requests == 1
        endless = asyncio.create_task(client.post(URL, json=BODY | {"stream": True}))

        async def runs() -> bool:
            return (await service.load()).running_requests == 1

        await eventually(runs)
        answer = await client.post(URL, json=BODY, headers={"x-request-timeout": "0.3"})
        assert answer.status == 504
        assert (await answer.json())["error"]["code"] == "deadline_exceeded"

        async def waits_for_none() -> bool:
            return (await service.load()).waiting_requests == 0

        await eventually(waits_for_none)
        (await endless).close()
        await eventually(service.idle)

        late = asyncio.create_task(
            client.post(URL, json=BODY | {"max_tokens": 200}, headers={"x-request-timeout": "0.2"})
        )
        answer = await late
        # A fast machine may be done by then.
        assert answer.status in (200, 504)
        await eventually(service.idle)
        load = await service.load()
        assert (load.kv_blocks_used, load.running_requests, load.waiting_requests) == (0, 0, 0)
