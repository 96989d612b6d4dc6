"""Settings of one worker."""

from __future__ import annotations

import msgspec

from rostra.mesh.distributed.place import Place
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.parsers import ReasoningParserChoice, ToolParserChoice


class WorkerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One model, one engine, one address."""

    listen: str
    """host:port. Port 0: any free one."""
    model_name: str
    """The name requests use."""
    aliases: tuple[str, ...] = ()
    """Other names the model answers to."""
    revision: str
    """Content hash of the weights."""
    engine: EngineConfig
    adapters: dict[str, str] = {}
    """Folders by name, of adapters that are loaded before the worker is ready."""
    tool_parser: ToolParserChoice = "auto"
    """How the model writes calls."""
    reasoning_parser: ReasoningParserChoice = "auto"
    """How the model marks reasoning."""
    guarded: bool = False
    """Whether callers have to show a certificate."""
    insecure_public: bool = False
    """Listens to other hosts though everybody there may call."""
    place: Place | None = None
    """Of the engine among ranks that torchrun starts, and starts again when one ends. None: the
    worker does that itself."""
    metrics: str | None = None
    """host:port at which Prometheus reads /metrics. Port 0: any free one. None: nowhere."""
    drain_grace: float = 30.0
    """Seconds that running work may go on after the first signal."""
    stall_timeout: float = 60.0
    """Seconds one step may take before the worker is NOT_SERVING. After twice that the engine's
    process is ended and started again."""
