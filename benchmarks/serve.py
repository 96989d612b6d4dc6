"""Load on any OpenAI-compatible server, from outside.

    python -m benchmarks.serve --url http://127.0.0.1:8000 --streams 1 --streams 16
    python -m benchmarks.serve --url http://127.0.0.1:8000 --rate 2 --requests 100

Closed loop (`--streams`): so many clients, each sending its next request when the last has ended.
Open loop (`--rate`): arrivals at random times, so many a second on average. Both may be repeated;
with `--repeats` the runs are interleaved, and the medians are shown.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.load import Client, Outcome, Shape, closed_loop, open_loop
from benchmarks.results import Result, Row

PERCENTILES = (50, 95, 99)


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """p50, p95 and p99 by linear interpolation, and the mean; empty without values."""
    if not values:
        return {}
    points = np.percentile(values, PERCENTILES)
    named = {f"p{percent}": float(at) for percent, at in zip(PERCENTILES, points, strict=True)}
    return {"mean": statistics.fmean(values)} | named


def summarise(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Throughput over the whole run (tokens a second) and latencies (seconds)."""
    good = [outcome for outcome in outcomes if outcome.error is None]
    wall = max(o.ended for o in outcomes) - min(o.sent for o in outcomes)
    generated = sum(o.completion_tokens for o in good)
    return {
        "requests": len(outcomes),
        "failed": len(outcomes) - len(good),
        "errors": sorted({o.error for o in outcomes if o.error})[:5],
        "seconds": wall,
        "prompt_tokens": sum(o.prompt_tokens for o in good),
        "completion_tokens": generated,
        "tokens_per_second": generated / wall,
        "requests_per_second": len(good) / wall,
        "time_to_first_token": percentiles([o.first_token for o in good]),
        "inter_token_latency": percentiles([gap for o in good for gap in o.gaps]),
        "request_latency": percentiles([o.ended - o.sent for o in good]),
    }


def median_run(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The run whose throughput is the median of the repeats (the lower of two middles)."""
    ordered = sorted(runs, key=lambda run: run["tokens_per_second"])
    return ordered[(len(ordered) - 1) // 2]


def rows_of(runs: Mapping[str, Sequence[dict[str, Any]]]) -> list[Row]:
    """The median run of each load, with all its runs; latencies in milliseconds."""
    rows = []
    for name, repeats in runs.items():
        run = median_run(repeats)
        speeds = [each["tokens_per_second"] for each in repeats]
        row: Row = {
            "load": name,
            "tok_per_s": run["tokens_per_second"],
            "req_per_s": run["requests_per_second"],
        }
        for what, short in (("time_to_first_token", "first"), ("inter_token_latency", "gap")):
            for point in ("p50", "p95"):
                if run[what]:
                    row[f"{short}_ms_{point}"] = run[what][point] * 1000
        row["failed"] = sum(each["failed"] for each in repeats)
        row["repeats"] = len(repeats)
        row["spread"] = (
            (max(speeds) - min(speeds)) / run["tokens_per_second"] if min(speeds) else 0.0
        )
        rows.append(row | {"runs": list(repeats)})
    return rows


async def first_model(url: str) -> str:
    endpoint = url.rstrip("/").removesuffix("/v1") + "/v1/models"
    async with aiohttp.ClientSession() as session, session.get(endpoint) as response:
        response.raise_for_status()
        models = (await response.json())["data"]
    if not models:
        raise typer.BadParameter(f"{url} serves no model now; wait for one", param_hint="--url")
    return str(models[0]["id"])


async def measure(
    client: Client, shape: Shape, loads: Sequence[tuple[str, float]], requests: int, repeats: int
) -> dict[str, list[dict[str, Any]]]:
    """Summaries of every load, `repeats` of each, interleaved, after one request to warm up.

    Raises ClientError when that one fails.
    """
    bodies = shape.bodies()
    warm = await client.send(next(bodies))
    if warm.error:
        raise aiohttp.ClientError(warm.error)
    runs: dict[str, list[dict[str, Any]]] = {f"{kind} {size:g}": [] for kind, size in loads}
    with Progress(transient=True, console=Console(stderr=True)) as progress:
        for repeat in range(repeats):
            for kind, size in loads:
                name = f"{kind} {size:g}"
                count = max(requests, int(size)) if kind == "streams" else requests
                task = progress.add_task(f"{name}, run {repeat + 1} of {repeats}", total=count)

                def done(task: Any = task) -> None:
                    progress.advance(task)

                if kind == "streams":
                    outcomes = await closed_loop(client, bodies, int(size), count, done)
                else:
                    outcomes = await open_loop(client, bodies, size, count, shape.seed, done)
                runs[name].append(summarise(outcomes))
                progress.remove_task(task)
    return runs


def show(runs: dict[str, list[dict[str, Any]]]) -> None:
    table = Table(title="medians; TTFT and ITL in ms, as p50 / p95 / p99")
    for heading in ("load", "tok/s", "req/s", "TTFT", "ITL", "failed"):
        table.add_column(heading, justify="left" if heading == "load" else "right", no_wrap=True)
    for name, repeats in runs.items():
        run = median_run(repeats)
        latencies = [
            " / ".join(f"{run[what][f'p{percent}'] * 1000:.0f}" for percent in PERCENTILES)
            if run[what]
            else "-"
            for what in ("time_to_first_token", "inter_token_latency")
        ]
        table.add_row(
            name,
            f"{run['tokens_per_second']:.1f}",
            f"{run['requests_per_second']:.2f}",
            *latencies,
            str(sum(each["failed"] for each in repeats)),
        )
    Console().print(table)


def main(
    url: Annotated[str, typer.Option(help="Base URL of the server.")] = "http://127.0.0.1:8000",
    model: Annotated[str | None, typer.Option(help="Default: the first that it lists.")] = None,
    streams: Annotated[
        list[int] | None, typer.Option(help="Closed loop: clients at once.", min=1)
    ] = None,
    rate: Annotated[
        list[float] | None, typer.Option(help="Open loop: requests a second.", min=0.001)
    ] = None,
    requests: Annotated[int, typer.Option(help="Requests of a run.", min=1)] = 32,
    repeats: Annotated[int, typer.Option(help="Runs of each load.", min=1)] = 1,
    prompt_words: Annotated[int, typer.Option(help="Random words in a prompt.", min=1)] = 100,
    max_tokens: Annotated[int, typer.Option(help="Tokens to generate.", min=1)] = 64,
    ignore_eos: Annotated[
        bool, typer.Option(help="Ask for exactly max_tokens (an extension many servers have).")
    ] = True,
    temperature: Annotated[float, typer.Option(min=0, max=2)] = 0.0,
    seed: Annotated[int, typer.Option(help="Of prompts and arrivals.")] = 0,
    api_key: Annotated[str | None, typer.Option(envvar="OPENAI_API_KEY")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds a request may take.")] = 600.0,
    json: Annotated[Path | None, typer.Option(help="Write everything measured here.")] = None,
    label: Annotated[str, typer.Option(help="Tells this run from others, as in: before.")] = "",
) -> None:
    """Measure throughput and latency of an OpenAI-compatible server."""
    loads = [("streams", float(n)) for n in streams or ()] + [("rate", r) for r in rate or ()]
    loads = loads or [("streams", 1.0), ("streams", 16.0)]

    async def run() -> tuple[Shape, dict[str, list[dict[str, Any]]]]:
        shape = Shape(
            model=model or await first_model(url),
            prompt_words=prompt_words,
            max_tokens=max_tokens,
            ignore_eos=ignore_eos,
            temperature=temperature,
            seed=seed,
        )
        async with Client(url, api_key, timeout) as client:
            return shape, await measure(client, shape, loads, requests, repeats)

    try:
        shape, runs = asyncio.run(run())
    except aiohttp.ClientError as error:
        raise typer.BadParameter(f"{url}: {error}", param_hint="--url") from error
    show(runs)
    if json:
        settings = {"url": url, "streams": streams, "rate": rate, "requests": requests}
        settings |= {"repeats": repeats, **asdict(shape)}
        Result("serve", settings, rows_of(runs), label).write(json)
    if any(run["failed"] for repeats_ in runs.values() for run in repeats_):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
