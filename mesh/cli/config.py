"""`rostra.toml`: which models run where, who competes, on which ports.

The rooms own their settings; this module only reads the file and hands each room its table. The
documented example is `default.toml` beside this file, which is also what runs without a file.
"""

from __future__ import annotations

import os
import tomllib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rostra.mesh.cli.tracing import TracingSettings
from rostra.mesh.engine.config import (
    DType,
    EngineConfig,
    KVCacheDType,
    PoolingChoice,
    Quantization,
    Speculation,
    Task,
)
from rostra.mesh.errors import RostraError
from rostra.mesh.launch.settings import LauncherSettings, ReplicaSettings
from rostra.mesh.parsers.choice import ReasoningParserChoice, ToolParserChoice

if TYPE_CHECKING:
    from rostra.arena.campaigns.settings import CampaignSettings
    from rostra.arena.judge.settings import JudgeSettings
    from rostra.arena.settings import ArenaSettings
    from rostra.gateway.settings import GatewaySettings

Model = TypeVar("Model", bound=BaseModel)

DEFAULT_LISTEN = "127.0.0.1:0"


class WorkerEntry(BaseModel):
    """A `[[worker]]` table. Unset engine settings take the engine's own defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    name: str | None = None
    aliases: tuple[str, ...] = ()
    adapters: dict[str, str] = {}
    listen: str = DEFAULT_LISTEN
    insecure_public: bool = False
    replicas: ReplicaSettings | None = None
    join: tuple[str, ...] = ()
    advertise: str | None = None
    join_token_file: Path | None = None
    join_ca: Path | None = None
    join_cert: Path | None = None
    join_key: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    drain_grace: float = Field(default=30.0, ge=0)
    stall_timeout: float = Field(default=60.0, gt=0)
    tool_parser: ToolParserChoice = "auto"
    reasoning_parser: ReasoningParserChoice = "auto"
    metrics: str | None = None

    task: Task | None = None
    pooling: PoolingChoice | None = None
    device: str | None = None
    tensor_parallel_size: int | None = Field(default=None, ge=1)
    dtype: DType | None = None
    quantization: Quantization | None = None
    kv_cache_dtype: KVCacheDType | None = None
    block_size: int | None = Field(default=None, ge=1)
    num_blocks: int | None = Field(default=None, ge=1)
    kv_cache_bytes: int | None = Field(default=None, ge=1)
    max_model_len: int | None = Field(default=None, ge=1)
    max_num_seqs: int | None = Field(default=None, ge=1)
    max_num_batched_tokens: int | None = Field(default=None, ge=1)
    max_waiting_requests: int | None = Field(default=None, ge=0)
    prefix_caching: bool | None = None
    speculation: Speculation | None = None
    num_draft_tokens: int | None = Field(default=None, ge=1)
    max_adapters: int | None = Field(default=None, ge=0)
    max_adapter_rank: int | None = Field(default=None, ge=1, le=256)
    graphs: bool | None = None
    overlap: bool | None = None
    num_threads: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _has_room_for_adapters(self) -> Self:
        if self.max_adapters is not None and self.max_adapters < len(self.adapters):
            raise ValueError(
                f"max_adapters is {self.max_adapters}, and {len(self.adapters)} adapters are named"
            )
        return self

    @property
    def served_name(self) -> str:
        """`name`, else the last part of `model` without a file's ending."""
        # Made absolute, since "." has no last part.
        return self.name or os.path.basename(os.path.abspath(self.model)).removesuffix(".gguf")

    def engine_config(self, model_path: Path) -> EngineConfig:
        own = {
            *("model", "name", "aliases", "adapters", "listen", "drain_grace", "stall_timeout"),
            *("tool_parser", "reasoning_parser", "insecure_public", "replicas", "metrics"),
            *("join", "advertise", "join_token_file", "join_ca", "join_cert", "join_key"),
            *("tls_cert", "tls_key", "tls_client_ca"),
        }
        given = self.model_dump(exclude=own, exclude_none=True)
        if self.adapters:
            given.setdefault("max_adapters", len(self.adapters))
        return EngineConfig(model_path=str(model_path), **given)


class RostraConfig(BaseModel):
    """The whole file. Tables of other rooms stay as they are until that room is asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    launcher: LauncherSettings = LauncherSettings()
    worker: tuple[WorkerEntry, ...] = ()
    gateway: dict[str, Any] = {}
    arena: dict[str, Any] = {}
    contestant: tuple[dict[str, Any], ...] = ()
    judge: tuple[dict[str, Any], ...] = ()
    tracing: TracingSettings = TracingSettings()
    train: dict[str, dict[str, Any]] = {}

    @classmethod
    def read(cls, path: Path | None) -> RostraConfig:
        """The file at `path`, or the default. Raises RostraError with the line or the key."""
        source = str(path) if path else "the default configuration"
        try:
            text = path.read_text(encoding="utf-8") if path else default_text()
        except OSError as error:
            raise RostraError(f"cannot read {source}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise RostraError(f"{source} is not valid TOML: {error}") from error
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise RostraError(f"{source} is not valid TOML: {error}") from error
        return checked(cls, document, source)

    def gateway_settings(self, **overrides: Any) -> GatewaySettings:
        """Raises RostraError for a bad value in `[gateway]`."""
        from rostra.gateway.settings import GatewaySettings

        return checked(GatewaySettings, self.gateway | _given(overrides), "[gateway]")

    def arena_settings(self, **overrides: Any) -> ArenaSettings:
        """Raises RostraError for a bad value in `[arena]`, `[[arena.campaign]]` or
        `[[contestant]]`."""
        from rostra.arena.settings import ArenaSettings

        table = {**self.arena, "contestants": self.contestant}
        table["campaigns"] = _campaigns(table.pop("campaign", []))
        return checked(ArenaSettings, table | _given(overrides), "[arena] and [[contestant]]")

    def judges(self) -> tuple[JudgeSettings, ...]:
        """Raises RostraError for a bad value in a `[[judge]]`."""
        from rostra.arena.judge.settings import JudgeSettings

        found = tuple(
            checked(JudgeSettings, table, f"[[judge]] {table.get('name', number)!r}")
            for number, table in enumerate(self.judge, start=1)
        )
        names = [each.name for each in found]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise RostraError(f"two [[judge]] share the name {', '.join(twice)}")
        return found

    def find_worker(self, name: str) -> WorkerEntry:
        """By its place in the file, counted from 1, or by the name it serves."""
        for number, entry in enumerate(self.worker, start=1):
            if name in (str(number), entry.served_name):
                return entry
        known = ", ".join(entry.served_name for entry in self.worker) or "none"
        raise RostraError(f"no [[worker]] is named {name!r}; the file has: {known}")


def default_text() -> str:
    """The documented default, comments included."""
    return resources.files(__package__).joinpath("default.toml").read_text(encoding="utf-8")


def checked(model: type[Model], values: dict[str, Any], source: str) -> Model:
    """`values` as a `model`; the first thing wrong with them as one line."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            message = "there is no such setting"
        raise RostraError(f"{source}: {where + ': ' if where else ''}{message}") from error


def _campaigns(tables: Any) -> tuple[CampaignSettings, ...]:
    from rostra.arena.campaigns.settings import CampaignSettings

    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise RostraError("[[arena.campaign]] is a table for each campaign, in double brackets")
    return tuple(
        checked(CampaignSettings, table, f"[[arena.campaign]] {table.get('name', number)!r}")
        for number, table in enumerate(tables, start=1)
    )


def _given(overrides: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in overrides.items() if value is not None}
