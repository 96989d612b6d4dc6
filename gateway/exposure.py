"""Who can reach the gateway, and by what: its address, HTTPS, and what is open to everybody."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rostra.gateway.errors import GatewayError


class ExposureSettings(BaseModel):
    """A part of a gateway's settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    """0: any free port."""
    api_keys: Path | None = None
    """The file of those who may call; without one, everybody may."""
    metrics_key: bool = False
    """Whether /metrics is for keys whose scopes have `operate`, and not for everybody."""
    insecure_public: bool = False
    """Listens to other hosts though everybody there may call."""
    tls_cert: Path | None = None
    """Of HTTPS: the certificate and those between it and the CA, in PEM. None: plain HTTP."""
    tls_key: Path | None = None
    """Its private key, in PEM and without a passphrase."""
    tls_client_ca: Path | None = None
    """CAs in PEM, one of which must have signed a client's certificate: nobody else is let in."""

    @model_validator(mode="after")
    def _can_identify(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key belong together: name both, or neither")
        if self.tls_client_ca is not None and self.tls_cert is None:
            raise ValueError("tls_client_ca needs tls_cert and tls_key")
        if self.metrics_key and self.api_keys is None:
            raise ValueError("metrics_key needs api_keys")
        return self

    @property
    def scheme(self) -> str:
        return "http" if self.tls_cert is None else "https"


def check_exposure(settings: ExposureSettings) -> None:
    """Raises GatewayError where everybody on the network could call, and nobody said they may."""
    guarded = settings.api_keys is not None or settings.tls_client_ca is not None
    if guarded or settings.insecure_public or is_loopback(settings.host):
        return
    raise GatewayError(
        f"{settings.host or 'the wildcard address'} can be reached from other hosts, and without "
        "API keys everybody there may call: name a file of keys with --api-keys, or allow "
        "everybody with --insecure-public"
    )


def is_loopback(host: str) -> bool:
    """Whether only this host reaches what listens there. A name that does not resolve is none that
    can be listened on, and says so then."""
    if not host:
        return False
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return True
    return all(
        ipaddress.ip_address(str(each[4][0]).partition("%")[0]).is_loopback for each in found
    )
