"""The kernels run in Triton's interpreter, and on a GPU where there is one.

`pytest tests/kernels -m gpu` runs the same tests compiled, on the first CUDA or ROCm device.
"""

from __future__ import annotations

import pytest
import torch
from kernel_backends import Gpu, Interpreter


@pytest.fixture(scope="session", params=["interpreter", pytest.param("gpu", marks=pytest.mark.gpu)])
def run(request):
    """Calls "module.function" with CPU tensors; returns (result, arguments as left behind)."""
    if request.param == "gpu":
        if not torch.cuda.is_available():
            pytest.skip("no GPU")
        backend = Gpu()
    else:
        backend = Interpreter()
    yield backend
    backend.close()
