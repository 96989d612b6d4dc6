"""How requests end that do not run to their own end."""

from __future__ import annotations

import asyncio
import time

import grpc
import pytest
from worker_harness import (
    ENDLESS,
    Service,
    chat,
    collect,
    eventually,
    generate,
    read_refusal,
    refused,
    started,
)

from rostra.mesh.worker.generation import Generation
from rostra.mesh.worker.jobs import read_generate
from rostra.mesh.worker.model import ServedModel
from rostra.mesh.worker.request_log import RequestRecord
from rostra.mesh.worker.responses import GenerateResponder
from rostra.mesh.worker.running import RunningRequest
from rostra.mesh.worker.status import RpcError
from rostra.v1 import control_pb2, inference_pb2_grpc

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_cancelling_the_call_ends_its_requests(service: Service):
    call = service.inference.Generate(generate(n=2, **ENDLESS))
    await started(call)
    assert (await service.load()).running_requests == 2
    call.cancel()
    await eventually(service.idle)


async def test_a_caller_that_vanishes_ends_its_requests(service: Service):
    async with grpc.aio.insecure_channel(service.address) as channel:
        call = inference_pb2_grpc.InferenceStub(channel).Generate(generate(**ENDLESS))
        await started(call)
    await eventually(service.idle)


async def test_cancelling_before_the_engine_took_it(service: Service):
    calls = [service.inference.Chat(chat(**ENDLESS)) for _ in range(6)]
    await asyncio.sleep(0)
    for call in calls:
        call.cancel()
    await eventually(service.idle)


async def test_abort_finishes_each_open_output_once(service: Service):
    call = service.inference.Generate(generate(n=3, request_id="long", **ENDLESS))

    async def abort_later():
        await eventually(lambda: running(service, 3))
        request = control_pb2.AbortRequest(request_id="long")
        first = await service.control.Abort(request)
        second = await service.control.Abort(request)
        return first.aborted, second.aborted

    got, aborted = await asyncio.gather(collect(call, 3), abort_later())
    assert [got.reason(index) for index in range(3)] == ["ABORT"] * 3
    assert aborted == (True, False)
    assert got.usage.completion_tokens == sum(len(tokens) for tokens in got.tokens.values())


async def test_abort_leaves_finished_outputs_alone(service: Service):
    call = service.inference.Generate(generate(request_id="done", max_tokens=1))
    await collect(call)
    reply = await service.control.Abort(control_pb2.AbortRequest(request_id="done"))
    assert not reply.aborted


async def test_abort_of_an_unknown_request_is_no_error(service: Service):
    reply = await service.control.Abort(control_pb2.AbortRequest(request_id="nobody"))
    assert not reply.aborted


async def test_an_id_that_is_running_is_refused_and_free_again_afterwards(service: Service):
    call = service.inference.Generate(generate(request_id="same", **ENDLESS))
    await started(call)
    refusal = await refused(service.inference.Chat(chat(request_id="same", max_tokens=1)))
    assert refusal.code is grpc.StatusCode.ALREADY_EXISTS
    call.cancel()
    await eventually(service.idle)
    again = await collect(service.inference.Chat(chat(request_id="same", max_tokens=3, **ENDLESS)))
    assert (again.reason(), again.usage.completion_tokens) == ("LENGTH", 3)


async def test_the_callers_deadline_ends_a_running_request(service: Service):
    call = service.inference.Generate(generate(**ENDLESS), timeout=0.4)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await collect(call)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await eventually(service.idle)


async def test_a_deadline_that_the_engine_sees_first_is_told_as_such(service: Service):
    engine = service.worker.engine
    model = ServedModel.load(service.worker.config)
    tokenizer = model.tokenizer
    job = await read_generate(generate(**ENDLESS), model, engine.require_info())
    written = []

    async def write(part):
        written.append(part)

    generation = Generation(
        job, tokenizer, GenerateResponder(tokenizer), write, RequestRecord("Generate")
    )
    with pytest.raises(RpcError) as caught:
        await generation.run(engine, RunningRequest("late"), time.monotonic() + 0.3)
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert written[0].request_id == "late"
    assert not any(part.HasField("finish") for part in written)


async def test_a_full_queue_refuses_all_outputs_of_a_request(service: Service):
    # Four run, eight wait; the thirteenth does not fit, so none may stay.
    refusal = await refused(service.inference.Generate(generate(n=13, **ENDLESS)))
    assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (refusal.reason, refusal.retry_seconds) == ("queue_full", 1)
    await eventually(service.idle)
    got = await collect(service.inference.Generate(generate(n=12, max_tokens=2, **ENDLESS)), 12)
    assert len(got.finishes) == 12


async def test_a_slow_reader_gets_everything_in_fewer_messages(service: Service):
    request = generate(max_tokens=300, logprobs=20, **ENDLESS)
    finished = (await service.load()).finished_requests
    slow = service.inference.Generate(request)

    async def engine_is_done():
        return (await service.load()).finished_requests == finished + 1

    await eventually(engine_is_done)
    late = await collect(slow)
    prompt = await collect(service.inference.Generate(request))
    assert late.num_messages < 300
    assert late.tokens == prompt.tokens
    assert late.texts == prompt.texts


async def running(service: Service, count: int) -> bool:
    return (await service.load()).running_requests == count


async def test_a_mistake_ends_nobody_elses_stream(service: Service):
    call = service.inference.Generate(generate(max_tokens=40, **ENDLESS))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await collect(service.inference.Generate(generate(temperature=9.0)))
    assert read_refusal(caught.value).violations == {"sampling.temperature": "invalid_value"}
    assert (await collect(call)).usage.completion_tokens == 40
