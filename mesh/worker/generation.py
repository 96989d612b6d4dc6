"""One streaming RPC, from admission by the engine to the last message."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from rostra.mesh.engine.messages import FinishReason, RequestOutput
from rostra.mesh.grammar import FAILED_HALF_WAY
from rostra.mesh.text import OutputText, ReleasedText, Tokenizer
from rostra.mesh.worker.engine_client import EngineClient
from rostra.mesh.worker.engine_stream import EngineStream, EngineTooLongError
from rostra.mesh.worker.jobs import Job
from rostra.mesh.worker.parsed_output import ParsedOutput, ParsedText
from rostra.mesh.worker.request_log import RequestRecord
from rostra.mesh.worker.responses import GenerateResponder, Responder
from rostra.mesh.worker.resumed import Standing
from rostra.mesh.worker.running import RunningRequest
from rostra.mesh.worker.status import (
    RpcError,
    Violation,
    context_length_exceeded,
    deadline_exceeded,
    invalid_argument,
    unavailable,
)
from rostra.v1 import tokens_pb2

FINISH_REASONS = {
    FinishReason.STOP: tokens_pb2.FINISH_REASON_STOP,
    FinishReason.LENGTH: tokens_pb2.FINISH_REASON_LENGTH,
    FinishReason.ABORT: tokens_pb2.FINISH_REASON_ABORT,
}

# A caller may use an id again while the engine still has something to say of its earlier request.
_serial = itertools.count()


class Generation:
    """Runs a `Job` and writes what comes of it.

    However `run` ends, none of its requests goes on in the engine.
    """

    def __init__(
        self,
        job: Job,
        tokenizer: Tokenizer,
        responder: Responder,
        write: Callable[[Any], Awaitable[None]],
        record: RequestRecord,
    ) -> None:
        self._job = job
        self._responder = responder
        self._write = write
        self._record = record
        self._begun = {
            index: Standing(
                so_far,
                lambda: _text_of(job, tokenizer),
                job.sampling.params.stop_token_ids,
                with_logprobs=job.sampling.params.logprobs is not None,
            )
            for index, so_far in job.resumed.items()
        }
        self._texts = [
            self._begun[index].text if index in self._begun else _text_of(job, tokenizer)
            for index in range(job.sampling.n)
        ]
        self._untold: defaultdict[int, list[int]] = defaultdict(list)
        """By index: tokens of outputs that no message has told of."""
        self._unfinished: set[int] = set()
        self._cached_tokens = 0
        self._first = 0
        """Of the outputs that the engine makes; it tells of the prompt."""

    async def run(
        self, engine: EngineClient, running: RunningRequest, deadline: float | None
    ) -> None:
        """Raises RpcError, or what the engine raises, where the stream ends without its finish."""
        name = f"{next(_serial)}/{running.request_id}"
        begun = {index: standing.token_ids for index, standing in self._begun.items()}
        requests = self._job.engine_requests(name, deadline, begun)
        if not requests:
            raise invalid_argument([Violation("resumed", "leaves nothing: all outputs finished")])
        self._unfinished, self._first = set(requests), min(requests)
        for index, standing in self._begun.items():
            # Sent by the other worker; what is written counts on from there.
            self._responder.part(index, standing.released, None, None)
        self._record.prompt_tokens = len(self._job.prompt)
        try:
            stream = await engine.submit(*requests.values(), on_step=self._record.on_step)
        except EngineTooLongError as error:
            raise context_length_exceeded(
                self._job.prompt_field,
                str(error),
                prompt_tokens=len(self._job.prompt),
                max_tokens=self._job.max_tokens,
                max_model_len=self._job.max_model_len,
            ) from error
        try:
            running.attach(stream)
            await self._write(self._responder.first(running.request_id, len(self._job.prompt)))
            indices = {request.request_id: index for index, request in requests.items()}
            async for output in self._in_order(stream, next(iter(indices))):
                await self._take(indices[output.request_id], output, stream)
        finally:
            stream.abort()
            self._record.completion_tokens = self._completion_tokens()
            self._record.cached_tokens = self._cached_tokens

    def _in_order(self, stream: EngineStream, first: str) -> AsyncIterator[RequestOutput]:
        """Holds all back until request `first` has told the prompt's log-probabilities."""
        if self._job.sampling.params.prompt_logprobs is None:
            return stream
        return _with_first(stream, first)

    async def _take(self, index: int, output: RequestOutput, stream: EngineStream) -> None:
        if index not in self._unfinished:
            return
        self._record.note_output(index, output)
        if output.finish is FinishReason.DEADLINE:
            raise deadline_exceeded()
        if output.finish is FinishReason.ERROR:
            raise self._failure(output.error or "the engine failed at this request")
        if index == self._first and output.num_cached_tokens is not None:
            self._cached_tokens = output.num_cached_tokens
        if output.prompt_logprobs is not None and isinstance(self._responder, GenerateResponder):
            await self._write(self._responder.prompt(self._job.prompt, output.prompt_logprobs))
        if index in self._begun:
            output = self._begun[index].take(output)
        released = self._texts[index].take(output)
        if self._job.resumable:
            self._untold[index] += [token.id for token in output.tokens]
        finish = _finish(output, released, called=self._has_called(index))
        usage = None
        if finish is not None:
            self._unfinished.remove(index)
            self._record.finishes.append(tokens_pb2.FinishReason.Name(finish.reason))
            if output.finish is None:
                stream.abort(output.request_id)
            if not self._unfinished:
                usage = self._usage()
        message = self._responder.part(index, released, finish, usage)
        if message is not None:
            message.token_ids.extend(self._untold.pop(index, ()))
            await self._write(message)

    def _failure(self, reason: str) -> RpcError:
        if self._job.grammar is not None and reason.startswith(FAILED_HALF_WAY):
            return invalid_argument([Violation(self._job.grammar.field, reason)])
        return unavailable("engine_failed", reason)

    def _completion_tokens(self) -> int:
        return sum(text.num_tokens for text in self._texts)

    def _has_called(self, index: int) -> bool:
        text = self._texts[index]
        return isinstance(text, ParsedOutput) and text.called

    def _usage(self) -> tokens_pb2.Usage:
        parsed = (text for text in self._texts if isinstance(text, ParsedOutput))
        return tokens_pb2.Usage(
            prompt_tokens=len(self._job.prompt),
            completion_tokens=self._completion_tokens(),
            cached_prompt_tokens=self._cached_tokens,
            reasoning_tokens=sum(text.reasoning_tokens for text in parsed),
        )


def _text_of(job: Job, tokenizer: Tokenizer) -> OutputText | ParsedOutput:
    if job.parsing is not None:
        return job.parsing.output(tokenizer, job.sampling, continuation=job.continues_text)
    return OutputText(
        tokenizer,
        stop=job.sampling.stop,
        min_tokens=job.sampling.params.min_tokens,
        continuation=job.continues_text,
    )


def _finish(
    output: RequestOutput, released: ReleasedText | ParsedText, *, called: bool
) -> tokens_pb2.Finish | None:
    """A stop string comes before whatever end the engine came to, and calls before a stop string:
    who asked waits for their results."""
    if called and (released.ends or output.finish is FinishReason.STOP):
        return tokens_pb2.Finish(reason=tokens_pb2.FINISH_REASON_TOOL_CALLS)
    if released.stop_string is not None:
        return tokens_pb2.Finish(
            reason=tokens_pb2.FINISH_REASON_STOP, stop_string=released.stop_string
        )
    if output.finish is None:
        return None
    finish = tokens_pb2.Finish(reason=FINISH_REASONS[output.finish])
    if output.stop_token_id is not None:
        finish.stop_token_id = output.stop_token_id
    return finish


async def _with_first(stream: EngineStream, first: str) -> AsyncIterator[RequestOutput]:
    """All of `stream`, in order, but nothing before the first output of request `first`."""
    held = []
    async for output in stream:
        if output.request_id == first:
            yield output
            break
        held.append(output)
    for output in held:
        yield output
    async for output in stream:
        yield output
