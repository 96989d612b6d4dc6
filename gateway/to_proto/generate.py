"""/v1/completions."""

from __future__ import annotations

from rostra.gateway.rest_names import RestNames
from rostra.gateway.schemas.completions import DEFAULT_MAX_TOKENS, CompletionRequest
from rostra.gateway.to_proto.sampling import sampling_params
from rostra.v1 import inference_pb2


class CompletionNames(RestNames):
    prompt = "prompt"

    def of(self, field: str) -> str:
        name = super().of(field)
        # Which of several prompts it was, the worker cannot know.
        if name in ("text", "tokens") or name.startswith("tokens.ids"):
            return "prompt"
        return "logprobs" if name == "prompt_logprobs" else name


def generate_request(
    body: CompletionRequest, prompt: str | list[int], request_id: str
) -> inference_pb2.GenerateRequest:
    sampling = sampling_params(body)
    sampling.max_tokens = DEFAULT_MAX_TOKENS if body.max_tokens is None else body.max_tokens
    if body.logprobs is not None:
        sampling.logprobs = body.logprobs
        if body.echo:
            sampling.prompt_logprobs = body.logprobs
    request = inference_pb2.GenerateRequest(
        model=body.model,
        sampling=sampling,
        cache_salt=body.cache_salt,
        priority=body.priority,
        request_id=request_id,
    )
    if isinstance(prompt, str):
        request.text = prompt
    else:
        request.tokens.ids.extend(prompt)
    return request
