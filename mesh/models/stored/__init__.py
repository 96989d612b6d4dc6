"""Weights as checkpoints store them: plain, or quantised in one of the public formats."""

from rostra.mesh.models.stored.base import StoredWeights
from rostra.mesh.models.stored.open import METHODS, open_weights
from rostra.mesh.models.stored.prefixed import prefixed

__all__ = ["METHODS", "StoredWeights", "open_weights", "prefixed"]
