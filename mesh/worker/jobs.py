"""From a request on the wire to what the engine is asked, with every field checked."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from rostra.mesh.engine.messages import EngineRequest
from rostra.mesh.text import ChatTemplateError
from rostra.mesh.worker.chat_grammar import AnswerForm
from rostra.mesh.worker.checks import Checks
from rostra.mesh.worker.conversation import Conversation, read_conversation
from rostra.mesh.worker.model import ServedModel, beside_the_loop
from rostra.mesh.worker.parsed_output import Parsing
from rostra.mesh.worker.resumed import Resumed, read_resumed
from rostra.mesh.worker.sampling import Sampling, read_sampling
from rostra.mesh.worker.status import (
    Context,
    Violation,
    context_length_exceeded,
    invalid_argument,
)
from rostra.mesh.worker.structured import Grammar, read_structured_output
from rostra.mesh.worker.wire import EngineInfo
from rostra.v1 import chat_pb2, inference_pb2, tokens_pb2

MAX_PREFIX_KEYS = 1024


@dataclass(frozen=True)
class Job:
    """What one RPC asks for, checked and tokenised."""

    prompt: list[int]
    sampling: Sampling
    max_tokens: int
    max_model_len: int
    cache_salt: str
    priority: int
    prompt_field: str
    """The request's field that the prompt came from."""
    continues_text: bool
    """The output goes on from the prompt's text, and does not answer it."""
    prefix_keys: Sequence[int] = ()
    prefix_covered: float = 1.0
    """As in `EngineRequest`."""
    adapter: str = ""
    """Empty for the model itself."""
    grammar: Grammar | None = None
    """That the outputs follow."""
    parsing: Parsing | None = None
    """How the outputs are read; None: all their text is content."""
    resumable: bool = False
    resumed: Resumed = field(default_factory=dict)
    """What of the outputs was made elsewhere."""

    def engine_requests(
        self, name: str, deadline: float | None, begun: Mapping[int, list[int]]
    ) -> dict[int, EngineRequest]:
        """One for each output that has not finished, by its index; ids are `name` and the index.
        `begun` are the tokens that outputs begin with."""
        return {
            index: EngineRequest(
                request_id=f"{name}/{index}",
                prompt_token_ids=self.prompt,
                resumed_token_ids=begun.get(index, []),
                sampling=self.sampling.for_output(index, self.max_tokens),
                deadline=deadline,
                cache_salt=self.cache_salt,
                adapter=self.adapter,
                grammar="" if self.grammar is None else self.grammar.text,
                priority=self.priority,
                prefix_keys=list(self.prefix_keys),
                prefix_covered=self.prefix_covered,
            )
            for index in range(self.sampling.n)
            if index not in self.resumed or not self.resumed[index].finished
        }


async def read_chat(request: chat_pb2.ChatRequest, model: ServedModel, engine: EngineInfo) -> Job:
    """Raises RpcError."""
    checks = Checks()
    sampling = _read_sampling(request, model, engine, checks)
    if request.sampling.HasField("prompt_logprobs"):
        checks.invalid("sampling.prompt_logprobs", "is for Generate only")
    resumed = read_resumed(request, sampling, engine.vocab_size, checks)
    grammar = await read_structured_output(request, checks)
    conversation = read_conversation(request, model, checks)
    text, prompt = await _encode(conversation, model)
    job = _job(
        request, prompt, sampling, engine, "messages", continues_text=request.continue_final_message
    )
    job = replace(job, resumed=resumed)
    parsing = _read_parsing(conversation, text, model)
    form = AnswerForm(
        tools=conversation.tools,
        tool_format=model.tool_format,
        reasoning_format=None if parsing is None else parsing.reasoning_format,
        reasoning_opened=parsing is not None and parsing.reasoning_opened,
        answer=grammar,
    )
    if not form.bound:
        return replace(job, parsing=parsing)
    grammar = form.grammar(request, model.tokenizer, checks)
    # Of the text that follows it nothing is taken away, and so no leading space.
    return replace(job, parsing=parsing, grammar=grammar, continues_text=True)


async def encode_chat(
    request: chat_pb2.ChatRequest, model: ServedModel, checks: Checks, prefix: str = ""
) -> list[int]:
    """The conversation after the model's template. Raises RpcError, also for earlier `checks`."""
    conversation = read_conversation(request, model, checks, prefix)
    _, prompt = await _encode(conversation, model, prefix)
    return prompt


async def _encode(
    conversation: Conversation, model: ServedModel, prefix: str = ""
) -> tuple[str, list[int]]:
    """The prompt as text and as tokens. Raises RpcError."""

    def work() -> tuple[str, list[int]]:
        text = conversation.render()
        # Templates write the first special token themselves.
        return text, model.tokenizer.encode(text, add_special_tokens=False)

    try:
        return await beside_the_loop(conversation.size, work)
    except ChatTemplateError as error:
        raise invalid_argument([Violation(f"{prefix}messages", str(error))]) from error


def _read_parsing(conversation: Conversation, prompt: str, model: ServedModel) -> Parsing | None:
    tools, reasoning = conversation.tools, model.reasoning_format
    opened = False
    if reasoning is not None and conversation.continue_final_message:
        # What goes on from an answer does not begin with reasoning.
        opened = reasoning.left_open(conversation.messages[-1]["content"])
        reasoning = reasoning if opened else None
    elif reasoning is not None:
        opened = reasoning.opened_by(prompt)
    if not tools.offered and reasoning is None:
        return None
    return Parsing(
        tools=tools.schemas,
        tool_format=model.tool_format if tools.offered else None,
        reasoning_format=reasoning,
        reasoning_opened=opened,
        single_call=tools.single,
    )


async def read_generate(
    request: inference_pb2.GenerateRequest, model: ServedModel, engine: EngineInfo
) -> Job:
    """Raises RpcError."""
    checks = Checks()
    sampling = _read_sampling(request, model, engine, checks)
    resumed = read_resumed(request, sampling, engine.vocab_size, checks)
    grammar = await read_structured_output(request, checks)
    form = request.WhichOneof("prompt")
    if form is None:
        checks.invalid("prompt", "must be a text or token ids")
    elif not (request.text if form == "text" else request.tokens.ids):
        checks.invalid(form, "must not be empty")
    # One that is longer than the context is refused for that.
    ids = request.tokens.ids[: engine.max_model_len]
    check_token_ids(checks, "tokens.ids", ids, engine.vocab_size)
    checks.finish()
    if form == "text":
        prompt = await beside_the_loop(
            len(request.text), lambda: model.tokenizer.encode(request.text)
        )
    else:
        prompt = list(request.tokens.ids)
    job = _job(request, prompt, sampling, engine, form or "prompt", continues_text=True)
    return replace(job, grammar=grammar, resumed=resumed)


def check_token_ids(checks: Checks, field: str, ids: Sequence[int], vocab_size: int) -> None:
    """Reports the first id that names no token."""
    for position, token_id in enumerate(ids):
        if token_id >= vocab_size:
            checks.invalid(
                f"{field}[{position}]",
                f"token {token_id} is outside the vocabulary of {vocab_size}",
            )
            return


def read_deadline(context: Context) -> float | None:
    """The caller's deadline in seconds of `time.monotonic()`."""
    remaining = context.time_remaining()
    return None if remaining is None else time.monotonic() + remaining


def _read_sampling(
    request: chat_pb2.ChatRequest | inference_pb2.GenerateRequest,
    model: ServedModel,
    engine: EngineInfo,
    checks: Checks,
) -> Sampling:
    return read_sampling(
        request.sampling,
        checks,
        vocab_size=engine.vocab_size,
        eos_token_ids=model.tokenizer.eos_token_ids,
    )


def _covered(prefix: tokens_pb2.PrefixKeys) -> float:
    """Raises RpcError."""
    checks = Checks()
    if len(prefix.keys) > MAX_PREFIX_KEYS:
        checks.invalid(
            "prefix_keys.keys", f"must be at most {MAX_PREFIX_KEYS}, got {len(prefix.keys)}"
        )
    covered = prefix.covered if prefix.HasField("covered") else 1.0
    if not 0 < covered <= 1:
        checks.invalid("prefix_keys.covered", f"must be above 0 and at most 1, got {covered:g}")
    checks.finish()
    return covered


def _job(
    request: chat_pb2.ChatRequest | inference_pb2.GenerateRequest,
    prompt: list[int],
    sampling: Sampling,
    engine: EngineInfo,
    prompt_field: str,
    *,
    continues_text: bool,
) -> Job:
    if not prompt:
        raise invalid_argument([Violation(prompt_field, "has no tokens")])
    room = engine.max_model_len - len(prompt)
    # Unless told otherwise, one token is the least there must be room for.
    asked = sampling.max_tokens or 1
    if asked > room:
        raise context_length_exceeded(
            prompt_field if room < 1 else "sampling.max_tokens",
            f"the prompt has {len(prompt)} tokens and {asked} more are asked for,"
            f" but the model's context holds {engine.max_model_len}",
            prompt_tokens=len(prompt),
            max_tokens=asked,
            max_model_len=engine.max_model_len,
        )
    return Job(
        prompt=prompt,
        sampling=sampling,
        max_tokens=sampling.max_tokens or room,
        max_model_len=engine.max_model_len,
        cache_salt=request.cache_salt,
        priority=request.priority,
        prefix_keys=request.prefix_keys.keys,
        prefix_covered=_covered(request.prefix_keys),
        prompt_field=prompt_field,
        continues_text=continues_text,
        resumable=request.resumable,
    )
