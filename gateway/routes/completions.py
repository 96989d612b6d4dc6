"""POST /v1/completions."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import orjson
from aiohttp import web

from rostra.gateway.answers.best_of import Ranking
from rostra.gateway.answers.completions import Choice, CompletionChoices, whole_choices
from rostra.gateway.answers.envelope import Envelope
from rostra.gateway.context import Exchange
from rostra.gateway.dispatch import Dispatcher, GenerateCall
from rostra.gateway.errors import ApiError, worker_fault
from rostra.gateway.event_stream import Batch, respond_with_events
from rostra.gateway.keys import DISPATCHER, EXCHANGE, SETTINGS
from rostra.gateway.merge import merged
from rostra.gateway.request_body import read_body
from rostra.gateway.routing.agreement import Agreement
from rostra.gateway.schemas.completions import CompletionRequest
from rostra.gateway.to_proto.generate import CompletionNames, generate_request
from rostra.v1 import control_pb2, tokens_pb2


async def completions(request: web.Request) -> web.StreamResponse:
    exchange, settings = request[EXCHANGE], request.app[SETTINGS]
    body = await read_body(request, CompletionRequest, settings.body_timeout)
    exchange.stream = bool(body.stream)
    if len(body.prompts) > settings.max_prompts:
        raise ApiError(
            400,
            f"prompt: {len(body.prompts)} prompts in one request, at most {settings.max_prompts} "
            "are taken",
            param="prompt",
            code="invalid_value",
        )
    envelope = Envelope(
        "cmpl", "text_completion", "text_completion", include_usage=body.include_usage
    )
    answer = _Answer(body, envelope.id, request.app[DISPATCHER], exchange)

    if not body.stream:
        chunks = [choice async for choice in answer.choices()]
        whole = whole_choices(chunks, body.num_outputs * len(body.prompts))
        payload = envelope.whole(answer.model, whole, answer.usages)
        return web.Response(body=orjson.dumps(payload), content_type="application/json")

    async def batches() -> AsyncGenerator[Batch, None]:
        async with aclosing(answer.choices()) as choices:
            async for choice in choices:
                yield [envelope.chunk(answer.model, choice)]
        if body.include_usage:
            yield [envelope.usage_chunk(answer.model, answer.usages)]

    return await respond_with_events(request, batches(), exchange)


class _Answer:
    """The outputs of all prompts; each prompt is a call of its own, and they run at once."""

    def __init__(
        self, body: CompletionRequest, answer_id: str, dispatcher: Dispatcher, exchange: Exchange
    ) -> None:
        self.model: control_pb2.ModelInfo
        """The model that answers; set before the first choice."""
        self.usages: list[tokens_pb2.Usage] = []
        self._body = body
        self._id = answer_id
        self._dispatcher = dispatcher
        self._exchange = exchange
        # The answer names one model.
        self._agreement = Agreement() if len(body.prompts) > 1 else None

    def choices(self) -> AsyncGenerator[Choice, None]:
        body = self._body
        of_prompt = self._of_prompt if body.num_candidates == body.num_outputs else self._best
        return merged([of_prompt(number) for number in range(len(body.prompts))])

    async def _of_prompt(
        self, number: int, ranking: Ranking | None = None
    ) -> AsyncGenerator[Choice, None]:
        body, prompt = self._body, self._body.prompts[number]
        call = self._dispatcher.generate(
            generate_request(body, prompt, f"{self._id}-{number}"),
            self._exchange,
            CompletionNames(body),
            hold=not body.stream,
            agreement=self._agreement,
        )
        choices: CompletionChoices | None = None
        async with aclosing(call.messages()) as messages:
            async for message in messages:
                if choices is None:
                    self.model = call.model
                    choices = CompletionChoices(
                        body.num_candidates,
                        first_index=number * body.num_candidates,
                        echo=await self._echo(call, prompt),
                        logprobs=body.logprobs,
                        only_echo=body.max_tokens == 0,
                    )
                for choice in choices.of(message):
                    yield choice
                if ranking:
                    ranking.observe(message)
        if choices is None:
            raise worker_fault("The worker's answer was empty")
        self.usages.append(choices.end())

    async def _best(self, number: int) -> AsyncGenerator[Choice, None]:
        """The best of more outputs than are answered."""
        body = self._body
        ranking = Ranking(body.num_candidates)
        async with aclosing(self._of_prompt(number, ranking)) as made:
            candidates = [choice async for choice in made]
        places = {
            number * body.num_candidates + index: number * body.num_outputs + place
            for place, index in enumerate(ranking.best(body.num_outputs))
        }
        for choice in candidates:
            if choice["index"] in places:
                yield {**choice, "index": places[choice["index"]]}

    async def _echo(self, call: GenerateCall, prompt: str | list[int]) -> str | None:
        if not self._body.echo:
            return None
        return prompt if isinstance(prompt, str) else await call.detokenize(prompt)
