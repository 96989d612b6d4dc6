"""`[gateway.registry]` and `[gateway.worker_tls]` of rostra.toml."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt, model_validator

from rostra.gateway.exposure import is_loopback
from rostra.gateway.tls import CallerTls, ListenerTls

_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.%]+\]|[^\s:/\[\]]+):(\d{1,5})")
DNS = "dns://"


def split_address(value: str, least_port: int = 1) -> tuple[str, int] | None:
    """Host, without brackets, and port; None: it is no host:port."""
    match = _ADDRESS.fullmatch(value)
    if match is None or not least_port <= int(match[2]) <= 65535:
        return None
    return match[1].strip("[]"), int(match[2])


def _worker_address(value: str) -> str:
    if split_address(value.removeprefix(DNS)) is None:
        raise ValueError(
            f"'{value}' is no worker address; write host:port, or dns://name:port for every record "
            "of a name"
        )
    return value


WorkerAddress = Annotated[str, AfterValidator(_worker_address)]


def _host_port(value: str) -> str:
    if split_address(value) is None:
        raise ValueError(f"'{value}' is no worker address; write host:port")
    return value


HostPort = Annotated[str, AfterValidator(_host_port)]
"""Of one worker."""


def _listen_address(value: str) -> str:
    if split_address(value, least_port=0) is None:
        raise ValueError(f"'{value}' is no address to listen on; write host:port")
    return value


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RegistrySettings(_Table):
    """Where workers join. Durations are in seconds."""

    listen: Annotated[str, AfterValidator(_listen_address)] = "127.0.0.1:50050"
    """host:port of the gRPC server. Port 0: any free one."""
    tokens: Path | None = None
    """The file of those who may join; see `rostra mesh token`."""
    anyone_may_join: bool = False
    """Whether to listen beyond this host though whoever reaches the port may join."""
    heartbeat_interval: Annotated[float, Field(gt=0, le=60)] = 1.0
    """How often a worker is to send its load; after three in silence it is out."""
    max_workers: PositiveInt = 4096

    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    """Workers need a certificate of one of these authorities."""

    @model_validator(mode="after")
    def _is_guarded(self) -> Self:
        check_listener(self.tls_cert, self.tls_key, self.tls_client_ca)
        address = split_address(self.listen, least_port=0)
        assert address is not None
        guarded = self.tokens is not None or self.tls_client_ca is not None
        if not (guarded or self.anyone_may_join or is_loopback(address[0])):
            raise ValueError(
                f"whoever reaches {self.listen} could join: set tokens (made by `rostra mesh token "
                "new NAME --file tokens.toml`) or tls_client_ca, or say anyone_may_join = true"
            )
        return self

    @property
    def tls(self) -> ListenerTls | None:
        return listener_tls(self.tls_cert, self.tls_key, self.tls_client_ca)


class WorkerTlsSettings(_Table):
    """How the gateway calls workers that listen with TLS."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    server_name: Annotated[str, Field(min_length=1)] | None = None
    """What workers' certificates are for, where that is not the host they are called by."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.cert is None) != (self.key is None):
            raise ValueError("cert and key belong together: set both, or neither")
        return self

    @property
    def tls(self) -> CallerTls:
        return CallerTls(self.ca, self.cert, self.key, self.server_name)


def check_listener(cert: Path | None, key: Path | None, client_ca: Path | None) -> None:
    """Raises ValueError for a part without the rest."""
    if (cert is None) != (key is None):
        raise ValueError("tls_cert and tls_key belong together: set both, or neither")
    if client_ca is not None and cert is None:
        raise ValueError("tls_client_ca needs tls_cert and tls_key")


def listener_tls(cert: Path | None, key: Path | None, client_ca: Path | None) -> ListenerTls | None:
    if cert is None or key is None:
        return None
    return ListenerTls(cert, key, client_ca)
