"""Low-rank adapters (LoRA): read from PEFT's folders, kept in slots beside a model's weights."""

from rostra.mesh.adapters.reader import Adapter, LinearMap
from rostra.mesh.adapters.slots import AdapterSlots, PreparedAdapter

__all__ = ["Adapter", "AdapterSlots", "LinearMap", "PreparedAdapter"]
