"""A trained adapter loaded into a running worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rostra.mesh.cli.adapters import ask, caller_tls, line
from rostra.mesh.errors import RostraError

if TYPE_CHECKING:
    from rostra.gateway.tls import CallerTls
    from rostra.training.base import BaseModel
    from rostra.training.settings import RunSettings


@dataclass(frozen=True)
class ServeOptions:
    """What the command line says of serving."""

    serve: str | None
    """host:port of the worker; None: the adapter is not loaded."""
    serve_as: str | None
    tls: bool
    ca: Path | None
    cert: Path | None
    key: Path | None
    server_name: str | None

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> ServeOptions:
        return cls(**{each: options[each] for each in cls.names()})

    @classmethod
    def names(cls) -> tuple[str, ...]:
        return tuple(each.name for each in fields(cls))

    def serving(self, settings: RunSettings, base: BaseModel) -> Serving | None:
        """Raises RostraError as `Serving` does, and for options that do not go together."""
        tls = caller_tls(self.ca, self.cert, self.key, self.server_name, tls=self.tls)
        if self.serve is None:
            if self.serve_as is not None:
                raise RostraError("--serve-as is a name at a worker; name the worker with --serve")
            if tls is not None:
                raise RostraError(
                    "--tls, --ca, --cert, --key and --server-name are for the call of a worker; "
                    "name the worker with --serve"
                )
            return None
        if settings.method == "full":
            raise RostraError(
                "--serve loads an adapter, and method full makes a model: serve that with "
                f"`rostra worker --model {settings.out / 'model'}`"
            )
        name = self.serve_as or settings.out.resolve().name
        return Serving(self.serve, name, base.name, base.revision, tls)


class Serving:
    """Where an adapter will be served. Asked before the training, so that hours of it are not spent
    on an adapter that nobody takes."""

    def __init__(
        self, worker: str, name: str, base: str, revision: str, tls: CallerTls | None = None
    ) -> None:
        """`tls`: None for plain text.

        Raises RostraError where the worker does not answer, serves another base model, or has an
        adapter of that name.
        """
        from rostra.v1 import control_pb2

        self._worker = worker
        self._tls = tls
        self._name = name
        models = ask(
            worker,
            tls,
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
            self._worker, self._tls, lambda stub: stub.LoadAdapter(request, timeout=300)
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
