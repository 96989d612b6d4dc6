"""From what members answer to the messages of rostra.v1."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

import orjson

from rostra.gateway.members.payloads import (
    Answer,
    CallPayload,
    ChatAnswer,
    ChatChoice,
    Choice,
    CompletionAnswer,
    MessagePayload,
    UsagePayload,
)
from rostra.gateway.members.tokens import chat_tokens, completion_tokens
from rostra.v1 import chat_pb2, inference_pb2, tokens_pb2

_REASONS = {
    "stop": tokens_pb2.FINISH_REASON_STOP,
    "length": tokens_pb2.FINISH_REASON_LENGTH,
    "tool_calls": tokens_pb2.FINISH_REASON_TOOL_CALLS,
    "content_filter": tokens_pb2.FINISH_REASON_CONTENT_FILTER,
}
MessageT = TypeVar("MessageT", chat_pb2.ChatResponse, inference_pb2.GenerateResponse)


class GarbageError(Exception):
    """The member's answer is none. The message says what is wrong, and quotes nothing of it."""


class Reader(Protocol[MessageT]):
    """Reads the answer to one request: all pieces of a stream, or one that is whole."""

    usage: tokens_pb2.Usage | None

    def read(self, data: bytes) -> list[MessageT]:
        """Raises GarbageError, and pydantic's ValidationError; FailedError where the answer says
        that it has failed."""
        ...

    def end(self) -> MessageT:
        """The last message. Raises GarbageError where the answer is not complete."""
        ...

    @property
    def complete(self) -> bool: ...


class FailedError(Exception):
    """A stream that ends with an error of the member."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.error = answer.error


class _Outputs(Generic[MessageT]):
    """What both kinds of answers have."""

    def __init__(self, request: chat_pb2.ChatRequest | inference_pb2.GenerateRequest) -> None:
        self.usage: tokens_pb2.Usage | None = None
        self._request = request
        self._num_outputs = request.sampling.n or 1
        self._wants_logprobs = request.sampling.HasField("logprobs")
        self._with_text: set[int] = set()
        self._with_tokens: set[int] = set()
        self._finished: set[int] = set()
        self._begun = False

    @property
    def complete(self) -> bool:
        return len(self._finished) == self._num_outputs

    def _take(self, answer: Answer) -> None:
        if answer.error is not None:
            raise FailedError(answer)
        if answer.usage is not None:
            self.usage = usage_of(answer.usage)

    def _admit(self, choice: Choice) -> None:
        if choice.index >= self._num_outputs:
            raise GarbageError(f"it has an output {choice.index} that nobody asked for")
        if choice.index in self._finished:
            raise GarbageError(f"it goes on after the end of output {choice.index}")

    def _note(self, index: int, *, text: bool, tokens: bool) -> None:
        if text:
            self._with_text.add(index)
        if tokens:
            self._with_tokens.add(index)

    def _finish(self, choice: Choice, *, called: bool) -> tokens_pb2.Finish:
        reason = _REASONS.get(choice.finish_reason or "")
        if reason is None:
            raise GarbageError("it ends an output for a reason that is not known here")
        index = choice.index
        if self._wants_logprobs and index in self._with_text - self._with_tokens:
            raise GarbageError("it leaves out the log-probabilities that were asked for")
        self._finished.add(index)
        # Servers differ in what they call the end of an output that calls.
        if called and reason == tokens_pb2.FINISH_REASON_STOP:
            reason = tokens_pb2.FINISH_REASON_TOOL_CALLS
        if not called and reason == tokens_pb2.FINISH_REASON_TOOL_CALLS:
            reason = tokens_pb2.FINISH_REASON_STOP
        finish = tokens_pb2.Finish(reason=reason)
        stopped = reason == tokens_pb2.FINISH_REASON_STOP
        if stopped and choice.matched in self._request.sampling.stop:
            finish.stop_string = str(choice.matched)
        return finish

    def _last(self) -> tokens_pb2.Usage:
        """Nothing counted where the member does not count."""
        if not self.complete:
            raise GarbageError("it ended before it was complete")
        return self.usage or tokens_pb2.Usage()


class ChatReader(_Outputs[chat_pb2.ChatResponse]):
    """Of /chat/completions."""

    def __init__(self, request: chat_pb2.ChatRequest) -> None:
        super().__init__(request)
        self._calls: dict[int, _Calls] = {}

    def read(self, data: bytes) -> list[chat_pb2.ChatResponse]:
        answer = ChatAnswer.model_validate_json(data)
        self._take(answer)
        messages = []
        if not self._begun:
            self._begun = True
            messages.append(chat_pb2.ChatResponse(request_id=self._request.request_id))
        messages += filter(None, map(self._of, answer.choices))
        return messages

    def end(self) -> chat_pb2.ChatResponse:
        return chat_pb2.ChatResponse(usage=self._last())

    def _of(self, choice: ChatChoice) -> chat_pb2.ChatResponse | None:
        said = choice.message or choice.delta or MessagePayload()
        tokens = chat_tokens(choice.logprobs) if self._wants_logprobs else []
        calls = self._calls.setdefault(choice.index, _Calls())
        delta = chat_pb2.ChatDelta(
            content=(said.content or "") + (said.refusal or ""),
            reasoning=said.reasoning_content or said.reasoning or "",
            tool_calls=calls.deltas(said.tool_calls or ()),
            tokens=tokens,
        )
        anything = delta.ByteSize() > 0
        if not anything and choice.finish_reason is None:
            return None
        self._admit(choice)
        self._note(choice.index, text=bool(delta.content), tokens=bool(tokens))
        message = chat_pb2.ChatResponse(index=choice.index, delta=delta if anything else None)
        if choice.finish_reason is not None:
            message.finish.CopyFrom(self._finish(choice, called=calls.any))
        return message


class GenerateReader(_Outputs[inference_pb2.GenerateResponse]):
    """Of /completions."""

    def read(self, data: bytes) -> list[inference_pb2.GenerateResponse]:
        answer = CompletionAnswer.model_validate_json(data)
        self._take(answer)
        messages = []
        if not self._begun:
            self._begun = True
            messages.append(inference_pb2.GenerateResponse(request_id=self._request.request_id))
        for choice in answer.choices:
            tokens = completion_tokens(choice.logprobs) if self._wants_logprobs else []
            if not (choice.text or tokens or choice.finish_reason is not None):
                continue
            self._admit(choice)
            self._note(choice.index, text=bool(choice.text), tokens=bool(tokens))
            message = inference_pb2.GenerateResponse(index=choice.index)
            if choice.text or tokens:
                delta = inference_pb2.GenerateDelta(text=choice.text, tokens=tokens)
                message.delta.CopyFrom(delta)
            if choice.finish_reason is not None:
                message.finish.CopyFrom(self._finish(choice, called=False))
            messages.append(message)
        return messages

    def end(self) -> inference_pb2.GenerateResponse:
        return inference_pb2.GenerateResponse(usage=self._last())


class _Calls:
    """The calls of one output, numbered from 0 as they begin, whatever their server calls them."""

    def __init__(self) -> None:
        self._places: dict[int, int] = {}

    @property
    def any(self) -> bool:
        return bool(self._places)

    def deltas(self, pieces: Iterable[CallPayload]) -> list[chat_pb2.ToolCallDelta]:
        return [self._delta(piece) for piece in pieces]

    def _delta(self, piece: CallPayload) -> chat_pb2.ToolCallDelta:
        function = piece.function
        arguments = function.arguments or ""
        if not isinstance(arguments, str):
            arguments = orjson.dumps(arguments).decode()
        key = piece.index
        if key is None:
            # Without a number, a name begins another call.
            key = len(self._places) if function.name else len(self._places) - 1
        if key in self._places:
            return chat_pb2.ToolCallDelta(index=self._places[key], arguments=arguments)
        if not function.name:
            raise GarbageError("it goes on with a call that it has not begun")
        place = self._places[key] = len(self._places)
        return chat_pb2.ToolCallDelta(
            index=place,
            id=piece.id or f"call_{uuid.uuid4().hex[:24]}",
            name=function.name,
            arguments=arguments,
        )


def usage_of(payload: UsagePayload) -> tokens_pb2.Usage:
    prompt, completion = payload.prompt_tokens_details, payload.completion_tokens_details
    prompt_tokens = payload.prompt_tokens or 0
    return tokens_pb2.Usage(
        prompt_tokens=prompt_tokens,
        completion_tokens=payload.completion_tokens or 0,
        cached_prompt_tokens=min(prompt_tokens, (prompt and prompt.cached_tokens) or 0),
        reasoning_tokens=(completion and completion.reasoning_tokens) or 0,
    )
