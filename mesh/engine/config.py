"""Settings of one engine."""

from __future__ import annotations

from typing import Literal

import msgspec

DType = Literal["auto", "float32", "bfloat16", "float16"]
KVCacheDType = Literal["auto", "fp8"]
Quantization = Literal["auto", "none", "int8", "int4", "fp8"]
Speculation = Literal["off", "ngram"]
Task = Literal["auto", "generate", "embed"]
PoolingChoice = Literal["auto", "last", "mean", "cls"]


class EngineConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine needs to know before it starts.

    `None` means: worked out at start from the model and from what memory is free.
    """

    model_path: str
    """A folder with config.json, safetensors and tokenizer files."""
    task: Task = "auto"
    """Generate text, or turn texts into vectors. `auto`: what the model's folder is made for."""
    pooling: PoolingChoice = "auto"
    """Which hidden states of a text become its vector: the last token's, the mean of all, or the
    first token's. `auto`: as the model's folder says. For embedding only."""
    device: str = "cpu"
    """`cpu`, `cuda` or `cuda:N`."""
    tensor_parallel_size: int = 1
    """Ranks: processes that each hold and compute a part of every layer. On a host, rank i takes
    the GPU i; on CPUs they divide the cores."""
    dtype: DType = "auto"
    """Of computing, of weights that are not quantised, and of the cache. `auto`: the fastest the
    device computes natively."""
    quantization: Quantization = "auto"
    """Of the weights of linear maps. `auto`: as the checkpoint stores them where there is a kernel
    for it, else unquantised. `none`: unquantised. `int8`, `int4` and `fp8` (e4m3) quantise them
    while they are loaded, with a scale for each group or channel. A device that lacks one refuses
    it at start."""
    kv_cache_dtype: KVCacheDType = "auto"
    """`fp8` (e4m3) halves the memory of a key and a value. `auto`: `dtype`."""
    block_size: int = 16
    """Tokens in a block of the KV cache."""
    num_blocks: int | None = None
    kv_cache_bytes: int | None = None
    """Memory for the KV cache, on each rank; excludes `num_blocks`."""
    max_model_len: int | None = None
    """Prompt and output together, in tokens. Default: the model's own limit."""
    max_num_seqs: int = 64
    """Requests that run at once."""
    max_num_batched_tokens: int = 2048
    """Tokens computed in one step."""
    max_waiting_requests: int = 1024
    """Requests that may queue; one more is refused."""
    prefix_caching: bool = True
    max_adapters: int = 0
    """Low-rank adapters that are resident at once; their memory is taken at start."""
    max_adapter_rank: int = 64
    """The highest rank an adapter may have, up to 256."""
    speculation: Speculation = "off"
    """`ngram`: guess the next tokens from earlier places in the same request where its last tokens
    occurred, and verify them in one step (prompt lookup)."""
    num_draft_tokens: int = 4
    """The most tokens guessed at once."""
    graphs: bool = True
    """Replay recorded decode steps instead of calling operation by operation."""
    overlap: bool = True
    """Prepare the next step while a GPU computes this one."""
    num_threads: int | None = None
    """Threads of a CPU engine, on each rank. Default: as many as there are physical cores, divided
    by the ranks of the host."""
