"""Model families, and how their weights are read.

To add a dense family: say what its layers are made of, as `llama.py` does, and enter it in
`loader.FAMILIES`.
"""

from rostra.mesh.models.base import Model
from rostra.mesh.models.config import ModelConfig
from rostra.mesh.models.loader import load_model

__all__ = ["Model", "ModelConfig", "load_model"]
