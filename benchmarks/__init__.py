"""Measurements that anyone can repeat. Each module is a command: `python -m benchmarks.engine`."""

import os

# As an engine sets it for itself, before torch is imported: see
# rostra.mesh.worker.engine_process.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
