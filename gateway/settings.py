"""Settings of one gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    Field,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from rostra.gateway.admission.settings import AdmissionSettings
from rostra.gateway.exposure import ExposureSettings
from rostra.gateway.failover.settings import FailoverSettings
from rostra.gateway.members.settings import MemberSettings
from rostra.gateway.membership.settings import RegistrySettings, WorkerAddress, WorkerTlsSettings
from rostra.gateway.routing.names import ModelName, NamedModel, mistake_in, unknown_in
from rostra.gateway.routing.settings import RoutingSettings


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) != len(values):
        raise ValueError("the same worker is listed twice")
    return values


class GatewaySettings(ExposureSettings):
    """What a gateway needs to know before it starts. Durations are in seconds."""

    workers: Annotated[tuple[WorkerAddress, ...], AfterValidator(_distinct)] = ()
    """host:port of each worker, or dns://name:port for every record of a name."""
    workers_file: Path | None = None
    """A host:port on each line; read again whenever it changes."""
    registry: RegistrySettings | None = None
    """Where workers join by themselves; None: nowhere."""
    worker_tls: WorkerTlsSettings | None = None
    """How workers are called that listen with TLS; None: they listen without."""
    members: tuple[MemberSettings, ...] = Field(default=(), alias="member")
    """Other servers that are members of the mesh."""

    routing: RoutingSettings = RoutingSettings()
    models: dict[ModelName, NamedModel] = Field(default={}, alias="model")
    """Names that clients ask for, and what stands behind them."""

    max_body_bytes: PositiveInt = 10 * 2**20
    """Of a request, after decompression."""
    body_timeout: PositiveFloat = 60.0
    """For the body of a request to arrive."""
    idle_timeout: PositiveFloat = 75.0
    """For the head of a request to arrive, from when its connection was opened or the answer before
    it was sent; then the connection is closed."""
    max_prompts: PositiveInt = 128
    """Prompts in one call of /v1/completions; they run at the same time."""
    response_store_bytes: int = Field(default=256 * 2**20, ge=0)
    """For responses of /v1/responses that clients may continue or read again. The store is in this
    gateway's memory; 0: nothing is stored."""
    response_store_count: PositiveInt = 10_000
    """Responses in that store."""
    request_timeout: PositiveFloat | None = 3600.0
    """From the arrival of a request to the end of its answer."""
    admission: AdmissionSettings = AdmissionSettings()
    cors_allowed_origins: tuple[str, ...] = ()
    """Origins whose pages may call this gateway from a browser; "*" is every origin."""

    worker_wait: float = Field(default=5.0, ge=0)
    """How long a request waits for a worker of its model when none is serving."""
    max_attempts: PositiveInt = 3
    """Dispatches of one request, while nothing of its answer was sent."""
    workers_file_interval: PositiveFloat = 0.5
    """Between looks at `workers_file`."""
    failover: FailoverSettings = FailoverSettings()
    connect_interval: PositiveFloat = 0.2
    """Between attempts to reach a worker that is gone."""
    load_interval: PositiveFloat = 0.5
    """Between readings of a worker's load, which are also its heartbeat."""
    load_timeout: PositiveFloat = 1.5
    """A worker that has not answered a reading by then counts as dead."""
    keepalive_interval: PositiveFloat = 3.0
    """Between HTTP/2 pings; with `keepalive_timeout` it bounds how long a stream can be dead."""
    keepalive_timeout: PositiveFloat = 3.0
    dns_interval: PositiveFloat = 5.0
    """Between lookups of the names in `workers`, more or less."""

    drain_grace: float = Field(default=30.0, ge=0)
    """How long running requests may go on after SIGTERM or SIGINT."""
    drain_delay: float = Field(default=0.0, ge=0)
    """How long requests are still accepted after SIGTERM, while /ready says 503 and answers close
    their connections: the time a load balancer takes to notice."""

    @property
    def follows_caches(self) -> bool:
        """Whether any policy wants to know what workers have cached."""
        policies = {self.routing.policy, *(model.policy for model in self.models.values())}
        return self.routing.kv_events and "prefix" in policies

    @property
    def has_workers(self) -> bool:
        """Whether there may be any: what they serve is known when they are met."""
        return bool(self.workers) or self.workers_file is not None or self.registry is not None

    @model_validator(mode="after")
    def _has_members(self) -> Self:
        if not self.has_workers and not self.members:
            raise ValueError(
                "name a worker (host:port), a [gateway.registry] for workers to join, or another "
                "server as a member"
            )
        names = [member.name for member in self.members]
        if len(set(names)) != len(names):
            raise ValueError("two members have the same name")
        return self

    @model_validator(mode="after")
    def _names_lead_to_models(self) -> Self:
        mistake = mistake_in(self.models)
        if mistake is None and not self.has_workers:
            # Workers tell what they serve when they are met; other servers' models are listed here.
            called = [name for member in self.members for name in member.called]
            mistake = unknown_in(self.models, called)
        if mistake is not None:
            raise ValueError(mistake)
        return self
