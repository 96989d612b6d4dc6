"""A trained adapter loaded into a running worker."""

from __future__ import annotations

from pathlib import Path

from rostra.mesh.cli.adapters import ask, line
from rostra.mesh.errors import RostraError


class Serving:
    """Where an adapter will be served. Asked before the training, so that hours of it are not spent
    on an adapter that nobody takes."""

    def __init__(self, worker: str, name: str, base: str, revision: str) -> None:
        """Raises RostraError where the worker does not answer, serves another base model, or has an
        adapter of that name."""
        from rostra.v1 import control_pb2

        self._worker = worker
        self._name = name
        models = ask(
            worker,
            None,
            lambda stub: stub.GetModelInfo(control_pb2.GetModelInfoRequest(), timeout=10),
        ).models
        bases = [each for each in models if not each.HasField("base_model")]
        if not any(revision == each.revision or base == each.name for each in bases):
            served = ", ".join(each.name for each in bases) or "nothing"
            raise RostraError(
                f"worker {worker} serves {served}, and the adapter is for {base}: name a worker "
                "of that model with --serve"
            )
        if any(each.name == name for each in models):
            raise RostraError(f"worker {worker} serves a {name} already: choose --serve-as")
        self.base = next(
            each.name for each in bases if revision == each.revision or base == each.name
        )

    def load(self, folder: Path) -> list[str]:
        """Lines for people. Raises RostraError with what the worker says."""
        from rostra.v1 import control_pb2

        request = control_pb2.LoadAdapterRequest(name=self._name, source=str(folder.resolve()))
        adapter = ask(
            self._worker, None, lambda stub: stub.LoadAdapter(request, timeout=300)
        ).adapter
        return [
            f"Serving {line(adapter)}.",
            "As a contestant of the arena it is, in rostra.toml:",
            "",
            "[[contestant]]",
            f'name = "{self._name}"',
            f'model = "{self.base}"',
            f'adapter = "{self._name}"',
        ]
