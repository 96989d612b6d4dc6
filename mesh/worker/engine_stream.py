"""What an engine makes for one caller, on its way from the engine process to the caller."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from rostra.mesh.engine.messages import (
    EmbeddingRequest,
    EngineRequest,
    FinishReason,
    RequestOutput,
)

T = TypeVar("T")


class EngineUnavailableError(Exception):
    """The engine cannot serve, or stopped to. Another worker may answer."""

    def __init__(self, reason: str, message: str) -> None:
        """`reason` is for programs, `message` is one line for people."""
        super().__init__(message)
        self.reason = reason


def shutting_down() -> EngineUnavailableError:
    return EngineUnavailableError("draining", "the worker is shutting down")


class EngineFullError(Exception):
    """The engine's queue is full. One line for the caller."""


class EngineTooLongError(Exception):
    """The engine never has room for such a prompt. One line for the caller."""


class EngineNoAdapterError(Exception):
    """The engine has no such adapter, or not any more. One line for the caller."""


class EngineRefusedError(Exception):
    """The engine cannot run such a request. One line for the caller."""


class StepFigures(NamedTuple):
    """One step of the engine."""

    ended: float
    """In seconds of `time.monotonic()`."""
    seconds: float
    requests: int
    tokens: int


OnStep = Callable[[RequestOutput, StepFigures], None]


class EngineStream:
    """The outputs of some requests that belong together; an async iterator.

    What nobody has read yet is merged, one `RequestOutput` for each request, so a slow reader gets
    fewer and larger outputs and loses nothing. Each request has exactly one output with a `finish`,
    its last; the iterator ends after the last of these. The first end of a request wins: whatever
    the engine says of it later is dropped.
    """

    def __init__(
        self,
        requests: Sequence[EngineRequest | EmbeddingRequest],
        forget: Callable[[Sequence[str]], None],
        on_step: OnStep | None = None,
    ) -> None:
        """`forget` takes the ids of requests that the engine need not go on with; `on_step` is
        told of each step that made something for them."""
        self.open = {request.request_id for request in requests}
        """Ids of the requests that have not ended."""
        self.on_step = on_step
        self.admitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._forget = forget
        self._pending: dict[str, RequestOutput] = {}
        self._changed = asyncio.Event()
        self._error: Exception | None = None

    def __aiter__(self) -> EngineStream:
        return self

    async def __anext__(self) -> RequestOutput:
        """Raises what `fail` was given, after everything that came before it."""
        while not self._pending:
            if self._error is not None:
                raise self._error
            if not self.open:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._pending.pop(next(iter(self._pending)))

    def put(self, output: RequestOutput) -> None:
        name = output.request_id
        if name not in self.open:
            return
        if output.finish is not None:
            self.open.remove(name)
        earlier = self._pending.get(name)
        self._pending[name] = output if earlier is None else merge(earlier, output)
        self._changed.set()

    def abort(self, *request_ids: str) -> bool:
        """Ends these requests, or all, with ABORT. Returns whether any was open."""
        ended = [name for name in request_ids or tuple(self.open) if name in self.open]
        for name in ended:
            self.put(RequestOutput(request_id=name, finish=FinishReason.ABORT))
        if ended:
            self._forget(ended)
        return bool(ended)

    def fail(self, error: Exception) -> None:
        """Ends all open requests with `error` in place of a finish."""
        if not self.open:
            return
        self._forget(tuple(self.open))
        self.open.clear()
        self._error = error
        self._changed.set()
        if not self.admitted.done():
            self.admitted.set_exception(error)


def merge(earlier: RequestOutput, later: RequestOutput) -> RequestOutput:
    """Two consecutive outputs of one request as one."""
    return msgspec.structs.replace(
        later,
        tokens=earlier.tokens + later.tokens,
        num_cached_tokens=_first(earlier.num_cached_tokens, later.num_cached_tokens),
        prompt_logprobs=_first(earlier.prompt_logprobs, later.prompt_logprobs),
        phases=_first(later.phases, earlier.phases),
    )


def _first(a: T | None, b: T | None) -> T | None:
    return b if a is None else a
