"""/v1/completions."""

from __future__ import annotations

from rostra.gateway.rest_names import RestNames
from rostra.gateway.schemas.completions import DEFAULT_MAX_TOKENS, CompletionRequest
from rostra.gateway.to_proto.sampling import sampling_params
from rostra.gateway.to_proto.structured import grammar_name, structured_output
from rostra.v1 import inference_pb2


class CompletionNames(RestNames):
    prompt = "prompt"

    def __init__(self, body: CompletionRequest) -> None:
        self._body = body

    def of(self, field: str) -> str:
        name = super().of(field)
        # Which of several prompts it was, the worker cannot know.
        if name in ("text", "tokens") or name.startswith("tokens.ids"):
            return "prompt"
        if name == "n" and self._body.best_of:
            return "best_of"
        if name == "prompt_logprobs":
            return "logprobs"
        return grammar_name(self._body.output_grammar, name)


def generate_request(
    body: CompletionRequest, prompt: str | list[int], request_id: str
) -> inference_pb2.GenerateRequest:
    sampling = sampling_params(body)
    # A worker makes at least one token: with 0, that one is left out of the answer.
    sampling.max_tokens = DEFAULT_MAX_TOKENS if body.max_tokens is None else body.max_tokens or 1
    if body.num_candidates > body.num_outputs:
        sampling.n = body.num_candidates
        sampling.logprobs = 0
    if body.logprobs is not None:
        sampling.logprobs = body.logprobs
        if body.echo:
            sampling.prompt_logprobs = body.logprobs
    request = inference_pb2.GenerateRequest(
        model=body.model,
        sampling=sampling,
        structured_output=structured_output(body.output_grammar),
        cache_salt=body.cache_salt,
        priority=body.priority,
        request_id=request_id,
    )
    if isinstance(prompt, str):
        request.text = prompt
    else:
        request.tokens.ids.extend(prompt)
    return request
