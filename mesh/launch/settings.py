"""Settings of where workers run, and of how many there are."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

LauncherKind = Literal["local", "ray"]


class LauncherSettings(BaseModel):
    """`[launcher]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: LauncherKind = "local"
    address: str = "auto"
    """Of the Ray cluster, as host:port of its head. "auto": $RAY_ADDRESS, else the cluster that
    this host is a node of."""


class ReplicaSettings(BaseModel):
    """`replicas` of a `[[worker]]` that Ray places. Durations are in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min: int = Field(default=1, ge=1)
    max: int = Field(default=1, ge=1, le=1000)
    """Default: `min`, which is no scaling."""
    target_waiting: float = Field(default=4.0, gt=0)
    """Requests that may wait at a replica; more of them call for another replica."""
    up_after: float = Field(default=10.0, ge=0)
    """How long more must wait than that, and the least time between two steps up."""
    down_after: float = Field(default=300.0, ge=0)
    """How long one replica fewer must have been enough, and the least time between steps down."""

    cpus: float = Field(default=1.0, ge=0)
    """That Ray reserves for each rank."""
    gpus: float | None = Field(default=None, ge=0)
    """That Ray reserves for each rank. Default: 1 where the worker's device is cuda, else 0."""
    resources: dict[str, float] = {}
    """Others that a node must have for each rank, by the names that Ray knows them by."""
    strategy: Literal["STRICT_PACK", "PACK", "SPREAD", "STRICT_SPREAD"] = "STRICT_PACK"
    """How Ray places the ranks of one tensor-parallel worker: STRICT_PACK: on one node."""

    @model_validator(mode="before")
    @classmethod
    def _max_is_at_least_min(cls, values: object) -> object:
        if isinstance(values, dict) and "min" in values and "max" not in values:
            return values | {"max": values["min"]}
        return values

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.max < self.min:
            raise ValueError(f"max is {self.max}, less than min, which is {self.min}")
        return self
