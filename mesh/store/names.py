"""What a model can be called, and which source each name stands for."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from rostra.mesh.errors import RostraError

DEMO_MODEL = "smollm2-135m-instruct"
EMBEDDING_MODEL = "all-minilm-l6-v2"
GEMMA_MODEL = "gemma3-270m"
BUILT_IN = (DEMO_MODEL, EMBEDDING_MODEL, GEMMA_MODEL)
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class BuiltInModel:
    """A model that Rostra knows by name: from the hub, or from packages where there is no hub."""

    name: str

    @property
    def key(self) -> str:
        return self.name


@dataclass(frozen=True)
class HubModel:
    """A repository on the Hugging Face hub."""

    name: str
    """`organisation/model`."""

    @property
    def key(self) -> str:
        return self.name.replace("/", "--")


@dataclass(frozen=True)
class GgufFile:
    """A GGUF file of the user's, to be converted."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path)

    @property
    def key(self) -> str:
        """Changes when the file does, so that a new version of it is converted anew."""
        stat = self.path.stat()
        identity = f"{self.path}\n{stat.st_size}\n{stat.st_mtime_ns}"
        return f"{self.path.stem}--gguf-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class LocalFolder:
    """A model folder of the user's, used where it lies."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path)


ModelName = BuiltInModel | HubModel | GgufFile | LocalFolder


def parse_name(name: str) -> ModelName:
    """What exists on disk comes before what a hub may have.

    Raises RostraError for a path that does not exist, or that is no model.
    """
    if name in BUILT_IN:
        return BuiltInModel(name)
    path = Path(name).expanduser()
    if path.is_dir():
        return LocalFolder(path.resolve())
    if path.is_file():
        if path.suffix != ".gguf":
            raise RostraError(f"{name} is neither a model folder nor a .gguf file.")
        return GgufFile(path.resolve())
    if path.suffix != ".gguf" and _HUB_ID.fullmatch(name):
        return HubModel(name)
    raise RostraError(
        f"There is no model {name!r}: give {', '.join(map(repr, BUILT_IN))}, a hub id such as "
        "'organisation/model', a model folder or a .gguf file."
    )
