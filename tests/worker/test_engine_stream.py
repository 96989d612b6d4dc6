"""Merging of what nobody has read yet, and the first end that wins."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rostra.mesh.engine.messages import (
    EngineRequest,
    FinishReason,
    OutputToken,
    RequestOutput,
    SamplingParams,
)
from rostra.mesh.worker.engine_stream import EngineStream, EngineUnavailableError

NAMES = ("a", "b", "c")


def stream_of(*names: str, forgotten: list[str] | None = None) -> EngineStream:
    requests = [
        EngineRequest(request_id=name, prompt_token_ids=[1], sampling=SamplingParams())
        for name in names
    ]
    return EngineStream(requests, (forgotten if forgotten is not None else []).extend)


def output(name: str, *ids: int, **fields) -> RequestOutput:
    return RequestOutput(request_id=name, tokens=[OutputToken(i) for i in ids], **fields)


# Each event: a request gets a token, or ends; or the reader reads one output.
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("token"), st.sampled_from(NAMES)),
        st.tuples(st.just("end"), st.sampled_from(NAMES)),
        st.tuples(st.just("abort"), st.sampled_from(NAMES)),
        st.just(("read", "")),
    ),
    max_size=60,
)


@given(EVENTS)
def test_whatever_the_reader_does_nothing_is_lost_and_one_end_wins(events):
    asyncio.run(_check(events))


async def _check(events) -> None:
    stream = stream_of(*NAMES)
    sent: dict[str, list[int]] = {name: [] for name in NAMES}
    ends: dict[str, FinishReason] = {}
    read: list[RequestOutput] = []
    for number, (kind, name) in enumerate(events):
        if kind == "token":
            stream.put(output(name, number, num_cached_tokens=len(sent[name]) or None))
            if name not in ends:
                sent[name].append(number)
        elif kind == "end":
            stream.put(output(name, finish=FinishReason.LENGTH))
            ends.setdefault(name, FinishReason.LENGTH)
        elif kind == "abort":
            assert stream.abort(name) == (name not in ends)
            ends.setdefault(name, FinishReason.ABORT)
        elif stream._pending:
            read.append(await anext(stream))
    for name in NAMES:
        stream.put(output(name, finish=FinishReason.STOP))
        ends.setdefault(name, FinishReason.STOP)
    read += [each async for each in stream]
    for name in NAMES:
        of_name = [each for each in read if each.request_id == name]
        assert [token.id for each in of_name for token in each.tokens] == sent[name]
        assert [each.finish for each in of_name if each.finish] == [ends[name]]
        assert of_name[-1].finish is ends[name]


async def test_what_piled_up_comes_as_one_output():
    stream = stream_of("a")
    stream.put(output("a", 1, num_cached_tokens=16))
    stream.put(output("a", 2))
    stream.put(output("a", 3, finish=FinishReason.STOP, stop_token_id=3))
    whole = [each async for each in stream]
    assert whole == [
        output("a", 1, 2, 3, num_cached_tokens=16, finish=FinishReason.STOP, stop_token_id=3)
    ]


async def test_a_reader_that_waits_is_woken():
    stream = stream_of("a")
    waiting = asyncio.create_task(anext(stream))
    await asyncio.sleep(0)
    stream.put(output("a", 1))
    assert await waiting == output("a", 1)


async def test_a_failure_comes_after_what_was_made_before_it():
    forgotten: list[str] = []
    stream = stream_of("a", "b", forgotten=forgotten)
    stream.put(output("a", 1, finish=FinishReason.LENGTH))
    stream.admitted.set_result(None)
    stream.fail(EngineUnavailableError("engine_failed", "gone"))
    stream.fail(EngineUnavailableError("draining", "too late"))
    assert await anext(stream) == output("a", 1, finish=FinishReason.LENGTH)
    with pytest.raises(EngineUnavailableError, match="gone"):
        await anext(stream)
    assert forgotten == ["b"]


async def test_a_failure_before_admission_reaches_who_waits_for_it():
    stream = stream_of("a")
    stream.fail(EngineUnavailableError("engine_failed", "gone"))
    with pytest.raises(EngineUnavailableError, match="gone"):
        await stream.admitted


async def test_the_engine_is_told_once_to_forget():
    forgotten: list[str] = []
    stream = stream_of("a", "b", forgotten=forgotten)
    assert stream.abort()
    assert not stream.abort()
    assert sorted(forgotten) == ["a", "b"]
