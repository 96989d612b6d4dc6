"""`rostra worker`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from rostra.mesh.cli.options import Config, HomeFolder, LogFormat
from rostra.mesh.cli.worker_run import run
from rostra.mesh.errors import RostraError

if TYPE_CHECKING:
    from rostra.mesh.cli.tracing import TracingSettings

MESH = "Mesh"
ENGINE = "Engine"
ADAPTERS = "Adapters"
CHAT = "Chat"


def worker(
    model: Annotated[
        str | None,
        typer.Option(help="A built-in name, a Hugging Face id, a folder, or a GGUF file."),
    ] = None,
    config: Config = None,
    entry_name: Annotated[
        str | None,
        typer.Option(
            "--worker",
            help="Which [\\[worker]] of the file, by name or number; default: the only one.",
        ),
    ] = None,
    home: HomeFolder = None,
    listen: Annotated[
        str | None, typer.Option(help="host:port of the gRPC server; port 0 takes a free one.")
    ] = None,
    insecure_public: Annotated[
        bool | None,
        typer.Option(
            "--insecure-public", help="Listen to other hosts though everybody there may call."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The name that requests use.")] = None,
    join: Annotated[
        list[str] | None,
        typer.Option(
            metavar="grpc[s]://HOST:PORT",
            help="The registry of a gateway to join, grpcs with TLS. Repeat for more.",
            rich_help_panel=MESH,
        ),
    ] = None,
    advertise: Annotated[
        str | None,
        typer.Option(
            metavar="HOST[:PORT]",
            help="By which gateways reach this worker. Default: where it listens; with "
            "0.0.0.0 the address of this host that packets to the gateway have.",
            rich_help_panel=MESH,
        ),
    ] = None,
    join_token_file: Annotated[
        Path | None,
        typer.Option(
            help="Holds the token to join by, else $ROSTRA_JOIN_TOKEN does. Read at each attempt.",
            rich_help_panel=MESH,
        ),
    ] = None,
    join_ca: Annotated[
        Path | None,
        typer.Option(
            help="Authorities, in PEM, that gateways' certificates are to be of.",
            rich_help_panel=MESH,
        ),
    ] = None,
    join_cert: Annotated[
        Path | None,
        typer.Option(
            help="This worker's certificate, for gateways that want one.", rich_help_panel=MESH
        ),
    ] = None,
    join_key: Annotated[
        Path | None, typer.Option(help="The key of --join-cert.", rich_help_panel=MESH)
    ] = None,
    tls_cert: Annotated[
        Path | None,
        typer.Option(
            help="Listen with TLS, by this chain of certificates in PEM.", rich_help_panel=MESH
        ),
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(help="The key of --tls-cert.", rich_help_panel=MESH)
    ] = None,
    tls_client_ca: Annotated[
        Path | None,
        typer.Option(
            help="Callers need a certificate of one of these authorities.", rich_help_panel=MESH
        ),
    ] = None,
    task: Annotated[
        Literal["auto", "generate", "embed"] | None,
        typer.Option(
            help="Generate text, or turn texts into vectors. auto: what the model is made for.",
            rich_help_panel=ENGINE,
        ),
    ] = None,
    pooling: Annotated[
        Literal["auto", "last", "mean", "cls"] | None,
        typer.Option(
            help="Which hidden states become a text's vector: the last token's, the mean, the "
            "first token's. auto: as the model's folder says.",
            rich_help_panel=ENGINE,
        ),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda or cuda:N.", rich_help_panel=ENGINE)
    ] = None,
    tensor_parallel_size: Annotated[
        int | None,
        typer.Option(
            "--tp",
            help="Ranks that each hold a part of every layer: GPUs, or processes on a CPU.",
            rich_help_panel=ENGINE,
        ),
    ] = None,
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16", "float16"] | None,
        typer.Option(help="Of computing, weights and KV cache.", rich_help_panel=ENGINE),
    ] = None,
    quantization: Annotated[
        Literal["auto", "none", "int8", "int4", "fp8"] | None,
        typer.Option(
            help="Of the weights: none, int8, int4 or fp8; auto: as the checkpoint stores them, "
            "where there is a kernel for it.",
            rich_help_panel=ENGINE,
        ),
    ] = None,
    kv_cache_dtype: Annotated[
        Literal["auto", "fp8"] | None,
        typer.Option(help="Of the KV cache. auto: --dtype.", rich_help_panel=ENGINE),
    ] = None,
    max_model_len: Annotated[
        int | None,
        typer.Option(help="Prompt and output together, in tokens.", rich_help_panel=ENGINE),
    ] = None,
    kv_cache_bytes: Annotated[
        int | None, typer.Option(help="Memory for the KV cache.", rich_help_panel=ENGINE)
    ] = None,
    max_num_seqs: Annotated[
        int | None, typer.Option(help="Requests that run at once.", rich_help_panel=ENGINE)
    ] = None,
    max_num_batched_tokens: Annotated[
        int | None, typer.Option(help="Tokens computed in one step.", rich_help_panel=ENGINE)
    ] = None,
    num_threads: Annotated[
        int | None, typer.Option(help="Threads of a CPU engine.", rich_help_panel=ENGINE)
    ] = None,
    prefix_caching: Annotated[
        bool | None,
        typer.Option(help="Reuse the cache of shared prefixes.", rich_help_panel=ENGINE),
    ] = None,
    speculation: Annotated[
        Literal["off", "ngram"] | None,
        typer.Option(
            help="ngram: guess tokens from earlier places in the same request, and verify them.",
            rich_help_panel=ENGINE,
        ),
    ] = None,
    num_draft_tokens: Annotated[
        int | None,
        typer.Option(help="The most tokens guessed at once.", rich_help_panel=ENGINE),
    ] = None,
    tool_parser: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|auto|off",
            help="How the model writes calls of tools: hermes, qwen3_coder, llama3_json, pythonic, "
            "mistral, mistral_args, deepseek_v3, deepseek_v31, json. auto: from its template and "
            "vocabulary. off: tools are refused.",
            rich_help_panel=CHAT,
        ),
    ] = None,
    reasoning_parser: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|auto|off",
            help="How the model marks its reasoning: think, mistral. auto: from its template and "
            "vocabulary. off: reasoning is content.",
            rich_help_panel=CHAT,
        ),
    ] = None,
    adapter: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FOLDER",
            help="A LoRA adapter in PEFT's format, served under that name. May be repeated.",
            rich_help_panel=ADAPTERS,
        ),
    ] = None,
    max_adapters: Annotated[
        int | None,
        typer.Option(
            help="Adapters resident at once, also those loaded later. Default: as many as are "
            "named.",
            rich_help_panel=ADAPTERS,
        ),
    ] = None,
    max_adapter_rank: Annotated[
        int | None,
        typer.Option(help="The highest rank an adapter may have.", rich_help_panel=ADAPTERS),
    ] = None,
    graphs: Annotated[
        bool | None,
        typer.Option(help="Replay recorded decode steps.", rich_help_panel=ENGINE),
    ] = None,
    overlap: Annotated[
        bool | None,
        typer.Option(help="GPU: prepare a step during the one before.", rich_help_panel=ENGINE),
    ] = None,
    stall_timeout: Annotated[
        float | None,
        typer.Option(
            help="Seconds one step may take before the worker is NOT_SERVING; after twice that the "
            "engine is started again.",
            rich_help_panel=ENGINE,
        ),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Where Prometheus reads /metrics; port 0 takes a free one. Default: nowhere.",
        ),
    ] = None,
    log_format: LogFormat = None,
) -> None:
    """Run one gRPC worker: a model, its engine, and the Inference and Control services."""
    from rostra.mesh.cli.config import RostraConfig, WorkerEntry, checked

    flags = {
        "model": model,
        "name": name,
        "listen": listen,
        "insecure_public": insecure_public,
        "join": join,
        "advertise": advertise,
        "join_token_file": join_token_file,
        "join_ca": join_ca,
        "join_cert": join_cert,
        "join_key": join_key,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
        "tls_client_ca": tls_client_ca,
        "task": task,
        "pooling": pooling,
        "device": device,
        "tensor_parallel_size": tensor_parallel_size,
        "dtype": dtype,
        "quantization": quantization,
        "kv_cache_dtype": kv_cache_dtype,
        "max_model_len": max_model_len,
        "kv_cache_bytes": kv_cache_bytes,
        "max_num_seqs": max_num_seqs,
        "max_num_batched_tokens": max_num_batched_tokens,
        "num_threads": num_threads,
        "prefix_caching": prefix_caching,
        "speculation": speculation,
        "num_draft_tokens": num_draft_tokens,
        "adapters": parse_adapters(adapter) if adapter else None,
        "max_adapters": max_adapters,
        "max_adapter_rank": max_adapter_rank,
        "graphs": graphs,
        "overlap": overlap,
        "stall_timeout": stall_timeout,
        "tool_parser": tool_parser,
        "reasoning_parser": reasoning_parser,
        "metrics": metrics,
    }
    given: dict[str, Any] = {key: value for key, value in flags.items() if value is not None}
    base: dict[str, Any] = {}
    tracing: TracingSettings | None = None
    if config is not None or entry_name is not None:
        file = RostraConfig.read(config)
        if entry_name is None and len(file.worker) != 1:
            raise RostraError(
                f"{config} has {len(file.worker)} [[worker]] tables: name one with --worker"
            )
        entry = file.find_worker(entry_name) if entry_name else file.worker[0]
        base = entry.model_dump(exclude_unset=True)
        tracing = file.tracing
    elif model is None:
        raise RostraError("say what to serve: --model NAME, or --config FILE")
    run(checked(WorkerEntry, base | given, "worker"), home, log_format, tracing)


def parse_adapters(given: list[str]) -> dict[str, str]:
    """Folders by name. Raises RostraError for what is not NAME=FOLDER, or named twice."""
    adapters: dict[str, str] = {}
    for text in given:
        name, equals, folder = text.partition("=")
        if not (name and equals and folder):
            raise RostraError(f"--adapter {text!r}: write NAME=FOLDER")
        if name in adapters:
            raise RostraError(f"--adapter {name} is given twice")
        adapters[name] = folder
    return adapters
