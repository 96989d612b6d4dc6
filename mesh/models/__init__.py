"""Model families, and how their weights are read.

To add a dense family: write its modules from the parts in `layers.py`, as `llama.py` does, give the
top one the methods of `LlamaForCausalLM`, and enter it in `loader.FAMILIES`.
"""

from rostra.mesh.models.config import ModelConfig
from rostra.mesh.models.loader import Model, load_model

__all__ = ["Model", "ModelConfig", "load_model"]
