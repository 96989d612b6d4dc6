"""The queue of the engine for vectors: turns, batches, ends, limits; with a runner that records."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rostra.mesh.embedding.engine import EmbeddingEngine, FloatArray
from rostra.mesh.engine.admission import (
    DuplicateRequestError,
    InvalidRequestError,
    PromptTooLongError,
    QueueFullError,
)
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.engine.messages import EmbeddingRequest, FinishReason, RequestOutput
from rostra.mesh.errors import RostraError

BAD = 9
"""A token of whose input the runner makes no number."""


class RecordingRunner:
    """The vector of an input is (first token, length, 0, 2)."""

    max_model_len = 8
    vocab_size = 10
    embedding_size = 4

    def __init__(self) -> None:
        self.batches: list[list[list[int]]] = []

    def embed(self, inputs: Sequence[Sequence[int]]) -> FloatArray:
        self.batches.append([list(each) for each in inputs])
        rows = [[each[0], len(each), 0, np.nan if BAD in each else 2] for each in inputs]
        return np.array(rows, np.float32)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def make_engine(**limits: int) -> tuple[EmbeddingEngine, RecordingRunner, Clock]:
    runner, clock = RecordingRunner(), Clock()
    return EmbeddingEngine(runner, EngineConfig(model_path="", **limits), clock), runner, clock


def ask(name: str, *inputs: list[int], **fields: object) -> EmbeddingRequest:
    return EmbeddingRequest(request_id=name, inputs=list(inputs), **fields)


def run(engine: EmbeddingEngine) -> dict[str, RequestOutput]:
    outputs: dict[str, RequestOutput] = {}
    while engine.has_work:
        for output in engine.step():
            assert output.request_id not in outputs
            outputs[output.request_id] = output
    return outputs


def vectors(output: RequestOutput) -> list[list[float]]:
    assert output.embeddings is not None
    return [np.frombuffer(data, np.float32).tolist() for data in output.embeddings]


def test_each_input_has_its_unit_vector_in_order():
    engine, _, _ = make_engine()
    engine.add_request(ask("a", [3, 1], [5]))
    found = vectors(run(engine)["a"])
    np.testing.assert_allclose(found[0], np.array([3, 2, 0, 2]) / 17**0.5, rtol=1e-6)
    np.testing.assert_allclose(found[1], np.array([5, 1, 0, 2]) / 30**0.5, rtol=1e-6)


def test_fewer_dimensions_are_normalised_again():
    engine, _, _ = make_engine()
    engine.add_request(ask("a", [3, 1, 1, 1], dimensions=2))
    assert vectors(run(engine)["a"])[0] == pytest.approx([0.6, 0.8])


def test_requests_take_turns_within_the_limits_of_a_step():
    engine, runner, _ = make_engine(max_num_seqs=3, max_num_batched_tokens=6)
    engine.add_request(ask("a", [1], [2], [3], [4]))
    engine.add_request(ask("b", [5, 5]))
    engine.add_request(ask("c", [6, 6, 6, 6]))
    first = engine.step()
    assert runner.batches == [[[1], [5, 5]]], "c's input has no room beside these"
    assert [output.request_id for output in first] == ["b"]
    load = engine.load()
    assert (load.running_requests, load.waiting_requests, load.queued_tokens) == (1, 1, 7)
    engine.step()
    assert runner.batches[1] == [[6, 6, 6, 6], [2], [3]]
    assert set(run(engine)) == {"a"}
    load = engine.load()
    assert (load.prompt_tokens, load.finished_requests, load.queued_tokens) == (10, 3, 0)


def test_an_input_longer_than_a_step_takes_one_of_its_own():
    engine, runner, _ = make_engine(max_num_batched_tokens=4)
    engine.add_request(ask("a", [1], [2] * 8, [3]))
    assert run(engine)["a"].finish is FinishReason.STOP
    assert runner.batches == [[[1]], [[2] * 8], [[3]]]


def test_an_abort_ends_a_request_once():
    engine, runner, _ = make_engine(max_num_seqs=1)
    engine.add_request(ask("a", [1], [2]))
    engine.add_request(ask("b", [3]))
    engine.step()
    assert engine.abort("a")
    assert not engine.abort("a")
    assert not engine.abort("never")
    outputs = run(engine)
    assert outputs["a"].finish is FinishReason.ABORT
    assert outputs["a"].embeddings is None
    assert outputs["b"].finish is FinishReason.STOP
    assert [2] not in [each for batch in runner.batches for each in batch]
    assert engine.load().queued_tokens == 0


def test_a_deadline_is_honoured_in_the_queue():
    engine, runner, clock = make_engine(max_num_seqs=1)
    engine.add_request(ask("a", [1], deadline=5.0))
    engine.add_request(ask("b", [2], deadline=1.0))
    clock.now = 2.0
    outputs = run(engine)
    assert outputs["b"].finish is FinishReason.DEADLINE
    assert outputs["a"].finish is FinishReason.STOP
    assert runner.batches == [[[1]]]


def test_a_vector_that_is_no_direction_fails_its_request_alone():
    engine, _, _ = make_engine()
    engine.add_request(ask("a", [1], [2, BAD], [3]))
    engine.add_request(ask("b", [4]))
    outputs = run(engine)
    assert outputs["a"].finish is FinishReason.ERROR
    assert "of input 1" in outputs["a"].error
    assert outputs["b"].finish is FinishReason.STOP
    assert engine.load().queued_tokens == 0


@pytest.mark.parametrize(
    ("request_", "kind", "message"),
    [
        (ask("x"), InvalidRequestError, "an input is empty"),
        (ask("x", [1], []), InvalidRequestError, "an input is empty"),
        (ask("x", [10]), InvalidRequestError, "outside the vocabulary of 10"),
        (ask("x", [1] * 9), PromptTooLongError, "has 9 tokens, and the model takes 8"),
        (ask("x", [1], dimensions=5), InvalidRequestError, r"not in \[1, 4\]"),
        (ask("x", [1], dimensions=0), InvalidRequestError, r"not in \[1, 4\]"),
        (ask("there", [1]), DuplicateRequestError, "id there is running"),
    ],
)
def test_what_cannot_run_is_refused(request_, kind, message):
    engine, _, _ = make_engine()
    engine.add_request(ask("there", [1]))
    with pytest.raises(kind, match=message):
        engine.add_request(request_)
    assert engine.load().waiting_requests == 1


def test_a_full_queue_refuses():
    engine, _, _ = make_engine(max_waiting_requests=1, max_num_seqs=2)
    for name in "abc":
        engine.add_request(ask(name, [1]))
    with pytest.raises(QueueFullError, match="3 requests are waiting"):
        engine.add_request(ask("d", [1]))
    engine.step()
    engine.add_request(ask("d", [1]))
    assert set(run(engine)) == {"c", "d"}


@pytest.mark.parametrize("limit", ["max_num_seqs", "max_num_batched_tokens"])
def test_a_useless_limit_is_refused(limit):
    with pytest.raises(RostraError, match=f"{limit} is 0"):
        make_engine(**{limit: 0})


@settings(max_examples=200, deadline=None)
@given(
    lengths=st.lists(st.lists(st.integers(1, 8), min_size=1, max_size=5), min_size=1, max_size=8),
    aborted=st.sets(st.integers(0, 7)),
    steps=st.integers(0, 4),
    tokens=st.integers(1, 20),
    seqs=st.integers(1, 5),
)
def test_every_request_ends_once_and_every_count_returns_to_nothing(
    lengths, aborted, steps, tokens, seqs
):
    engine, runner, _ = make_engine(max_num_batched_tokens=tokens, max_num_seqs=seqs)
    for number, sizes in enumerate(lengths):
        engine.add_request(ask(str(number), *([number] * size for size in sizes)))
    outputs = []
    for _ in range(steps):
        outputs += engine.step()
    ended = {int(output.request_id) for output in outputs}
    for number in aborted:
        assert engine.abort(str(number)) == (number < len(lengths) and number not in ended)
    outputs += run(engine).values()
    assert sorted(int(output.request_id) for output in outputs) == list(range(len(lengths)))
    for output in outputs:
        number = int(output.request_id)
        if output.finish is FinishReason.STOP:
            got = [round(vector[1] / vector[3] * 2) for vector in vectors(output)]
            assert got == lengths[number]
        else:
            assert number in aborted
    for batch in runner.batches:
        assert len(batch) <= seqs
        assert len(batch) == 1 or sum(map(len, batch)) <= tokens
    load = engine.load()
    assert load.running_requests == load.waiting_requests == load.queued_tokens == 0
