"""Choices of /v1/completions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rostra.gateway.answers.logprobs import CompletionLogprobs, empty_lists
from rostra.gateway.answers.rules import StreamRules, finish_reason
from rostra.gateway.errors import worker_fault
from rostra.v1 import inference_pb2, tokens_pb2

Choice = dict[str, Any]


class CompletionChoices:
    """Turns the messages of one stream into the choices of chunks, one choice to a chunk.

    `first_index` is the index of the stream's first output among all of the answer; `echo` is the
    text of the prompt when it is to begin each output; with `only_echo` nothing follows it, since
    no token was asked for; `logprobs` as in the request.
    """

    def __init__(
        self,
        num_outputs: int,
        *,
        first_index: int,
        echo: str | None,
        logprobs: int | None,
        only_echo: bool = False,
    ) -> None:
        self._rules = StreamRules(num_outputs)
        self._num_outputs = num_outputs
        self._first_index = first_index
        self._echo = echo
        self._only_echo = only_echo
        self._prompt: list[tokens_pb2.TokenInfo] = []
        self._logprobs = (
            None if logprobs is None else [CompletionLogprobs(logprobs) for _ in range(num_outputs)]
        )
        self._begun = False

    def of(self, message: inference_pb2.GenerateResponse) -> list[Choice]:
        self._rules.accept(message)
        self._prompt.extend(message.prompt)
        choices: list[Choice] = []
        carries_output = message.HasField("delta") or message.HasField("finish")
        if carries_output and not self._begun:
            self._begun = True
            if self._echo is not None:
                choices += [self._echoed(index) for index in range(self._num_outputs)]
        if message.HasField("delta") and not self._only_echo:
            choices += self._delta(message.index, message.delta)
        if message.HasField("finish"):
            reason = finish_reason(message.finish)
            if self._only_echo:
                reason = "length"
            choices.append(self._choice(message.index, "", finish_reason=reason))
        return choices

    def end(self) -> tokens_pb2.Usage:
        usage = self._rules.end()
        if self._only_echo:
            usage.ClearField("completion_tokens")
        return usage

    def _echoed(self, index: int) -> Choice:
        assert self._echo is not None
        if not self._logprobs:
            return self._choice(index, self._echo)
        if not self._prompt:
            raise worker_fault("The worker left out the prompt's log-probabilities")
        lists = self._logprobs[index].lists(self._prompt, prompt=True)
        return self._choice(index, self._echo, logprobs=lists)

    def _delta(self, index: int, delta: inference_pb2.GenerateDelta) -> list[Choice]:
        if self._logprobs and delta.tokens:
            lists = self._logprobs[index].lists(delta.tokens)
            return [self._choice(index, delta.text, logprobs=lists)]
        return [self._choice(index, delta.text)] if delta.text else []

    def _choice(
        self,
        index: int,
        text: str,
        *,
        logprobs: dict[str, list[Any]] | None = None,
        finish_reason: str | None = None,
    ) -> Choice:
        return {
            "index": self._first_index + index,
            "text": text,
            "logprobs": logprobs,
            "finish_reason": finish_reason,
        }


def whole_choices(chunks: Iterable[Choice], num_outputs: int) -> list[Choice]:
    """The choices of the whole answer, from those of all its chunks."""
    texts: list[list[str]] = [[] for _ in range(num_outputs)]
    wholes: list[Choice] = [
        {"index": index, "text": "", "logprobs": None, "finish_reason": None}
        for index in range(num_outputs)
    ]
    for chunk in chunks:
        whole = wholes[chunk["index"]]
        texts[chunk["index"]].append(chunk["text"])
        whole["finish_reason"] = chunk["finish_reason"] or whole["finish_reason"]
        if chunk["logprobs"]:
            whole["logprobs"] = whole["logprobs"] or empty_lists()
            for name, values in chunk["logprobs"].items():
                whole["logprobs"][name] += values
    for whole, text in zip(wholes, texts, strict=True):
        whole["text"] = "".join(text)
    return wholes
