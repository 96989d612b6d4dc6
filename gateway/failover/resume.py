"""Going on with an answer that broke off, at another worker of the same model revision."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from rostra.gateway.link import Link
from rostra.v1 import chat_pb2, control_pb2, inference_pb2, tokens_pb2

Resumable = chat_pb2.ChatRequest | inference_pb2.GenerateRequest


class Progress:
    """What has come of one request, and whether another worker could go on from there."""

    def __init__(self, request: Resumable) -> None:
        self._request = request
        self._draws_seed = not request.sampling.HasField("seed")
        self._seed = random.getrandbits(64)
        self._outputs: dict[int, tokens_pb2.OutputSoFar] = {}
        self._answering: control_pb2.ModelInfo
        self._model: control_pb2.ModelInfo | None = None
        """That has made what came; None while nothing has."""
        self._asked = False
        """Whether the worker that is asked now resumes."""
        self._goes_on = False
        """Whether the stream that comes now goes on with an earlier one."""

    def prepare(self, request: Resumable, link: Link) -> None:
        """Makes of the request what this member is to be asked."""
        if link.external or not link.models[request.model].resumes:
            request.ClearField("resumable")
            if self._draws_seed:
                request.sampling.ClearField("seed")
            return
        request.resumable = True
        if self._draws_seed:
            # As the worker would, but known to the next one too.
            request.sampling.seed = self._seed
        if self._model is not None:
            del request.resumed[:]
            request.resumed.extend(self._outputs.values())
            request.sampling.ClearField("prompt_logprobs")

    def begin(self, link: Link) -> None:
        """What comes from now on is of this member."""
        model = link.models[self._request.model]
        self._asked = model.resumes and not link.external
        self._goes_on = self._model is not None
        self._answering = model

    def take(self, burst: Sequence[Any]) -> list[Any]:
        """What of these messages is new to the reader."""
        if not self._asked:
            return list(burst)
        new = []
        for message in burst:
            if self._goes_on and message.HasField("request_id"):
                message.ClearField("request_id")
                message.ClearField("prompt_tokens")
                if not (message.HasField("delta") or message.HasField("finish")):
                    continue
            self._note(message)
            new.append(message)
        return new

    def _note(self, message: Any) -> None:
        if message.token_ids:
            output = self._output(message.index)
            output.token_ids.extend(message.token_ids)
            message.ClearField("token_ids")
            if self._model is None:
                self._model = self._answering
        if message.HasField("finish"):
            self._output(message.index).finish.CopyFrom(message.finish)

    def _output(self, index: int) -> tokens_pb2.OutputSoFar:
        output = self._outputs.get(index)
        if output is None:
            output = self._outputs[index] = tokens_pb2.OutputSoFar(index=index)
        return output

    @property
    def can_go_on(self) -> bool:
        """Whether something came, and all of it is known by its tokens."""
        return self._model is not None

    def goes_on_at(self, link: Link, model: str) -> bool:
        """Whether this member can go on, by this name of a model, with what came, which is true of
        all where nothing has."""
        if self._model is None:
            return True
        there, here = link.models[model], self._model
        return (
            not link.external
            and there.resumes
            and bool(there.revision)
            and (there.name, there.revision, there.max_model_len)
            == (here.name, here.revision, here.max_model_len)
        )
