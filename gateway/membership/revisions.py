"""Workers that serve different weights by the same name.

That is right while new weights are rolled out, and a mistake otherwise. Nobody can tell from here
which of them is meant, so all stay in use and all are marked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Protocol

from rostra.v1 import control_pb2


class Serving(Protocol):
    address: str
    models: dict[str, control_pb2.ModelInfo]


def revision_warnings(workers: Iterable[Serving]) -> dict[str, tuple[str, ...]]:
    """By address: what is to be said of each worker whose weights others do not have."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for worker in workers:
        for model in {model.name: model for model in worker.models.values()}.values():
            if model.revision:
                found[model.name][model.revision].append(worker.address)
    warnings: dict[str, list[str]] = defaultdict(list)
    for name, revisions in sorted(found.items()):
        for revision, addresses in revisions.items() if len(revisions) > 1 else ():
            others = ", ".join(
                f"{other} at {' and '.join(sorted(places))}"
                for other, places in sorted(revisions.items())
                if other != revision
            )
            for address in addresses:
                warnings[address].append(f"'{name}' has the revision {revision} here, and {others}")
    return {address: tuple(lines) for address, lines in warnings.items()}
