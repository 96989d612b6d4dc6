"""Whether a worker serves what it said when it joined."""

from __future__ import annotations

from rostra.v1 import control_pb2, registry_pb2


def claims_problem(
    said: registry_pb2.Member | None, found: control_pb2.GetModelInfoResponse, version: int
) -> str:
    """In what they differ; empty where they do not. `version` is that of `found`: what was said of
    another is not compared."""
    if said is None or said.load.models_version != version:
        return ""
    claimed = {model.name: model.revision for model in said.models}
    served = {model.name: model.revision for model in found.models}
    for name in sorted(claimed.keys() | served.keys()):
        if claimed.get(name) != served.get(name):
            return f"it joined with {_revision(name, claimed)} and serves {_revision(name, served)}"
    return ""


def _revision(name: str, revisions: dict[str, str]) -> str:
    if name not in revisions:
        return f"no model '{name}'"
    return f"'{name}' of revision {revisions[name] or 'none'}"
