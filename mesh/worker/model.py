"""The model a worker serves, as far as the server knows it: its names and its tokenizer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rostra.mesh.errors import RostraError
from rostra.mesh.text import Tokenizer
from rostra.mesh.worker.config import WorkerConfig
from rostra.mesh.worker.status import model_not_found, unimplemented
from rostra.mesh.worker.wire import EngineInfo
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

    @classmethod
    def load(cls, config: WorkerConfig) -> ServedModel:
        """Raises RostraError where the model's folder is not usable."""
        path = Path(config.engine.model_path)
        return cls(
            name=config.model_name,
            aliases=config.aliases,
            revision=config.revision,
            architecture=_read_architecture(path),
            tokenizer=Tokenizer.load(path),
        )

    def check_name(self, name: str) -> None:
        """Raises RpcError NOT_FOUND unless `name` is one of the model's, or empty."""
        if name and name != self.name and name not in self.aliases:
            raise model_not_found(name)

    def check_task(self, engine: EngineInfo, *, embeds: bool) -> None:
        """Raises RpcError UNIMPLEMENTED for what a model of the other kind is asked to do."""
        if engine.embedding_size is not None and not embeds:
            raise unimplemented(f"{self.name} makes embeddings and generates no text; use Embed")
        if engine.embedding_size is None and embeds:
            raise unimplemented(f"{self.name} generates text and makes no embeddings")

    def describe(self, engine: EngineInfo) -> control_pb2.ModelInfo:
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
        )


async def beside_the_loop(size: int, work: Callable[[], T]) -> T:
    """Does `work` on `size` characters or tokens where it does not hold up other requests."""
    return work() if size <= LONG_INPUT else await asyncio.to_thread(work)


def _read_architecture(path: Path) -> str:
    file = path / "config.json"
    try:
        architectures = json.loads(file.read_text(encoding="utf-8"))["architectures"]
        return str(architectures[0])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise RostraError(
            f"{file} does not name the model's architecture; pull the model again"
        ) from error
