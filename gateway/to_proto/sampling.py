"""Settings of sampling, which several endpoints share."""

from __future__ import annotations

from rostra.gateway.schemas.fields import SamplingFields
from rostra.v1 import sampling_pb2


def sampling_params(body: SamplingFields) -> sampling_pb2.SamplingParams:
    return sampling_pb2.SamplingParams(
        temperature=body.temperature,
        top_p=body.top_p,
        top_k=None if body.top_k is None else max(0, body.top_k),
        min_p=body.min_p,
        presence_penalty=body.presence_penalty,
        frequency_penalty=body.frequency_penalty,
        repetition_penalty=body.repetition_penalty,
        logit_bias=body.logit_bias,
        # Negative seeds are legal in the OpenAI API; they become their two's complement.
        seed=None if body.seed is None else body.seed % 2**64,
        stop=body.stop_strings,
        stop_token_ids=body.stop_token_ids,
        ignore_eos=body.ignore_eos,
        min_tokens=body.min_tokens,
        n=body.n,
    )
