"""`rostra adapters`: load, unload and show the adapters of a running worker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from rostra.mesh.errors import RostraError

if TYPE_CHECKING:
    from rostra.gateway.tls import CallerTls
    from rostra.v1 import control_pb2, control_pb2_grpc

T = TypeVar("T")

app = typer.Typer(
    help="Load, unload and show the LoRA adapters of a running worker.",
    no_args_is_help=True,
)
Address = Annotated[str, typer.Option("--worker", help="host:port of the worker's gRPC server.")]
Name = Annotated[str, typer.Argument(help="The name that requests use as their model.")]
Timeout = Annotated[float, typer.Option(help="Seconds to wait.")]

TLS = "A worker that listens with TLS"
Tls = Annotated[
    bool,
    typer.Option("--tls", help="Call with TLS; each of these does.", rich_help_panel=TLS),
]
Ca = Annotated[
    Path | None,
    typer.Option(
        help="Authorities to trust, in PEM. Default: those that gRPC brings along.",
        rich_help_panel=TLS,
    ),
]
Cert = Annotated[
    Path | None,
    typer.Option(help="Your own certificate, for workers that want one.", rich_help_panel=TLS),
]
Key = Annotated[Path | None, typer.Option(help="The key of --cert.", rich_help_panel=TLS)]
ServerName = Annotated[
    str | None,
    typer.Option(
        help="What the worker's certificate is for. Default: the host that is called.",
        rich_help_panel=TLS,
    ),
]


@app.command()
def load(
    name: Name,
    folder: Annotated[str, typer.Argument(help="A folder on the worker's host, as PEFT saves it.")],
    worker: Address,
    timeout: Timeout = 300.0,
    tls: Tls = False,
    ca: Ca = None,
    cert: Cert = None,
    key: Key = None,
    server_name: ServerName = None,
) -> None:
    """Make an adapter servable. Returns when it takes requests."""
    from rostra.v1 import control_pb2

    request = control_pb2.LoadAdapterRequest(name=name, source=folder)
    caller = caller_tls(ca, cert, key, server_name, tls=tls)
    answer = ask(worker, caller, lambda stub: stub.LoadAdapter(request, timeout=timeout))
    typer.echo(line(answer.adapter))


@app.command()
def unload(
    name: Name,
    worker: Address,
    timeout: Timeout = 300.0,
    tls: Tls = False,
    ca: Ca = None,
    cert: Cert = None,
    key: Key = None,
    server_name: ServerName = None,
) -> None:
    """Take an adapter away. Returns when its running requests have ended."""
    from rostra.v1 import control_pb2

    request = control_pb2.UnloadAdapterRequest(name=name)
    caller = caller_tls(ca, cert, key, server_name, tls=tls)
    ask(worker, caller, lambda stub: stub.UnloadAdapter(request, timeout=timeout))
    typer.echo(f"unloaded {name}")


@app.command(name="list")
def list_adapters(
    worker: Address,
    timeout: Timeout = 10.0,
    tls: Tls = False,
    ca: Ca = None,
    cert: Cert = None,
    key: Key = None,
    server_name: ServerName = None,
) -> None:
    """Show the adapters that are loaded."""
    from rostra.v1 import control_pb2

    request = control_pb2.ListAdaptersRequest()
    caller = caller_tls(ca, cert, key, server_name, tls=tls)
    answer = ask(worker, caller, lambda stub: stub.ListAdapters(request, timeout=timeout))
    for adapter in answer.adapters:
        typer.echo(line(adapter))
    if not answer.adapters:
        typer.echo(f"no adapters on {worker}", err=True)


def caller_tls(
    ca: Path | None, cert: Path | None, key: Path | None, server_name: str | None, *, tls: bool
) -> CallerTls | None:
    """None: plain text. Raises RostraError."""
    from rostra.gateway.tls import CallerTls

    if (cert is None) != (key is None):
        raise RostraError("--cert and --key go together: the one is of no use without the other")
    if not tls and all(option is None for option in (ca, cert, server_name)):
        return None
    return CallerTls(ca, cert, key, server_name)


def ask(
    address: str, tls: CallerTls | None, call: Callable[[control_pb2_grpc.ControlStub], T]
) -> T:
    """Raises RostraError with what the worker says, or that there is none."""
    import grpc

    from rostra.gateway.errors import GatewayError
    from rostra.gateway.tls import explain
    from rostra.v1 import control_pb2_grpc

    # A worker is reached directly, whatever web proxy the environment names.
    options: list[tuple[str, int | str]] = [("grpc.enable_http_proxy", 0)]
    try:
        channel = (
            grpc.insecure_channel(address, options=options)
            if tls is None
            else grpc.secure_channel(address, tls.credentials(), [*options, *tls.options()])
        )
    except GatewayError as error:
        raise RostraError(str(error)) from None
    with channel:
        try:
            return call(control_pb2_grpc.ControlStub(channel))
        except grpc.RpcError as error:
            said = explain(error.details() or error.code().name, address, tls)
            raise RostraError(f"worker {address}: {said}") from error


def line(adapter: control_pb2.AdapterInfo) -> str:
    return (
        f"{adapter.name} on {adapter.base_model}, rank {adapter.rank}, revision {adapter.revision}"
    )
