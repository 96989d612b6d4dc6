"""The model a worker serves, as far as the server knows it: its names and its tokenizer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rostra.mesh.errors import RostraError
from rostra.mesh.parsers import (
    ReasoningFormat,
    ToolFormat,
    choose_reasoning_format,
    choose_tool_format,
)
from rostra.mesh.text import Tokenizer
from rostra.mesh.worker.config import WorkerConfig
from rostra.mesh.worker.status import model_not_found, unimplemented
from rostra.mesh.worker.wire import AdapterState, EngineInfo
from rostra.v1 import control_pb2

LONG_INPUT = 8192
"""Characters or tokens above which they are worked on in a thread: some milliseconds' work."""

T = TypeVar("T")


@dataclass(frozen=True)
class ServedModel:
    name: str
    aliases: tuple[str, ...]
    revision: str
    architecture: str
    tokenizer: Tokenizer
    tool_format: ToolFormat | None = None
    """How it writes calls. None: calls are not looked for."""
    reasoning_format: ReasoningFormat | None = None
    """How it marks reasoning. None: reasoning is not looked for."""

    @classmethod
    def load(cls, config: WorkerConfig) -> ServedModel:
        """Raises RostraError where the model's folder is not usable."""
        path = Path(config.engine.model_path)
        tokenizer = Tokenizer.load(path)
        template = _template_source(tokenizer)

        def in_vocabulary(text: str) -> bool:
            return tokenizer.token_id(text) is not None

        return cls(
            name=config.model_name,
            aliases=config.aliases,
            revision=config.revision,
            architecture=_read_architecture(path),
            tokenizer=tokenizer,
            tool_format=choose_tool_format(config.tool_parser, template, in_vocabulary),
            reasoning_format=choose_reasoning_format(
                config.reasoning_parser, template, in_vocabulary
            ),
        )

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.aliases)

    def adapter_of(self, name: str, adapters: Collection[str]) -> str:
        """The adapter that `name` stands for; empty for the model itself, also by an empty name.

        Raises RpcError NOT_FOUND for a name that is none of theirs.
        """
        if not name or name in self.names:
            return ""
        if name not in adapters:
            raise model_not_found(name)
        return name

    def check_task(self, engine: EngineInfo, *, embeds: bool) -> None:
        """Raises RpcError UNIMPLEMENTED for what a model of the other kind is asked to do."""
        if engine.embedding_size is not None and not embeds:
            raise unimplemented(f"{self.name} makes embeddings and generates no text; use Embed")
        if engine.embedding_size is None and embeds:
            raise unimplemented(f"{self.name} generates text and makes no embeddings")

    def describe(self, engine: EngineInfo) -> control_pb2.ModelInfo:
        tools, reasoning = self.tool_format, self.reasoning_format
        generates = engine.embedding_size is None
        return control_pb2.ModelInfo(
            name=self.name,
            architecture=self.architecture,
            revision=self.revision,
            max_model_len=engine.max_model_len,
            vocab_size=engine.vocab_size,
            has_chat_template=self.tokenizer.has_chat_template,
            eos_token_ids=sorted(self.tokenizer.eos_token_ids),
            aliases=self.aliases,
            embedding_size=engine.embedding_size,
            tool_parser=tools.name if tools and generates else None,
            reasoning_parser=reasoning.name if reasoning and generates else None,
            resumes=generates,
        )

    def adapter_info(self, adapter: AdapterState) -> control_pb2.AdapterInfo:
        return control_pb2.AdapterInfo(
            name=adapter.name,
            base_model=self.name,
            revision=adapter.revision,
            rank=adapter.rank,
        )

    def describe_adapter(self, adapter: AdapterState, engine: EngineInfo) -> control_pb2.ModelInfo:
        """An adapter as a model of its own."""
        info = self.describe(engine)
        del info.aliases[:]
        info.name, info.base_model, info.revision = adapter.name, self.name, adapter.revision
        return info


async def beside_the_loop(size: int, work: Callable[[], T]) -> T:
    """Does `work` on `size` characters or tokens where it does not hold up other requests."""
    return work() if size <= LONG_INPUT else await asyncio.to_thread(work)


def _template_source(tokenizer: Tokenizer) -> str:
    templates = (tokenizer.chat_template(with_tools=with_tools) for with_tools in (True, False))
    return "\n".join(template.source for template in templates if template is not None)


def _read_architecture(path: Path) -> str:
    file = path / "config.json"
    try:
        architectures = json.loads(file.read_text(encoding="utf-8"))["architectures"]
        return str(architectures[0])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise RostraError(
            f"{file} does not name the model's architecture; pull the model again"
        ) from error
