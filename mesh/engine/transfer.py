"""Copies between the host and the device that neither waits for."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor


def upload(values: npt.NDArray[Any], device: torch.device) -> Tensor:
    """`values` as a tensor on `device`, usable on the current stream at once."""
    host = torch.from_numpy(values)
    if device.type == "cuda":
        # From pageable memory the copy would wait for everything that is queued before it.
        host = host.pin_memory()
    return host.to(device, non_blocking=True)


class Download:
    """Tensors of one device on their way to the host."""

    def __init__(self, *tensors: Tensor) -> None:
        """Copies what the current stream has put into `tensors` by then."""
        self._event: torch.cuda.Event | None = None
        self._host = list(tensors)
        if tensors and tensors[0].is_cuda:
            self._host = [
                torch.empty(x.shape, dtype=x.dtype, pin_memory=True).copy_(x, non_blocking=True)
                for x in tensors
            ]
            self._event = torch.cuda.Event()
            self._event.record()

    def result(self) -> list[Tensor]:
        """Waits for the copies; the tensors on the host, in order."""
        if self._event is not None:
            self._event.synchronize()
        return self._host
