"""The process of one worker, from its settings to its end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rostra.mesh.cli.config import WorkerEntry
    from rostra.mesh.cli.tracing import TracingSettings


def run(
    entry: WorkerEntry,
    home: Path | None,
    log_format: str | None = None,
    tracing: TracingSettings | None = None,
) -> None:
    """Finds the model, then serves it until SIGTERM or SIGINT."""
    import asyncio
    from contextlib import ExitStack

    from rostra.mesh.cli.joining import join_config, server_credentials
    from rostra.mesh.cli.notify import tell_ready
    from rostra.mesh.cli.progress import RichProgress
    from rostra.mesh.cli.tracing import traced
    from rostra.mesh.distributed.place import place_from_torchrun
    from rostra.mesh.home import Home
    from rostra.mesh.logs import log_to_stderr
    from rostra.mesh.store import ProgressTask, resolve
    from rostra.mesh.worker.exposure import check_exposure
    from rostra.mesh.worker.request_log import log_fields
    from rostra.mesh.worker.server import WorkerConfig, serve
    from rostra.mesh.worker.torchrun import follow_worker

    log_to_stderr("worker", log_format, log_fields)
    # Before a model is fetched and loaded for nothing.
    guarded = entry.tls_client_ca is not None
    check_exposure(entry.listen, guarded=guarded, insecure_public=entry.insecure_public)
    tls, join = server_credentials(entry), join_config(entry)
    place = place_from_torchrun(entry.tensor_parallel_size or 1)
    folder = resolve(entry.model, Home.locate(home), RichProgress())
    engine = entry.engine_config(folder.path)
    if place is not None and place.rank > 0:
        follow_worker(engine, place)
    config = WorkerConfig(
        listen=entry.listen,
        guarded=guarded,
        insecure_public=entry.insecure_public,
        model_name=entry.served_name,
        aliases=entry.aliases,
        adapters=entry.adapters,
        revision=folder.revision,
        engine=engine,
        place=place,
        drain_grace=entry.drain_grace,
        stall_timeout=entry.stall_timeout,
        tool_parser=entry.tool_parser,
        reasoning_parser=entry.reasoning_parser,
        metrics=entry.metrics,
    )
    loading = ExitStack()
    bar: ProgressTask | None = None
    seen = 0

    def on_progress(done: int, total: int) -> None:
        nonlocal bar, seen
        if bar is None:
            bar = loading.enter_context(RichProgress().task("loading weights", total))
        bar.advance(done - seen)
        seen = done

    def on_ready(address: str) -> None:
        loading.close()
        print(f"worker ready on {address}", flush=True)
        tell_ready()

    with loading, traced("rostra-worker", tracing) as spans:
        work = serve(
            config, on_ready=on_ready, on_progress=on_progress, tls=tls, join=join, tracing=spans
        )
        asyncio.run(work)
