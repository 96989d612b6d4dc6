"""Settings of one engine."""

from __future__ import annotations

from typing import Literal

import msgspec

DType = Literal["auto", "float32", "bfloat16", "float16"]


class EngineConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine needs to know before it starts.

    `None` means: worked out at start from the model and from what memory is free.
    """

    model_path: str
    """A folder with config.json, safetensors and tokenizer files."""
    device: str = "cpu"
    """`cpu`, `cuda` or `cuda:N`."""
    dtype: DType = "auto"
    """Of weights and cache. `auto`: the fastest the device computes natively."""
    block_size: int = 16
    """Tokens in a block of the KV cache."""
    num_blocks: int | None = None
    kv_cache_bytes: int | None = None
    """Memory for the KV cache; excludes `num_blocks`."""
    max_model_len: int | None = None
    """Prompt and output together, in tokens. Default: the model's own limit."""
    max_num_seqs: int = 64
    """Requests that run at once."""
    max_num_batched_tokens: int = 2048
    """Tokens computed in one step."""
    max_waiting_requests: int = 1024
    """Requests that may queue; one more is refused."""
    prefix_caching: bool = True
    num_threads: int | None = None
    """Threads of a CPU engine. Default: as many as there are physical cores."""
