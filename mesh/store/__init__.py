"""Where models are kept: names, downloads, conversion, checks."""

from __future__ import annotations

from rostra.mesh.store.folder import ModelFolder
from rostra.mesh.store.names import DEMO_MODEL, EMBEDDING_MODEL, GEMMA_MODEL
from rostra.mesh.store.progress import Progress, ProgressTask, SilentProgress
from rostra.mesh.store.store import ModelStore, StoredModel, resolve

__all__ = [
    "DEMO_MODEL",
    "EMBEDDING_MODEL",
    "GEMMA_MODEL",
    "ModelFolder",
    "ModelStore",
    "Progress",
    "ProgressTask",
    "SilentProgress",
    "StoredModel",
    "resolve",
]
