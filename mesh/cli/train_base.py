"""The model that `rostra train` begins with, found as `rostra worker` finds it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from rostra.mesh.errors import RostraError

if TYPE_CHECKING:
    from rostra.mesh.home import Home
    from rostra.training.base import BaseModel

PACKAGES = ("trl", "peft", "accelerate", "datasets", "bokeh")


def require_train() -> None:
    """Raises RostraError unless the `train` extra is installed."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise RostraError(
            f"training needs {', '.join(missing)}, not installed here: pip install 'rostra[train]'"
        )


def resolve_base(name: str, home: Home) -> BaseModel:
    """Raises RostraError where there is no such model."""
    from rostra.mesh.cli.progress import RichProgress
    from rostra.mesh.store import ModelStore
    from rostra.training.base import BaseModel

    folder = ModelStore(home).resolve(name, RichProgress())
    # Of a folder or file of the user's the last part: its place on this host tells nobody anything.
    own = Path(folder.name).is_absolute()
    return BaseModel(
        name=Path(folder.name).name.removesuffix(".gguf") if own else folder.name,
        path=folder.path,
        revision=folder.revision,
        source="" if own else folder.source,
        licence=_licence(folder.name, folder.path),
    )


def _licence(name: str, folder: Path) -> str | None:
    """As the model's own card says, if it has one."""
    from huggingface_hub import metadata_load

    from rostra.mesh.store.names import DEMO_MODEL, GEMMA_MODEL

    if name in (known := {DEMO_MODEL: "apache-2.0", GEMMA_MODEL: "gemma"}):
        return known[name]
    try:
        metadata = metadata_load(folder / "README.md")
    except (OSError, ValueError):
        return None
    found = (metadata or {}).get("license")
    return found if isinstance(found, str) else None
