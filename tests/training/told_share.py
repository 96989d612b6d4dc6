"""`rostra`, which after `train sft` tells what share of the weights this process held."""

from __future__ import annotations

from typing import Any

from torch.distributed.tensor import DTensor

from rostra.mesh.cli.main import main
from rostra.training import sft

made: list[Any] = []
plain = sft.sft_trainer


def trainer(*given: Any, **named: Any) -> Any:
    made.append(plain(*given, **named))
    return made[-1]


def share(own: Any) -> float:
    weights = list(own.model.parameters())
    held = sum((each.to_local() if isinstance(each, DTensor) else each).numel() for each in weights)
    return held / sum(each.numel() for each in weights)


if __name__ == "__main__":
    sft.sft_trainer = trainer
    try:
        main()
    finally:
        for each in made:
            print(f"held {100 * share(each):.0f} % of the weights", flush=True)
