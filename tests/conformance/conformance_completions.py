"""POST /v1/completions."""

from __future__ import annotations

from conformance_row import hint, honoured, refused
from conformance_sampling import grammars, sampling, scheduling, streams

BASE = {"model": "tiny", "prompt": "hi"}

ROWS = [
    honoured("model", "tiny-latest", lambda seen: seen.sent.model == "tiny-latest"),
    honoured(
        "prompt",
        [5, 6],
        lambda seen: list(seen.sent.tokens.ids) == [5, 6],
        "a text, token ids, or a list of either",
    ),
    *sampling(n=True),
    *grammars(),
    *streams(),
    *scheduling(),
    honoured("max_tokens", 9, lambda seen: seen.sent.sampling.max_tokens == 9),
    honoured("logprobs", 2, lambda seen: seen.sent.sampling.logprobs == 2),
    honoured("echo", True, lambda seen: seen.answer["choices"][0]["text"].startswith("hi")),
    honoured("best_of", 3, lambda seen: seen.sent.sampling.n == 3),
    refused("suffix", "the end", takes=("",), note="except an empty one"),
    hint("user", "somebody"),
]
