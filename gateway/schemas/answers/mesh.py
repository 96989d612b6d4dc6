"""The answer of /mesh/members."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rostra.gateway.schemas.answers.base import Answer


class MemberModel(Answer):
    name: str
    revision: str
    aliases: list[str]
    base_model: Annotated[str | None, Field(description="Of an adapter: what it changes.")]


class MemberLoad(Answer):
    running_requests: int
    waiting_requests: int
    queued_tokens: int
    kv_blocks_used: int
    kv_blocks_total: int
    prefix_cache_hit_tokens: int
    prefix_cache_queried_tokens: int
    preemptions: int
    finished_requests: int


class MeshMember(Answer):
    address: Annotated[str, Field(description="host:port of a worker, or the name of a server.")]
    source: Annotated[
        Literal["joined", "listed", "external"],
        Field(description="Whether a worker joined, is configured, or is another server."),
    ]
    state: Literal["serving", "draining", "out"]
    reason: Annotated[str, Field(description="Why it is not serving; empty when it is.")]
    state_seconds: Annotated[
        float | None, Field(description="For how long it has been serving, or not.")
    ]
    warnings: list[str]
    models: list[MemberModel]
    load: MemberLoad
    version: str
    instance_id: str
    contract_revision: int
    device: str
    device_name: str
    dtype: str
    tensor_parallel_size: int


class MeshMembers(Answer):
    gateway_version: str
    members: list[MeshMember]
