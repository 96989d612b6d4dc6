"""`rostra gateway`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rostra.mesh.cli.options import Config, LogFormat
from rostra.mesh.errors import RostraError


def gateway(
    config: Config = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    workers: Annotated[
        list[str] | None,
        typer.Option(
            "--worker",
            "-w",
            help="host:port of a worker, or dns://name:port for all records of a name. Repeat for "
            "more.",
        ),
    ] = None,
    registry: Annotated[
        str | None,
        typer.Option(help="host:port at which workers join. Default: they do not."),
    ] = None,
    join_tokens: Annotated[
        Path | None,
        typer.Option(help="File of those who may join; see `rostra mesh token`."),
    ] = None,
    workers_file: Annotated[
        Path | None,
        typer.Option(
            help="File with a host:port on each line, read again when it changes. Something else "
            "keeps it up to date."
        ),
    ] = None,
    api_keys: Annotated[
        Path | None,
        typer.Option(help="File of those who may call; see `rostra keys`. Default: everybody may."),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="Certificate of HTTPS, in PEM. Default: plain HTTP.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key, in PEM.")] = None,
    tls_client_ca: Annotated[
        Path | None,
        typer.Option(help="Let in those alone whose certificate one of these CAs has signed."),
    ] = None,
    insecure_public: Annotated[
        bool | None,
        typer.Option(
            "--insecure-public", help="Listen to other hosts though everybody there may call."
        ),
    ] = None,
    response_store_bytes: Annotated[
        int | None,
        typer.Option(
            help="Memory for responses of /v1/responses that clients go on from. Default: 256 MiB; "
            "0: none."
        ),
    ] = None,
    log_format: LogFormat = None,
) -> None:
    """Run the OpenAI-compatible REST gateway in front of gRPC workers."""
    from rostra.gateway.context import log_fields
    from rostra.gateway.errors import GatewayError
    from rostra.gateway.server import run
    from rostra.mesh.cli.config import RostraConfig
    from rostra.mesh.cli.notify import tell_ready
    from rostra.mesh.cli.tracing import traced
    from rostra.mesh.logs import log_to_stderr

    log_to_stderr("gateway", log_format, log_fields)
    file = RostraConfig.read(config)
    joining = {"listen": registry, "tokens": join_tokens}
    joining = {name: value for name, value in joining.items() if value is not None}
    settings = file.gateway_settings(
        host=host,
        port=port,
        workers=workers,
        workers_file=workers_file,
        registry=file.gateway.get("registry", {}) | joining if joining else None,
        api_keys=api_keys,
        tls_cert=tls_cert,
        tls_key=tls_key,
        tls_client_ca=tls_client_ca,
        insecure_public=insecure_public,
        response_store_bytes=response_store_bytes,
    )

    def on_ready(url: str) -> None:
        print(f"gateway ready on {url}", flush=True)
        tell_ready()

    try:
        with traced("rostra-gateway", file.tracing) as tracing:
            run(settings, on_ready=on_ready, tracing=tracing)
    except GatewayError as error:
        raise RostraError(str(error)) from error
