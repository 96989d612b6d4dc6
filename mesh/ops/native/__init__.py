"""CPU kernels in C++ behind a plain C interface, compiled on the machine that runs them."""

from __future__ import annotations

from rostra.mesh.ops.native.library import library

__all__ = ["library"]
