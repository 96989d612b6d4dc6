"""`rostra adapters`: load, unload and show the adapters of a running worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from rostra.mesh.errors import RostraError

if TYPE_CHECKING:
    from rostra.v1 import control_pb2, control_pb2_grpc

T = TypeVar("T")

app = typer.Typer(
    help="Load, unload and show the LoRA adapters of a running worker.",
    no_args_is_help=True,
)
Address = Annotated[str, typer.Option("--worker", help="host:port of the worker's gRPC server.")]
Name = Annotated[str, typer.Argument(help="The name that requests use as their model.")]
Timeout = Annotated[float, typer.Option(help="Seconds to wait.")]


@app.command()
def load(
    name: Name,
    folder: Annotated[str, typer.Argument(help="A folder on the worker's host, as PEFT saves it.")],
    worker: Address,
    timeout: Timeout = 300.0,
) -> None:
    """Make an adapter servable. Returns when it takes requests."""
    from rostra.v1 import control_pb2

    request = control_pb2.LoadAdapterRequest(name=name, source=folder)
    adapter = ask(worker, lambda stub: stub.LoadAdapter(request, timeout=timeout)).adapter
    typer.echo(line(adapter))


@app.command()
def unload(name: Name, worker: Address, timeout: Timeout = 300.0) -> None:
    """Take an adapter away. Returns when its running requests have ended."""
    from rostra.v1 import control_pb2

    request = control_pb2.UnloadAdapterRequest(name=name)
    ask(worker, lambda stub: stub.UnloadAdapter(request, timeout=timeout))
    typer.echo(f"unloaded {name}")


@app.command(name="list")
def list_adapters(worker: Address, timeout: Timeout = 10.0) -> None:
    """Show the adapters that are loaded."""
    from rostra.v1 import control_pb2

    request = control_pb2.ListAdaptersRequest()
    adapters = ask(worker, lambda stub: stub.ListAdapters(request, timeout=timeout)).adapters
    for adapter in adapters:
        typer.echo(line(adapter))
    if not adapters:
        typer.echo(f"no adapters on {worker}", err=True)


def ask(address: str, call: Callable[[control_pb2_grpc.ControlStub], T]) -> T:
    """Raises RostraError with what the worker says, or that there is none."""
    import grpc

    from rostra.v1 import control_pb2_grpc

    # A worker is reached directly, whatever web proxy the environment names.
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            return call(control_pb2_grpc.ControlStub(channel))
        except grpc.RpcError as error:
            raise RostraError(f"worker {address}: {error.details()}") from error


def line(adapter: control_pb2.AdapterInfo) -> str:
    return (
        f"{adapter.name} on {adapter.base_model}, rank {adapter.rank}, revision {adapter.revision}"
    )
