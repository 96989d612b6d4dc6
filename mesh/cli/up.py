"""`rostra up`: everything on this host, from one command."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from rostra.mesh.cli.console import PLAIN
from rostra.mesh.cli.options import Config, HomeFolder, LogFormat
from rostra.mesh.errors import RostraError
from rostra.mesh.logs import FORMAT_VARIABLE

if TYPE_CHECKING:
    from rostra.mesh.cli.config import RostraConfig
    from rostra.mesh.cli.up_plan import Plan
    from rostra.mesh.home import Home

MAX_EARLY_RESTARTS = 3
"""A process that dies this often before everything was ready once ends `rostra up`."""


def up(
    config: Config = None,
    home: HomeFolder = None,
    port: Annotated[int | None, typer.Option(help="Port of the gateway. Default: 8000.")] = None,
    arena_port: Annotated[
        int | None, typer.Option(help="Port of the arena. Default: 8001.")
    ] = None,
    with_arena: Annotated[
        bool, typer.Option("--arena/--no-arena", help="Whether to run the arena.")
    ] = True,
    launcher: Annotated[
        Literal["local", "ray"] | None,
        typer.Option(
            help="local: workers are processes of this host. ray: replicas on the nodes of a Ray "
            "cluster; see docs/scaling.md. Default: as the file says, else local."
        ),
    ] = None,
    ready_timeout: Annotated[
        float, typer.Option(help="Seconds until everything must be ready.")
    ] = 600.0,
    log_format: LogFormat = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print the documented default file and exit.")
    ] = False,
) -> None:
    """Fetch the models, then run workers, gateway and arena until Ctrl-C."""
    from rostra.mesh.cli.config import RostraConfig, default_text

    if print_config:
        print(default_text(), end="")
        return
    from rostra.mesh.cli.up_plan import Plan
    from rostra.mesh.home import Home

    console = Console()
    if log_format is not None:
        os.environ[FORMAT_VARIABLE] = log_format
    file = RostraConfig.read(config)
    place = Home.locate(home)
    plan = Plan.of(file, config, place, launcher, port, arena_port, with_arena)
    begin_logs(plan)
    if plan.launcher.log_paths:  # else they run elsewhere, and fetch what they need there
        fetch_models(file, place)
    asyncio.run(run(plan, console, ready_timeout))


def begin_logs(plan: Plan) -> None:
    """Sets the logs of the run before aside. Raises RostraError where none can be written.

    To be called once the ports are claimed: a second start by mistake leaves the first's logs as
    they are.
    """
    for log in (*(process.log_path for process in plan.group.members), *plan.launcher.log_paths):
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            if log.exists():
                log.replace(log.with_suffix(".previous.log"))
            log.touch()
        except OSError as error:
            raise RostraError(
                f"{log} cannot be written ({error.strerror}): choose another folder with --home"
            ) from error


def fetch_models(file: RostraConfig, home: Home) -> None:
    """Fetches and converts what is not there yet, with progress."""
    from rostra.mesh.cli.progress import RichProgress
    from rostra.mesh.store import resolve

    for model in dict.fromkeys(entry.model for entry in file.worker):
        resolve(model, home, RichProgress())


async def run(plan: Plan, console: Console, ready_timeout: float) -> None:
    """Starts everything, says when it is ready, and ends everything on a signal."""
    stop = asyncio.Event()

    def interrupted() -> None:
        if stop.is_set():
            plan.group.kill()
            plan.launcher.kill()
        stop.set()

    # Before the handlers of signals are set: Ray sets some of its own.
    await plan.launcher.start(plan.gateway_url)
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, interrupted)
    stopped = asyncio.create_task(stop.wait())
    plan.group.start()
    try:
        starting = asyncio.create_task(all_ready(plan, console, ready_timeout))
        await asyncio.wait([starting, stopped], return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await starting
        else:
            await starting
            announce(plan, console)
            await watch(plan, console, stop)
    finally:
        with console.status("finishing what runs (Ctrl-C again to end at once) ..."):
            # Callers before what they call, so that each finishes while the next still answers.
            await plan.group.stop()
            await plan.launcher.stop()
        stopped.cancel()
        console.print("stopped", highlight=False)


async def all_ready(plan: Plan, console: Console, timeout: float) -> None:
    """Returns when every model is served and the arena answers; raises RostraError if not."""
    import orjson

    from rostra.mesh.supervisor.ready import wait_ready

    def given_up() -> str | None:
        failing = plan.group.failing(MAX_EARLY_RESTARTS)
        return failing.complaint() if failing else plan.launcher.trouble(MAX_EARLY_RESTARTS)

    def serves_all(body: bytes) -> bool:
        return plan.launcher.all_serve(orjson.loads(body)["workers"])

    with console.status(f"loading {', '.join(sorted(plan.models))} ..."):
        url = f"{plan.gateway_url}/ready"
        await wait_ready(
            url,
            timeout=timeout,
            given_up=given_up,
            accept=serves_all,
            certificate=plan.gateway_cert,
        )
    if plan.arena_url:
        with console.status("starting the arena ..."):
            await wait_ready(f"{plan.arena_url}/health", timeout=timeout, given_up=given_up)


def announce(plan: Plan, console: Console) -> None:
    lines = [("OpenAI API", f"{plan.gateway_url}/v1")]
    if plan.arena_url:
        lines.append(("arena", plan.arena_url))
    lines += [(f"gRPC {name}", address) for name, address in plan.launcher.workers.items()]
    logs = next(process.log_path.parent for process in plan.group.members)
    lines.append(("logs", str(logs)))
    console.print("\n[bold]Rostra is ready.[/]\n")
    for what, where in lines:
        console.print(f"  {what:<16} {where}", **PLAIN)
    console.print("\nCtrl-C stops it.")


async def watch(plan: Plan, console: Console, stop: asyncio.Event) -> None:
    """Prints what happens to processes until `stop`."""
    while not stop.is_set():
        while plan.notices:
            console.print(f"[yellow]{plan.notices.pop(0)}[/]", highlight=False)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 0.5)
