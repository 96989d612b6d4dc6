"""What `rostra worker` is told of gateways and certificates, as the worker takes it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rostra.mesh.errors import RostraError

if TYPE_CHECKING:
    import grpc

    from rostra.gateway.tls import CallerTls
    from rostra.mesh.cli.config import WorkerEntry
    from rostra.mesh.worker.join_target import JoinConfig

TOKEN_VARIABLE = "ROSTRA_JOIN_TOKEN"


def server_credentials(entry: WorkerEntry) -> grpc.ServerCredentials | None:
    """Of the worker's own server; None: in plain text. Raises RostraError."""
    from rostra.gateway.errors import GatewayError
    from rostra.gateway.membership.settings import check_listener, listener_tls

    try:
        check_listener(entry.tls_cert, entry.tls_key, entry.tls_client_ca)
        tls = listener_tls(entry.tls_cert, entry.tls_key, entry.tls_client_ca)
        return None if tls is None else tls.credentials()
    except (GatewayError, ValueError) as error:
        raise RostraError(f"worker: {error}") from error


def join_config(entry: WorkerEntry) -> JoinConfig:
    """Raises RostraError for what cannot be, before anything is loaded."""
    from rostra.gateway.tls import CallerTls, explain
    from rostra.mesh.worker.join_target import JoinConfig, JoinTarget

    if (entry.join_cert is None) != (entry.join_key is None):
        raise RostraError("worker: join_cert and join_key belong together: set both, or neither")
    tls = CallerTls(entry.join_ca, entry.join_cert, entry.join_key)
    gateways = tuple(JoinTarget.parse(url) for url in entry.join)
    for name in ("advertise", "join_token_file", "join_ca", "join_cert"):
        if not gateways and getattr(entry, name) is not None:
            raise RostraError(f"worker: {name} is of no use without a gateway to join: name one")
    secure = any(gateway.secure for gateway in gateways)
    caller = _Certificates(tls) if secure else None
    if caller is not None:
        caller.credentials()
    elif entry.join_ca is not None or entry.join_cert is not None:
        raise RostraError(
            "worker: join_ca and join_cert are for gateways with TLS: write grpcs://host:port"
        )
    config = JoinConfig(
        gateways=gateways,
        advertise=entry.advertise,
        token=_token_source(entry.join_token_file),
        tls=caller,
        explain=lambda details, address: explain(details, address, tls if secure else None),
    )
    if gateways:
        config.token()
    config.check(entry.listen)
    return config


class _Certificates:
    """Of the calls to gateways."""

    def __init__(self, tls: CallerTls) -> None:
        self._tls = tls

    def credentials(self) -> grpc.ChannelCredentials:
        from rostra.gateway.errors import GatewayError

        try:
            return self._tls.credentials()
        except GatewayError as error:
            raise RostraError(f"the join certificates: {error}") from error


def _token_source(file: Path | None) -> Callable[[], str]:
    """From a file or the environment, never from the command line, which everybody can list."""

    def read() -> str:
        if file is None:
            return os.environ.get(TOKEN_VARIABLE, "").strip()
        try:
            text = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not text"
            raise RostraError(f"cannot read the join token in {file}: {why}") from error
        if not text or not text.isascii() or len(text.split()) > 1:
            raise RostraError(f"{file} holds no join token: one line, as `rostra mesh token` made")
        return text

    return read
