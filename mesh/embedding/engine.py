"""Queues requests for vectors, and makes them in batches of inputs."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from rostra.mesh.engine.admission import (
    DuplicateRequestError,
    InvalidRequestError,
    PromptTooLongError,
    QueueFullError,
)
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.engine.messages import (
    EmbeddingRequest,
    EngineLoad,
    FinishReason,
    Phases,
    RequestOutput,
)
from rostra.mesh.errors import RostraError

FloatArray = npt.NDArray[np.float32]


class VectorRunner(Protocol):
    """What computes."""

    @property
    def max_model_len(self) -> int:
        """Tokens of an input at most."""
        ...

    @property
    def vocab_size(self) -> int: ...

    @property
    def embedding_size(self) -> int: ...

    def embed(self, inputs: Sequence[Sequence[int]]) -> FloatArray:
        """float32 [n, embedding_size] of n inputs, of any length."""
        ...


@dataclass(eq=False)
class _Job:
    """A request, and as many of its vectors as there are."""

    request: EmbeddingRequest
    vectors: list[bytes] = field(default_factory=list)
    num_taken: int = 0
    """Inputs that were given to the runner."""
    arrived: float = 0.0
    started: float | None = None

    @property
    def running(self) -> bool:
        return self.num_taken > 0

    @property
    def num_missing_tokens(self) -> int:
        return sum(map(len, self.request.inputs[self.num_taken :]))


class EmbeddingEngine:
    """Takes requests in, and gives each one output, with a `finish`.

    A step takes the next input of each request in turn, so that a request of one input does not
    wait for all inputs of a long one. Not for use by several threads at once.
    """

    def __init__(
        self,
        runner: VectorRunner,
        config: EngineConfig,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`max_num_seqs` and `max_num_batched_tokens` bound the inputs and the tokens of a step; an
        input that is longer takes a step of its own. Raises RostraError for a useless limit."""
        lowest = {"max_num_seqs": 1, "max_num_batched_tokens": 1, "max_waiting_requests": 0}
        for name, least in lowest.items():
            if getattr(config, name) < least:
                raise RostraError(f"{name} is {getattr(config, name)}; it must be at least {least}")
        self.adapters = None
        self.grammars = None
        self._runner = runner
        self._config = config
        self._clock = clock
        self._jobs: dict[str, _Job] = {}
        self._queue: deque[_Job] = deque()
        self._outputs: list[RequestOutput] = []
        self._num_queued_tokens = 0
        self._num_prompt_tokens = 0
        self._num_finished = 0
        self._num_steps = 0
        self._num_step_inputs = 0

    def follow_cache(self, *, keys: bool, blocks: bool) -> None:
        """There is no cache to follow."""

    def cache_changes(self) -> None:
        return None

    @property
    def has_work(self) -> bool:
        """Whether `step` would do anything."""
        return bool(self._jobs or self._outputs)

    def add_request(self, request: EmbeddingRequest) -> None:
        """Queues the request.

        Raises a RequestRefusedError, each with one line for the caller: InvalidRequestError,
        PromptTooLongError, DuplicateRequestError, QueueFullError.
        """
        if request.request_id in self._jobs:
            raise DuplicateRequestError(f"a request with the id {request.request_id} is running")
        self._check(request)
        running = self._num_running()
        waiting = len(self._queue) - running
        free_seats = max(0, self._config.max_num_seqs - running)
        if waiting >= self._config.max_waiting_requests + free_seats:
            raise QueueFullError(
                f"{waiting} requests are waiting, which is the limit; try again later"
            )
        job = self._jobs[request.request_id] = _Job(request, arrived=self._clock())
        self._queue.append(job)
        self._num_queued_tokens += job.num_missing_tokens

    def abort(self, request_id: str) -> bool:
        """Ends the request with ABORT in the next step's outputs.

        False, and nothing else, where it has ended already or never was.
        """
        job = self._jobs.get(request_id)
        if job is not None:
            self._finish(job, FinishReason.ABORT)
        return job is not None

    def step(self) -> list[RequestOutput]:
        """Computes one batch; tells of every request that ended since the last step.

        An exception of the runner passes through: the engine is not usable after it.
        """
        self._expire()
        batch = self._next_batch()
        if batch:
            self._num_steps += 1
            self._num_step_inputs += len(batch)
            vectors = self._runner.embed([inputs for _, inputs in batch])
            for (job, inputs), vector in zip(batch, vectors, strict=True):
                self._num_prompt_tokens += len(inputs)
                self._take(job, vector)
        outputs, self._outputs = self._outputs, []
        return outputs

    def load(self) -> EngineLoad:
        running = self._num_running()
        return EngineLoad(
            running_requests=running,
            waiting_requests=len(self._queue) - running,
            queued_tokens=self._num_queued_tokens,
            prompt_tokens=self._num_prompt_tokens,
            finished_requests=self._num_finished,
            steps=self._num_steps,
            step_requests=self._num_step_inputs,
            step_tokens=self._num_prompt_tokens,
        )

    def _num_running(self) -> int:
        return sum(job.running for job in self._queue)

    def _check(self, request: EmbeddingRequest) -> None:
        vocab_size, longest = self._runner.vocab_size, self._runner.max_model_len
        if not request.inputs or not all(request.inputs):
            raise InvalidRequestError(f"request {request.request_id}: an input is empty")
        dimensions = request.dimensions
        if dimensions is not None and not 1 <= dimensions <= self._runner.embedding_size:
            raise InvalidRequestError(
                f"request {request.request_id}: dimensions is {dimensions}, which is not in "
                f"[1, {self._runner.embedding_size}]"
            )
        for token_ids in request.inputs:
            if len(token_ids) > longest:
                raise PromptTooLongError(
                    f"an input has {len(token_ids)} tokens, and the model takes {longest}"
                )
            if min(token_ids) < 0 or max(token_ids) >= vocab_size:
                raise InvalidRequestError(
                    f"request {request.request_id}: an input has a token id outside the vocabulary "
                    f"of {vocab_size}"
                )

    def _expire(self) -> None:
        now = self._clock()
        for job in list(self._queue):
            if job.request.deadline is not None and job.request.deadline <= now:
                self._finish(job, FinishReason.DEADLINE)

    def _next_batch(self) -> list[tuple[_Job, list[int]]]:
        """Inputs of the jobs in turn. Jobs that have more go to the end of the queue; the others
        leave it."""
        batch: list[tuple[_Job, list[int]]] = []
        room = self._config.max_num_batched_tokens
        while self._queue and len(batch) < self._config.max_num_seqs:
            job = self._queue[0]
            inputs = job.request.inputs[job.num_taken]
            if batch and len(inputs) > room:
                break
            room -= len(inputs)
            self._num_queued_tokens -= len(inputs)
            batch.append((job, inputs))
            if job.started is None:
                job.started = self._clock()
            job.num_taken += 1
            self._queue.popleft()
            if job.num_taken < len(job.request.inputs):
                self._queue.append(job)
        return batch

    def _take(self, job: _Job, vector: FloatArray) -> None:
        if job.request.request_id not in self._jobs:  # an input before this one has failed
            return
        kept = vector[: job.request.dimensions]
        length = np.linalg.norm(kept.astype(np.float64))
        if not np.isfinite(length) or length == 0.0:
            position = len(job.vectors)
            self._finish(
                job,
                FinishReason.ERROR,
                error=f"the model made a vector of length {length} of input {position}",
            )
            return
        job.vectors.append((kept / length).astype(np.float32).tobytes())
        if len(job.vectors) == len(job.request.inputs):
            self._finish(job, FinishReason.STOP, embeddings=job.vectors)

    def _finish(
        self,
        job: _Job,
        reason: FinishReason,
        *,
        error: str | None = None,
        embeddings: list[bytes] | None = None,
    ) -> None:
        del self._jobs[job.request.request_id]
        if job in self._queue:
            self._queue.remove(job)
            self._num_queued_tokens -= job.num_missing_tokens
        self._num_finished += 1
        self._outputs.append(
            RequestOutput(
                request_id=job.request.request_id,
                finish=reason,
                error=error,
                embeddings=embeddings,
                phases=Phases(arrived=job.arrived, started=job.started, finished=self._clock()),
            )
        )
